package wire

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// The codes that may be sent, at the borders of their ranges (RFC 6455 7.4.1, 7.4.2).
func TestOnWire(t *testing.T) {
	for _, r := range [][2]CloseCode{{1000, 1003}, {1007, 1014}, {3000, 4999}} {
		for c, want := range map[CloseCode]bool{r[0] - 1: false, r[0]: true, r[1]: true, r[1] + 1: false} {
			if c.OnWire() != want {
				t.Errorf("%d: %v", c, !want)
			}
		}
	}
}

func TestOpKinds(t *testing.T) {
	for op, want := range map[Op][2]bool{
		OpNone: {}, OpContinuation: {}, OpText: {true, false}, OpBinary: {true, false},
		OpPing: {false, true}, OpPong: {false, true}, OpClose: {false, true}, OpClose + 1: {},
	} {
		if op.IsData() != want[0] || op.IsControl() != want[1] {
			t.Errorf("%v: data %v, control %v", op, op.IsData(), op.IsControl())
		}
	}
}

// Only the two faults of a message that is too long are ErrTooBig.
func TestIsTooBig(t *testing.T) {
	for f, want := range map[Fault]bool{FaultTooBig: true, FaultHixieLength: true, FaultOpcode: false} {
		if got := (&ProtocolError{Fault: f}).Is(ErrTooBig); got != want {
			t.Errorf("%v: %v", f, got)
		}
	}
	if (&ProtocolError{Fault: FaultTooBig}).Is(ErrUnsupported) {
		t.Error("it is another error too")
	}
}

// First gives so many members of all fields of the name, and List gives all.
func TestFirst(t *testing.T) {
	f := Fields{{"A", strings.Repeat("x,", MaxOffers-1)}, {"B", "y"}, {"a", "last, over"}, {"A", "more"}}
	if got := f.First("A", MaxOffers); len(got) != MaxOffers || got[MaxOffers-1] != "last" {
		t.Errorf("%d members, the last one %q", len(got), got[len(got)-1])
	}
	if got := f.List("A"); len(got) != MaxOffers+2 || got[MaxOffers+1] != "more" {
		t.Errorf("%d members, the last one %q", len(got), got[len(got)-1])
	}
}

// Fields of a name that say the same origin are as one, and those that differ are a fault.
func TestFieldsOrigin(t *testing.T) {
	a, b := Field{"Origin", "http://a"}, Field{"origin", "http://b"}
	for _, tt := range []struct {
		f    Fields
		want string
		ok   bool
		bad  bool
	}{
		{Fields{{"Host", "a"}}, "", false, false},
		{Fields{{"Host", "a"}, a}, "http://a", true, false},
		{Fields{a, {"Host", "a"}, a}, "http://a", true, false},
		{Fields{a, b}, "", true, true},
		{Fields{{"Origin", ""}, a}, "", true, true},
	} {
		got, ok, err := tt.f.Origin(RFC6455, "Origin")
		if he, is := errors.AsType[*HandshakeError](err); got != tt.want || ok != tt.ok || (err != nil) != tt.bad || is && he.Reason != ReasonOriginConflict {
			t.Errorf("%v: %q, %v, %v", tt.f, got, ok, err)
		}
	}
}

func TestPath(t *testing.T) {
	for target, want := range map[string]string{
		"/a?b": "/a?b", "*": "*", "http://a": "/", "http://a/": "/", "http://a/b?c": "/b?c", "ws://a?b": "/?b",
		"/x://a/b": "/x://a/b", "://a/b": "://a/b", "1a://b/c": "1a://b/c", "a1+-.://b/c": "/c", "HTTP://a/b": "/b",
		"aA://h/p": "/p", "zZ://h/p": "/p", "a0://h/p": "/p", "a9://h/p": "/p", "a/://h/p": "a/://h/p", "http:///p": "/p", "http://": "/",
	} {
		r := &Request{Target: target}
		if got := r.Path(); got != want {
			t.Errorf("%q: %q, not %q", target, got, want)
		}
	}
}

// The host is that of a target in absolute form, even if it is empty, and else the field's.
func TestHost(t *testing.T) {
	for target, want := range map[string]string{
		"/a": "field", "http://h/a": "h", "ws://h:1?a": "h:1", "http://h": "h", "http:///a": "", "http://": "",
	} {
		r := &Request{Target: target, Fields: Fields{{"Host", "field"}}}
		if got := r.Host(); got != want {
			t.Errorf("%q: %q, not %q", target, got, want)
		}
	}
}

