package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/fleet"
	"github.com/draftwire/draftwire/usage"
)

// fleetOf are gateways on one bus, each with a way of its own to it.
type fleetOf struct {
	t     *testing.T
	bus   *fleet.Local
	dir   string
	back  string
	gates map[string]*fleetGate
}

type fleetGate struct {
	*process
	url, admin, file string
	port             *fleet.Local
}

var busMu sync.Mutex

// newFleet takes the place of what opens the bus. Tests with it must not run in parallel.
func newFleet(t *testing.T) *fleetOf {
	t.Helper()
	f := &fleetOf{t: t, bus: fleet.NewLocal(), dir: t.TempDir(), gates: map[string]*fleetGate{}}
	f.back, _ = serveOn(t)
	busMu.Lock()
	before := busOf
	status, check, put := statusWait, checkWait, putWait
	statusWait, checkWait, putWait = time.Second, time.Second, time.Second
	busOf = func(r *runningGateway) fleet.Bus { return f.gates[r.config.Fleet.Name].port }
	t.Cleanup(func() {
		busOf = before
		statusWait, checkWait, putWait = status, check, put
		busMu.Unlock()
	})
	return f
}

// start starts a gateway of that name, with more lines of its configuration.
func (f *fleetOf) start(name string, more ...string) *fleetGate {
	f.t.Helper()
	g := f.gates[name]
	if g == nil {
		g = &fleetGate{file: filepath.Join(f.dir, name+".yaml"), port: f.bus.Port()}
		f.gates[name] = g
	}
	f.write(name, more...)
	g.process = start(f.t, "gateway", "--config", g.file, "--log-format", "json", "--log-level", "debug")
	g.url = "ws://" + g.err.await(f.t, `"addr":"([^"]+)"`)[1]
	g.admin = g.err.await(f.t, `"admin":"([^"]+)"`)[1]
	return g
}

