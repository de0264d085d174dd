package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"net"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/usage"
)

// exampleBackend is a server that echoes messages. stop ends it.
func exampleBackend() (url string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	// The pages that may connect are those of the gateway's host.
	s := &draftwire.Server{WebSocket: echo, Options: draftwire.AcceptOptions{Origins: []string{"127.0.0.1"}}}
	go s.Serve(l)
	return "ws://" + l.Addr().String(), func() { s.Shutdown(context.Background()) }
}

// A client of 2010 talks to a current server.
func ExampleGateway() {
	backend, stop := exampleBackend()
	defer stop()
	gw, err := gateway.New(&gateway.Config{
		Listen: []gateway.Listener{{Address: "127.0.0.1:0"}},
		Routes: []gateway.Route{{Backends: []gateway.Backend{{URL: backend}}}},
	}, gateway.Options{})
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- gw.Run(context.Background()) }()

	ctx := context.Background()
	address := gw.Status().Listeners[0].Address
	c, _, err := draftwire.Dial(ctx, "ws://"+address+"/", &draftwire.DialOptions{Version: draftwire.Hixie76})
	if err != nil {
		log.Fatal(err)
	}
	c.Write(ctx, draftwire.OpText, []byte("Hello"))
	_, p, err := c.Read(ctx)
	fmt.Println(c.Version(), string(p), err)
	c.Close(draftwire.CodeNormal, "")

	fmt.Println(gw.Drain(ctx), <-done)
	// Output:
	// hixie-76 Hello <nil>
	// <nil> <nil>
}

// Hooks and options: who came, what was lost, how it ended. A session is the
// Value of its client's handshake.
func ExampleHooks() {
	backend, stop := exampleBackend()
	defer stop()
	ended := make(chan *gateway.Session, 1)
	hooks := gateway.Hooks{
		BackendOpened: func(s *gateway.Session) { fmt.Println("opened:", s.Listener, s.Route, s.Version()) },
		Loss:          func(_ *gateway.Session, l gateway.Loss) { fmt.Println("lost:", l) },
		Retiring:      func(*gateway.Session, usage.Stage, bool) {},
		Ended:         func(s *gateway.Session, _ *draftwire.Conn) { ended <- s },
	}
	gw, err := gateway.New(&gateway.Config{
		Listen: []gateway.Listener{{Name: "public", Address: "127.0.0.1:0"}},
		Routes: []gateway.Route{{
			Name: "feed", Backends: []gateway.Backend{{URL: backend}},
			Policy: gateway.Policy{Binary: "base64", BinaryBack: true},
		}},
	}, gateway.Options{Hooks: hooks, Dial: new(net.Dialer).DialContext, Listen: gateway.Listen})
	if err != nil {
		log.Fatal(err)
	}
	go gw.Run(context.Background())
	defer gw.Close()
	ctx := context.Background()
	c, _, err := draftwire.Dial(ctx, "ws://"+gw.Status().Listeners[0].Address+"/", &draftwire.DialOptions{Version: draftwire.Hixie75})
	if err != nil {
		log.Fatal(err)
	}
	c.Write(ctx, draftwire.OpText, []byte("SGVsbG8="))
	_, p, _ := c.Read(ctx)
	fmt.Println("read:", string(p))
	c.Close(draftwire.CodeNormal, "")
	s := <-ended
	by, _ := s.By()
	fmt.Println("ended by the", by, slices.Sorted(maps.Keys(s.Losses())))
	// Output:
	// opened: public feed hixie-75
	// lost: text_decoded
	// lost: binary_encoded
	// read: SGVsbG8=
	// lost: close_code_added
	// ended by the client [binary_encoded close_code_added text_decoded]
}

// A configuration in YAML. Print shows it with all defaults.
func ExampleLoad() {
	cfg, err := gateway.Load(strings.NewReader(`
listen:
  - {name: main, address: ":8080", versions: all}
limits: {message: 64KiB, idle_timeout: 2m}
versions:
  hixie-75: [{mode: warn}, {mode: "off", from: 2027-02-01}]
routes:
  - name: feed
    match: {paths: [/feed/*], versions: "hixie-75,hixie-76"}
    backends: [{url: "ws://10.0.0.5:9000"}]
    health: {interval: 10s}
  - backends: [{url: "tcp://10.0.0.6:5900"}]
`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(cfg.Limits.Message, time.Duration(cfg.Limits.IdleTimeout), cfg.Routes[0].Match.Paths)
	plan, err := cfg.Plan()
	fmt.Println(plan.At(draftwire.Hixie75, time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)), err)
	_, err = gateway.Load(strings.NewReader("limits: {mesage: 5}\nroutes: [{backends: [{url: 'ws://app'}]}]\n"))
	fmt.Println(err)
	// Output:
	// 65536 2m0s [/feed/*]
	// off <nil>
	// line 1: unknown key "mesage"; did you mean "message"?
}

// Check reports everything that is wrong with a configuration.
func ExampleConfig_Check() {
	cfg := &gateway.Config{
		Listen: []gateway.Listener{{
			Name: "main", Address: ":443", TLS: &gateway.TLS{Profile: "legacy", Certificates: []gateway.KeyPair{{Cert: "a.pem", Key: "b.pem"}}},
			Proxy: gateway.ProxyProtocol{Mode: "require"},
		}},
		Admin:  gateway.Admin{Address: "off"},
		Limits: gateway.Limits{Head: 100},
		Ledger: gateway.Ledger{Client: "cookie id"},
		Routes: []gateway.Route{{
			Name:     "feed",
			Match:    gateway.Match{Hosts: []string{"*example.com"}},
			Backends: []gateway.Backend{{URL: "10.0.0.5"}},
			Health:   gateway.Health{Check: "off"},
		}},
		Versions: map[string][]gateway.Stage{"hixie-75": {{Mode: "warn"}}},
	}
	fmt.Println(cfg.Check())
	// Output:
	// limits: head: 100 is not from 256 to 1MiB
	// listen main: proxy_protocol: from: it is empty; name the networks that may send a PROXY header
	// route feed: match: hosts: "*example.com" is not like example.com, *.example.com or *, without a port
	// route feed: backend "10.0.0.5" is not a URL: write http://10.0.0.5 for pages and WebSocket, ws://10.0.0.5 for WebSocket alone
}

// The state of a gateway, and the handler that shows it to the operator.
func ExampleStatus() {
	gw, err := gateway.New(&gateway.Config{
		Listen: []gateway.Listener{{Name: "main", Address: "127.0.0.1:0"}},
		Routes: []gateway.Route{{Name: "feed", Backends: []gateway.Backend{{URL: "ws://10.0.0.5:9000"}}}},
		Versions: map[string][]gateway.Stage{
			"hixie-75": {{Mode: "sample 10%"}},
		},
	}, gateway.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer gw.Close()
	srv := httptest.NewServer(gw.Admin(gateway.AdminOptions{Drain: func() {}}))
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL + "/status")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	var s gateway.Status
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Ready, s.Connections, s.Limit)
	var l gateway.ListenerStatus = s.Listeners[0]
	fmt.Println(l.Name, l.Open, l.Pending)
	var r gateway.RouteStatus = s.Routes[0]
	var b gateway.BackendStatus = r.Backends[0]
	fmt.Println(r.Name, b.URL, b.Up, b.Connections)
	var v gateway.RetireStatus = s.Retiring[0]
	fmt.Println(v.Version, v.Mode)
	// Output:
	// true 0 20000
	// main 0 0
	// feed ws://10.0.0.5:9000 true 0
	// hixie-75 sample 10%
}

