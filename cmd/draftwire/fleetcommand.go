package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/draftwire/draftwire/fleet"
	"github.com/draftwire/draftwire/usage"
	"github.com/urfave/cli/v2"
)

// The commands that concern all gateways of a fleet. They ask the admin port of one of them.

const (
	drainLook    = 500 * time.Millisecond // how often it is looked whether a gateway has drained
	drainEach    = 10 * time.Minute       // for one gateway, by default
	fleetTimeout = 40 * time.Second       // for an answer: more than a gateway waits for the others
)

func fleetFlag(usage string) cli.Flag { return &cli.BoolFlag{Name: "fleet", Usage: usage} }

func (p *program) fleetCommand() command {
	return command{
		name: "fleet", usage: "the plan of versions of a fleet, and gateways that are no more", args: "plan|history|forget [PLAN|NAME]", least: 1, most: 2,
		about: "Asks any gateway of a fleet. plan prints the plan of versions that holds in all gateways; with PLAN it makes another one, which all take within seconds, " +
			"also those that are away, when they are back: stages as in report --plan, 'on' for all versions on, 'own' to go by each gateway's own file again. " +
			"A change of a plan that somebody else has changed meanwhile fails. history prints the last plans. " +
			"forget takes what a gateway that is no more has counted out of reports of the fleet.\n" +
			"status, report, drain and reload have --fleet.",
		examples: []example{
			{"draftwire fleet plan", "what holds, since when and by whom"},
			{"draftwire fleet plan 'hixie-76=off@2027-01-01,hybi-08=sample 10%'", "in all gateways"},
			{"draftwire fleet plan --number 7 on", "if plan 7 still holds"},
			{"draftwire fleet history", "the last plans"},
			{"draftwire fleet forget gw-old", "a gateway that will not come back"},
		},
		flags: orderFlags(&cli.BoolFlag{Name: "json", Usage: "print JSON"},
			&cli.StringFlag{Name: "number", DefaultText: "the one that holds", Usage: "change plan `N`, and no other one"}),
		run: func(c *cli.Context) error {
			switch what := c.Args().First(); what {
			case "plan", "history":
				return p.fleetPlan(c, what)
			case "forget":
				return p.fleetForget(c)
			default:
				return usagef("%q is not one of plan, history, forget", what)
			}
		},
	}
}

// askFleet asks the admin port for something of its fleet. refused are the statuses that the caller reads itself.
func askFleet(ctx context.Context, a adminPort, method, path string, to any, refused ...int) (status int, body []byte, err error) {
	status, body, err = a.askWithin(ctx, fleetTimeout, method, path)
	if err != nil {
		return 0, nil, err
	}
	text := strings.TrimSpace(string(body))
	switch {
	case slices.Contains(refused, status):
	case status == http.StatusNotFound && strings.HasPrefix(text, "404"):
		return status, nil, exitf(exitFailure, "the gateway is in no fleet: its configuration has no name in fleet")
	case status == http.StatusConflict || status == http.StatusBadGateway:
		return status, nil, exitf(exitCondition, "%s", text)
	case status == http.StatusUnprocessableEntity:
		return status, nil, exitf(exitUsage, "%s", text)
	case status >= 300:
		return status, nil, exitf(exitFailure, "the gateway says %d: %s", status, text)
	}
	if to == nil {
		return status, body, nil
	}
	if err := json.Unmarshal(body, to); err != nil {
		return status, nil, exitf(exitFailure, "%s is not the admin port of a gateway (status %d)", a.url, status)
	}
	return status, body, nil
}

// fleetStatus is status --fleet.
func (p *program) fleetStatus(ctx context.Context, admin string, asJSON bool) error {
	a, err := parseAdmin(admin)
	if err != nil {
		return err
	}
	s := &fleetStatus{}
	_, body, err := askFleet(ctx, a, http.MethodGet, "/fleet/status", s)
	if err != nil {
		return err
	}
	if asJSON {
		p.out.Write(visibleJSON(body))
	} else {
		writeFleet(p.out, s)
	}
	var bad []string
	for i := range s.Gateways {
		g := &s.Gateways[i]
		if word := g.word(); g.State != fleet.Left && (word != "ready" || g.Claimed) {
			if g.Claimed {
				word = "two processes have this name"
			}
			bad = append(bad, g.Name+": "+word)
		}
	}
	if !s.Bus {
		bad = append(bad, "the other gateways cannot be reached")
	}
	if len(bad) > 0 {
		return exitf(exitCondition, "%s", strings.Join(bad, "; "))
	}
	return nil
}