func (f *fleetOf) write(name string, more ...string) {
	f.t.Helper()
	token := filepath.Join(f.dir, "token")
	if err := os.WriteFile(token, []byte("a token of this test\n"), 0o600); err != nil {
		f.t.Fatal(err)
	}
	text := fmt.Sprintf("listen: [{address: 127.0.0.1:0}]\nadmin: {address: 127.0.0.1:0, token_file: %s}\ndrain: 100ms\nfleet: {name: %s, report: 1h}\nhub: {url: 'nats://127.0.0.1:1'}\nledger: {file: %s}\nroutes: [{backends: [%s]}]\n%s\n",
		token, name, filepath.Join(f.dir, name+".db"), f.back, strings.Join(more, "\n"))
	if err := os.WriteFile(f.gates[name].file, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// three starts three gateways that know each other.
func (f *fleetOf) three(more ...string) (list []*fleetGate) {
	f.t.Helper()
	for i := range 3 {
		list = append(list, f.start(fmt.Sprint("gw-", i+1), more...))
	}
	for _, g := range list {
		f.await(g, func(s *fleetStatus) bool { return len(s.Gateways) == 3 })
	}
	return list
}

// await waits until a gateway knows of the fleet what it should.
func (f *fleetOf) await(g *fleetGate, cond func(*fleetStatus) bool) *fleetStatus {
	f.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		s := &fleetStatus{}
		code, body, err := askAdmin(deadline(f.t), http.MethodGet, g.admin, "/fleet/nodes")
		if err == nil && code == http.StatusOK {
			if err := json.Unmarshal(body, s); err != nil {
				f.t.Fatal(err)
			}
			if cond(s) {
				return s
			}
		}
		if time.Now().After(end) {
			f.t.Fatalf("the gateway knows %d %s, %v", code, body, err)
		}
	}
}

// counts reads what a fleet's report has of a version.
func (f *fleetOf) report(g *fleetGate, args ...string) (code int, clients string, stderr string) {
	f.t.Helper()
	code, out, errs := call(f.t, "", append([]string{"report", "--fleet", "--admin", g.admin, "--format", "csv"}, args...)...)
	for line := range strings.Lines(out) {
		if cells := strings.Split(line, ","); cells[0] == "hixie-76" {
			return code, line, errs
		}
	}
	return code, "", errs + out
}

func TestFleetStatusAndReport(t *testing.T) {
	f := newFleet(t)
	list := f.three()
	for i, g := range list {
		for range i + 1 {
			c := dial(t, g.url, draftwire.Hixie76)
			write(t, c, draftwire.OpText, "hello")
			wantMessage(t, c, "hello")
		}
	}
	code, out, errs := call(t, "", "status", "--fleet", "--admin", list[1].admin)
	if code != 0 || !strings.Contains(out, "GATEWAY") || !strings.Contains(out, "hixie-76") {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(out) {
		if cells := strings.Fields(line); len(cells) > 2 {
			rows[cells[0]] = cells
		}
	}
	if sum := rows["sum"]; len(rows) != 5 || sum[len(sum)-1] != "6" || rows["gw-3"][len(rows["gw-3"])-1] != "3" || sum[1]+sum[2]+sum[3] != "3of3" {
		t.Errorf("the table:\n%s", out)
	}
	s := &fleetStatus{}
	if code, out, _ := call(t, "", "status", "--fleet", "--json", "--admin", list[0].admin); code != 0 || json.Unmarshal([]byte(out), s) != nil || s.Sum.Connections != 6 || len(s.Gateways) != 3 {
		t.Errorf("as JSON: %d %s", code, out)
	}

	// A report has all three, by whatever gateway is asked, and the same as their ledgers added up.
	want := f.separate(list...)
	for _, g := range list {
		if code, line, errs := f.report(g); code != 0 || line != want || errs != "" {
			t.Errorf("report: %d %q, want %q; %s", code, line, want, errs)
		}
	}

	// One hangs: what it has stored counts, and who asks is told.
	list[2].port.Break(fleet.Hung)
	code, out, errs = call(t, "", "status", "--fleet", "--admin", list[0].admin)
	if code != exitCondition || !strings.Contains(out, "no answer") || !strings.Contains(errs, "gw-3: no answer") {
		t.Errorf("one hangs: %d %s %s", code, out, errs)
	}
	if code, line, errs := f.report(list[0]); code != exitCondition || line != want || !strings.Contains(errs, "gw-3: no") {
		t.Errorf("a report while one hangs: %d %q, %s", code, line, errs)
	}
	// The one that hangs goes on by itself.
	c := dial(t, list[2].url, draftwire.Hixie76)
	write(t, c, draftwire.OpText, "alone")
	wantMessage(t, c, "alone")
	code, line, errs := f.report(list[2])
	if code != exitCondition || line != f.separate(list[2]) || !strings.Contains(errs, "gw-1") {
		t.Errorf("the report of one that is alone: %d %q, %s", code, line, errs)
	}
	f.await(list[2], func(s *fleetStatus) bool { return !s.Bus })
	began := time.Now()
	code, line, errs = f.report(list[2])
	if code != exitCondition || line != f.separate(list[2]) || !strings.Contains(errs, "gw-1") || time.Since(began) > patience/2 {
		t.Errorf("when it knows that it is alone: %d %q, %s, after %s", code, line, errs, time.Since(began))
	}
	list[2].port.Break(fleet.Whole)
	f.await(list[0], func(s *fleetStatus) bool { return s.Gateways[2].State == fleet.Alive })
	f.await(list[2], func(s *fleetStatus) bool { return s.Bus && s.Gateways[0].State == fleet.Alive })

	// One ends: its counts stay, with those of its last moments.
	if code := list[2].stop(t); code != 0 {
		t.Errorf("the end: %d", code)
	}
	list[2].admin = "" // its file is read
	want = f.separate(list...)
	code, line, errs = f.report(list[1])
	if code != 0 || line != want || !strings.Contains(errs, "gw-3 is not there: its counts are as of") {
		t.Errorf("a report behind an end: %d %q, want %q; %s", code, line, want, errs)
	}
	if code, out, errs := call(t, "", "fleet", "forget", "gw-3", "--admin", list[0].admin); code != 0 || out != "forgotten\n" {
		t.Errorf("forget: %d %s %s", code, out, errs)
	}
	if code, _, _ := call(t, "", "fleet", "forget", "gw-2", "--admin", list[0].admin); code != exitCondition {
		t.Errorf("forget one that is there: %d", code)
	}
	if code, line, errs := f.report(list[1]); code != 0 || line != f.separate(list[:2]...) || errs != "" {
		t.Errorf("a report behind forget: %d %q, %s", code, line, errs)
	}
}

// separate is the line of hixie-76 in the report of these gateways that are asked one by one; of one that has ended, without
// admin, the file is read.
func (f *fleetOf) separate(list ...*fleetGate) string {
	f.t.Helper()
	args := []string{"report", "--fleet", "--format", "csv"}
	for _, g := range list {
		if g.admin == "" {
			args = append(args, "--ledger", strings.TrimSuffix(g.file, "yaml")+"db")
			continue
		}
		args = append(args, "--admin", g.admin)
	}
	if len(list) == 1 { // one is asked for its fleet
		export := filepath.Join(f.t.TempDir(), "usage.json")
		code, body, err := askAdmin(deadline(f.t), http.MethodGet, list[0].admin, "/usage")
		if err != nil || code != http.StatusOK || os.WriteFile(export, body, 0o600) != nil {
			f.t.Fatal(code, err)
		}
		args = []string{"report", "--fleet", "--format", "csv", "--ledger", export}
	}
	_, out, errs := call(f.t, "", args...)
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "hixie-76,") {
			return line
		}
	}
	f.t.Fatalf("no hixie-76 in %s%s", out, errs)
	return ""
}

