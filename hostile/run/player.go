package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/draftwire/draftwire/hostile"
)

// player plays cases of one side at one target.
type player struct {
	s    *settings
	out  *reporter
	dir  string // for files; ends with the player
	own  *own
	tgt  *target
	rate *pace
	cert *certs
	told map[string]bool // remarks that were made
}

// target is what is attacked.
type target struct {
	key        string // what its command was made for
	proc       *process
	pid        int
	plain, tls address
	host       string // HOST:PORT, as a client has it in its Host
	path       string
	probe      *probe
	perShake   float64 // lines of the log for a new connection of the probe
}

func newPlayer(s *settings, out *reporter) (*player, error) {
	p := &player{s: s, out: out, rate: newPace(s.maxRate), told: map[string]bool{}}
	var err error
	if p.dir, err = os.MkdirTemp("", "hostile-run-"); err != nil {
		return nil, err
	}
	if p.cert, err = makeCerts(p.dir); err != nil {
		return nil, errors.Join(err, p.end())
	}
	if s.side != hostile.Server {
		if p.own, err = startOwn(s.backendListen, s.side, p.cert); err != nil {
			return nil, errors.Join(err, p.end())
		}
	}
	return p, nil
}

func (p *player) end() error {
	p.stopTarget()
	if p.own != nil {
		p.own.end()
	}
	return os.RemoveAll(p.dir)
}

func (p *player) stopTarget() {
	if p.tgt == nil {
		return
	}
	if p.tgt.probe != nil {
		p.tgt.probe.end()
	}
	if p.tgt.proc != nil {
		p.tgt.proc.end()
	}
	p.tgt = nil
}

// playAll plays the cases: first those that can be played side by side, at targets of
// their own, and then the others and those that have failed, one after another. It ends
// early where the target, which the player cannot start again, has gone.
func (p *player) playAll(ctx context.Context, cases []hostile.Case) {
	if p.s.command != "" {
		slices.SortStableFunc(cases, func(a, b hostile.Case) int { return strings.Compare(p.keyOf(&a), p.keyOf(&b)) })
	}
	var beside, alone []*hostile.Case
	for i := range cases {
		c := &cases[i]
		switch reason := p.s.skips(c); {
		case reason != "":
			p.out.add(result{ID: c.ID, Result: skipped, Reason: reason})
		case p.s.jobs > 1 && !p.s.disturbs(c):
			beside = append(beside, c)
		default:
			alone = append(alone, c)
		}
	}
	alone = append(p.playBeside(ctx, beside), alone...)
	for i, c := range alone {
		p.out.progress(i, len(alone), c.ID)
		for range p.s.repeat {
			r, err := p.playOne(ctx, c)
			if ctx.Err() != nil {
				return
			}
			p.out.add(r)
			if err != nil {
				p.out.say("%v; the run ends here", err)
				return
			}
		}
	}
}

// manyClients is from how many clients on a case is played alone.
const manyClients = 100

// disturbs: honest clients of other cases would wait for this one. On the side client
// there are none.
func (s *settings) disturbs(c *hostile.Case) bool {
	return s.side != hostile.Client && (c.Kind == "flood" || c.Clients >= manyClients || c.Unread && c.Clients > 1)
}

// playBeside plays cases at several targets at a time. It returns those that have failed
// there: what another case has disturbed is judged when it is played alone.
func (p *player) playBeside(ctx context.Context, cases []*hostile.Case) (again []*hostile.Case) {
	if len(cases) == 0 {
		return nil
	}
	next := make(chan *hostile.Case)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range min(p.s.jobs, len(cases)) {
		wg.Go(func() {
			for _, c := range p.playFrom(ctx, next) {
				mu.Lock()
				again = append(again, c)
				mu.Unlock()
			}
		})
	}
	for i, c := range cases {
		p.out.progress(i, len(cases), c.ID)
		next <- c
	}
	close(next)
	wg.Wait()
	return again
}

// playFrom is one of the players side by side.
func (p *player) playFrom(ctx context.Context, next <-chan *hostile.Case) (again []*hostile.Case) {
	q, err := newPlayer(p.s, p.out)
	if err != nil {
		for c := range next {
			again = append(again, c)
		}
		return again
	}
	defer q.end()
	for c := range next {
		var results []result
		for range p.s.repeat {
			if ctx.Err() != nil {
				break
			}
			r, _ := q.playOne(ctx, c)
			results = append(results, r)
		}
		switch {
		case ctx.Err() != nil: // the rest is not played
		case !p.s.once && slices.ContainsFunc(results, func(r result) bool { return r.Result == failed }):
			again = append(again, c)
		default:
			for _, r := range results {
				p.out.add(r)
			}
		}
	}
	return again
}

// errGone: the target has gone and cannot be started by the player.
var errGone = errors.New("the target is gone")