// word says in a few words how a gateway is.
func (g *fleetGateway) word() string {
	switch {
	case g.State == fleet.Left:
		return "has ended"
	case g.State == fleet.Gone:
		return "gone for " + time.Since(g.Heard).Round(time.Second).String()
	case g.Error != "":
		return g.Error
	case g.Status == nil:
		return "no answer"
	case g.Status.Ready:
		return "ready"
	}
	return g.Status.Why
}

// writeFleet writes a line for each gateway, and their sum. All texts came over the network.
func writeFleet(out io.Writer, s *fleetStatus) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer t.Flush()
	var versions []string
	for _, v := range versionWords(false) {
		if s.Sum.Versions[v] > 0 {
			versions = append(versions, v)
		}
	}
	row := func(cells ...string) {
		for i := range cells {
			cells[i] = visible(cells[i])
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	row(append([]string{"GATEWAY", "STATE", "PROGRAM", "UP", "PLAN", "CONNECTIONS", "REQUESTS"}, versions...)...)
	for i := range s.Gateways {
		g := &s.Gateways[i]
		name := g.Name
		if g.Claimed {
			name += " (twice)"
		}
		cells := []string{name, short(g.word()), g.Version, "", planWord(g.Plan), "", ""}
		counts := make([]string, len(versions))
		if g.Status != nil {
			cells[3] = time.Since(g.Status.Started).Round(time.Second).String()
			cells[5], cells[6] = strconv.Itoa(g.Status.Connections), strconv.FormatInt(g.Status.Requests.Total, 10)
			for j, v := range versions {
				counts[j] = strconv.Itoa(g.Status.Versions[v])
			}
		}
		row(append(cells, counts...)...)
	}
	sum := []string{"sum", fmt.Sprintf("%d of %d", s.Sum.Answered, s.Sum.Gateways), "", "", "", strconv.Itoa(s.Sum.Connections), strconv.FormatInt(s.Sum.Requests.Total, 10)}
	for _, v := range versions {
		sum = append(sum, strconv.Itoa(s.Sum.Versions[v]))
	}
	row(sum...)
}

func planWord(number uint64) string {
	if number == 0 {
		return "own"
	}
	return strconv.FormatUint(number, 10)
}

// fleetReload is reload --fleet.
func (p *program) fleetReload(c *cli.Context) error {
	a, err := orderPort(c)
	if err != nil {
		return err
	}
	s := &fleetStatus{}
	status, body, err := askFleet(c.Context, a, http.MethodPost, "/fleet/reload", s, http.StatusUnprocessableEntity, http.StatusBadGateway)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		p.out.Write(visibleJSON(body))
	} else {
		p.writeResults(s)
	}
	switch status {
	case http.StatusUnprocessableEntity:
		return exitf(exitUsage, "not all gateways have reloaded: a configuration has faults")
	case http.StatusBadGateway:
		return exitf(exitCondition, "not all gateways have reloaded: not all answer")
	}
	return nil
}

func (p *program) writeResults(s *fleetStatus) {
	t := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	defer t.Flush()
	for _, g := range s.Gateways {
		result := g.Result
		switch {
		case g.Error != "":
			result = g.Error
		case result == "" && g.State == fleet.Left:
			result = "has ended"
		}
		fmt.Fprintf(t, "%s\t%s\n", visible(g.Name), visible(strings.ReplaceAll(result, "\n", "; ")))
	}
}

// drained is what drain --fleet tells of a gateway.
type drained struct {
	Gateway string  `json:"gateway"`
	Result  string  `json:"result"` // "drained", or why not
	Seconds float64 `json:"seconds"`
}