func TestFleetReload(t *testing.T) {
	f := newFleet(t)
	list := f.three()
	configured := func() (times []time.Time) {
		for _, g := range list {
			s, _, err := askStatus(deadline(t), g.admin)
			if err != nil {
				t.Fatal(err)
			}
			times = append(times, s.Configured)
		}
		return times
	}
	before := configured()
	f.write("gw-2", "nonsense: 1")
	code, out, errs := call(t, "", "reload", "--fleet", "--admin", list[0].admin)
	if code != exitUsage || !strings.Contains(out, "gw-1  checked; not reloaded") || !strings.Contains(out, `unknown key "nonsense"`) || errs == "" {
		t.Errorf("a file has a fault: %d %s %s", code, out, errs)
	}
	for i, at := range configured() {
		if !at.Equal(before[i]) {
			t.Errorf("gw-%d was reloaded", i+1)
		}
	}
	f.write("gw-2", "limits: {connections: 77}")
	if code, out, errs := call(t, "", "reload", "--fleet", "--admin", list[0].admin); code != 0 || strings.Count(out, "  reloaded\n") != 3 {
		t.Errorf("%d %s %s", code, out, errs)
	}
	for i, at := range configured() {
		if at.Equal(before[i]) {
			t.Errorf("gw-%d was not reloaded", i+1)
		}
	}
	list[1].err.await(t, `"event":"audit".*"what":"reload","who":"gateway gw-1"`)
	before = configured()
	list[2].port.Break(fleet.Hung)
	code, out, _ = call(t, "", "reload", "--fleet", "--json", "--admin", list[0].admin)
	s := &fleetStatus{}
	if code != exitCondition || json.Unmarshal([]byte(out), s) != nil || s.Gateways[2].Error == "" {
		t.Errorf("one hangs: %d %s", code, out)
	}
	for i, at := range configured() {
		if !at.Equal(before[i]) {
			t.Errorf("gw-%d was reloaded, though one does not answer", i+1)
		}
	}
}

func TestFleetDrain(t *testing.T) {
	f := newFleet(t)
	list := f.three()
	code, out, errs := call(t, "", "drain", "--fleet", "--admin", list[1].admin)
	if code != 0 || out != "gw-1: draining\ngw-1: drained\ngw-3: draining\ngw-3: drained\ngw-2: draining\ngw-2: drained\n" {
		t.Errorf("%d %s %s", code, out, errs)
	}
	for i, g := range list {
		if code := g.wait(t); code != 0 {
			t.Errorf("gw-%d ended with %d", i+1, code)
		}
	}
}

func TestFleetDrainStops(t *testing.T) {
	f := newFleet(t)
	list := f.three()
	list[0].port.Break(fleet.Hung)
	code, out, errs := call(t, "", "drain", "--fleet", "--json", "--admin", list[1].admin)
	var results []drained
	if err := json.Unmarshal([]byte(out), &results); err != nil || code != exitCondition || len(results) != 1 || results[0].Gateway != "gw-1" {
		t.Errorf("one hangs: %d %s %s %v", code, out, errs, err)
	}
	f.await(list[1], func(s *fleetStatus) bool { return s.Gateways[2].State == fleet.Alive && !s.Gateways[2].Draining })
	// When it is known to be dead, it does not stand in the way.
	f.await(list[1], func(s *fleetStatus) bool { return s.Gateways[0].State == fleet.Gone })
	code, out, errs = call(t, "", "drain", "--fleet", "--at-a-time", "0", "--admin", list[1].admin)
	if code != exitCondition || !strings.Contains(out, "gw-1: not heard any more\n") || !strings.Contains(out, "gw-3: drained\n") || !strings.Contains(out, "gw-2: drained\n") {
		t.Errorf("one is gone: %d %s %s", code, out, errs)
	}
}

