package console

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/usage"
)

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// token is the token of orders.
const token = "a token of a test"

// world is a gateway before a backend that echoes, with its console.
type world struct {
	*testing.T
	gw      *gateway.Gateway
	console *Console
	url     string // of the gateway
	o       Options
	token   bool // there is one

	withheld bool // no payload is shown
	totals   Totals
	refuses  error    // of Reload and Retire
	given    []string // orders
	logged   []Order
	observer atomic.Pointer[draftwire.Observer]
}

// newWorld starts a gateway. change, if not nil, changes its configuration.
func newWorld(t *testing.T, change func(*gateway.Config)) *world {
	t.Helper()
	l, err := draftwire.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	back := &draftwire.Server{
		Options: draftwire.AcceptOptions{Versions: draftwire.AllVersions, Origins: []string{"*"}, Protocols: []string{"*"}},
		WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			return c.ReadLoop(ctx, func(op draftwire.Op, p []byte) error { return c.Write(ctx, op, p) })
		},
	}
	go back.Serve(l)
	t.Cleanup(func() { back.Close() })
	cfg := &gateway.Config{
		Listen: []gateway.Listener{{Name: "front", Address: "127.0.0.1:0"}}, Admin: gateway.Admin{Address: "off"},
		Routes: []gateway.Route{{Name: "chat", Backends: []gateway.Backend{{URL: "ws://" + l.Addr().String()}}}},
	}
	if change != nil {
		change(cfg)
	}
	w := &world{T: t, token: true}
	w.gw, err = gateway.New(cfg, gateway.Options{Hooks: w.hooks()})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.gw.Run(t.Context())
	}()
	t.Cleanup(func() {
		w.gw.Close()
		<-done
	})
	w.url = "ws://" + w.gw.Status().Listeners[0].Address
	w.o = Options{
		Prefix: "/console/", Kind: "gateway", Version: "test",
		Live: func(list []Live) []Live {
			for _, s := range w.gw.Sessions() {
				list = append(list, Live{ID: s.ID(), Conn: s.Client(), Session: s})
			}
			return list
		},
		Status: func() any { return w.gw.Status() },
		Here:   gateway.FromHere, Token: func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+token },
		TokenFile: func() bool { return w.token }, Payload: func() bool { return !w.withheld },
		Totals: func() Totals { return w.totals },
		Explain: func(he *draftwire.HandshakeError) (reason, detail, hint string) {
			return string(he.Reason), he.Detail, he.Hint()
		},
		Plan: func() usage.Plan {
			plan, _ := w.gw.Config().Plan()
			return plan
		},
		Orders: Orders{Drain: func() { w.given = append(w.given, "drain") }, Reload: func() error { return w.refuses }, Retire: func(v draftwire.Version, s usage.Stage) error {
			w.given = append(w.given, v.String()+" "+s.String()+" "+s.From.Format(time.DateOnly))
			return w.refuses
		}},
		Target: func(string) (*Target, error) { return &Target{URL: w.url}, nil },
		Audit:  func(o Order) { w.logged = append(w.logged, o) },
	}
	w.console = New(w.o)
	w.Cleanup(w.console.Close)
	w.observer.Store(w.console.Observer())
	return w
}

func (w *world) hooks() gateway.Hooks {
	return gateway.Hooks{Observer: func(string) *draftwire.Observer {
		return &draftwire.Observer{
			Opened: func(c *draftwire.Conn) { w.observer.Load().Opened(c) },
			Closed: func(c *draftwire.Conn, err error) { w.observer.Load().Closed(c, err) },
			Refused: func(remote string, head []byte, he *draftwire.HandshakeError) {
				w.observer.Load().Refused(remote, head, he)
			},
		}
	}}
}

// dial opens a connection through the gateway, which is closed with the test, and waits until
// the gateway has it.
func (w *world) dial(v draftwire.Version, path string, o draftwire.DialOptions) *draftwire.Conn {
	w.Helper()
	before := len(w.gw.Sessions())
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	o.Version = v
	c, _, err := draftwire.Dial(ctx, w.url+path, &o)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { c.CloseNow() })
	w.until(func() bool { return len(w.gw.Sessions()) > before })
	return c
}

// echo sends a message and reads it back.
func (w *world) echo(c *draftwire.Conn, text string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	if err := c.Write(ctx, draftwire.OpText, []byte(text)); err != nil {
		w.Fatal(err)
	}
	if _, p, err := c.Read(ctx); err != nil || string(p) != text {
		w.Fatalf("%q, %v", p, err)
	}
}

func (w *world) until(ok func() bool) {
	w.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			w.Fatal("it does not come")
		}
	}
}

// ask asks the console from this machine. fields are names and values; a path is below the prefix
// unless it begins with a slash.
func (w *world) ask(method, path, body string, fields ...string) *httptest.ResponseRecorder {
	if !strings.HasPrefix(path, "/") {
		path = w.o.Prefix + path
	}
	r := httptest.NewRequest(method, "http://127.0.0.1:9090"+path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:40000"
	for i := 0; i < len(fields); i += 2 {
		switch fields[i] {
		case "from":
			r.RemoteAddr = fields[i+1]
		case "Host":
			r.Host = fields[i+1]
		default:
			r.Header.Set(fields[i], fields[i+1])
		}
	}
	rec := httptest.NewRecorder()
	w.console.ServeHTTP(rec, r)
	return rec
}

// get reads the answer to a GET of api/.
func (w *world) get(path string, into any, fields ...string) {
	w.Helper()
	rec := w.ask("GET", "api/"+path, "", fields...)
	if rec.Code != http.StatusOK {
		w.Fatalf("%s: %d %s", path, rec.Code, rec.Body)
	}
	if err := json.Unmarshal(rec.Body.Bytes(), into); err != nil {
		w.Fatalf("%s: %v", path, err)
	}
}

// shownJSON is the answer with one connection, as a page reads it.
type shownJSON struct {
	Row
	Ended            bool             `json:"ended"`
	Handshake        []map[string]any `json:"handshake"`
	BackendHandshake []map[string]any `json:"backend_handshake"`
}