// The handler of the operator's port.
func ExampleAdminOptions() {
	gw, err := gateway.New(&gateway.Config{
		Listen: []gateway.Listener{{Address: "127.0.0.1:0"}},
		Routes: []gateway.Route{{Backends: []gateway.Backend{{URL: "ws://10.0.0.5:9000"}}}},
	}, gateway.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer gw.Close()
	h := gw.Admin(gateway.AdminOptions{Reload: func() error { return fmt.Errorf("line 5: unknown key %q", "rout") }})
	for _, ask := range []struct{ method, path string }{{"GET", "/readyz"}, {"POST", "/reload"}} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(ask.method, "http://127.0.0.1:9090"+ask.path, nil)
		r.RemoteAddr = "127.0.0.1:50000" // orders come from this machine, or with a token
		h.ServeHTTP(w, r)
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 ready
	// 422 line 5: unknown key "rout"
}

// The table of what is lost or changed between two versions, and which key decides.
func ExampleLosses() {
	for _, l := range gateway.Losses()[:2] {
		var row gateway.LossInfo = l
		fmt.Printf("%s: %s to %s: %s (%s)\n", row.Loss, row.From, row.To, row.What, row.Policy)
	}
	// Output:
	// binary_rejected: a binary message to hixie-75, hixie-76: nothing: the gateway closes the connection, with 1003 towards the sender (binary: reject)
	// binary_encoded: a binary message to hixie-75, hixie-76: a text message, in base64, hex or Latin-1 (binary: base64, hex, latin1)
}

// Sizes and times as they are written in a configuration.
func ExampleSize() {
	var s gateway.Size
	var d gateway.Duration
	fmt.Println(s.UnmarshalText([]byte("64KiB")), int64(s))
	fmt.Println(d.UnmarshalText([]byte("90s")), d)
	fmt.Println(s.UnmarshalText([]byte("64kB")))
	// Output:
	// <nil> 65536
	// <nil> 1m30s
	// "64kB" is not a size like 512, 64KiB or 1MiB
}

// A listener on a unix socket, as in a configuration.
func ExampleListen() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := gateway.Listen("unix:" + dir + "/gateway.sock")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	fmt.Println(l.Addr().Network())
	// Output: unix
}

// Two clients of a path hear each other, in whatever version.
func ExampleRooms() {
	gw, err := gateway.New(&gateway.Config{
		Listen: []gateway.Listener{{Address: "127.0.0.1:0"}},
		Hub:    gateway.Hub{History: 10}, // in the memory of the process
		Routes: []gateway.Route{{Name: "talk", Rooms: &gateway.Rooms{Backend: "none", History: 1}}},
	}, gateway.Options{})
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- gw.Run(context.Background()) }()

	ctx := context.Background()
	url := "ws://" + gw.Status().Listeners[0].Address + "/kitchen"
	old, _, err := draftwire.Dial(ctx, url, &draftwire.DialOptions{Version: draftwire.Hixie76})
	if err != nil {
		log.Fatal(err)
	}
	old.Write(ctx, draftwire.OpText, []byte("Tea is ready."))
	_, p, _ := old.Read(ctx)
	fmt.Println(old.Version(), "hears", string(p))

	late, _, err := draftwire.Dial(ctx, url, nil) // it gets the last message
	if err != nil {
		log.Fatal(err)
	}
	_, p, _ = late.Read(ctx)
	fmt.Println(late.Version(), "hears", string(p))
	for _, s := range gw.RoomStats() {
		fmt.Println(s.Route, s.Messages, s.Missed)
	}
	old.CloseNow()
	late.CloseNow()
	fmt.Println(gw.Close(), <-done)
	// Output:
	// hixie-76 hears Tea is ready.
	// rfc6455 hears Tea is ready.
	// talk 1 0
	// <nil> <nil>
}
