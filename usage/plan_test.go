package usage_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

func TestParseMode(t *testing.T) {
	for in, want := range map[string]usage.Stage{
		"on": {}, "Warn": {Mode: usage.Warn}, " off ": {Mode: usage.Off}, "sample 10%": {Mode: usage.Sample, Share: 0.1},
		"SAMPLE  12.5 %": {Mode: usage.Sample, Share: 0.125}, "sample 100%": {Mode: usage.Sample, Share: 1},
	} {
		got, err := usage.ParseMode(in)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
		if again, err := usage.ParseMode(got.String()); err != nil || again != want {
			t.Errorf("%q: again %+v, %v", in, again, err)
		}
	}
	for _, in := range []string{"", "offf", "sample", "sample 0%", "sample 101%", "sample -1%", "sample 10", "sample x%", "sample NaN%", "sample Inf%", "off 10%", "on off"} {
		if got, err := usage.ParseMode(in); err == nil {
			t.Errorf("%q: %+v", in, got)
		}
	}
}

func TestPlan(t *testing.T) {
	p, err := usage.ParsePlan("76=off@2026-03-01, hixie-76=warn,hixie-76=sample 10%@2026-02-01,hybi-08=off,")
	if err != nil {
		t.Fatal(err)
	}
	day := func(m time.Month, d int) time.Time { return time.Date(2026, m, d, 0, 0, 0, 0, time.UTC) }
	for _, x := range []struct {
		v    wire.Version
		at   time.Time
		mode string
		next string
	}{
		{wire.Hixie76, newYear, "warn", "sample 10%"},
		{wire.Hixie76, day(2, 1).Add(-1), "warn", "sample 10%"},
		{wire.Hixie76, day(2, 1), "sample 10%", "off"},
		{wire.Hixie76, day(3, 1), "off", ""},
		{wire.Hixie76, day(9, 1), "off", ""},
		{wire.Hybi08, time.Time{}, "off", ""},
		{wire.RFC6455, newYear, "on", ""},
	} {
		next, ok := p.Next(x.v, x.at)
		if got := p.At(x.v, x.at); got.String() != x.mode || ok != (x.next != "") || ok && next.String() != x.next {
			t.Errorf("%s at %s: %s, next %s (%t)", x.v, x.at, got, next, ok)
		}
	}
	for _, in := range []string{"", ",", "hixie-76", "hixie-99=off", "hixie-76=of", "hixie-76=off@1.1.2027", "hixie-76=off,76=warn"} {
		if p, err := usage.ParsePlan(in); err == nil {
			t.Errorf("%q: %v", in, p)
		}
	}
	for _, p := range []usage.Plan{{wire.Unknown: nil}, {wire.Hybi08: {{Mode: 9}}}, {wire.Hybi08: {{Mode: usage.Sample}}}, {wire.Hybi08: {{Mode: usage.Sample, Share: math.NaN()}}}} {
		if p.Check() == nil {
			t.Errorf("%v passed", p)
		}
	}
	var none usage.Plan
	if none.Check() != nil || none.At(wire.Hixie75, newYear) != (usage.Stage{}) {
		t.Error("no plan is not on")
	}
	if b, err := json.Marshal(p[wire.Hixie76][2]); err != nil || string(b) != `{"mode":"sample","share":0.1,"from":"2026-02-01T00:00:00Z"}` {
		t.Errorf("%s, %v", b, err)
	}
}

// The number of refused handshakes is within four standard deviations of a binomial
// distribution, as it is in all but one of 15,000 runs; the seed is fixed.
func TestRefuses(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	const n = 20_000
	for _, share := range []float64{0.001, 0.05, 0.1, 0.5, 0.9, 1} {
		refused := 0
		for range n {
			if (usage.Stage{Mode: usage.Sample, Share: share}).Refuses(rnd.Float64) {
				refused++
			}
		}
		if off := math.Abs(float64(refused) - n*share); off > 4*math.Sqrt(n*share*(1-share)) {
			t.Errorf("%g: %d of %d refused", share, refused, n)
		}
	}
	never := func() float64 { t.Error("asked for a number"); return 0 }
	for m, want := range map[usage.Mode]bool{usage.On: false, usage.Warn: false, usage.Off: true} {
		if got := (usage.Stage{Mode: m}).Refuses(never); got != want {
			t.Errorf("%s: %t", m, got)
		}
	}
}

func FuzzPlan(f *testing.F) {
	f.Add("hixie-76=off@2027-01-01,hybi-08=sample 10%")
	f.Add("75=warn,75=sample 0.0001%@2026-02-28")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := usage.ParsePlan(s)
		if err != nil {
			return
		}
		for v, stages := range p {
			for _, st := range stages {
				again, err := usage.ParseMode(st.String())
				if share := st.Refused(); err == nil && (again.Mode != st.Mode || math.Abs(again.Share-st.Share) > 1e-6) || share < 0 || share > 1 || err != nil && st.Share > 1e-6 {
					t.Errorf("%s: %+v again is %+v, %v", v, st, again, err)
				}
			}
		}
	})
}
