package deflate

import (
	"strconv"
	"strings"

	"github.com/draftwire/draftwire/wire"
)

// Params are what two sides agreed on.
type Params struct {
	Name         string // permessage-deflate, deflate-frame or x-webkit-deflate-frame; "" for nothing
	PerFrame     bool   // the unit is a frame, not a message
	ServerNoTake bool   // the server compresses each unit for itself
	ClientNoTake bool   // so does the client
	ServerWindow int    // bits of the server's window, 8 to 15; 0 for 15
	ClientWindow int    // of the client's
}

// The names.
const (
	PerMessage   = "permessage-deflate"
	DeflateFrame = "deflate-frame"
	WebkitFrame  = "x-webkit-deflate-frame"
)

// element is one extension of a Sec-WebSocket-Extensions list: its name and
// parameters.
type element struct {
	name   string
	params []wire.Field
}

// parse reads one element: name *( ";" name [ "=" value ] ), a value being a
// token or, since draft 14, a quoted string (RFC 6455 9.1). ok is false where it
// is malformed or repeats a parameter.
func parse(s string) (e element, ok bool) {
	name, rest, more := strings.Cut(s, ";")
	if e.name = strings.TrimSpace(name); e.name == "" {
		return e, false
	}
	for more {
		var p string
		p, rest, more = strings.Cut(rest, ";")
		k, v, _ := strings.Cut(p, "=")
		f := wire.Field{Name: strings.TrimSpace(k), Value: strings.TrimSpace(v)}
		if len(f.Value) >= 2 && f.Value[0] == '"' && f.Value[len(f.Value)-1] == '"' {
			f.Value = strings.ReplaceAll(f.Value[1:len(f.Value)-1], `\`, "")
		}
		hasValue := strings.Contains(p, "=")
		if f.Name == "" || wire.Fields(e.params).Has(f.Name) || hasValue && f.Value == "" {
			return e, false
		}
		e.params = append(e.params, f)
	}
	return e, true
}

// window reads a number of bits: 8 to 15, no sign, no leading zero.
func window(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 8 && n <= 15 && len(s) == len(strconv.Itoa(n))
}

// Answer chooses from what a client offers (one string an element, as they
// came) and returns the value of the answer's field, "" to decline. takeover is
// whether this server wants to keep its window. permessage-deflate goes before
// the older kind wherever it stands; an offer that is malformed or wants what we
// do not know is passed over (RFC 7692 7.1, 5.1).
func Answer(offers []string, takeover bool) (Params, string) {
	for _, perFrame := range []bool{false, true} {
		for _, o := range offers {
			e, ok := parse(o)
			if !ok || perFrame == (e.name == PerMessage) {
				continue
			}
			if p, answer, ok := answer(e, takeover); ok {
				return p, answer
			}
		}
	}
	return Params{}, ""
}

func answer(e element, takeover bool) (p Params, answer string, ok bool) {
	p.Name = e.name
	switch e.name {
	case PerMessage:
		return answerMessage(e, takeover)
	case DeflateFrame, WebkitFrame:
		p.PerFrame = true
		p.ServerNoTake = !takeover
		// Parameters of the request bind the server's compressor.
		for _, f := range e.params {
			switch f.Name {
			case "no_context_takeover":
				p.ServerNoTake = true
				ok = f.Value == ""
			case "max_window_bits":
				p.ServerWindow, ok = window(f.Value)
			default:
				ok = false
			}
			if !ok {
				return p, "", false
			}
		}
		// The client's window is 32 KiB of ours, if it keeps it.
		if !takeover {
			p.ClientNoTake = true
			return p, e.name + "; no_context_takeover", true
		}
		return p, e.name, true
	}
	return p, "", false
}

// answerMessage: RFC 7692 7.1.
func answerMessage(e element, takeover bool) (p Params, answer string, ok bool) {
	p = Params{Name: PerMessage, ServerNoTake: !takeover, ClientNoTake: !takeover}
	for _, f := range e.params {
		ok = true
		switch f.Name {
		case "server_no_context_takeover":
			p.ServerNoTake = true
			ok = f.Value == ""
		case "client_no_context_takeover":
			p.ClientNoTake = true
			ok = f.Value == ""
		case "server_max_window_bits":
			p.ServerWindow, ok = window(f.Value)
		case "client_max_window_bits": // a hint; we take any
			if f.Value != "" {
				_, ok = window(f.Value)
			}
		default:
			ok = false
		}
		if !ok {
			return p, "", false
		}
	}
	// Whole strings, so that all connections share them.
	switch {
	case p.ServerNoTake && p.ClientNoTake:
		answer = PerMessage + "; server_no_context_takeover; client_no_context_takeover"
	case p.ServerNoTake:
		answer = PerMessage + "; server_no_context_takeover"
	case p.ClientNoTake:
		answer = PerMessage + "; client_no_context_takeover"
	default:
		answer = PerMessage
	}
	if p.ServerWindow > 0 {
		answer += "; server_max_window_bits=" + strconv.Itoa(p.ServerWindow)
	}
	return p, answer, true
}

// Offer is what a client of ours offers.
func Offer(takeover bool) string {
	if takeover {
		return PerMessage + "; client_max_window_bits"
	}
	return PerMessage + "; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"
}

// Accepted reads a server's answer to Offer. ok is false where it is malformed
// or not an answer to it (RFC 7692 7.1).
func Accepted(answers []string, takeover bool) (p Params, ok bool) {
	if len(answers) == 0 {
		return p, true
	}
	if len(answers) > 1 {
		return p, false
	}
	e, ok := parse(answers[0])
	if !ok || e.name != PerMessage {
		return p, false
	}
	p = Params{Name: PerMessage, ClientNoTake: !takeover}
	for _, f := range e.params {
		switch f.Name {
		case "server_no_context_takeover":
			p.ServerNoTake, ok = true, f.Value == ""
		case "client_no_context_takeover":
			p.ClientNoTake, ok = true, f.Value == ""
		case "server_max_window_bits": // it may bind itself unasked
			p.ServerWindow, ok = window(f.Value)
		case "client_max_window_bits":
			p.ClientWindow, ok = window(f.Value)
		default:
			ok = false
		}
		if !ok {
			return p, false
		}
	}
	// Asked for no takeover, a server has to say so (RFC 7692 7.1.1.1).
	return p, takeover || p.ServerNoTake
}

// Compressor returns the compressor of one side.
func (p *Params) Compressor(role wire.Role) Compressor {
	noTake, bits := p.ServerNoTake, p.ServerWindow
	if role == wire.Client {
		noTake, bits = p.ClientNoTake, p.ClientWindow
	}
	c := Compressor{Takeover: !noTake}
	if bits > 0 && bits < 15 {
		c.Window = 1 << bits
	}
	return c
}

// Expander returns the expander of one side.
func (p *Params) Expander(role wire.Role) Expander {
	if role == wire.Server {
		return Expander{Takeover: !p.ClientNoTake}
	}
	return Expander{Takeover: !p.ServerNoTake}
}
