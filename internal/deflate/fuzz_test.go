package deflate

import (
	"maps"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/internal/seed"
	"github.com/draftwire/draftwire/wire"
)

// parameter is a parameter of an extension, as the documents have it.
var parameter = regexp.MustCompile(`(?s)^([^=]+?)(?:[ \t]*=[ \t]*(?:"(.+)"|(.+?)))?$`)

// parsed reads an extension in a slow way. ok is false where it is malformed.
func parsed(s string) (name string, params map[string]string, ok bool) {
	parts := strings.Split(s, ";")
	params = map[string]string{}
	for _, p := range parts[1:] {
		m := parameter.FindStringSubmatch(strings.Trim(p, " \t"))
		if m == nil {
			return "", nil, false
		}
		k, v := m[1], m[3]
		if m[2] != "" {
			v = strings.ReplaceAll(m[2], `\`, "")
		}
		if _, twice := params[k]; twice || strings.Contains(p, "=") && v == "" {
			return "", nil, false
		}
		params[k] = v
	}
	return strings.Trim(parts[0], " \t"), params, true
}

// aWindow is a number of bits of a window.
var aWindow = regexp.MustCompile(`^([89]|1[0-5])$`)

// conforms reports whether parameters are what a document allows: of each name whether it
// has no value, a window, or either.
func conforms(params map[string]string, allowed map[string]string) bool {
	for k, v := range params {
		switch kind := allowed[k]; {
		case kind == "flag" && v == "", kind == "window" && aWindow.MatchString(v), kind == "either" && (v == "" || aWindow.MatchString(v)):
		default:
			return false
		}
	}
	return true
}

var (
	offerMessage  = map[string]string{"server_no_context_takeover": "flag", "client_no_context_takeover": "flag", "server_max_window_bits": "window", "client_max_window_bits": "either"}
	answerMessage = map[string]string{"server_no_context_takeover": "flag", "client_no_context_takeover": "flag", "server_max_window_bits": "window", "client_max_window_bits": "window"}
	offerFrame    = map[string]string{"no_context_takeover": "flag", "max_window_bits": "window"}
)

func has(params map[string]string, k string) bool { _, ok := params[k]; return ok }

func windowOf(params map[string]string, k string) int { n, _ := strconv.Atoi(params[k]); return n }

// chosen is what a server has to take of offers: the best one, as a slow reader finds it.
func chosen(offers []string, takeover bool) (want Params) {
	for _, perFrame := range []bool{false, true} {
		for _, o := range offers {
			name, params, ok := parsed(o)
			switch {
			case !ok:
			case !perFrame && name == PerMessage && conforms(params, offerMessage):
				return Params{Name: name, ServerNoTake: !takeover || has(params, "server_no_context_takeover"),
					ClientNoTake: !takeover || has(params, "client_no_context_takeover"), ServerWindow: windowOf(params, "server_max_window_bits")}
			case perFrame && (name == DeflateFrame || name == WebkitFrame) && conforms(params, offerFrame):
				return Params{Name: name, PerFrame: true, ServerNoTake: !takeover || has(params, "no_context_takeover"),
					ClientNoTake: !takeover, ServerWindow: windowOf(params, "max_window_bits")}
			}
		}
	}
	return Params{}
}

// FuzzAnswer fuzzes a server's choice among offers: it is that of a slow reader of the
// documents, and what is answered says what was chosen.
func FuzzAnswer(f *testing.F) {
	for _, x := range seed.Extensions(f) {
		seed.Add(f, x.Offered, x.Takeover)
		seed.Add(f, x.Answer, !x.Takeover)
	}
	f.Fuzz(func(t *testing.T, value string, takeover bool) {
		offers := wire.Fields{{Name: "E", Value: value}}.List("E")
		var p Params
		answer := p.Answer(offers, takeover)
		if want := chosen(offers, takeover); p != want || (answer == "") != (p.Name == "") {
			t.Fatalf("%q is answered with %q, %+v; want %+v", value, answer, p, want)
		}
		if answer == "" {
			return
		}
		name, params, ok := parsed(answer)
		want := map[string]string{}
		for k, set := range map[string]bool{
			"server_no_context_takeover": !p.PerFrame && p.ServerNoTake, "client_no_context_takeover": !p.PerFrame && p.ClientNoTake,
			"no_context_takeover": p.PerFrame && p.ClientNoTake,
		} {
			if set {
				want[k] = ""
			}
		}
		if !p.PerFrame && p.ServerWindow > 0 {
			want["server_max_window_bits"] = strconv.Itoa(p.ServerWindow)
		}
		if !ok || name != p.Name || !maps.Equal(params, want) {
			t.Fatalf("%+v is said as %q", p, answer)
		}
		for _, role := range []wire.Role{wire.Server, wire.Client} {
			c, e := p.Compressor(role), p.Expander(wire.Client-role)
			if c.Takeover != e.Takeover || c.Window < 0 || c.Window >= MaxWindow {
				t.Fatalf("%+v: the %v packs with %+v, for %+v", p, role, c, e)
			}
		}
		// A client that has sent these offers reads what binds it, and as much of the server as it has asked for.
		again, ok := AcceptedOf(offers, []string{answer})
		if !ok || again.Name != p.Name || again.PerFrame != p.PerFrame || again.ClientNoTake != p.ClientNoTake || again.ServerNoTake && !p.ServerNoTake {
			t.Fatalf("the client of %q reads %q as %+v, %v; the server means %+v", offers, answer, again, ok, p)
		}
		if again, ok := Accepted([]string{answer}, takeover); !p.PerFrame && (!ok || again != p) {
			t.Fatalf("our client reads %q as %+v, %v; want %+v", answer, again, ok, p)
		}
	})
}

// FuzzAccepted fuzzes a client's judgement of an answer: that of a slow reader.
func FuzzAccepted(f *testing.F) {
	for _, x := range seed.Extensions(f) {
		seed.Add(f, x.Answer, !strings.Contains(x.Offered, "no_context_takeover"))
		seed.Add(f, x.Offered, x.Takeover)
	}
	f.Fuzz(func(t *testing.T, value string, takeover bool) {
		answers := wire.Fields{{Name: "E", Value: value}}.List("E")
		if p, ok := AcceptedOf(nil, answers); ok != (len(answers) == 0) || p != (Params{}) {
			t.Fatalf("%q, which nobody has offered, is taken as %+v, %v", value, p, ok)
		}
		if p, ok := AcceptedOf(answers, answers); ok && p.Name == "" && len(answers) > 0 {
			t.Fatalf("%q is taken as %+v", value, p)
		}
		p, ok := Accepted(answers, takeover)
		if len(answers) != 1 {
			if ok != (len(answers) == 0) || p.Name != "" {
				t.Fatalf("%q is taken as %+v, %v", value, p, ok)
			}
			return
		}
		name, params, want := parsed(answers[0])
		want = want && name == PerMessage && conforms(params, answerMessage)
		if ok != want {
			t.Fatalf("%q is taken: %v", value, ok)
		}
		if ok && p != (Params{Name: name, ServerNoTake: has(params, "server_no_context_takeover"), ClientNoTake: !takeover || has(params, "client_no_context_takeover"),
			ServerWindow: windowOf(params, "server_max_window_bits"), ClientWindow: windowOf(params, "client_max_window_bits")}) {
			t.Fatalf("%q is taken as %+v", value, p)
		}
		if offer := Offer(takeover); takeover == strings.Contains(offer, "no_context") {
			t.Fatalf("with takeover %v the offer is %q", takeover, offer)
		}
	})
}
