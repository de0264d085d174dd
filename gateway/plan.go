package gateway

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// newPlan compiles the plan to retire versions.
func newPlan(versions map[string][]Stage) (usage.Plan, error) {
	plan := usage.Plan{}
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		v, err := draftwire.ParseVersion(name)
		if err != nil {
			return nil, fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "draftwire: "))
		}
		if _, ok := plan[v]; ok {
			return nil, fmt.Errorf("%s is named twice; %q is another name of it", v, name)
		}
		for _, s := range versions[name] {
			stage, err := usage.ParseMode(s.Mode)
			if err != nil {
				return nil, fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "usage: "))
			}
			stage.From = s.From
			plan[v] = append(plan[v], stage)
		}
	}
	return plan, plan.Check()
}

// Plan returns the configuration's plan to retire versions.
func (c *Config) Plan() (usage.Plan, error) { return newPlan(c.Versions) }

// judge refuses a client if the plan says so for its version.
func (st *state) judge(s *Session) error {
	v := s.handshake.Version()
	plan := s.g.Plan()
	stage := plan.At(v, time.Now())
	if stage.Mode == usage.On {
		return nil
	}
	refused := stage.Refuses(rand.Float64)
	if f := s.g.hooks.Retiring; f != nil {
		f(s, stage, refused)
	}
	if !refused {
		return nil
	}
	served := draftwire.ServedVersions()
	for _, x := range served.List() {
		if plan.At(x, time.Now()).Mode == usage.Off {
			served = served.Without(x)
		}
	}
	he := draftwire.NewVersionRefusal(v, served)
	he.Reason, he.Detail = wire.ReasonRetired, "mode "+stage.String()
	if s.g.fleetPlan.Load() != nil { // the operator would look for it in the file
		he.Detail += ", by the plan of the fleet"
	}
	return he
}

// Plan returns the plan to retire versions that is in force: that of SetPlan, or else the configuration's. It
// must not be changed.
func (g *Gateway) Plan() usage.Plan {
	if p := g.fleetPlan.Load(); p != nil {
		return *p
	}
	return g.state.Load().plan
}

// SetPlan puts a plan to retire versions into force in place of the configuration's, also behind a Reload, until
// it is called again: with nil the configuration's holds again. An empty plan that is not nil leaves all versions on. Open
// connections stay.
func (g *Gateway) SetPlan(p usage.Plan) {
	if p == nil {
		g.fleetPlan.Store(nil)
		return
	}
	g.fleetPlan.Store(&p)
}

// retiring returns the stages of a plan that are in force, except "on", and the next stages.
func retiring(plan usage.Plan, now time.Time) []RetireStatus {
	var list []RetireStatus
	for _, v := range draftwire.ServedVersions().List() {
		if at := plan.At(v, now); at.Mode != usage.On {
			list = append(list, RetireStatus{v.String(), at.String(), at.From})
		}
		if next, ok := plan.Next(v, now); ok {
			list = append(list, RetireStatus{v.String(), next.String(), next.From})
		}
	}
	return list
}
