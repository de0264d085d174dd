//go:build linux

// Fleet starts three gateways that are one, as deploy/fleet/gateway.yaml has them, with a backend and clients of two
// versions on each, lets one thing after the other end, and measures how long the clients hear nothing. It
// compares nothing but bounds: what is measured is printed, and stands in docs/fleet.md.
//
//	go run ./test/fleet           # fails where something does not come back in time
//	go run ./test/fleet -write    # puts the table into the document
//
// Everything listens on 127.0.0.1 and ends with the program.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/draftwire/draftwire"
)

const (
	configuration = "deploy/fleet/gateway.yaml"
	document      = "docs/fleet.md"
	room          = "/news/1"
	gateways      = 3
)

func main() {
	write := flag.Bool("write", false, "put the table into the document")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "fleet")
	if err == nil {
		err = play(ctx, dir, *write)
		os.RemoveAll(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

// fleet is three gateways, their backend and their clients.
type fleet struct {
	dir, program string
	backend      *backend
	gates        []*gate
	clients      []*client
}

// gate is a gateway.
type gate struct {
	name, config  string
	listen, admin string
	program       string
	cmd           *exec.Cmd
	log           *os.File
	ended         chan struct{}
}

func play(ctx context.Context, dir string, write bool) (err error) {
	f := &fleet{dir: dir, program: filepath.Join(dir, "draftwire")}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", f.program, "./cmd/draftwire").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	b, err := newBackend()
	if err != nil {
		return err
	}
	f.backend = b
	defer b.close()
	defer func() {
		f.end()
		if err != nil {
			f.logs()
		}
	}()
	if err := f.configure(); err != nil {
		return err
	}
	for _, g := range f.gates {
		if err := g.start(); err != nil {
			return err
		}
	}
	var rows []row
	began := time.Now()
	for i, g := range f.gates {
		for _, v := range []draftwire.Version{draftwire.Hixie76, draftwire.RFC6455} {
			c := &client{gate: i, url: "ws://" + g.listen + room, version: v}
			f.clients = append(f.clients, c)
			go c.listen(ctx)
		}
	}
	if err := f.well(ctx, 0); err != nil {
		return fmt.Errorf("after the start: %w", err)
	}
	fmt.Fprintf(os.Stderr, "ok - %d clients of two versions on %d gateways hear a backend with one connection, %.1f s after the start\n", len(f.clients), gateways, time.Since(began).Seconds())
	for _, c := range cases {
		r, err := f.measure(ctx, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
		rows = append(rows, r)
		fmt.Fprintf(os.Stderr, "ok - %s: %s\n", c.what, r.silence())
	}
	table := tableOf(rows)
	if write {
		return put(document, table)
	}
	fmt.Print(table)
	return nil
}

// configure writes the configuration of each gateway: the file of deploy, with ports and folders of its own.
func (f *fleet) configure() error {
	text, err := os.ReadFile(configuration)
	if err != nil {
		return err
	}
	token := filepath.Join(f.dir, "token")
	if err := os.WriteFile(token, []byte(strings.Repeat("ab", 16)+"\n"), 0o600); err != nil {
		return err
	}
	ports, err := freePorts(3 * gateways)
	if err != nil {
		return err
	}
	var routes []string
	for i := range gateways {
		routes = append(routes, ports[3*i])
	}
	for i := range gateways {
		g := &gate{name: fmt.Sprintf("gate-%d", i+1), listen: ports[3*i+1], admin: ports[3*i+2], program: f.program}
		state := filepath.Join(f.dir, g.name)
		if err := os.Mkdir(state, 0o700); err != nil {
			return err
		}
		own := strings.NewReplacer(
			`":8080"`, fmt.Sprintf("%q", g.listen), `"127.0.0.1:9090"`, fmt.Sprintf("%q", g.admin),
			"/var/lib/draftwire", state, "/run/secrets/hub-token", token,
			`":6222"`, fmt.Sprintf("%q", routes[i]), "url: embedded", "url: embedded\n  name: "+g.name,
			`"gate-1:6222", "gate-2:6222", "gate-3:6222"`, fmt.Sprintf("%q, %q, %q", routes[0], routes[1], routes[2]),
			"hostname", g.name, "ws://app:8000", "ws://"+f.backend.addr, "drain: 60s", "drain: 1s",
		).Replace(string(text))
		g.config = filepath.Join(state, "gateway.yaml")
		if err := os.WriteFile(g.config, []byte(own), 0o600); err != nil {
			return err
		}
		if g.log, err = os.Create(filepath.Join(state, "log")); err != nil {
			return err
		}
		f.gates = append(f.gates, g)
	}
	return nil
}

// freePorts returns addresses on which nobody listens.
func freePorts(n int) (list []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		list = append(list, l.Addr().String())
	}
	return list, nil
}

func (g *gate) start() error {
	g.cmd = exec.Command(g.program, "gateway", "--config", g.config)
	g.cmd.Stdout, g.cmd.Stderr = g.log, g.log
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	ended := make(chan struct{})
	g.ended = ended
	if err := g.cmd.Start(); err != nil {
		return err
	}
	cmd := g.cmd
	go func() {
		cmd.Wait()
		close(ended)
	}()
	return nil
}

// signal sends a signal, and waits for the end, if it is one that ends.
func (g *gate) signal(s syscall.Signal) error {
	if err := g.cmd.Process.Signal(s); err != nil {
		return err
	}
	if s == syscall.SIGKILL || s == syscall.SIGTERM {
		select {
		case <-g.ended:
		case <-time.After(time.Minute):
			return fmt.Errorf("%s does not end", g.name)
		}
	}
	return nil
}

// end ends all gateways.
func (f *fleet) end() {
	for _, g := range f.gates {
		if g.cmd != nil {
			g.cmd.Process.Kill()
			<-g.ended
		}
		g.log.Close()
	}
}

// logs prints the last lines of each gateway.
func (f *fleet) logs() {
	for _, g := range f.gates {
		text, _ := os.ReadFile(g.log.Name())
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		fmt.Fprintf(os.Stderr, "%s:\n%s\n", g.name, strings.Join(lines[max(0, len(lines)-12):], "\n"))
	}
}

// upstream returns which gateway has the room's connection to the backend.
func (f *fleet) upstream(ctx context.Context) (int, error) {
	for {
		for i, g := range f.gates {
			var s struct {
				Routes []struct {
					Rooms *struct {
						Upstreams int `json:"upstreams"`
					} `json:"rooms"`
				} `json:"routes"`
			}
			if g.ask("/status", &s) != nil {
				continue
			}
			for _, r := range s.Routes {
				if r.Rooms != nil && r.Rooms.Upstreams > 0 {
					return i, nil
				}
			}
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return 0, errors.New("no gateway says that it has the connection to the backend")
		}
	}
}

func (g *gate) ask(path string, into any) error {
	c := http.Client{Timeout: 2 * time.Second}
	resp, err := c.Get("http://" + g.admin + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}

// backend says something in each connection, time and again.
type backend struct {
	addr  string
	mu    sync.Mutex
	srv   *draftwire.Server
	conns map[*draftwire.Conn]bool
	said  int
}

const tick = 20 * time.Millisecond

func newBackend() (*backend, error) {
	b := &backend{conns: map[*draftwire.Conn]bool{}}
	list, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	b.addr = list[0]
	return b, b.open()
}

func (b *backend) open() error {
	l, err := net.Listen("tcp", b.addr)
	if err != nil {
		return err
	}
	b.srv = &draftwire.Server{WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		b.mu.Lock()
		b.conns[c] = true
		b.mu.Unlock()
		defer func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			delete(b.conns, c)
		}()
		go c.ReadLoop(ctx, func(draftwire.Op, []byte) error { return nil })
		for t := time.NewTicker(tick); ; {
			select {
			case <-t.C:
			case <-ctx.Done():
				return ctx.Err()
			}
			b.mu.Lock()
			b.said++
			text := fmt.Append(nil, b.said)
			b.mu.Unlock()
			if err := c.Write(ctx, draftwire.OpText, text); err != nil {
				return err
			}
		}
	}}
	go b.srv.Serve(l)
	return nil
}

func (b *backend) close() { b.srv.Close() }

// count is how many connections there are.
func (b *backend) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.conns)
}
