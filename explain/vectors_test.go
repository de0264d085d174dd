package explain

import (
	"slices"
	"testing"
	"time"

	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/internal/vectest"
	"github.com/draftwire/draftwire/wire"
)

// explainRecorded explains a recorded vector.
func explainRecorded(r *vectest.Recording) (x *Explanation) {
	v := r.Vector
	e := New(Options{Secure: v.Secure || v.Offer != nil && v.Offer.Secure}, func(got *Explanation) { x = got })
	s := e.Open(capture.Conn{Number: 1})
	var at [2]int64
	for _, p := range r.Pieces {
		from := capture.FromServer
		if p.Client {
			from = capture.FromClient
		}
		s.Data(time.Time{}, from, at[from], p.Bytes)
		at[from] += int64(len(p.Bytes))
	}
	s.End(time.Time{}, capture.FromClient, capture.Cut)
	s.End(time.Time{}, capture.FromServer, capture.Cut)
	return x
}

// exacter are causes that say more than that of a reason or a fault.
var exacter = map[string][]string{
	"bad-head":         {"line-ends", "request-line", "field-syntax", "no-host"},
	"upgrade-stripped": {"connection-stripped", "no-connection", "injected-key"},
	"bad-key":          {"any-key"},
	"bad-challenge":    {"uneven-key", "blanks-collapsed"},
	"version-unknown":  {"draft-number"},
	"mixed-families":   {"injected-key"},
	"no-host":          {"loose-host"},
	"version-refused":  {"draft-number", "challenge-kept", "no-origin", "keys-stripped"},
	"body":             {"http-1.0"},
	"reserved-bits":    {"compressed-unasked", "second-request", "text-in-frames", "http-in-frames"},
	"bad-opcode":       {"hixie-frames"},
	"bad-fragments":    {"hixie-frames"},
	"unmasked":         {"empty-unmasked"},

	"accept-mismatch":   {"accept-miscounted"},
	"connection-value":  {"connection-list"},
	"protocol-mismatch": {"protocol-unasked"},
	"extension-invalid": {"extension-unasked"},
}

// TestVectors explains every vector: a session has nothing wrong, and what is wrong with the others
// is named as the vector names it, or more exactly, where the explanation is certain.
func TestVectors(t *testing.T) {
	count := map[string]int{}
	for _, r := range vectest.Recordings(t) {
		v, x := r.Vector, explainRecorded(&r)
		if v.ConnectionKey != nil && v.Kind != "session" {
			continue // its masks are not those of the handshake in front of it
		}
		checkExplanation(t, x)
		count[v.Kind+" "+v.Result+" "+string(x.Result)+" "+x.Sure.String()]++
		certain := x.Result == Fails && x.Sure == Certain
		switch {
		case v.Kind == "session" && x.Result != Works:
			t.Errorf("%s: %s %s", v.ID, x.Cause, x.Says)
		case v.Result == "valid" && certain && len(v.Tolerate) == 0:
			t.Errorf("%s is valid, and %s is certain: %s", v.ID, x.Cause, x.Says)
		case v.Result != "invalid" || !certain:
			continue
		}
		want := ofReason[wire.Reason(v.Reason)]
		switch v.Kind {
		case "frames":
			want = ofFault[wire.Fault(v.Error)]
		case "response":
			if x.Cause == "rule-broken" {
				t.Logf("%s: %s, %s", v.ID, x.Cause, x.Rule)
			}
			continue
		}
		if x.Cause != want && !slices.Contains(exacter[want], x.Cause) {
			t.Errorf("%s (%s): %s is certain, %s; want %s", v.ID, v.Comment, x.Cause, x.Says, want)
		}
	}
	t.Log(count)
}
