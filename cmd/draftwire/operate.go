package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/draftwire/draftwire/gateway"
	"github.com/urfave/cli/v2"
)

// The commands that talk to a running gateway.

func adminFlag() cli.Flag {
	return &cli.StringFlag{Name: "admin", Value: defaultAdmin, Usage: "`URL` of the gateway's admin port, or unix:PATH"}
}

// orderFlags are the flags of commands that give an order.
func orderFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{adminFlag(), &cli.StringFlag{
		Name: "admin-token-file", TakesFile: true, Usage: "`FILE` with the token of the admin port, if the gateway is on another machine",
	}}, more...)
}

// orderPort is the admin port that the flags of an order name.
func orderPort(c *cli.Context) (adminPort, error) {
	a, err := parseAdmin(c.String("admin"))
	file := c.String("admin-token-file")
	if err != nil || file == "" {
		return a, err
	}
	token, err := os.ReadFile(file)
	if err != nil {
		return a, configf("--admin-token-file: %w", err)
	}
	a.token = strings.TrimSpace(string(token))
	return a, nil
}

func (p *program) statusCommand() command {
	return command{
		name: "status", usage: "show what a running gateway does",
		about: "Exits with 0 if the gateway accepts clients and every route has a backend, with 7 if not, with 3 if there is no answer: " +
			"it serves as a health check.",
		examples: []example{
			{"draftwire status", "of the gateway at " + defaultAdmin},
			{"draftwire status --json | jq .versions", "connections by version"},
			{"draftwire status --fleet", "of all gateways of its fleet"},
		},
		flags: []cli.Flag{adminFlag(), &cli.BoolFlag{Name: "json", Usage: "print JSON"}, fleetFlag("a line for each gateway of the fleet, and their sum; exits with 7 if one is not ready or does not answer")},
		run: func(c *cli.Context) error {
			if c.Bool("fleet") {
				return p.fleetStatus(c.Context, c.String("admin"), c.Bool("json"))
			}
			return status(c.Context, p.out, c.String("admin"), c.Bool("json"))
		},
	}
}

func (p *program) drainCommand() command {
	return command{
		name: "drain", usage: "drain a running gateway: say farewell to its clients, then end",
		about: "The gateway accepts no more clients, says farewell to those it has, spread over its drain time, and ends.",
		examples: []example{
			{"draftwire drain", "the gateway at " + defaultAdmin},
			{"draftwire drain --wait", "and wait until it has ended"},
			{"draftwire drain --fleet", "all gateways of its fleet, one after the other"},
		},
		flags: orderFlags(&cli.BoolFlag{Name: "wait", Usage: "wait until the gateway has ended"},
			fleetFlag("drain all gateways of the fleet, each when those before it have ended; exits with 7 if one has not, and leaves the others as they are"),
			&cli.IntFlag{Name: "at-a-time", Value: 1, Usage: "with --fleet: drain `N` at a time; 0 for all"},
			&cli.DurationFlag{Name: "each", Value: drainEach, Usage: "with --fleet: `TIME` for each gateway to end"},
			&cli.BoolFlag{Name: "json", Usage: "with --fleet: print JSON at the end"}),
		run: func(c *cli.Context) error {
			if c.Bool("fleet") {
				return p.fleetDrain(c)
			}
			for _, name := range []string{"at-a-time", "each", "json"} {
				if c.IsSet(name) {
					return usagef("--%s belongs to --fleet", name)
				}
			}
			if err := p.order(c, "drain"); err != nil || !c.Bool("wait") {
				return err
			}
			return p.waitForEnd(c.Context, c.String("admin"))
		},
	}
}

func (p *program) reloadCommand() command {
	return command{
		name: "reload", usage: "make a running gateway reload its configuration",
		about: "Exits with 2 if the file is wrong; the gateway then keeps the configuration that it has.",
		examples: []example{
			{"draftwire config check gateway.yaml && draftwire reload", "check it before"},
			{"draftwire reload --fleet", "all gateways of its fleet, if no file has a fault"},
		},
		flags: orderFlags(fleetFlag("let all gateways of the fleet check their files, and if none has a fault reload them; exits with 7 if one does not answer"),
			&cli.BoolFlag{Name: "json", Usage: "with --fleet: print JSON"}),
		run: func(c *cli.Context) error {
			if c.Bool("fleet") {
				return p.fleetReload(c)
			}
			if c.IsSet("json") {
				return usagef("--json belongs to --fleet")
			}
			return p.order(c, "reload")
		},
	}
}