// fleetDrain is drain --fleet: the gateway that is asked comes last, as it has to tell when the others are done.
func (p *program) fleetDrain(c *cli.Context) error {
	ctx, stop := interruptible(c.Context, p.signals)
	defer stop()
	a, err := orderPort(c)
	if err != nil {
		return err
	}
	each, err := timeFlag(c, "each")
	if err != nil {
		return err
	}
	most := c.Int("at-a-time")
	if most < 0 || most > fleet.MaxNodes {
		return usagef("--at-a-time: %d is not from 1 to %d, or 0 for all", most, fleet.MaxNodes)
	}
	s := &fleetStatus{}
	if _, _, err := askFleet(ctx, a, http.MethodGet, "/fleet/nodes", s); err != nil {
		return err
	}
	d := &fleetDrain{p: p, admin: a, each: each, quiet: c.Bool("json")}
	var others []fleetGateway
	for _, g := range s.Gateways {
		switch {
		case g.State == fleet.Gone:
			d.done(g.Name, "not heard any more", 0)
		case g.Self || g.State == fleet.Left:
		default:
			others = append(others, g)
		}
	}
	for batch := range slices.Chunk(others, max(1, orAll(most, len(others)))) {
		var all sync.WaitGroup
		for _, g := range batch {
			all.Go(func() { d.drain(ctx, &g) })
		}
		all.Wait()
		if d.failed() {
			break
		}
	}
	if !d.failed() {
		for _, g := range s.Gateways {
			if g.Self {
				d.drain(ctx, &g)
			}
		}
	}
	if ctx.Err() != nil {
		return &exitError{code: exitInterrupted}
	}
	if d.quiet {
		e := json.NewEncoder(p.out)
		e.SetIndent("", "  ")
		e.Encode(d.list)
	}
	if bad := d.bad(); len(bad) > 0 {
		return exitf(exitCondition, "not all gateways have drained: %s", strings.Join(bad, "; "))
	}
	return nil
}

// orAll is n, or with 0 all.
func orAll(n, all int) int {
	if n == 0 {
		return all
	}
	return n
}

// fleetDrain drains gateways.
type fleetDrain struct {
	p     *program
	admin adminPort
	each  time.Duration
	quiet bool

	mu   sync.Mutex
	list []drained
}

func (d *fleetDrain) done(name, result string, took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, drained{name, result, took.Round(time.Second / 10).Seconds()})
	if !d.quiet {
		fmt.Fprintf(d.p.out, "%s: %s\n", visible(name), visible(result))
	}
}

const drainedWord = "drained"

// failed reports whether a gateway that was there has not drained: no further one is told to.
func (d *fleetDrain) failed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.list, func(x drained) bool { return x.Result != drainedWord && x.Result != "not heard any more" })
}

func (d *fleetDrain) bad() (list []string) {
	for _, x := range d.list {
		if x.Result != drainedWord {
			list = append(list, x.Gateway+": "+x.Result)
		}
	}
	return list
}

// drain drains a gateway and waits until its process has ended, for each at most. The one that is asked has ended when it
// does not answer any more.
func (d *fleetDrain) drain(ctx context.Context, g *fleetGateway) {
	name, began := g.Name, time.Now()
	if _, _, err := askFleet(ctx, d.admin, http.MethodPost, "/fleet/drain?name="+url.QueryEscape(name), nil); err != nil {
		d.done(name, errorText(err), 0)
		return
	}
	if !d.quiet {
		d.mu.Lock()
		fmt.Fprintf(d.p.out, "%s: draining\n", visible(name))
		d.mu.Unlock()
	}
	tick := time.NewTicker(drainLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			d.done(name, "interrupted; it goes on to drain", time.Since(began))
			return
		case <-tick.C:
		}
		there, err := d.look(ctx, g)
		switch {
		case ctx.Err() != nil:
			continue
		case err != nil && g.Self, err == nil && !there:
			d.done(name, drainedWord, time.Since(began))
			return
		case time.Since(began) > d.each:
			d.done(name, fmt.Sprintf("not drained after %s; it goes on to", d.each), time.Since(began))
			return
		}
	}
}

// look looks whether a gateway's process is there.
func (d *fleetDrain) look(ctx context.Context, g *fleetGateway) (there bool, err error) {
	s := &fleetStatus{}
	if _, _, err = askFleet(ctx, d.admin, http.MethodGet, "/fleet/nodes", s); err != nil {
		return false, err
	}
	return slices.ContainsFunc(s.Gateways, func(x fleetGateway) bool {
		return x.Name == g.Name && x.ID == g.ID && x.State == fleet.Alive
	}), nil
}

