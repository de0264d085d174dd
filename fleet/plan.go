package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// KeptPlans is how many plans the history has.
const KeptPlans = 20

const (
	maxStages  = 100              // of a version
	planEvery  = 30 * time.Second // a node looks for the plan, though nobody has announced a newer one
	planFormat = 1
)

// Plan is a plan of versions that holds in the whole fleet.
type Plan struct {
	Number uint64    // 1 for the first one
	At     time.Time // when it was made, by the clock of the node at which that was
	Node   string    // at which it was made
	Who    string    // and by whom, as that says
	// Own tells that there is no plan of the fleet any more: each gateway goes by its own file.
	Own    bool
	Stages usage.Plan
	token  string // of the call of SetPlan, so that it can tell whether it has succeeded
}

// planJSON is a Plan as it is stored.
type planJSON struct {
	Number uint64                 `json:"number"`
	At     time.Time              `json:"at"`
	Node   string                 `json:"node"`
	Who    string                 `json:"who"`
	Own    bool                   `json:"own,omitempty"`
	Token  string                 `json:"token,omitempty"`
	Stages map[string][]stageJSON `json:"versions,omitempty"`
}

type stageJSON struct {
	Mode string    `json:"mode"`
	From time.Time `json:"from,omitzero"`
}

// MarshalJSON writes the plan with its stages as the configuration has them.
func (p Plan) MarshalJSON() ([]byte, error) {
	j := planJSON{Number: p.Number, At: p.At, Node: p.Node, Who: p.Who, Own: p.Own, Token: p.token}
	for _, v := range slices.Sorted(maps.Keys(p.Stages)) {
		if j.Stages == nil {
			j.Stages = map[string][]stageJSON{}
		}
		for _, s := range p.Stages[v] {
			j.Stages[v.String()] = append(j.Stages[v.String()], stageJSON{s.String(), s.From})
		}
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes, and refuses what is no plan.
func (p *Plan) UnmarshalJSON(data []byte) error {
	var j planJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	if y := j.At.Year(); y < 1970 || y > 9999 || j.Number == 0 {
		return errors.New("fleet: a plan without a number or a time")
	}
	*p = Plan{Number: j.Number, At: j.At, Node: cleanText(j.Node), Who: cleanText(j.Who), Own: j.Own, token: cleanText(j.Token), Stages: usage.Plan{}}
	for name, stages := range j.Stages {
		v, err := wire.ParseVersion(name)
		if err != nil {
			return err
		}
		if len(stages) > maxStages || p.Stages[v] != nil {
			return fmt.Errorf("fleet: %s has too many stages", v)
		}
		for _, x := range stages {
			s, err := usage.ParseMode(x.Mode)
			if err != nil {
				return err
			}
			if y := x.From.Year(); !x.From.IsZero() && (y < 1970 || y > 9999) {
				return errors.New("fleet: a stage begins at no time")
			}
			s.From = x.From.UTC()
			p.Stages[v] = append(p.Stages[v], s)
		}
	}
	return p.Stages.Check()
}

// planFile is the value that a bus keeps.
type planFile struct {
	Format int    `json:"format"`
	Plans  []Plan `json:"plans"` // the newest last
}

func parsePlans(data []byte) ([]Plan, error) {
	var f planFile
	if len(data) > MaxValue {
		return nil, ErrTooLarge
	}
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&f); err != nil {
		return nil, err
	}
	if f.Format != planFormat || len(f.Plans) == 0 || len(f.Plans) > KeptPlans {
		return nil, errors.New("fleet: this is no history of plans")
	}
	for i := range f.Plans[1:] {
		if f.Plans[i].Number >= f.Plans[i+1].Number {
			return nil, errors.New("fleet: the plans are not in order")
		}
	}
	return f.Plans, nil
}

// PlanConflict is the error of SetPlan where another plan was made meanwhile.
type PlanConflict struct {
	Current Plan // that holds; its Number is 0 if there is none
}

func (e *PlanConflict) Error() string {
	if e.Current.Number == 0 {
		return "fleet: there is no plan of the fleet yet: its number is 0"
	}
	return fmt.Sprintf("fleet: plan %d was made meanwhile, at %s by %s (%s): look at it, and change that one",
		e.Current.Number, e.Current.At.UTC().Format(time.DateTime), e.Current.Who, e.Current.Node)
}

// Plan returns the newest plan that the node knows; its Number is 0 if there is none.
func (n *Node) Plan() Plan {
	list := n.Plans()
	if len(list) == 0 {
		return Plan{}
	}
	return list[len(list)-1]
}

// Plans returns the last plans that the node knows, at most KeptPlans, the newest last. They must not be changed.
func (n *Node) Plans() []Plan {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.plans
}

func (n *Node) planNumber() uint64 { return n.Plan().Number }

func (n *Node) planNumberLocked() uint64 {
	if len(n.plans) == 0 {
		return 0
	}
	return n.plans[len(n.plans)-1].Number
}

// followPlan looks for a newer plan, where somebody knows one or none was looked for recently.
func (n *Node) followPlan() {
	n.mu.Lock()
	most, own := uint64(0), n.planNumberLocked()
	for _, m := range n.members {
		if m.State == Alive {
			most = max(most, m.Plan)
		}
	}
	n.mu.Unlock()
	n.planMu.Lock()
	defer n.planMu.Unlock()
	if most <= own && time.Since(n.tried) < planEvery {
		return
	}
	ctx, cancel := context.WithTimeout(n.ctx, n.o.Every)
	defer cancel()
	if _, err := n.loadPlans(ctx); err == nil {
		n.tried = time.Now()
	}
}

// loadPlans takes what the bus has, if that is newer. If the bus has lost it, it gets what the node has. The caller
// holds planMu.
func (n *Node) loadPlans(ctx context.Context) (revision uint64, err error) {
	key := n.subject("plan")
	data, revision, err := n.load(ctx, key)
	if err != nil && !errors.Is(err, ErrNone) {
		return 0, err
	}
	own := n.Plans()
	var have []Plan
	if err == nil {
		if have, err = parsePlans(data); err != nil {
			n.tell(BadPlan, "", err)
			return 0, err
		}
	}
	switch {
	case number(have) > number(own), number(have) == number(own) && number(own) > 0 && have[len(have)-1].token != own[len(own)-1].token:
		n.take(have)
		return revision, nil
	case number(have) < number(own):
		data, err := json.Marshal(planFile{planFormat, own})
		if err != nil {
			return 0, err
		}
		return n.bus.Store(ctx, key, data, revision)
	}
	return revision, nil
}

func number(plans []Plan) uint64 {
	if len(plans) == 0 {
		return 0
	}
	return plans[len(plans)-1].Number
}

// take puts plans into force.
func (n *Node) take(plans []Plan) {
	n.mu.Lock()
	n.plans = plans
	n.mu.Unlock()
	if n.o.Planned != nil {
		n.o.Planned(plans[len(plans)-1])
	}
	n.announceNow()
}

// SetPlan makes a plan that holds in the whole fleet, and that all nodes take within seconds. number is that of the
// plan that the caller has looked at, 0 for none: if another one was made meanwhile, the error is a
// *PlanConflict, and nothing changes. stages of nil is the plan that each gateway goes by its own file. who is
// noted. Where the bus is away nothing changes, and the error says so.
func (n *Node) SetPlan(ctx context.Context, number uint64, stages usage.Plan, who string) (Plan, error) {
	if err := stages.Check(); err != nil {
		return Plan{}, err
	}
	n.planMu.Lock()
	defer n.planMu.Unlock()
	revision, err := n.loadPlans(ctx)
	if err != nil {
		return Plan{}, fmt.Errorf("the plan cannot be read: %w", err)
	}
	if have := n.Plan(); have.Number != number {
		return Plan{}, &PlanConflict{have}
	}
	p := Plan{
		Number: number + 1, At: time.Now().UTC().Truncate(time.Second), Node: n.o.Name, Who: cleanText(who),
		Own: stages == nil, Stages: stages, token: newToken(),
	}
	list := append(slices.Clone(n.Plans()), p)
	list = list[max(0, len(list)-KeptPlans):]
	data, err := json.Marshal(planFile{planFormat, list})
	if err != nil {
		return Plan{}, err
	}
	if len(data) > MaxValue {
		return Plan{}, ErrTooLarge
	}
	if _, err = n.bus.Store(ctx, n.subject("plan"), data, revision); err == nil {
		n.take(list)
		return p, nil
	}
	// The answer may be lost, and not the plan.
	if _, again := n.loadPlans(ctx); again != nil {
		return Plan{}, fmt.Errorf("it is not known whether the plan was stored: %w", err)
	}
	switch have := n.Plan(); {
	case have.token == p.token:
		return have, nil
	case have.Number != number:
		return Plan{}, &PlanConflict{have}
	}
	return Plan{}, fmt.Errorf("the plan cannot be stored: %w", err)
}
