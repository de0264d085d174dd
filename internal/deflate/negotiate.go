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

// element is one extension of a Sec-WebSocket-Extensions list, whose parameters are
// gone through one by one: name *( ";" name [ "=" value ] ), a value being a token or,
// since draft 14, a quoted string (RFC 6455 9.1).
type element struct {
	name      string
	param     wire.Field // the one in hand
	rest      string     // what is behind it
	more      bool       // there is such
	malformed bool
}

// begin takes the name off s.
func (e *element) begin(s string) bool {
	*e = element{}
	e.name, e.rest, e.more = strings.Cut(s, ";")
	e.name = strings.Trim(e.name, " \t")
	return e.name != ""
}

// next goes on to the next parameter. It reports whether there is one.
func (e *element) next() bool {
	if !e.more {
		return false
	}
	var p string
	p, e.rest, e.more = strings.Cut(e.rest, ";")
	k, v, hasValue := strings.Cut(p, "=")
	k, v = strings.Trim(k, " \t"), strings.Trim(v, " \t")
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		v = unescaped(v[1 : len(v)-1])
	}
	e.param.Name, e.param.Value = k, v
	e.malformed = k == "" || hasValue && v == ""
	return !e.malformed
}

// unescaped returns the content of a quoted string.
//
//go:noinline
func unescaped(s string) string { return strings.ReplaceAll(s, `\`, "") } // apart, as stacks are short

// window reads a number of bits: 8 to 15, no sign, no leading zero.
func window(s string) (int, bool) {
	switch {
	case len(s) == 1 && s[0] >= '8' && s[0] <= '9':
		return int(s[0] - '0'), true
	case len(s) == 2 && s[0] == '1' && s[1] >= '0' && s[1] <= '5':
		return 10 + int(s[1]-'0'), true
	}
	return 0, false
}

// Answer chooses from what a client offers (one string an element, as they
// came) and returns the value of the answer's field, "" to decline. takeover is
// whether this server wants to keep its window. permessage-deflate goes before
// the older kind wherever it stands; an offer that is malformed, repeats a parameter
// or wants what we do not know is passed over (RFC 7692 7.1, 5.1).
func (p *Params) Answer(offers []string, takeover bool) string {
	var e element
	for _, perFrame := range [...]bool{false, true} {
		for _, o := range offers {
			if !e.begin(o) || perFrame == (e.name == PerMessage) {
				continue
			}
			*p = Params{Name: e.name, PerFrame: perFrame, ServerNoTake: !takeover, ClientNoTake: !takeover}
			switch {
			case !perFrame && p.takeMessage(&e):
				return p.answerMessage()
			case (e.name == DeflateFrame || e.name == WebkitFrame) && p.takeFrame(&e):
				return p.answerFrame()
			}
		}
	}
	*p = Params{}
	return ""
}

// takeFrame takes an offer of the older kind. Its parameters bind the server's
// compressor.
func (p *Params) takeFrame(e *element) bool {
	noTake := false
	for e.next() {
		ok := e.param.Name == "no_context_takeover" && e.param.Value == "" && !noTake
		if ok {
			noTake, p.ServerNoTake = true, true
		} else if ok = e.param.Name == "max_window_bits" && p.ServerWindow == 0; ok {
			p.ServerWindow, ok = window(e.param.Value)
		}
		if !ok {
			return false
		}
	}
	return !e.malformed
}

// answerFrame: the client's window is 32 KiB of ours, if it keeps it.
func (p *Params) answerFrame() string {
	switch {
	case !p.ClientNoTake:
		return p.Name
	case p.Name == WebkitFrame:
		return WebkitFrame + "; no_context_takeover"
	}
	return DeflateFrame + "; no_context_takeover"
}

// takeMessage takes an offer (RFC 7692 7.1).
func (p *Params) takeMessage(e *element) bool {
	var server, client, hint bool // were there
	for e.next() {
		value, ok := e.param.Value, false
		switch e.param.Name {
		case "server_no_context_takeover":
			ok = value == "" && !server
			server, p.ServerNoTake = true, true
		case "client_no_context_takeover":
			ok = value == "" && !client
			client, p.ClientNoTake = true, true
		case "server_max_window_bits":
			if p.ServerWindow == 0 {
				p.ServerWindow, ok = window(value)
			}
		case "client_max_window_bits": // a hint; we take any
			if ok = value == ""; !ok {
				_, ok = window(value)
			}
			ok = ok && !hint
			hint = true
		}
		if !ok {
			return false
		}
	}
	return !e.malformed
}

// answerMessage answers in whole strings, which all connections share.
func (p *Params) answerMessage() (answer string) {
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
	return answer
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
	var e element
	if !e.begin(answers[0]) || e.name != PerMessage {
		return p, false
	}
	p = Params{Name: PerMessage, ClientNoTake: !takeover}
	var client bool // client_no_context_takeover was there
	for e.next() {
		value, ok := e.param.Value, false
		switch e.param.Name {
		case "server_no_context_takeover":
			ok = value == "" && !p.ServerNoTake
			p.ServerNoTake = true
		case "client_no_context_takeover":
			ok = value == "" && !client
			client, p.ClientNoTake = true, true
		case "server_max_window_bits": // it may bind itself unasked
			if p.ServerWindow == 0 {
				p.ServerWindow, ok = window(value)
			}
		case "client_max_window_bits":
			if p.ClientWindow == 0 {
				p.ClientWindow, ok = window(value)
			}
		}
		if !ok {
			return p, false
		}
	}
	if e.malformed {
		return p, false
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
