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
	stage := st.plan.At(v, time.Now())
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
		if st.plan.At(x, time.Now()).Mode == usage.Off {
			served = served.Without(x)
		}
	}
	he := draftwire.NewVersionRefusal(v, served)
	he.Reason, he.Detail = wire.ReasonRetired, "mode "+stage.String()
	return he
}

// retiring returns the stages that are in force, except "on", and the next stages.
func (st *state) retiring(now time.Time) []RetireStatus {
	var list []RetireStatus
	for _, v := range draftwire.ServedVersions().List() {
		if at := st.plan.At(v, now); at.Mode != usage.On {
			list = append(list, RetireStatus{v.String(), at.String(), at.From})
		}
		if next, ok := st.plan.Next(v, now); ok {
			list = append(list, RetireStatus{v.String(), next.String(), next.From})
		}
	}
	return list
}