func TestFleetPlan(t *testing.T) {
	f := newFleet(t)
	list := f.three("versions: {hybi-04: [{mode: \"off\"}]}")
	refused := func(g *fleetGate, v draftwire.Version) bool {
		_, _, err := draftwire.Dial(deadline(t), g.url, &draftwire.DialOptions{Version: v})
		return err != nil && strings.Contains(err.Error(), "retired")
	}
	if !refused(list[2], draftwire.Hybi04) {
		t.Error("the file's plan does not hold")
	}
	if code, out, _ := call(t, "", "fleet", "plan", "--admin", list[0].admin); code != 0 || !strings.Contains(out, "no plan") {
		t.Errorf("%d %s", code, out)
	}
	code, out, errs := call(t, "", "fleet", "plan", "hixie-76=off", "--admin", list[0].admin)
	if code != 0 || !strings.HasPrefix(out, "plan 1, made ") || !strings.Contains(out, "by 127.0.0.1 at gw-1\n  hixie-76 off\n") {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	has := func(n uint64) func(*fleetStatus) bool {
		return func(s *fleetStatus) bool { return s.Plan != nil && s.Plan.Number == n }
	}
	for i, g := range list {
		f.await(g, has(1))
		if !refused(g, draftwire.Hixie76) || refused(g, draftwire.Hybi04) {
			t.Errorf("gw-%d does not go by the plan", i+1)
		}
	}
	list[2].err.await(t, `"event":"fleet.plan"`)
	// A reload does not bring back the file's.
	if code, _, errs := call(t, "", "reload", "--admin", list[2].admin); code != 0 || refused(list[2], draftwire.Hybi04) {
		t.Errorf("reload: %d %s", code, errs)
	}
	// A conflict.
	if code, _, errs := call(t, "", "fleet", "plan", "--number", "0", "on", "--admin", list[1].admin); code != exitCondition || !strings.Contains(errs, "plan 1 was made meanwhile") {
		t.Errorf("conflict: %d %s", code, errs)
	}
	if code, _, errs := call(t, "", "fleet", "plan", "nonsense", "--admin", list[1].admin); code != exitUsage {
		t.Errorf("no plan: %d %s", code, errs)
	}
	// One that is away takes the plan when it is back, also behind a restart.
	list[2].stop(t)
	if code, _, errs := call(t, "", "fleet", "plan", "--number", "1", "on", "--admin", list[1].admin); code != 0 {
		t.Errorf("%d %s", code, errs)
	}
	g := f.start("gw-3", "versions: {hybi-04: [{mode: \"off\"}]}")
	f.await(g, has(2))
	if refused(g, draftwire.Hixie76) || refused(g, draftwire.Hybi04) {
		t.Error("the one that came back goes by an old plan")
	}
	if code, out, errs := call(t, "", "fleet", "history", "--admin", g.admin); code != 0 || !strings.HasPrefix(out, "plan 2, ") || !strings.Contains(out, "plan 1, ") || !strings.Contains(errs, "does not hold") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	if code, _, errs := call(t, "", "fleet", "plan", "own", "--admin", g.admin); code != 0 {
		t.Errorf("%d %s", code, errs)
	}
	f.await(list[0], has(3))
	if !refused(list[0], draftwire.Hybi04) {
		t.Error("the file's plan does not hold again")
	}
}

func TestFleetLimits(t *testing.T) {
	f := newFleet(t)
	list := f.three("limits: {connections_per_address: 3, fleet: true}")
	dial(t, list[0].url, draftwire.RFC6455)
	dial(t, list[0].url, draftwire.RFC6455)
	dial(t, list[1].url, draftwire.RFC6455)
	limited := func() bool {
		c, _, err := draftwire.Dial(deadline(t), list[2].url, &draftwire.DialOptions{Version: draftwire.RFC6455})
		if err == nil {
			c.CloseNow()
		}
		return err != nil
	}
	for end := time.Now().Add(patience); !limited(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the fourth connection in the fleet is accepted")
		}
	}
	list[2].port.Break(fleet.Cut)
	for end := time.Now().Add(patience); limited(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("without the bus, connections elsewhere still count")
		}
	}
}