// What each version can say, by its document.
func TestCapabilities(t *testing.T) {
	const framed, masked = "binary,fragments,ping,close-frame", "masking,extensions,protocol-list"
	for v, want := range map[Version]string{
		Unknown: "",
		Hixie75: "location,origin-required",
		Hixie76: "close-frame,location,origin-required",
		Hybi02:  framed + ",location,protocol-list,origin-required",
		Hybi04:  framed + "," + masked + ",origin-required",
		Hybi05:  framed + "," + masked + ",origin-required",
		Hybi06:  framed + "," + masked + ",close-code",
		Hybi07:  framed + "," + masked + ",close-code,unasked-pong,deflate",
		Hybi08:  framed + "," + masked + ",close-code,unasked-pong,deflate",
		RFC6455: framed + "," + masked + ",close-code,unasked-pong,deflate",
	} {
		got := v.Info().Caps.Names()
		names := strings.FieldsFunc(want, func(r rune) bool { return r == ',' })
		slices.Sort(got)
		slices.Sort(names)
		if !slices.Equal(got, names) {
			t.Errorf("%v has %v, not %v", v, got, names)
		}
	}
	if !RFC6455.Supports(CapPing|CapMasking) || Hixie76.Supports(CapCloseFrame|CapPing) || (RFC6455 + 1).Supports(0) {
		t.Error("Supports means not all of them, of a known version")
	}
}

// The value of Sec-WebSocket-Version names one version, or none.
func TestVersionByHeader(t *testing.T) {
	for s, want := range map[string]Version{
		"": Unknown, "4": Hybi04, "5": Hybi05, "6": Hybi06, "7": Hybi07, "8": Hybi08, "13": RFC6455, "9": Unknown, "013": Unknown, " 13": Unknown,
	} {
		if got := VersionByHeader(s); got != want {
			t.Errorf("%q: %v, not %v", s, got, want)
		}
	}
	if got := AllVersions.HeaderValue(); got != "13, 8, 7, 6, 5, 4" {
		t.Errorf("all are %q", got)
	}
}

// A list of versions is read from left to right, within those that are served.
func TestParseVersionSets(t *testing.T) {
	most := AllVersions.Without(Hybi04)
	for s, want := range map[string]Versions{
		"all": most, "modern": ModernVersions, "13,76": VersionsOf(RFC6455, Hixie76), " 13 , ,8,": VersionsOf(RFC6455, Hybi08),
		"-75": most.Without(Hixie75), "-75,-76": most.Without(Hixie75).Without(Hixie76), "modern,-8": ModernVersions.Without(Hybi08),
		"-modern": most &^ ModernVersions, "13,-modern,7": VersionsOf(Hybi07),
		"": 0, ",": 0, "-": 0, "13,-": 0, "-all": 0, "13,-13": 0, "4": 0, "14": 0,
	} {
		if got, err := ParseVersions(s, most); got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %v, %v, not %v", s, got, err, want)
		}
	}
}

// A set of tolerances is read as it is written, alone or among those of one side, and the
// hint of a fault names it.
func TestToleranceSets(t *testing.T) {
	if AllTolerances != ClientFaults()|ServerFaults() || len(ToleranceTable()) != strings.Count(AllTolerances.String(), ",")+1 {
		t.Errorf("all are %v", AllTolerances)
	}
	for _, set := range []Tolerances{0, TolerateUnmasked, TolerateUnmasked | TolerateNoOrigin, ClientFaults(), ServerFaults(), AllTolerances} {
		if got, err := ParseTolerances(set.String(), AllTolerances); err != nil || got != set {
			t.Errorf("%v: %v, %v", set, got, err)
		}
	}
	if got, err := ParseTolerances(" unmasked ,,", TolerateUnmasked); got != TolerateUnmasked || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := ParseTolerances("unmasked", AllTolerances&^TolerateUnmasked); got != 0 || err == nil {
		t.Errorf("%v, %v: it is not among them", got, err)
	}
	for want, got := range map[string]string{
		"": Tolerances(0).hint(""), "send it": Tolerances(0).hint("send it"),
		"tolerate unmasked admits it": TolerateUnmasked.hint(""), "send it; tolerate unmasked admits it": TolerateUnmasked.hint("send it"),
	} {
		if got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