// fleetPlan prints plans, or makes one.
func (p *program) fleetPlan(c *cli.Context, what string) error {
	a, err := orderPort(c)
	if err != nil {
		return err
	}
	method, path := http.MethodGet, "/fleet/plan"
	if text := c.Args().Get(1); text != "" {
		if what != "plan" {
			return usagef("history takes no argument")
		}
		q := url.Values{"plan": {text}}
		if c.IsSet("number") {
			q.Set("number", c.String("number"))
		}
		method, path = http.MethodPost, path+"?"+q.Encode()
	}
	x := &planAnswer{}
	_, body, err := askFleet(c.Context, a, method, path, x)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		p.out.Write(visibleJSON(body))
		return nil
	}
	if len(x.Plans) == 0 {
		fmt.Fprintln(p.out, "the fleet has no plan: each gateway goes by its own file")
		return nil
	}
	if what == "plan" {
		x.Plans = x.Plans[len(x.Plans)-1:]
	}
	for _, plan := range slices.Backward(x.Plans) {
		writePlan(p.out, &plan)
	}
	if x.Own && !x.Plans[len(x.Plans)-1].Own {
		fmt.Fprintln(p.err, "the file of this gateway has a plan too, which does not hold meanwhile")
	}
	return nil
}

func writePlan(out io.Writer, plan *fleet.Plan) {
	fmt.Fprintf(out, "plan %d, made %s by %s at %s\n", plan.Number, plan.At.UTC().Format(time.DateTime), visible(plan.Who), visible(plan.Node))
	switch {
	case plan.Own:
		fmt.Fprintln(out, "  each gateway goes by its own file")
	case len(plan.Stages) == 0:
		fmt.Fprintln(out, "  all versions are on")
	}
	for _, stage := range planStages(plan.Stages) {
		fmt.Fprintln(out, "  "+stage)
	}
}

// planStages are the stages of a plan: "hixie-75 off from 2027-01-01".
func planStages(plan usage.Plan) (list []string) {
	for _, v := range slices.Sorted(maps.Keys(plan)) {
		for _, s := range plan[v] {
			from := ""
			if !s.From.IsZero() {
				from = " from " + dated(s.From)
			}
			list = append(list, fmt.Sprintf("%s %s%s", v, s, from))
		}
	}
	return list
}

// fleetForget is fleet forget.
func (p *program) fleetForget(c *cli.Context) error {
	name := c.Args().Get(1)
	if err := fleet.CheckName(name); err != nil {
		return usagef("forget needs the NAME of a gateway")
	}
	a, err := orderPort(c)
	if err != nil {
		return err
	}
	if _, _, err := askFleet(c.Context, a, http.MethodPost, "/fleet/forget?name="+url.QueryEscape(name), nil); err != nil {
		return err
	}
	fmt.Fprintln(p.out, "forgotten")
	return nil
}

// fetchFleet asks a gateway for the ledgers of its fleet. ok is false if it is in none.
func fetchFleet(ctx context.Context, from adminPort) (s *usage.Snapshot, states []bookState, ok bool, err error) {
	resp, err := from.ask(ctx, http.MethodGet, "/fleet/usage")
	if err != nil {
		return nil, nil, false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return nil, nil, false, nil
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return nil, nil, false, fmt.Errorf("the gateway says %d: %s", resp.StatusCode, strings.TrimSpace(string(text)))
	}
	if states, err = parseBooks(resp.Header.Get(booksField)); err != nil {
		return nil, nil, false, fmt.Errorf("%s is not the admin port of a gateway", from.url)
	}
	s, err = usage.Import(io.LimitReader(resp.Body, maxExport))
	return s, states, true, err
}

// missing are those of whom a report has less than they have counted, and why; old are those that are no more.
func missing(states []bookState) (missing, old []string) {
	for _, b := range states {
		as := "nothing of it is in the report"
		if !b.None {
			as = "its counts are as of " + b.Made.UTC().Format(time.DateTime)
		}
		switch {
		case b.State != fleet.Alive && !b.None:
			old = append(old, fmt.Sprintf("%s is not there: %s", b.Name, as))
		case b.Error != "":
			missing = append(missing, fmt.Sprintf("%s: %s; %s", b.Name, b.Error, as))
		case b.None:
			missing = append(missing, fmt.Sprintf("%s: %s", b.Name, as))
		}
	}
	return missing, old
}