// adminTimeout bounds a request to the admin port.
const adminTimeout = 10 * time.Second

// adminPort is the admin port of a gateway.
type adminPort struct {
	url    *url.URL
	socket string // path of a unix socket, "" for TCP
	token  string // "" for none
}

// parseAdmin reads the value of --admin: a URL, HOST:PORT or unix:PATH.
func parseAdmin(s string) (adminPort, error) {
	if socket, ok := strings.CutPrefix(s, "unix:"); ok && socket != "" {
		return adminPort{url: &url.URL{Scheme: "http", Host: "gateway"}, socket: socket}, nil
	}
	if !strings.Contains(s, "://") {
		s = "http://" + s // the gateway's --admin is HOST:PORT too
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return adminPort{}, usagef("--admin: %q is not a URL like %s", s, defaultAdmin)
	}
	return adminPort{url: u}, nil
}

// ask sends a request. The error has its exit code where there is no answer, or where the
// port does not answer under this name.
func (a adminPort) ask(ctx context.Context, method, path string) (*http.Response, error) {
	u := a.url
	path, query, _ := strings.Cut(path, "?")
	if !strings.HasSuffix(u.Path, path) {
		u = u.JoinPath(path)
	}
	if query != "" {
		v := *u
		v.RawQuery = query
		u = &v
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, usagef("--admin: %w", err)
	}
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	if a.socket != "" {
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", a.socket)
		}
	}
	resp, err := (&http.Client{Transport: t}).Do(req)
	if err == nil && resp.StatusCode == http.StatusMisdirectedRequest {
		defer resp.Body.Close()
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return nil, exitf(exitFailure, "the gateway says %d: %s", resp.StatusCode, strings.TrimSpace(string(why)))
	}
	if err == nil {
		return resp, nil
	}
	code := exitFailure
	var op *net.OpError
	if errors.As(err, &op) || errors.Is(err, context.DeadlineExceeded) {
		code = exitConnect
	}
	return nil, exitf(code, "no answer from the gateway: %w", err)
}

// askAdmin sends a request and reads the whole answer, within adminTimeout.
func askAdmin(ctx context.Context, method, admin, path string) (status int, body []byte, err error) {
	a, err := parseAdmin(admin)
	if err != nil {
		return 0, nil, err
	}
	return a.askWithin(ctx, adminTimeout, method, path)
}

func (a adminPort) askWithin(ctx context.Context, d time.Duration, method, path string) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	resp, err := a.ask(ctx, method, path)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	return resp.StatusCode, body, err
}

// order sends a command to a gateway and prints its answer.
func (p *program) order(c *cli.Context, what string) error {
	return p.orderWithin(c.Context, adminTimeout, c, what)
}

// orderWithin is order with a time for the answer.
func (p *program) orderWithin(ctx context.Context, d time.Duration, c *cli.Context, what string) error {
	a, err := orderPort(c)
	if err != nil {
		return err
	}
	code, body, err := a.askWithin(ctx, d, http.MethodPost, "/"+what)
	text := strings.TrimSpace(string(body))
	switch {
	case err != nil:
		return err
	case code == http.StatusUnprocessableEntity:
		return exitf(exitUsage, "%s", text)
	case code >= 300:
		return exitf(exitFailure, "the gateway says %d: %s", code, text)
	}
	fmt.Fprintln(p.out, visibleText(text))
	return nil
}

