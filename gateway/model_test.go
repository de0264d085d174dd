package gateway_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"pgregory.net/rapid"
)

var sides = [2]string{"client", "backend"}

// plan is what happens on one connection through the gateway.
type plan struct {
	versions [2]draftwire.Version // of client and backend
	policy   gateway.Policy
	steps    [2][]step // what each side sends, both at once
	end      ending
	limit    gateway.Size // of a message, if not 0
}

// ending is how a plan ends, by one side.
type ending struct {
	by      int
	how     string // close, cut, reject, garble; on a real socket also reset
	half    bool   // inside a message
	closes  bool   // how is close
	settled bool   // only when everything has arrived
	code    draftwire.CloseCode
	reason  string
	last    step // the message that is begun, rejected or garbled

	// answers: the other side says all that it has to say, and then answers a close with
	// its own. Otherwise its library answers at once.
	answers      bool
	answer       draftwire.CloseCode
	answerReason string

	both bool // answers, and the other side does not wait for the close: both close at once
}

// own reports whether the side that ends knows the reason: it learns nothing new.
func (e ending) own() bool { return e.how == "close" || e.how == "cut" || e.how == "reset" }

func (p *plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s to %s\npolicy %+v\n", p.versions[0], p.versions[1], p.policy)
	for side, name := range sides {
		for _, s := range p.steps[side] {
			fmt.Fprintf(&b, "%s: %v\n", name, s)
		}
	}
	fmt.Fprintf(&b, "end %+v", p.end)
	return b.String()
}

func (p *plan) direction(from int, zipped bool) direction {
	return direction{from: p.versions[from], to: p.versions[1-from], policy: &p.policy, zipped: zipped}
}

var (
	closeCodes = []draftwire.CloseCode{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999, draftwire.CodeNoStatus}
	reasons    = []string{"", "bye", "grüße €", strings.Repeat("r", 123), strings.Repeat("é", 61)}
	sizes      = []int{0, 1, 2, 3, 125, 126, 127, 1000, 4096, 65535, 65536, 200 << 10}
)

// compress makes the policy compress messages to the client, the backend, both or none.
func compress(p *gateway.Policy, to string) {
	if to == "client" || to == "both" {
		p.Compression = "large"
	}
	if to == "backend" || to == "both" {
		p.CompressionBackend = "large"
	}
}

func drawPlan(t *rapid.T, front, back draftwire.Version) *plan {
	p := &plan{versions: [2]draftwire.Version{front, back}}
	pick := func(name string, from ...string) string { return rapid.SampledFrom(from).Draw(t, name) }
	p.policy = gateway.Policy{
		Binary:           pick("binary", "reject", "base64", "hex", "latin1", "drop"),
		Fragments:        pick("fragments", "stream", "gather"),
		CloseWithoutCode: pick("close", "normal", "none"),
	}
	compress(&p.policy, pick("compression", "off", "client", "backend", "both"))
	p.policy.BinaryBack = encodes(p.policy.Binary) && rapid.Bool().Draw(t, "back")
	for side := range sides {
		for range rapid.IntRange(0, 4).Draw(t, "messages") {
			p.steps[side] = append(p.steps[side], p.drawStep(t, side))
		}
	}
	p.drawEnd(t)
	return p
}

// drawStep draws a message that may cross.
func (p *plan) drawStep(t *rapid.T, side int) step {
	from, to := p.versions[side], p.versions[1-side]
	s := step{op: draftwire.OpText, seed: rapid.Uint64Range(0, 1<<20).Draw(t, "seed")}
	s.size = rapid.OneOf(rapid.SampledFrom(sizes), rapid.IntRange(0, 3000)).Draw(t, "size")
	s.pieces = rapid.IntRange(0, 5).Draw(t, "pieces")
	s.ping = !isHixie(from) && rapid.Bool().Draw(t, "ping")
	s.kind = rapid.SampledFrom([]string{"ascii", "wide"}).Draw(t, "kind")
	switch {
	case isHixie(from):
		if p.policy.BinaryBack && !isHixie(to) {
			s.kind = "encoded"
		}
	case isHixie(to) && p.policy.Binary == "reject":
	case rapid.Bool().Draw(t, "is binary"):
		s.op, s.kind = draftwire.OpBinary, "bytes"
	}
	return s
}

func (p *plan) drawEnd(t *rapid.T) {
	e := &p.end
	e.by = rapid.IntRange(0, 1).Draw(t, "by")
	from, to := p.versions[e.by], p.versions[1-e.by]
	hows := []string{"close", "close", "cut"}
	if !isHixie(from) && isHixie(to) && p.policy.Binary == "reject" {
		hows = append(hows, "reject")
	}
	if isHixie(from) && !isHixie(to) && p.policy.BinaryBack {
		hows = append(hows, "garble")
	}
	e.how = rapid.SampledFrom(hows).Draw(t, "how")
	e.closes = e.how == "close"
	e.settled = e.how == "cut" || rapid.Bool().Draw(t, "settled")
	e.code = rapid.SampledFrom(closeCodes).Draw(t, "code")
	e.reason = rapid.SampledFrom(reasons).Draw(t, "reason")
	e.answers = rapid.Bool().Draw(t, "answers")
	e.answer = rapid.SampledFrom(closeCodes).Draw(t, "answer")
	e.answerReason = rapid.SampledFrom(reasons).Draw(t, "answer reason")
	e.last = p.drawStep(t, e.by)
	e.half = e.own() && rapid.Bool().Draw(t, "half")
	e.last.size = max(e.last.size, 8)
	e.answers = e.answers && e.closes && !e.half
	for i := range p.steps[1-e.by] { // behind a close nobody answers a ping
		s := &p.steps[1-e.by][i]
		s.ping = s.ping && (e.settled || !e.answers)
	}
}

// models is how many plans TestModel draws for each pair: under the race detector, where each
// takes ten times as long, fewer.
func models() int {
	if raced {
		return 6
	}
	return 30
}

// TestModel sends random traffic through the gateway, between every two versions and in both
// directions at once, and compares what arrives with what the oracle says. Each pair has its
// own seed, so that its plans are the same in every run; -rapid.checks and -rapid.seed choose
// others. A failure names its seed:
//
//	go test ./gateway -run 'TestModel/hixie-76_to_rfc6455' -rapid.seed=N
func TestModel(t *testing.T) {
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	set := func(name, value string) {
		f := flag.Lookup(name)
		old := f.Value.String()
		if !given[name] {
			flag.Set(name, value)
			t.Cleanup(func() { flag.Set(name, old) })
		}
	}
	set("rapid.checks", fmt.Sprint(models()))
	set("rapid.nofailfile", "true")
	for i, front := range draftwire.ServedVersions().List() {
		for j, back := range draftwire.ServedVersions().List() {
			t.Run(front.String()+" to "+back.String(), func(t *testing.T) {
				set("rapid.seed", fmt.Sprint(100*i+j+1))
				rapid.Check(t, func(rt *rapid.T) {
					p := drawPlan(rt, front, back)
					var wrong string
					bubble(t, func(t *testing.T) { wrong = p.play(t) })
					if wrong != "" {
						rt.Fatalf("%s\n%v", wrong, p)
					}
				})
			})
		}
	}
}
