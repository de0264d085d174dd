package metrics

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/wire"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func fresh() (*Metrics, *prometheus.Registry) {
	reg := prometheus.NewPedanticRegistry()
	return New(reg, Build{Version: "v1.2.3", GoVersion: runtime.Version()}), reg
}

// want compares the values of a metric, each written as `{labels} value`, with those in the
// registry.
func want(t *testing.T, reg *prometheus.Registry, name string, lines ...string) {
	t.Helper()
	var got []string
	re := regexp.MustCompile(`(?m)^` + name + `(.*)$`)
	for _, m := range re.FindAllStringSubmatch(text(t, reg), -1) {
		got = append(got, strings.TrimSpace(m[1]))
	}
	slices.Sort(got)
	slices.Sort(lines)
	if !slices.Equal(got, lines) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}

func text(t *testing.T, reg *prometheus.Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatal(w.Body)
	}
	return w.Body.String()
}

// everything makes each metric have a value.
func everything(m *Metrics) {
	now := time.Unix(1800000000, 0)
	m.Meter(wire.RFC6455, In).Message(wire.OpText, 5)
	m.Meter(wire.RFC6455, Out).Message(wire.OpPing, 0)
	m.BackendOpened("/", "ws://b:1")
	m.BackendDialFailed("/", "refused")
	m.BackendTolerated("/", wire.TolerateUnmasked)
	m.BackendUp("/", "ws://b:1", true)
	m.MirrorUp("/", true)
	m.MirrorAnswers("/", "equal", 3)
	m.MirrorConnections("/", "opened", 1)
	m.HubUp(true)
	m.RoomsFrom(func() []Rooms {
		return []Rooms{{Route: "/", Rooms: 1, Members: 2, Deliveries: map[string]uint64{"delivered": 3}}}
	})
	m.RequestBegan("a")
	m.RequestEnded("a", "/", 502, wire.ReasonBackend, time.Second)
	m.Limited("pending")
	m.Loss("binary")
	m.LogLineLost()
	m.Reloaded(true, now)
	m.Retire(wire.Hixie75, now)
	m.Clients(wire.Hixie76, "30d", 7)
	m.TLSProfile("a", "legacy")
	l := m.listener("a")
	l.refused("", []byte("x"), wire.NewHandshakeError(wire.Unknown, wire.ReasonOrigin, ""))
	l.tolerated("", wire.TolerateUnmasked|wire.TolerateNoOrigin)
	m.connections.WithLabelValues("a", "rfc6455", "true").Inc()
	m.handshakeDuration.WithLabelValues("rfc6455").Observe(.01)
	m.closes.WithLabelValues("rfc6455", "1000", "peer").Inc()
	m.duration.WithLabelValues("rfc6455").Observe(60)
	m.tlsConnections.WithLabelValues("TLS 1.0", "TLS_RSA_WITH_AES_128_CBC_SHA").Inc()
	m.lastSeen.WithLabelValues("rfc6455").Set(unix(now))
}

// documented returns the names and labels in the package's documentation.
func documented(t *testing.T) map[string]string {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^//\t(draftwire_\w+)(?:\{(.*?)\})?`).FindAllStringSubmatch(string(doc), -1) {
		labels := strings.Split(m[2], ",")
		slices.Sort(labels)
		out[m[1]] = strings.Join(labels, ",")
	}
	return out
}

// Names and labels are those that are documented, and follow the rules for names.
func TestNames(t *testing.T) {
	m, reg := fresh()
	everything(m)
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	doc := documented(t)
	for _, f := range families {
		var labels []string
		for _, l := range f.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		if got, ok := doc[f.GetName()]; !ok || got != strings.Join(labels, ",") {
			t.Errorf("%s{%s} is documented as {%s} (%t)", f.GetName(), strings.Join(labels, ","), got, ok)
		}
		delete(doc, f.GetName())
	}
	if len(doc) > 0 || len(families) != 48 {
		t.Errorf("%d metrics, documented but missing: %v", len(families), doc)
	}
}

