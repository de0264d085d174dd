package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// gateway is a running gateway, of one process or of several.
type gateway struct {
	binary, dir, file string
	address, admin    string
	site              *site
	backends          []*backend
	variant           int // of the configuration
	cmd               *exec.Cmd
	log               *os.File
}

// freePort returns a port that nobody has.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func startGateway(binary, dir string, site *site, backends []*backend) (*gateway, error) {
	g := &gateway{binary: binary, dir: dir, file: filepath.Join(dir, "gateway.yaml"), site: site, backends: backends}
	var err error
	if g.address, err = freePort(); err != nil {
		return nil, err
	}
	if g.admin, err = freePort(); err != nil {
		return nil, err
	}
	if g.log, err = os.Create(filepath.Join(dir, "gateway.log")); err != nil {
		return nil, err
	}
	if err := g.configure(); err != nil {
		return nil, err
	}
	g.cmd = exec.Command(binary, "gateway", "--config", g.file, "--log-format", "json")
	g.cmd.Stderr = g.log
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	go g.cmd.Wait()
	var s status
	for range 100 {
		if s, err = g.status(); err == nil && s.Ready {
			return g, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	g.stop()
	return nil, fmt.Errorf("the gateway does not get ready: %v %s\n%s", err, s.Why, g.complaints())
}

// configure writes the configuration. Each time it is a little different.
func (g *gateway) configure() error {
	g.variant++
	text := fmt.Sprintf(`
listen: [{address: %s}]
admin: {address: %s}
ledger: {file: %s/usage.db}
drain: 2s
drain_after: 10m
limits: {connections: %d, handshake_timeout: 15s, idle_timeout: 10m}
routes:
  - name: site
    match: {paths: [/site/*]}
    http: [%s]
  - name: echo
    dial_timeout: 15s
    balance: hash segment 1
    backends: [{url: ws://%s}, {url: ws://%s}]
    health: {interval: 500ms}
`, g.address, g.admin, g.dir, 1000+g.variant, g.site.url, g.backends[0].address, g.backends[1].address)
	return os.WriteFile(g.file, []byte(text), 0o600)
}

// order gives the gateway an order by the command line.
func (g *gateway) order(words ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, g.binary, append(words, "--admin", "http://"+g.admin)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("draftwire %s: %v: %s", strings.Join(words, " "), err, out)
	}
	return nil
}

// status is what the gateway says of itself.
type status struct {
	Ready       bool
	Why         string
	Connections int
	Requests    struct {
		InFlight int `json:"in_flight"`
	}
	Generations []struct{ PID int }
}