// Orders to a fleet are taken as all others are, and a gateway without one says so.
func TestFleetRights(t *testing.T) {
	f := newFleet(t)
	g := f.start("gw-1")
	for _, path := range []string{"/fleet/plan?plan=on", "/fleet/reload", "/fleet/drain?name=gw-1", "/fleet/forget?name=gw-1"} {
		req, err := http.NewRequest(http.MethodPost, g.admin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "http://evil.example")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s from a page: %d", path, resp.StatusCode)
		}
	}
	_, alone, _ := gatewayOn(t, append(free, "--to", f.back)...)
	for _, args := range [][]string{{"status", "--fleet"}, {"drain", "--fleet"}, {"reload", "--fleet"}, {"fleet", "plan"}} {
		if code, _, errs := call(t, "", append(args, "--admin", alone)...); code != exitFailure || !strings.Contains(errs, "in no fleet") {
			t.Errorf("%q: %d %s", args, code, errs)
		}
	}
	if code, out, errs := call(t, "", "report", "--fleet", "--admin", alone); code != 0 {
		t.Errorf("a report of one in no fleet: %d %s %s", code, out, errs)
	}
}

// What a gateway of the fleet says is shown, and does nothing to a terminal.
func TestFleetShowsEscapes(t *testing.T) {
	evil := "\x1b[2J\u009b\u202e"
	s := &fleetStatus{Gateways: []fleetGateway{{Member: fleet.Member{Name: "a" + evil, State: fleet.Alive, About: fleet.About{Version: evil}}, Error: evil}}}
	out := newStream()
	writeFleet(out, s)
	p := &program{stdio: stdio{out: out}}
	p.writeResults(s)
	writePlan(out, &fleet.Plan{Number: 1, Node: evil, Who: evil, Stages: usage.Plan{}})
	if bad := obeyed(out.String()); bad != "" {
		t.Errorf("%+q in %s", bad, strconv.Quote(out.String()))
	}
}

// The console of a gateway has its fleet, and its order to retire a version makes the fleet's next plan.
func TestFleetInConsole(t *testing.T) {
	f := newFleet(t)
	g, h := f.start("gw-1"), f.start("gw-2")
	f.await(g, func(s *fleetStatus) bool { return len(s.Gateways) == 2 })
	code, body, err := askAdmin(deadline(t), http.MethodGet, g.admin, "/console/api/status")
	s := struct {
		Connections int
		Fleet       fleetStatus
	}{}
	if err != nil || code != http.StatusOK || json.Unmarshal(body, &s) != nil || len(s.Fleet.Gateways) != 2 || s.Fleet.Gateway != "gw-1" {
		t.Errorf("the console's state: %d %s %v", code, body, err)
	}
	f.await(h, func(s *fleetStatus) bool { return len(s.Gateways) == 2 })
	resp, text := ask(t, "POST", g.admin+"/console/api/orders/retire", `{"version":"hixie-76","mode":"off","from":"2027-03-01"}`,
		"Content-Type", "application/json", "Authorization", "Bearer a token of this test", "Origin", g.admin, "Sec-Fetch-Site", "same-origin")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("retire: %d %s", resp.StatusCode, text)
	}
	plan := f.await(h, func(s *fleetStatus) bool { return s.Plan != nil }).Plan
	if plan.Number != 1 || plan.Node != "gw-1" || plan.Stages[draftwire.Hixie76][0].Mode != usage.Off {
		t.Errorf("the fleet's plan: %+v", plan)
	}
}

// However many names somebody on the bus makes up, few lines tell of them.
func TestFleetManyNames(t *testing.T) {
	f := newFleet(t)
	g := f.start("gw-1")
	f.await(g, func(s *fleetStatus) bool { return len(s.Gateways) == 1 })
	say := func(i int, bye bool) {
		text := fmt.Sprintf(`{"name":"x-%d","id":"a","started":"2026-01-01T00:00:00Z","bye":%t}`, i, bye)
		if err := f.bus.Send(t.Context(), "fleet.draftwire.hello", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	const names = 1000
	for i := range names {
		say(i, false)
		say(i, true)
	}
	f.await(g, func(s *fleetStatus) bool { return len(s.Gateways) == fleet.MaxNodes })
	g.err.await(t, `"event":"fleet.joined"`) // the log is written a moment later
	if n := strings.Count(g.err.String(), `"event":"fleet.joined"`); n > 100 {
		t.Errorf("%d lines tell of %d names", n, names)
	}
}