func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not here (Debian package prometheus); TestNames lints too")
	}
	m, reg := fresh()
	everything(m)
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(text(t, reg))
	if said, err := cmd.CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("%v: %s", err, said)
	}
}

// hold waits for the end of a connection, and ends it if it is asked to.
func hold(ctx context.Context, c *draftwire.Conn) error {
	_, p, err := c.Read(ctx)
	if err == nil && string(p) == "bye" {
		return c.Close(4001, "")
	}
	_, _, err = c.Read(ctx)
	return err
}

// served runs a server with an observer, and dials it.
func served(t *testing.T, o *draftwire.Observer) (dial func(v draftwire.Version) *draftwire.Conn, l *memnet.Listener) {
	t.Helper()
	l = memnet.Listen(64 << 10)
	s := &draftwire.Server{
		Options:   draftwire.AcceptOptions{Versions: draftwire.AllVersions, Origins: []string{"*"}, Protocols: []string{"*"}, Observer: o},
		WebSocket: hold,
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		<-done
		s.Shutdown(context.Background())
	})
	return func(v draftwire.Version) *draftwire.Conn {
		t.Helper()
		c, _, err := draftwire.Dial(t.Context(), "ws://example.com/", &draftwire.DialOptions{Version: v, NetDial: func(context.Context, string, string) (net.Conn, error) { return l.Dial() }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.CloseNow() })
		return c
	}, l
}

func TestObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, reg := fresh()
		dial, l := served(t, m.Observer("front"))
		a, b := dial(draftwire.RFC6455), dial(draftwire.RFC6455)
		c, d := dial(draftwire.Hixie76), dial(draftwire.Hixie75)
		synctest.Wait()
		want(t, reg, "draftwire_connections", `{draft="hixie-75",listener="front",tls="false"} 1`, `{draft="hixie-76",listener="front",tls="false"} 1`, `{draft="rfc6455",listener="front",tls="false"} 2`)
		want(t, reg, "draftwire_draft_last_seen_timestamp_seconds", `{draft="hixie-75"} 9.466848e+08`, `{draft="hixie-76"} 9.466848e+08`, `{draft="rfc6455"} 9.466848e+08`)
		time.Sleep(time.Hour)

		a.Close(4321, "")                                     // the peer closes
		b.Write(t.Context(), draftwire.OpText, []byte("bye")) // the server closes
		b.Read(t.Context())
		c.CloseNow()                      // hixie-76 may also end like this
		d.Close(draftwire.CodeNormal, "") // the close is the end of the stream
		nc, err := l.Dial()               // a health check
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
		for _, said := range []string{"GET / HTTP/1.1\r\n\r\n", "\x80\x2e\x01\x03\x01"} {
			if nc, err = l.Dial(); err != nil {
				t.Fatal(err)
			}
			nc.Write([]byte(said))
			nc.Close()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		want(t, reg, "draftwire_connections", `{draft="hixie-75",listener="front",tls="false"} 0`, `{draft="hixie-76",listener="front",tls="false"} 0`, `{draft="rfc6455",listener="front",tls="false"} 0`)
		want(t, reg, "draftwire_closes_total", `{code="4xxx",draft="rfc6455",initiator="peer"} 1`, `{code="4xxx",draft="rfc6455",initiator="local"} 1`,
			`{code="1005",draft="hixie-76",initiator="peer"} 1`, `{code="1005",draft="hixie-75",initiator="peer"} 1`)
		want(t, reg, "draftwire_handshakes_total", `{draft="hixie-75",listener="front",result="accepted"} 1`, `{draft="hixie-76",listener="front",result="accepted"} 1`,
			`{draft="rfc6455",listener="front",result="accepted"} 2`, `{draft="unknown",listener="front",result="silent"} 1`, `{draft="unknown",listener="front",result="refused"} 2`)
		want(t, reg, "draftwire_handshake_failures_total", `{draft="unknown",listener="front",reason="host"} 1`, `{draft="unknown",listener="front",reason="preface"} 1`)
		want(t, reg, "draftwire_connection_duration_seconds_sum", `{draft="hixie-75"} 3600`, `{draft="hixie-76"} 3600`, `{draft="rfc6455"} 7200`)
		want(t, reg, "draftwire_handshake_duration_seconds_count", `{draft="hixie-75"} 1`, `{draft="hixie-76"} 1`, `{draft="rfc6455"} 2`)
	})
}

