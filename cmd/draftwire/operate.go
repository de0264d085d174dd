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

func (p *program) statusCommand() command {
	return command{
		name: "status", usage: "show what a running gateway does",
		about: "Exits with 0 if the gateway takes clients and every route has a backend, with 7 if not, with 3 if nobody answers: " +
			"it serves as a health check.",
		examples: []example{
			{"draftwire status", "of the gateway at " + defaultAdmin},
			{"draftwire status --json | jq .versions", "how many speak what"},
		},
		flags: []cli.Flag{adminFlag(), &cli.BoolFlag{Name: "json", Usage: "print JSON"}},
		run: func(c *cli.Context) error {
			return status(c.Context, p.out, c.String("admin"), c.Bool("json"))
		},
	}
}

func (p *program) drainCommand() command {
	return command{
		name: "drain", usage: "end a running gateway in order",
		about:    "The gateway takes no more clients, says farewell to those it has over its drain time, and ends.",
		examples: []example{{"draftwire drain", "the gateway at " + defaultAdmin}},
		flags:    []cli.Flag{adminFlag()},
		run:      func(c *cli.Context) error { return p.order(c, "drain") },
	}
}

func (p *program) reloadCommand() command {
	return command{
		name: "reload", usage: "let a running gateway read its configuration again",
		about:    "Exits with 2 if the file is wrong; the gateway then goes on with what it has.",
		examples: []example{{"draftwire config check gateway.yaml && draftwire reload", "check it before"}},
		flags:    []cli.Flag{adminFlag()},
		run:      func(c *cli.Context) error { return p.order(c, "reload") },
	}
}

// adminTimeout bounds a request to the admin port.
const adminTimeout = 10 * time.Second

// adminPort is the admin port of a gateway.
type adminPort struct {
	url    *url.URL
	socket string // path of a unix socket, "" for TCP
}

// parseAdmin reads the value of --admin: a URL, HOST:PORT or unix:PATH.
func parseAdmin(s string) (adminPort, error) {
	if socket, ok := strings.CutPrefix(s, "unix:"); ok && socket != "" {
		return adminPort{&url.URL{Scheme: "http", Host: "gateway"}, socket}, nil
	}
	if !strings.Contains(s, "://") {
		s = "http://" + s // as the gateway's own flag is written
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return adminPort{}, usagef("--admin: %q is no URL like %s", s, defaultAdmin)
	}
	return adminPort{url: u}, nil
}

// ask sends a request. Without an answer, or where the port is not to be asked by this
// name, the error has its exit code.
func (a adminPort) ask(ctx context.Context, method, path string) (*http.Response, error) {
	u := a.url
	if !strings.HasSuffix(u.Path, path) {
		u = u.JoinPath(path)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, usagef("--admin: %w", err)
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
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	resp, err := a.ask(ctx, method, path)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	return resp.StatusCode, body, err
}

// order sends an order to a gateway and prints its answer.
func (p *program) order(c *cli.Context, what string) error {
	code, body, err := askAdmin(c.Context, http.MethodPost, c.String("admin"), "/"+what)
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

func status(ctx context.Context, out io.Writer, admin string, asJSON bool) error {
	code, body, err := askAdmin(ctx, http.MethodGet, admin, "/status")
	if err != nil {
		return err
	}
	var s gateway.Status
	if err := json.Unmarshal(body, &s); err != nil || code != http.StatusOK {
		return exitf(exitFailure, "%s is no admin port of a gateway (status %d)", admin, code)
	}
	if asJSON {
		out.Write(visibleJSON(body))
	} else {
		writeStatus(out, &s)
	}
	if !s.Ready {
		return exitf(exitCondition, "not ready: %s", s.Why)
	}
	return nil
}

// writeStatus writes a table. What stands in it came over the network, and an error may
// repeat what a backend said: every word passes through line.
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
	for _, l := range s.Listeners {
		line("listener "+l.Name, "%s, %d open, %d pending", l.Address, l.Open, l.Pending)
	}
	for _, r := range s.Routes {
		for _, b := range r.Backends {
			up := "up"
			if !b.Up {
				up = "down"
			}
			line("route "+r.Name, "%s %s, %d open %s", b.URL, up, b.Connections, short(b.Error))
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