// playOne plays a case once.
func (p *player) playOne(ctx context.Context, c *hostile.Case) (result, error) {
	r := result{ID: c.ID, Result: passed, Holes: c.Holes, Clients: p.clientsOf(c)}
	if p.s.side == hostile.Client {
		p.playClient(ctx, c, &r)
		return r, nil
	}
	if err := p.ensureTarget(ctx, c); err != nil {
		r.fail("%v", err)
		return r, errors.Join(errGone, err)
	}
	t := p.tgt
	pl, cancel := p.prepare(ctx, c)
	defer cancel()
	lines, shakes := t.counts()
	w := t.watch()
	p.setNow(pl)
	if p.s.side == hostile.Behind {
		newVisitors(pl, t.plain, dialectOf(p.s.clientVersionOf(c)), p.s.maxClients, p.rate).run()
	} else {
		to := t.plain
		if c.TLS {
			to = t.tls
		}
		newAttackers(pl, to, p.s.maxClients, p.rate).run()
	}
	pl.settle()
	p.setNow(nil)
	cost := w.end(ctx, time.Duration(pl.budget.Recover))
	p.judge(ctx, pl, &r, cost)
	if t.proc != nil && (c.Slow || pl.played() > fewConnections) {
		sleep(ctx, afterwards)
		t.proc.log.settle(ctx)
	}
	nowLines, nowShakes := t.counts()
	r.LogLines = max(0, nowLines-lines-int(math.Ceil(t.perShake*float64(nowShakes-shakes))))
	if t.proc == nil {
		r.LogLines = unknown
	}
	if more := r.LogLines - pl.played(); more > pl.budget.LogLines {
		r.fail("%d lines of log more than connections, budget %d; the last: %s", more, pl.budget.LogLines, t.proc.log.recent())
	}
	return r, p.lives(ctx, &r)
}

// fewConnections is up to how many connections of a case the player does not wait for
// lines of the log that come late, and would be taken for those of the next case.
const fewConnections = 8

func (p *player) setNow(pl *play) {
	if p.own != nil {
		p.own.now.Store(pl)
	}
}

// clientsOf is how many clients of a case are played.
func (p *player) clientsOf(c *hostile.Case) int {
	n := max(c.Clients, 1)
	if n > p.s.maxClients {
		p.remark("%s has %d clients, of which %d are played", c.ID, n, p.s.maxClients)
		return p.s.maxClients
	}
	return n
}

func (p *player) remark(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !p.told[text] {
		p.told[text] = true
		p.out.say("%s", text)
	}
}

// prepare makes the play of a case at the target.
func (p *player) prepare(ctx context.Context, c *hostile.Case) (*play, context.CancelFunc) {
	v := values{host: p.tgt.host}
	_, v.port = splitHostPort(v.host)
	p.tgt.probe.reset()
	return newPlay(ctx, c, p.s.budgetOf(c), v, p.tgt.path)
}

// judge compares what the case has cost with its budget.
func (p *player) judge(ctx context.Context, pl *play, r *result, c cost) {
	b := pl.budget
	r.Seconds = pl.last.Seconds()
	r.Outcomes = pl.outcomes()
	if pl.fault != "" {
		r.fail("%s", pl.fault)
	}
	if f := pl.beyond.fault(); f != "" {
		r.fail("%s", f)
	}
	r.spent(c, b)
	if p.tgt == nil || p.tgt.probe == nil {
		r.Probe = unknown
		return
	}
	slowest, fault := p.tgt.probe.result(ctx)
	r.Probe = slowest.Seconds()
	if fault != "" {
		r.fail("%s", fault)
	}
	if slowest > time.Duration(b.Probe) {
		r.fail("an honest client waited %v, budget %v", slowest.Round(time.Millisecond), time.Duration(b.Probe))
	}
}

// dying is how long a program may take to end that does not answer any more.
const dying = 500 * time.Millisecond

// lives looks whether the target has come through. One that the player has started is
// started again by the next case.
func (p *player) lives(ctx context.Context, r *result) error {
	t := p.tgt
	if t.proc == nil {
		c, err := dial(ctx, t.plain, false, probePatient)
		if err != nil {
			r.fail("the target takes no connections any more: %v", err)
			return fmt.Errorf("%w: %v", errGone, err)
		}
		return c.Close()
	}
	if mark := t.proc.log.crashed(); mark != "" {
		r.fail("its log says %q", mark)
	}
	if t.proc.hasExited() || t.probe.hasFailed() && t.proc.exitsWithin(ctx, dying) {
		r.fail("the target has ended: %v; %s", t.proc.err, t.proc.log.recent())
		p.stopTarget()
	}
	return nil
}

// counts returns the lines of the log and the new connections of the probe so far.
func (t *target) counts() (lines, shakes int) {
	if t.proc != nil {
		lines = t.proc.log.count()
	}
	return lines, t.probe.count()
}