type tlsMiss struct{ error }

func (tlsMiss) Reason() string { return "tls_suite" }

type liar struct{ error }

func (liar) Reason() string { return "what a peer says" }

func TestReasons(t *testing.T) {
	io := func(err error) *wire.HandshakeError { return &wire.HandshakeError{Reason: wire.ReasonIO, Err: err} }
	for want, he := range map[string]*wire.HandshakeError{
		"origin":    wire.NewHandshakeError(wire.RFC6455, wire.ReasonOrigin, ""),
		"io":        io(errors.New("reset")),
		"tls":       io(fmt.Errorf("tls: %w", errors.New("tls: no"))),
		"tls_suite": io(fmt.Errorf("tls: %w", tlsMiss{errors.New("x")})),
		"other":     {Reason: "what a peer says"},
	} {
		if got := reason(he); got != want {
			t.Errorf("%v: %s, want %s", he, got, want)
		}
	}
	if got := reason(io(fmt.Errorf("tls: %w", liar{errors.New("x")}))); got != other {
		t.Error(got)
	}
}

func TestEnding(t *testing.T) {
	peer := func(c wire.CloseCode) error { return &wire.CloseError{Code: c} }
	for _, c := range []struct {
		v    wire.Version
		err  error
		want string
	}{
		{wire.RFC6455, peer(1000), "1000 peer"}, {wire.RFC6455, peer(wire.CodeAbnormal), "1006 none"}, {wire.RFC6455, nil, "1006 none"},
		{wire.RFC6455, &wire.ProtocolError{Code: 1002}, "1002 local"}, {wire.RFC6455, wire.ErrClosed, "1006 local"}, {wire.Hixie76, wire.ErrClosed, "1005 local"},
		{wire.RFC6455, errors.Join(wire.ErrClosed, peer(1001)), "1001 local"}, {wire.RFC6455, errors.New("reset"), "1006 none"},
		{wire.RFC6455, peer(3999), "3xxx peer"}, {wire.RFC6455, peer(1016), "1xxx peer"}, {wire.RFC6455, peer(2345), "2xxx peer"}, {wire.RFC6455, peer(5000), "other peer"}, {wire.RFC6455, peer(7), "other peer"},
	} {
		code, who := closeOf(c.v, c.err)
		if got := closeCode(code) + " " + initiators[who]; got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
}

func TestMeter(t *testing.T) {
	m, reg := fresh()
	in := m.Meter(wire.Hixie76, In)
	if m.Meter(wire.Hixie76, In) != in || m.Meter(wire.Hixie76, Out) == in {
		t.Error("meters are not shared")
	}
	in.Message(wire.OpText, 100)
	in.Message(wire.OpBinary, 28)
	in.Message(wire.OpPing, 3)
	in.Message(wire.OpText, -1)
	in.Message(wire.OpNone, 0)
	in.Message(wire.Op(200), 0)
	m.Meter(wire.Version(99), "sideways").Message(wire.OpClose, 2)
	nonzero := regexp.MustCompile(`(?m)^(draftwire_message(?:s_total|_bytes_total|_size_bytes_count)\{.*) ([1-9].*)$`)
	var got []string
	for _, line := range nonzero.FindAllString(text(t, reg), -1) {
		got = append(got, strings.TrimPrefix(line, "draftwire_message"))
	}
	wantLines := []string{
		`_bytes_total{direction="in",draft="hixie-76"} 131`, `_bytes_total{direction="other",draft="unknown"} 2`, `_size_bytes_count{direction="in"} 3`,
		`s_total{direction="in",draft="hixie-76",type="binary"} 1`, `s_total{direction="in",draft="hixie-76",type="other"} 2`,
		`s_total{direction="in",draft="hixie-76",type="ping"} 1`, `s_total{direction="in",draft="hixie-76",type="text"} 2`,
		`s_total{direction="other",draft="unknown",type="close"} 1`,
	}
	if !slices.Equal(got, wantLines) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if n := testing.AllocsPerRun(100, func() { in.Message(wire.OpText, 1234) }); n != 0 {
		t.Errorf("%v allocations a message", n)
	}
	if n := testing.AllocsPerRun(100, func() { m.Meter(wire.Hixie76, In) }); n != 0 {
		t.Errorf("%v allocations for a meter that is there", n)
	}
}

func BenchmarkMessage(b *testing.B) {
	m, _ := fresh()
	in := m.Meter(wire.RFC6455, In)
	b.ReportAllocs()
	for b.Loop() {
		in.Message(wire.OpText, 125)
	}
}

func TestGateway(t *testing.T) {
	m, reg := fresh()
	m.BackendOpened("/a", "one")
	m.BackendOpened("/a", "one")
	m.BackendClosed("/a", "one")
	m.BackendUp("/a", "one", true)
	m.BackendUp("/a", "two", false)
	m.MirrorUp("/a", true)
	m.MirrorUp("/a", false)
	m.MirrorAnswers("/a", "equal", 3)
	m.MirrorAnswers("/a", "equal", 4)
	m.MirrorAnswers("/a", "not_compared", 1)
	m.MirrorConnections("/a", "refused", 2)
	m.MirrorConnections("/a", "said by a mirror", 1)
	m.BackendDialFailed("/a", "refused")
	m.BackendDialFailed("/a", string(wire.ReasonBadAccept))
	m.BackendDialFailed("/a", "said by a backend")
	m.BackendTolerated("/a", wire.TolerateUnmasked|wire.TolerateNoOrigin)
	m.BackendTolerated("/a", wire.TolerateNoOrigin)
	m.BackendTolerated("/a", 0)
	m.Reloaded(false, time.Unix(5, 0))
	m.Reloaded(true, time.Unix(7, 0))
	m.Reloaded(false, time.Unix(9, 0))
	m.Retire(wire.Hixie75, time.Unix(100, 0))
	m.Retire(wire.Hixie76, time.Unix(100, 0))
	m.Retire(wire.Hixie76, time.Time{})
	m.TLSProfile("a", "museum")
	m.TLSProfile("a", "legacy")
	m.TLSProfile("b", "modern")
	m.TLSProfile("b", "")
	m.TLSProfile("c", "ancient")
	m.Clients(wire.Hixie76, "30d", 9)
	m.Clients(wire.Hixie76, "30d", 8)
	want(t, reg, "draftwire_backend_connections", `{backend="one",route="/a"} 1`)
	want(t, reg, "draftwire_backend_up", `{backend="one",route="/a"} 1`, `{backend="two",route="/a"} 0`)
	want(t, reg, "draftwire_backend_tolerated_total", `{route="/a",tolerance="no-origin"} 2`, `{route="/a",tolerance="unmasked"} 1`)
	want(t, reg, "draftwire_backend_dial_failures_total", `{reason="bad_accept",route="/a"} 1`, `{reason="other",route="/a"} 1`, `{reason="refused",route="/a"} 1`)
	want(t, reg, "draftwire_mirror_up", `{route="/a"} 0`)
	want(t, reg, "draftwire_mirror_answers_total", `{result="equal",route="/a"} 7`, `{result="not_compared",route="/a"} 1`)
	want(t, reg, "draftwire_mirror_connections_total", `{result="refused",route="/a"} 2`, `{result="other",route="/a"} 1`)
	want(t, reg, "draftwire_config_reloads_total", `{result="failed"} 2`, `{result="ok"} 1`)
	want(t, reg, "draftwire_config_last_reload_success_timestamp_seconds", `7`)
	want(t, reg, "draftwire_draft_retire_timestamp_seconds", `{draft="hixie-75"} 100`)
	want(t, reg, "draftwire_tls_profile", `{listener="a",profile="legacy"} 1`, `{listener="c",profile="other"} 1`)
	want(t, reg, "draftwire_draft_distinct_clients", `{draft="hixie-76",window="30d"} 8`)
}

func TestDialReason(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&net.DNSError{Err: "no such host"}, "dns"}, {&net.OpError{Err: syscall.ECONNREFUSED}, "refused"}, {syscall.EHOSTUNREACH, "unreachable"},
		{tls.RecordHeaderError{}, "tls"}, {&tls.CertificateVerificationError{Err: errors.New("x")}, "tls"}, {context.Canceled, "canceled"},
		{fmt.Errorf("dial: %w", context.DeadlineExceeded), "timeout"}, {&net.OpError{Err: os.ErrDeadlineExceeded}, "timeout"},
		{wire.NewHandshakeError(wire.RFC6455, wire.ReasonBadAccept, ""), "bad_accept"}, {&wire.HandshakeError{Reason: "x"}, "other"}, {errors.New("x"), "other"}, {nil, "other"},
		{&wire.HandshakeError{Reason: wire.ReasonIO, Err: syscall.ECONNREFUSED}, "refused"},
	} {
		if got := DialReason(c.err); got != c.want || !dialReasons[got] && !reasons[got] && got != other {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
}

func TestTwice(t *testing.T) {
	_, reg := fresh()
	defer func() {
		if recover() == nil {
			t.Error("registered twice")
		}
	}()
	New(reg, Build{})
}

// Ordinary requests are counted by the class of their status; a request is in flight until it
// has ended.
func TestRequests(t *testing.T) {
	m, reg := fresh()
	for _, x := range []struct {
		status int
		why    wire.Reason
	}{{200, ""}, {206, ""}, {404, ""}, {404, wire.ReasonNoRoute}, {101, ""}, {0, ""}, {200, wire.ReasonBackend}, {999, "odd"}} {
		m.RequestBegan("a")
		m.RequestEnded("a", "r", x.status, x.why, 20*time.Millisecond)
	}
	m.RequestBegan("a")
	want(t, reg, "draftwire_http_requests_total", `{listener="a",route="r",status="2xx"} 3`, `{listener="a",route="r",status="4xx"} 2`,
		`{listener="a",route="r",status="1xx"} 1`, `{listener="a",route="r",status="none"} 1`, `{listener="a",route="r",status="other"} 1`)
	want(t, reg, "draftwire_http_failures_total", `{reason="no_route",route="r"} 1`, `{reason="backend",route="r"} 1`, `{reason="other",route="r"} 1`)
	want(t, reg, "draftwire_http_requests_in_flight", `{listener="a"} 1`)
	want(t, reg, "draftwire_http_request_duration_seconds_count", `{route="r"} 8`)
}

// What is kept of a code is that of its label, for each code and each side.
func TestClosesAreCountedUnderTheirLabel(t *testing.T) {
	m, _ := fresh()
	for range 2 {
		for code := range 6000 {
			for who := range numInitiators {
				c := wire.CloseCode(code)
				if m.closesOf(wire.Hybi07, c, who) != m.closes.WithLabelValues("hybi-07", closeCode(c), initiators[who]) {
					t.Fatalf("a close with %d, %s, is counted elsewhere", code, initiators[who])
				}
			}
		}
	}
}

// A backend's connections are counted under its own name, and where there are too many under
// that of all others.
func TestConnectionsToABackendAreCountedUnderItsLabel(t *testing.T) {
	m, _ := fresh()
	for i := range 2 * maxPairs {
		for range 2 {
			name := fmt.Sprint("b", i)
			want := name
			if i >= maxBackends {
				want = other
			}
			if m.connectionsTo("r", name) != m.backends.WithLabelValues("r", want) {
				t.Fatalf("%s is counted elsewhere", name)
			}
		}
	}
}
