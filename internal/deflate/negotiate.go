package deflate

import (
	"strconv"
	"strings"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/wire"
)

// Params is the compression that two sides agreed on.
type Params struct {
	Name         string // permessage-deflate, deflate-frame or x-webkit-deflate-frame; "" for nothing
	PerFrame     bool   // the unit is a frame, not a message
	ServerNoTake bool   // the server keeps no window between units
	ClientNoTake bool   // the client keeps none
	ServerWindow int    // bits of the server's window, 8 to 15; 0 for 15
	ClientWindow int    // of the client's
}

// The names.
const (
	PerMessage   = "permessage-deflate"
	DeflateFrame = "deflate-frame"
	WebkitFrame  = "x-webkit-deflate-frame"
)

// element parses one extension of a Sec-WebSocket-Extensions list, a parameter at a time:
// name *( ";" name [ "=" value ] ), where a value is a token or, since draft 14, a quoted
// string (RFC 6455 9.1).
type element struct {
	name      string
	param     wire.Field // the parameter that next has parsed
	rest      string     // what follows it
	hasRest   bool       // there is a rest, perhaps an empty one
	malformed bool
}

// begin parses the name of the extension s.
func (e *element) begin(s string) bool {
	*e = element{}
	e.name, e.rest, e.hasRest = strings.Cut(s, ";")
	e.name = ascii.Trim(e.name)
	return e.name != ""
}

// next parses the next parameter, and reports whether there is one.
func (e *element) next() bool {
	if !e.hasRest {
		return false
	}
	var p string
	p, e.rest, e.hasRest = strings.Cut(e.rest, ";")
	k, v, hasValue := strings.Cut(p, "=")
	k, v = ascii.Trim(k), ascii.Trim(v)
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		v = unescaped(v[1 : len(v)-1])
	}
	e.param.Name, e.param.Value = k, v
	e.malformed = k == "" || hasValue && v == ""
	return !e.malformed
}

// unescaped returns the content of a quoted string.
//
// noinline: keeps a cold frame off the 2 KiB stack (ARCHITECTURE.md, "Stacks")
//
//go:noinline
func unescaped(s string) string { return strings.ReplaceAll(s, `\`, "") }

// window parses the bits of a window: 8 to 15, without sign or leading zero.
func window(s string) (int, bool) {
	switch {
	case len(s) == 1 && s[0] >= '8' && s[0] <= '9':
		return int(s[0] - '0'), true
	case len(s) == 2 && s[0] == '1' && s[1] >= '0' && s[1] <= '5':
		return 10 + int(s[1]-'0'), true
	}
	return 0, false
}

// Answer chooses one of a client's offers, in the order in which it sent them, and returns
// the value of the answer's field, "" to decline. takeover says whether this server wants to
// keep its window. permessage-deflate is preferred to the older kind at any place. An offer
// that is malformed, repeats a parameter or has an unknown one is ignored (RFC 7692 7.1,
// 5.1).
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

// takeFrame parses an offer of the older kind, whose parameters are for the server's
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

// answerFrame returns the answer to it. A window that the client keeps costs us 32 KiB, so
// the answer may ask it to keep none.
func (p *Params) answerFrame() string {
	switch {
	case !p.ClientNoTake:
		return p.Name
	case p.Name == WebkitFrame:
		return WebkitFrame + "; no_context_takeover"
	}
	return DeflateFrame + "; no_context_takeover"
}

// takeMessage parses an offer of permessage-deflate (RFC 7692 7.1).
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
		case "client_max_window_bits": // a hint, and we accept any window
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

// answerMessage returns the answer to it: constant strings, which need no memory.
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

// Offer returns what our client offers. To do without a window is a wish that not every
// server knows, so a second choice without it follows (RFC 7692 7.1.3).
func Offer(takeover bool) string {
	const keeping = PerMessage + "; client_max_window_bits"
	if takeover {
		return keeping
	}
	return PerMessage + "; server_no_context_takeover; client_no_context_takeover; client_max_window_bits, " + keeping
}

// Accepted parses a server's answer to Offer. ok is false if it is malformed or is no answer
// to it (RFC 7692 7.1). A server that keeps its window makes this side keep one too.
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
	return p, !e.malformed
}

// AcceptedOf parses a server's answer to the offers of another client, which may be of
// deflate-frame or x-webkit-deflate-frame too. ok is false if it is malformed, or if no offer has
// its name. What an offer of the older kind says is for the server's compressor, and what the
// answer says for the client's.
func AcceptedOf(offers, answers []string) (p Params, ok bool) {
	if len(answers) == 0 {
		return p, true
	}
	var e element
	if len(answers) > 1 || !e.begin(answers[0]) {
		return p, false
	}
	name := e.name
	var offered Params
	found := false
	for _, o := range offers {
		offered = Params{}
		if found = e.begin(o) && e.name == name && (name == PerMessage || offered.takeFrame(&e)); found {
			break
		}
	}
	switch {
	case !found:
		return p, false
	case name == PerMessage:
		return Accepted(answers, true)
	case name != DeflateFrame && name != WebkitFrame:
		return p, false
	}
	var answered Params
	e.begin(answers[0])
	if !answered.takeFrame(&e) {
		return p, false
	}
	return Params{
		Name: name, PerFrame: true, ServerNoTake: offered.ServerNoTake, ServerWindow: offered.ServerWindow,
		ClientNoTake: answered.ServerNoTake, ClientWindow: answered.ServerWindow,
	}, true
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
