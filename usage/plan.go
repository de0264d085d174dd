package usage

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/draftwire/draftwire/wire"
)

// Mode is what is done with handshakes in a version.
type Mode uint8

// The modes.
const (
	On     Mode = iota // accept
	Warn               // accept, and log it
	Sample             // refuse a share: a brown-out, to find the owners of clients before the end
	Off                // refuse
)

var modeNames = [...]string{"on", "warn", "sample", "off"}

// String returns the mode's name.
func (m Mode) String() string {
	if int(m) >= len(modeNames) {
		return "unknown"
	}
	return modeNames[m]
}

// MarshalText writes the mode's name.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Stage is a mode that holds from a time until the next stage.
type Stage struct {
	From  time.Time // zero: always
	Mode  Mode
	Share float64 // of handshakes that Sample refuses: above 0, at most 1
}

// ParseMode reads "on", "warn", "sample 10%" or "off" into a stage without a time. Case does
// not matter, and the percentage may have decimals.
func ParseMode(s string) (Stage, error) {
	word, rest, _ := strings.Cut(strings.ToLower(strings.TrimSpace(s)), " ")
	i := slices.Index(modeNames[:], word)
	rest = strings.TrimSpace(rest)
	if i < 0 || (rest != "") != (Mode(i) == Sample) {
		return Stage{}, fmt.Errorf("usage: %q is not a mode; the modes are on, warn, sample 10%% and off", s)
	}
	st := Stage{Mode: Mode(i)}
	if st.Mode == Sample {
		number, ok := strings.CutSuffix(rest, "%")
		percent, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		st.Share = percent / 100
		if !ok || err != nil || !validShare(st.Share) {
			return Stage{}, fmt.Errorf("usage: %q is not a share above 0%% and up to 100%%", rest)
		}
	}
	return st, nil
}

func validShare(x float64) bool { return x > 0 && x <= 1 }

// String writes the mode as ParseMode reads it.
func (s Stage) String() string {
	if s.Mode == Sample {
		return "sample " + strconv.FormatFloat(math.Round(s.Share*1e6)/1e4, 'f', -1, 64) + "%"
	}
	return s.Mode.String()
}

// MarshalJSON writes {"mode":"sample","share":0.1,"from":"2027-01-01T00:00:00Z"}.
func (s Stage) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Mode  Mode      `json:"mode"`
		Share float64   `json:"share,omitzero"`
		From  time.Time `json:"from,omitzero"`
	}{s.Mode, s.Refused(), s.From})
}

// Refused returns the share of handshakes that the stage refuses, from 0 to 1.
func (s Stage) Refused() float64 {
	switch s.Mode {
	case Off:
		return 1
	case Sample:
		return s.Share
	}
	return 0
}

// Refuses reports whether to refuse a handshake. In mode Sample, and only then, it calls rnd,
// which returns a number from 0 to below 1 as rand.Float64 does.
func (s Stage) Refuses(rnd func() float64) bool {
	switch s.Mode {
	case Off:
		return true
	case Sample:
		return rnd() < s.Share
	}
	return false
}

// Plan says what is done with the handshakes of each version, and from when on. A version
// without a stage is on. The order of the stages does not matter.
type Plan map[wire.Version][]Stage

// At returns the stage of a version at t: the latest one whose From is not after t. If
// several have the same From, it is the last of them.
func (p Plan) At(v wire.Version, t time.Time) Stage {
	var at Stage
	for _, s := range p[v] {
		if !s.From.After(t) && !s.From.Before(at.From) {
			at = s
		}
	}
	return at
}

// Next returns the first stage after t; ok is false if there is none.
func (p Plan) Next(v wire.Version, t time.Time) (next Stage, ok bool) {
	for _, s := range p[v] {
		if s.From.After(t) && (!ok || !s.From.After(next.From)) {
			next, ok = s, true
		}
	}
	return next, ok
}

// Check reports what is wrong with a plan: an unknown version or mode, an invalid share, or
// two stages of a version that begin at the same time.
func (p Plan) Check() error {
	for v, stages := range p {
		if !wire.AllVersions.Has(v) {
			return fmt.Errorf("usage: plan: there is no version %d", v)
		}
		from := map[int64]bool{}
		for _, s := range stages {
			switch {
			case s.Mode > Off:
				return fmt.Errorf("usage: plan: %s: there is no mode %d", v, s.Mode)
			case s.Mode == Sample && !validShare(s.Share):
				return fmt.Errorf("usage: plan: %s: the share %g is not above 0 and up to 1", v, s.Share)
			case from[s.From.UnixNano()]:
				return fmt.Errorf("usage: plan: %s: two stages begin at the same time", v)
			}
			from[s.From.UnixNano()] = true
		}
	}
	return nil
}

// ParsePlan reads a list of stages with commas between them: "hixie-76=off@2027-01-01,
// hybi-08=sample 10%". A stage is a version, "=" and a mode. If it does not hold always, "@"
// and a date follow, and it begins with that day in UTC. A version may have several stages.
func ParsePlan(s string) (Plan, error) {
	p := Plan{}
	for f := range strings.SplitSeq(s, ",") {
		if strings.TrimSpace(f) == "" {
			continue
		}
		name, mode, ok := strings.Cut(f, "=")
		if !ok {
			return nil, fmt.Errorf("usage: %q is not a stage like hixie-76=off@2027-01-01", strings.TrimSpace(f))
		}
		v, err := wire.ParseVersion(name)
		if err != nil {
			return nil, err
		}
		mode, date, dated := strings.Cut(mode, "@")
		stage, err := ParseMode(mode)
		if err != nil {
			return nil, err
		}
		if dated {
			day, err := ParseDate(strings.TrimSpace(date))
			if err != nil {
				return nil, err
			}
			stage.From = day.Time()
		}
		p[v] = append(p[v], stage)
	}
	if len(p) == 0 {
		return nil, fmt.Errorf("usage: the plan has no stage; a stage is like hixie-76=off@2027-01-01")
	}
	return p, p.Check()
}