// watch begins to watch, at a moment at which the probe has no new connection.
func (t *target) watch() *watch {
	t.probe.shaking.Lock()
	defer t.probe.shaking.Unlock()
	return startWatch(t.pid)
}

// keyOf is what the command of a case is made for, beside the addresses.
func (p *player) keyOf(c *hostile.Case) string {
	key := ""
	if strings.Contains(p.s.command, "{version}") {
		key += c.Version
	}
	if strings.Contains(p.s.command, "{backend-url}") && needsTLS(c) {
		key += " wss"
	}
	return key
}

func needsTLS(c *hostile.Case) bool { return c.TLS || slices.Contains(c.Needs, "tls") }

// fill puts the values of the names into a command.
func (p *player) fill(c *hostile.Case, listen, target string) string {
	pairs := []string{"{listen}", listen, "{url}", target, "{version}", dialectOf(c.Version).name,
		"{ca}", p.cert.ca, "{cert}", p.cert.cert, "{key}", p.cert.key}
	if p.own != nil {
		pairs = append(pairs, "{backend}", p.own.addr(), "{backend-url}", schemeOf(c)+p.own.addr())
	}
	return strings.NewReplacer(pairs...).Replace(p.s.command)
}

func schemeOf(c *hostile.Case) string {
	if needsTLS(c) {
		return "wss://"
	}
	return "ws://"
}

// ensureTarget sees to it that there is a target for the case, and a probe beside.
func (p *player) ensureTarget(ctx context.Context, c *hostile.Case) error {
	if p.own != nil {
		p.own.secure.Store(p.s.side == hostile.Behind && needsTLS(c))
	}
	key := p.keyOf(c)
	if p.tgt != nil && (p.s.command == "" || p.tgt.key == key && !p.tgt.proc.hasExited() && !p.s.fresh) {
		return nil
	}
	p.stopTarget()
	t := &target{key: key, path: "/", pid: p.s.pid}
	var err error
	if p.s.command == "" {
		err = t.byURL(p.s)
	} else {
		err = p.startTarget(ctx, t, c)
	}
	p.tgt = t
	if err == nil {
		err = p.beginProbe(ctx, t)
	}
	if err != nil {
		p.stopTarget() // the next case makes another
	}
	return err
}

// byURL takes the addresses of --url and --tls-url.
func (t *target) byURL(s *settings) (err error) {
	if t.plain, t.host, t.path, err = parseURL(s.url, s.mine); err != nil {
		return err
	}
	t.tls = t.plain
	if s.tlsURL != "" {
		t.tls, _, _, err = parseURL(s.tlsURL, s.mine)
	}
	return err
}

func (p *player) startTarget(ctx context.Context, t *target, c *hostile.Case) error {
	listen, err := freePort()
	if err != nil {
		return err
	}
	if t.proc, err = startProcess(p.fill(c, listen, "ws://"+listen+"/"), p.s.crash); err != nil {
		return err
	}
	t.pid, t.host, t.plain = t.proc.pid(), listen, address{"tcp", listen}
	t.tls = t.plain
	return t.proc.listening(ctx, t.plain, time.Duration(float64(probePatient)*p.s.scale))
}

// shakesToMeasure is how many connections tell how much a target logs of an honest one.
const shakesToMeasure = 4

func (p *player) beginProbe(ctx context.Context, t *target) error {
	d := dialectOf(p.s.probeVersion)
	quiet := &probe{to: t.plain, d: d, host: t.host, target: probeTarget}
	if err := quiet.once(ctx); err != nil {
		t.probe = startProbe(ctx, t.plain, d, t.host, probeTarget)
		return fmt.Errorf("an honest client of %s finds no echo there: %w", d.name, err)
	}
	if t.proc != nil {
		sleep(ctx, afterwards)
		before := t.proc.log.count()
		for range shakesToMeasure {
			quiet.once(ctx)
		}
		sleep(ctx, 100*time.Millisecond)
		t.perShake = float64(t.proc.log.count()-before) / shakesToMeasure
	}
	t.probe = startProbe(ctx, t.plain, d, t.host, probeTarget)
	t.probe.result(ctx)
	return nil
}

// parseURL returns the address, the Host and the path of ws://HOST:PORT/PATH, wss:// or
// unix:PATH. A name is resolved once.
func parseURL(text string, mine bool) (a address, host, path string, err error) {
	if file, ok := strings.CutPrefix(text, "unix:"); ok {
		return address{"unix", file}, "localhost", "/", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss" {
		return a, "", "", fmt.Errorf("%q is not ws://HOST:PORT/, wss://HOST:PORT/ or unix:PATH", text)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	}
	ip, err := resolve(u.Hostname(), mine)
	path = u.RequestURI()
	return address{"tcp", net.JoinHostPort(ip, port)}, u.Host, path, err
}