// waitForEnd waits until a gateway that drains answers no more.
func (p *program) waitForEnd(ctx context.Context, admin string) error {
	ctx, stop := interruptible(ctx, p.signals)
	defer stop()
	tick := time.NewTicker(time.Second / 2)
	defer tick.Stop()
	for {
		if _, _, err := askStatus(ctx, admin); ctx.Err() != nil {
			return &exitError{code: exitInterrupted}
		} else if err != nil {
			fmt.Fprintln(p.out, "drained")
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func status(ctx context.Context, out io.Writer, admin string, asJSON bool) error {
	s, body, err := askStatus(ctx, admin)
	if err != nil {
		return err
	}
	if asJSON {
		out.Write(visibleJSON(body))
	} else {
		writeStatus(out, s)
	}
	if !s.Ready {
		return exitf(exitCondition, "not ready: %s", s.Why)
	}
	return nil
}

// askStatus asks for the state of a gateway, and returns the answer's body too.
func askStatus(ctx context.Context, admin string) (*gateway.Status, []byte, error) {
	code, body, err := askAdmin(ctx, http.MethodGet, admin, "/status")
	if err != nil {
		return nil, nil, err
	}
	s := &gateway.Status{}
	if err := json.Unmarshal(body, s); err != nil || code != http.StatusOK {
		return nil, nil, exitf(exitFailure, "%s is not the admin port of a gateway (status %d)", admin, code)
	}
	return s, body, nil
}

// writeMirror writes the state of a route's mirror, by lines: its own, and for each kind of client one with
// what was found and one with the first difference.
func writeMirror(line func(name, format string, args ...any), route string, m *gateway.MirrorStatus) {
	if m == nil {
		return
	}
	up, fault := "up", ""
	if !m.Up {
		up = "failing"
	}
	if m.Error != "" {
		fault = fmt.Sprintf("; its last failure, %s ago: %s", time.Since(m.Failed).Round(time.Second), short(m.Error))
	}
	line("mirror of "+route, "%s %s, %d open, %s%s", m.Name, up, m.Connections, &m.Counts, fault)
	for _, k := range m.Kinds {
		line("  "+k.Kind, "%s", &k.Counts)
		if len(k.Differences) > 0 {
			line("", "%s", k.Differences[0])
		}
	}
}

// writeStatus writes a table. Its contents came over the network, and an error may repeat
// what a backend said: everything is printed by line, which escapes it.
func writeStatus(out io.Writer, s *gateway.Status) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer w.Flush()
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", visible(name), visible(fmt.Sprintf(format, args...)))
	}
	state := "ready"
	if !s.Ready {
		state = s.Why
	}
	limit := "no limit"
	if s.Limit > 0 {
		limit = fmt.Sprintf("of %d", s.Limit)
	}
	line("state", "%s, up %s", state, time.Since(s.Started).Round(time.Second))
	line("connections", "%d (%s)", s.Connections, limit)
	line("requests", "%d in flight, %d served, %d failed", s.Requests.InFlight, s.Requests.Total, s.Requests.Failed)
	if s.Hub != nil {
		line("hub", "%s", s.Hub)
	}
	for i, g := range s.Generations {
		if i == 0 {
			continue // it is the gateway, in the lines above
		}
		until := "until they end"
		if !g.Until.IsZero() {
			until = "until " + g.Until.Format(time.DateTime)
		}
		line(fmt.Sprintf("replaced process %d", g.PID), "draftwire %s, up %s, keeps %d connections %s", g.Version, time.Since(g.Started).Round(time.Second), g.Connections, until)
	}
	for _, l := range s.Listeners {
		line("listener "+l.Name, "%s, %d open, %d pending, %d of HTTP", l.Address, l.Open, l.Pending, l.HTTP)
	}
	for _, r := range s.Routes {
		for _, b := range r.Backends {
			up, fault := "up", ""
			if !b.Up {
				up = "down"
			}
			if b.Error != "" {
				fault = fmt.Sprintf("; its last failure, %s ago: %s", time.Since(b.Failed).Round(time.Second), short(b.Error))
			}
			line("route "+r.Name, "%s %s, %d open%s", b.URL, up, b.Connections, fault)
		}
		writeMirror(line, r.Name, r.Mirror)
		if x := r.Rooms; x != nil {
			line("rooms of "+r.Name, "%d with %d members, %d connections to the backend; %d deliveries, %d missed, %d unsupported, %d members too slow, %d messages not published, %d not heard",
				x.Rooms, x.Members, x.Upstreams, x.Delivered, x.Missed, x.Unsupported, x.Disconnected, x.Unpublished, x.Unheard)
		}
	}
	for _, v := range versionWords(false) {
		if n := s.Versions[v]; n > 0 {
			line(v, "%d", n)
		}
	}
	for _, x := range s.Retiring {
		line("retiring "+x.Version, "%s from %s", x.Mode, cmp.Or(dated(x.From), "now"))
	}
}