// ask asks the admin port.
func (g *gateway) ask(path string) (io.ReadCloser, error) {
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Get("http://" + g.admin + path)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

func (g *gateway) status() (s status, err error) {
	body, err := g.ask("/status")
	if err != nil {
		return s, err
	}
	defer body.Close()
	return s, json.NewDecoder(body).Decode(&s)
}

// metric returns the sum of the samples of a metric whose labels contain each word.
func (g *gateway) metric(name string, words ...string) (sum float64, err error) {
	body, err := g.ask("/metrics")
	if err != nil {
		return 0, err
	}
	defer body.Close()
	in := bufio.NewScanner(body)
lines:
	for in.Scan() {
		rest, ok := strings.CutPrefix(in.Text(), name)
		if !ok || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		for _, w := range words {
			if !strings.Contains(rest, w) {
				continue lines
			}
		}
		v, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, in.Err()
}

// sample is the state of the newest process, and how many there are.
type sample struct {
	rss, goroutines, descriptors int
	processes, sessions          int
}

func (s sample) String() string {
	return fmt.Sprintf("%d processes, %4d sessions; the newest: %6s, %4d goroutines, %4d descriptors", s.processes, s.sessions, mib(s.rss), s.goroutines, s.descriptors)
}

func mib(n int) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func (g *gateway) sample() (sample, error) {
	st, err := g.status()
	if err != nil {
		return sample{}, err
	}
	if len(st.Generations) == 0 {
		return sample{}, errors.New("no process says that it lives")
	}
	pid := 0
	for _, x := range st.Generations { // the newest is the one that has the admin port
		pid = max(pid, x.PID)
	}
	s := sample{processes: len(st.Generations), sessions: st.Connections}
	for name, at := range map[string]*int{"go_goroutines": &s.goroutines, "process_resident_memory_bytes": &s.rss, "process_open_fds": &s.descriptors} {
		v, err := g.metric(name)
		if err != nil {
			return s, err
		}
		*at = int(v)
	}
	return s, nil
}

// atRest waits until nothing of the load is left.
func (g *gateway) atRest(before sample, l *load) error {
	g.site.rest()
	var s sample
	for end := time.Now().Add(settle); ; time.Sleep(time.Second) {
		var err error
		if s, err = g.sample(); err != nil {
			return err
		}
		st, err := g.status()
		if err != nil {
			return err
		}
		if s.processes == 1 && s.sessions == 0 && st.Requests.InFlight == 0 && s.goroutines <= before.goroutines+4 && s.descriptors <= before.descriptors+4 {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("the gateway does not come to rest: before %v; now %v, %d requests", before, s, st.Requests.InFlight)
		}
	}
	fmt.Println("at rest:  ", s)
	for name, n := range l.opened {
		got, err := g.metric("draftwire_handshakes_total", `draft="`+name+`"`, `result="accepted"`)
		if err != nil {
			return err
		}
		if most := n.Load() + l.doubtful[name].Load(); int64(got) < n.Load() || int64(got) > most {
			return fmt.Errorf("%s: the gateway counts %v handshakes, the clients %d, or %d with those that they gave up", name, got, n.Load(), most)
		}
	}
	if bad := g.complaints(); bad != "" {
		return errors.New("the gateway says:\n" + bad)
	}
	return nil
}

// complaints returns the lines of the log that must not be there.
func (g *gateway) complaints() string {
	text, _ := os.ReadFile(g.log.Name())
	var bad []string
	for _, line := range strings.Split(string(text), "\n") {
		if strings.Contains(line, "panic") || strings.Contains(line, `"level":"error"`) || strings.Contains(line, `"level":"fatal"`) {
			bad = append(bad, line)
		}
	}
	return strings.Join(bad[:min(len(bad), 10)], "\n")
}

// stop ends all processes of the gateway.
func (g *gateway) stop() {
	if s, err := g.status(); err == nil {
		for _, x := range s.Generations {
			if p, err := os.FindProcess(x.PID); err == nil {
				p.Kill()
			}
		}
	}
	g.cmd.Process.Kill()
	g.log.Close()
}

// backend is a WebSocket server, which can be killed and comes back at its port.
type backend struct {
	binary, file, address string
	mu                    sync.Mutex
	cmd                   *exec.Cmd
	killed                atomic.Int64 // when, in nanoseconds of Unix
}

func startBackend(binary, dir string) (*backend, error) {
	address, err := freePort()
	if err != nil {
		return nil, err
	}
	b := &backend{binary: binary, file: filepath.Join(dir, "seen"), address: address}
	return b, b.start()
}

func (b *backend) start() error {
	_, port, _ := net.SplitHostPort(b.address)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cmd = exec.Command(b.binary, port, b.file)
	return b.cmd.Start()
}

// stop kills it.
func (b *backend) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.killed.Store(time.Now().UnixNano())
	b.cmd.Process.Kill()
	b.cmd.Wait()
}

// troubles counts what was done to the gateway while it had its load.
type troubles struct {
	upgrades, reloads, kills int
	errors                   []error
}

// trouble reloads, upgrades and kills backends, until ctx ends; in the last quarter of d it
// upgrades no more, so that one process is seen for a while.
func trouble(ctx context.Context, wg *sync.WaitGroup, g *gateway, backends []*backend, l *load, d time.Duration) *troubles {
	t := new(troubles)
	every := min(15*time.Second, d/9)
	wg.Go(func() {
		for turn := 0; ; turn++ {
			select {
			case <-ctx.Done():
				return
			case <-time.After(every):
			}
			var err error
			switch late := time.Since(l.began) > d*2/3; {
			case turn%3 == 0 && !late:
				t.upgrades++
				err = errors.Join(g.configure(), g.order("upgrade"))
			case turn%3 == 1:
				t.reloads++
				err = errors.Join(g.configure(), g.order("reload"))
			case turn%3 == 2:
				t.kills++
				b := backends[t.kills%len(backends)]
				b.stop()
				time.Sleep(time.Second)
				err = b.start()
			}
			if err != nil {
				t.errors = append(t.errors, err)
			}
		}
	})
	return t
}

// site is a server of ordinary requests.
type site struct {
	url string
	s   *http.Server
}

func newSite() (*site, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/site/echo", func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil {
			w.Write(body)
		}
	})
	mux.HandleFunc("/site/page", func(w http.ResponseWriter, r *http.Request) {
		for range 8 {
			w.Write(page[:])
		}
	})
	mux.HandleFunc("/site/poll", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(2 * time.Second):
			io.WriteString(w, "nothing new")
		}
	})
	s := &site{"http://" + l.Addr().String(), &http.Server{Handler: mux}}
	go s.s.Serve(l)
	return s, nil
}

var page [32 << 10]byte

// rest closes the connections that wait for a request.
func (s *site) rest() { s.s.SetKeepAlivesEnabled(false) }

func (s *site) close() { s.s.Close() }
