package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
)

// serve returns the URL of a server whose connections are given to fn.
func serve(t *testing.T, u *Upgrader, fn func(c *Conn)) string {
	t.Helper()
	var running sync.WaitGroup
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Done()
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		fn(c)
	}))
	t.Cleanup(running.Wait)
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

func dial(t *testing.T, url string) *Conn {
	t.Helper()
	c, _, err := DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func echo(c *Conn) {
	for {
		kind, p, err := c.ReadMessage()
		if err != nil || c.WriteMessage(kind, p) != nil {
			return
		}
	}
}

// drop reads until the connection ends.
func drop(c *Conn) {
	for {
		if _, _, err := c.ReadMessage(); err != nil {
			return
		}
	}
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

// A read deadline is absolute: bytes do not move it. It is sticky, and so is its error.
func TestReadDeadline(t *testing.T) {
	url := serve(t, &Upgrader{}, echo)
	c := dial(t, url)
	by := time.Now().Add(150 * time.Millisecond)
	c.SetReadDeadline(by)
	var err error
	for n := 0; err == nil; n++ {
		if err = c.WriteMessage(TextMessage, []byte("hello")); err == nil {
			_, _, err = c.ReadMessage()
		}
	}
	if !isTimeout(err) || time.Now().Before(by) {
		t.Fatalf("%v before: %v", time.Until(by), err)
	}
	c.SetReadDeadline(time.Time{})
	if _, _, again := c.ReadMessage(); again != err {
		t.Errorf("%v, then %v", err, again)
	}
}

// A deadline that is set while a read waits holds for it, as a pong handler sets one.
func TestReadDeadlineWhileReading(t *testing.T) {
	c := dial(t, serve(t, &Upgrader{}, drop))
	failed := make(chan error, 1)
	go func() {
		_, _, err := c.ReadMessage()
		failed <- err
	}()
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if err := <-failed; !isTimeout(err) {
		t.Error(err)
	}
}

// A write deadline ends a write that the peer does not take, and all later ones.
func TestWriteDeadline(t *testing.T) {
	release := make(chan struct{})
	c := dial(t, serve(t, &Upgrader{}, func(*Conn) { <-release }))
	defer close(release)
	c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	var err error
	for big := make([]byte, 1<<20); err == nil; {
		err = c.WriteMessage(BinaryMessage, big)
	}
	if !isTimeout(err) {
		t.Fatal(err)
	}
	c.SetWriteDeadline(time.Time{})
	if again := c.WriteMessage(TextMessage, nil); again == nil {
		t.Error("a write behind one that failed has succeeded")
	}
}

func TestControlDeadlineThatPassed(t *testing.T) {
	c := dial(t, serve(t, &Upgrader{}, drop))
	if err := c.WriteControl(PingMessage, nil, time.Now().Add(-time.Second)); err != errWriteTimeout {
		t.Error(err)
	}
	if err := c.WriteMessage(TextMessage, []byte("still open")); err != nil {
		t.Error(err)
	}
}

// Writers of all kinds at a time: each message arrives whole, in the order of its writer.
func TestConcurrentWriters(t *testing.T) {
	const writers, each = 8, 200
	url := serve(t, &Upgrader{EnableCompression: true}, func(c *Conn) {
		var all sync.WaitGroup
		pm, _ := NewPreparedMessage(TextMessage, []byte(`"prepared"`))
		for w := range writers {
			all.Go(func() {
				for n := range each {
					switch w % 4 {
					case 0:
						c.WriteJSON(fmt.Sprint(w, " ", n))
					case 1:
						c.WritePreparedMessage(pm)
					case 2:
						c.WriteControl(PingMessage, []byte("x"), time.Now().Add(time.Minute))
					default:
						c.WriteMessage(TextMessage, fmt.Appendf(nil, "%q", fmt.Sprint(w, " ", n)))
					}
				}
			})
		}
		all.Wait()
		c.WriteMessage(CloseMessage, FormatCloseMessage(CloseNormalClosure, "done"))
		drop(c)
	})
	c := dial(t, url)
	pings := 0
	c.SetPingHandler(func(string) error { pings++; return nil })
	next := map[int]int{}
	messages := 0
	for {
		var s string
		err := c.ReadJSON(&s)
		if IsCloseError(err, CloseNormalClosure) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		messages++
		var w, n int
		if _, err := fmt.Sscan(s, &w, &n); err == nil {
			if n != next[w] {
				t.Fatalf("%d of writer %d, want %d", n, w, next[w])
			}
			next[w]++
		} else if s != "prepared" {
			t.Fatalf("%q", s)
		}
	}
	if want := writers / 4 * 3 * each; messages != want || pings != writers/4*each {
		t.Errorf("%d messages, want %d; %d pings", messages, want, pings)
	}
}

// Control frames within a message and while a read waits: their handlers are called with what
// they carry, and the default answers.
func TestControlWhileReading(t *testing.T) {
	url := serve(t, &Upgrader{WriteBufferSize: 4}, func(c *Conn) {
		w, _ := c.NextWriter(TextMessage)
		io.WriteString(w, "123456")
		c.WriteControl(PingMessage, []byte("within"), time.Time{})
		pong := make(chan string, 1)
		c.SetPongHandler(func(s string) error { pong <- s; return errors.New("seen") })
		if _, _, err := c.ReadMessage(); err == nil || err.Error() != "seen" {
			t.Errorf("the error of the handler became %v", err)
		}
		if s := <-pong; s != "within" {
			t.Errorf("pong %q", s)
		}
	})
	c := dial(t, url)
	_, r, err := c.NextReader()
	if err != nil {
		t.Fatal(err)
	}
	if p, err := io.ReadAll(r); string(p) != "1234" || err != error(errUnexpectedEOF) {
		t.Errorf("%q %v", p, err)
	}
}

// A close: the handler is asked, its answer arrives, and the error is the same on each read.
func TestCloseHandler(t *testing.T) {
	ended := make(chan error, 1)
	c := dial(t, serve(t, &Upgrader{}, func(c *Conn) {
		c.WriteControl(CloseMessage, FormatCloseMessage(4000, "bye"), time.Now().Add(time.Second))
		if err := c.WriteMessage(TextMessage, nil); err != ErrCloseSent {
			t.Errorf("a write behind the close: %v", err)
		}
		_, _, err := c.ReadMessage()
		ended <- err
	}))
	c.SetCloseHandler(func(code int, text string) error {
		if code != 4000 || text != "bye" {
			t.Errorf("close %d %q", code, text)
		}
		c.WriteMessage(TextMessage, []byte("last words"))
		return c.WriteControl(CloseMessage, FormatCloseMessage(4001, ""), time.Time{})
	})
	_, _, err := c.ReadMessage()
	_, _, again := c.ReadMessage()
	if !IsCloseError(err, 4000) || again != err {
		t.Error(err, again)
	}
	if err := <-ended; err != nil {
		t.Errorf("the last words: %v", err)
	}
}

func TestCloseTwice(t *testing.T) {
	c := dial(t, serve(t, &Upgrader{}, drop))
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, _, err := c.ReadMessage(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if err := c.WriteMessage(TextMessage, nil); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func TestReadLimitTellsPeer(t *testing.T) {
	refused := make(chan error, 1)
	c := dial(t, serve(t, &Upgrader{}, func(c *Conn) {
		c.SetReadLimit(4)
		_, _, err := c.ReadMessage()
		refused <- err
	}))
	c.WriteMessage(TextMessage, []byte("12345"))
	if _, _, err := c.ReadMessage(); !IsCloseError(err, CloseMessageTooBig) {
		t.Error(err)
	}
	if err := <-refused; err != ErrReadLimit {
		t.Error(err)
	}
}

// The write compression switch, in both directions.
func TestEnableWriteCompression(t *testing.T) {
	long := strings.Repeat("again and ", 1000)
	url := serve(t, &Upgrader{EnableCompression: true}, echo)
	d := Dialer{EnableCompression: true}
	c, resp, err := d.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if resp.Header.Get("Sec-Websocket-Extensions") == "" {
		t.Fatal("no compression")
	}
	var sent int64
	c.dw.TraceFrames(0, func(f *draftwire.Frame) {
		if f.Sent {
			sent = f.Length
		}
	})
	for _, on := range []bool{false, true, false} {
		c.EnableWriteCompression(on)
		c.WriteMessage(TextMessage, []byte(long))
		if _, p, err := c.ReadMessage(); err != nil || string(p) != long {
			t.Fatal(err)
		}
		if (sent < int64(len(long))/2) != on {
			t.Errorf("%v: %d bytes", on, sent)
		}
	}
}

// Clients of every version, each in what it can say.
func TestVersions(t *testing.T) {
	url := serve(t, &Upgrader{Versions: draftwire.AllVersions, CheckOrigin: func(r *http.Request) bool {
		return r.Header.Get("Origin") == "http://page.example"
	}}, echo)
	for _, v := range draftwire.ServedVersions().List() {
		t.Run(v.String(), func(t *testing.T) {
			d := Dialer{Version: v}
			c, _, err := d.Dial(url, http.Header{"Origin": {"http://page.example"}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if c.Version() != v {
				t.Errorf("version %s", c.Version())
			}
			kinds := []int{TextMessage}
			if v.Supports(draftwire.CapBinary) {
				kinds = append(kinds, BinaryMessage)
			} else if err := c.WriteMessage(BinaryMessage, nil); !errors.Is(err, draftwire.ErrUnsupported) {
				t.Error("binary:", err)
			}
			if err := c.WriteControl(PingMessage, nil, time.Time{}); (err == nil) != v.Supports(draftwire.CapPing) || err != nil && !errors.Is(err, draftwire.ErrUnsupported) {
				t.Error("ping:", err)
			}
			for _, kind := range kinds {
				if err := c.WriteMessage(kind, []byte("hello")); err != nil {
					t.Fatal(err)
				}
				if got, p, err := c.ReadMessage(); err != nil || got != kind || string(p) != "hello" {
					t.Fatal(got, string(p), err)
				}
			}
			if err := c.WriteMessage(CloseMessage, FormatCloseMessage(4000, "")); err != nil {
				t.Error("close:", err)
			}
			want := CloseNoStatusReceived
			if v.Supports(draftwire.CapCloseCode) {
				want = 4000
			}
			if _, _, err := c.ReadMessage(); !IsCloseError(err, want) {
				t.Error(err)
			}

			_, resp, err := d.Dial(url, http.Header{"Origin": {"http://other.example"}})
			if err != ErrBadHandshake || resp.StatusCode != http.StatusForbidden {
				t.Error("another page:", err)
			}
		})
	}
}

// Old versions are off until they are asked for.
func TestVersionsByDefault(t *testing.T) {
	url := serve(t, &Upgrader{}, echo)
	for _, v := range draftwire.ServedVersions().List() {
		d := Dialer{Version: v}
		c, _, err := d.Dial(url, nil)
		if (err == nil) != (v == draftwire.RFC6455) {
			t.Errorf("%s: %v", v, err)
		}
		if err == nil {
			c.Close()
		}
	}
}

// Below a draftwire.Server, Shutdown says farewell to what Upgrade has opened.
func TestDrain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var u Upgrader
	var opened, closed int
	var mu sync.Mutex
	count := func(n *int) { mu.Lock(); *n++; mu.Unlock() }
	u.Observer = &draftwire.Observer{
		Opened: func(*draftwire.Conn) { count(&opened) }, Closed: func(*draftwire.Conn, error) { count(&closed) },
	}
	s := &draftwire.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := u.Upgrade(w, r, nil); err == nil {
			defer c.Close()
			echo(c)
		}
	})}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	c := dial(t, "ws://"+l.Addr().String())
	c.WriteMessage(TextMessage, []byte("hello"))
	if _, _, err := c.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.Background()) }()
	if _, _, err := c.ReadMessage(); !IsCloseError(err, CloseGoingAway) {
		t.Error(err)
	}
	c.Close()
	if err := <-down; err != nil {
		t.Error(err)
	}
	<-served
	mu.Lock()
	defer mu.Unlock()
	if opened != 1 || closed != 1 {
		t.Errorf("%d opened, %d closed", opened, closed)
	}
}

// Error gets every refusal, those of draftwire too.
func TestErrorHook(t *testing.T) {
	u := &Upgrader{Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
		if _, ok := reason.(HandshakeError); !ok {
			t.Errorf("%T", reason)
		}
		http.Error(w, "mine", status)
	}}
	refused := make(chan *draftwire.HandshakeError, 3)
	u.Observer = &draftwire.Observer{Refused: func(_ string, _ []byte, err *draftwire.HandshakeError) { refused <- err }}
	url := serve(t, u, echo)
	_, resp, err := DefaultDialer.Dial(url, http.Header{"Origin": {"http://other.example"}})
	if err != ErrBadHandshake || resp.StatusCode != 403 {
		t.Fatal(err)
	}
	if he := <-refused; he.Status != 403 || he.Reason != "origin" {
		t.Errorf("the observer was told %v", he)
	}
	_, resp, err = (&Dialer{Version: draftwire.Hybi08}).Dial(url, nil)
	if err != ErrBadHandshake || resp.StatusCode != 400 {
		t.Fatal(err)
	}
	if p, _ := io.ReadAll(resp.Body); string(p) != "mine\n" {
		t.Errorf("%q", p)
	}
}

// A stream that ends anywhere but behind a close is the same error, by identity, on both sides.
func TestStreamEnds(t *testing.T) {
	for _, isServer := range []bool{true, false} {
		near, far := net.Pipe()
		c := newConn(near, isServer, 0, 0, nil, nil, nil)
		far.Close()
		if _, _, err := c.ReadMessage(); err != error(errUnexpectedEOF) {
			t.Errorf("server %v: %v", isServer, err)
		}
		c.Close()
	}
}

// A stream that TLS finds cut off is io.ErrUnexpectedEOF itself, as gorilla has it.
func TestStreamIsCutOff(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	c := newConn(cutOff{near}, false, 0, 0, nil, nil, nil)
	defer c.Close()
	for range 2 {
		if _, _, err := c.ReadMessage(); err != io.ErrUnexpectedEOF {
			t.Error(err)
		}
	}
}

type cutOff struct{ net.Conn }

func (cutOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// The field User-Agent is that of package net/http, unless the program has its own, or an empty one.
func TestUserAgent(t *testing.T) {
	agents := make(chan []string, 1)
	url := serve(t, &Upgrader{CheckOrigin: func(r *http.Request) bool { agents <- r.Header["User-Agent"]; return true }}, drop)
	for _, c := range []struct {
		header http.Header
		want   []string
	}{
		{nil, []string{"Go-http-client/1.1"}},
		{http.Header{"User-Agent": {"mine"}}, []string{"mine"}},
		{http.Header{"User-Agent": {""}}, nil},
	} {
		conn, _, err := DefaultDialer.Dial(url, c.header)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if got := <-agents; !slices.Equal(got, c.want) {
			t.Errorf("%q becomes %q, want %q", c.header, got, c.want)
		}
	}
}

// An https proxy, of which the server behind it knows nothing, to servers without TLS and with it.
func TestProxyTLS(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := new(Upgrader).Upgrade(w, r, nil); err == nil {
			defer c.Close()
			echo(c)
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	var tunnels sync.WaitGroup
	defer tunnels.Wait()
	proxy := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "a proxy", http.StatusMethodNotAllowed)
			return
		}
		to, err := net.Dial("tcp", r.Host)
		if err != nil {
			t.Error(err)
			return
		}
		from, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
		tunnels.Go(func() { io.Copy(to, from); to.Close() })
		tunnels.Go(func() { io.Copy(from, to); from.Close() })
	}))
	defer proxy.Close()
	proxy.Config.ErrorLog = log.New(io.Discard, "", 0)
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	d := Dialer{Proxy: http.ProxyURL(at), TLSClientConfig: proxy.Client().Transport.(*http.Transport).TLSClientConfig}
	for _, server := range []string{plain.URL, secure.URL} {
		c, _, err := d.Dial("ws"+strings.TrimPrefix(server, "http"), nil)
		if err != nil {
			t.Fatal(server, err)
		}
		c.WriteMessage(TextMessage, []byte("through"))
		if _, p, err := c.ReadMessage(); err != nil || string(p) != "through" {
			t.Errorf("%s: %q %v", server, p, err)
		}
		c.Close()
	}
	if _, _, err := (&Dialer{Proxy: http.ProxyURL(at)}).Dial("ws"+strings.TrimPrefix(plain.URL, "http"), nil); err == nil {
		t.Error("a certificate that nobody knows was accepted")
	}
}

// Options are compiled once for all Upgraders that say the same, and a field that changes between
// two calls counts from the next.
func TestUpgraderChanges(t *testing.T) {
	var opened atomic.Int32
	count := &draftwire.Observer{Opened: func(*draftwire.Conn) { opened.Add(1) }}
	u := &Upgrader{}
	var mu sync.Mutex // of u
	change := func(do func()) { mu.Lock(); do(); mu.Unlock() }
	var running sync.WaitGroup
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Done()
		mu.Lock()
		c, err := u.Upgrade(w, r, nil)
		mu.Unlock()
		if err == nil {
			drop(c)
			c.Close()
		}
	}))
	defer running.Wait()
	defer s.Close()
	url := "ws" + strings.TrimPrefix(s.URL, "http")
	dialAs := func(v draftwire.Version) error {
		c, _, err := (&Dialer{Version: v, EnableCompression: true}).Dial(url, nil)
		if err == nil {
			c.Close()
		}
		return err
	}
	if dialAs(draftwire.RFC6455) != nil || dialAs(draftwire.Hixie76) != ErrBadHandshake {
		t.Error("the zero Upgrader does not serve RFC 6455 alone")
	}
	first := u.compiled()
	change(func() { u.Versions = draftwire.AllVersions })
	if err := dialAs(draftwire.Hixie76); err != nil {
		t.Error("Versions was changed:", err)
	}
	change(func() { u.Observer = count })
	err := dialAs(draftwire.RFC6455)
	change(func() {}) // when Upgrade has returned
	if err != nil || opened.Load() != 1 {
		t.Error("Observer was changed:", err, opened.Load())
	}
	change(func() {
		u.Observer, u.Versions = nil, 0
		u.CheckOrigin = func(*http.Request) bool { return false }
	})
	if dialAs(draftwire.RFC6455) != ErrBadHandshake {
		t.Error("CheckOrigin was changed")
	}
	if same := *u; same.compiled() != first || new(Upgrader).compiled() != first {
		t.Error("options that are the same were compiled again")
	}
	for range 3 * mostSettings {
		(&Upgrader{Observer: new(draftwire.Observer)}).compiled()
	}
	if n := len(*settings.Load()); n > mostSettings {
		t.Errorf("%d settings are kept", n)
	}
	change(func() { u.CheckOrigin, u.Versions = nil, ^draftwire.ServedVersions() }) // none that is served
	if dialAs(draftwire.RFC6455) != ErrBadHandshake {
		t.Error("versions that are not served are served")
	}
}

// BenchmarkUpgrade is what Upgrade costs beside the network.
func BenchmarkUpgrade(b *testing.B) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, f := range [][2]string{{"Connection", "Upgrade"}, {"Upgrade", "websocket"}, {"Sec-WebSocket-Key", sampleKey}, {"Sec-WebSocket-Version", "13"}} {
		r.Header.Set(f[0], f[1])
	}
	near, far := net.Pipe()
	defer far.Close()
	defer near.Close()
	var u Upgrader
	b.ReportAllocs()
	for b.Loop() {
		if _, err := u.Upgrade(&stage{s: &staged{Conn: near}}, r, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// scripted says what it is told to, then nothing, and keeps what is written.
type scripted struct {
	net.Conn
	mu      sync.Mutex
	in, out []byte
}

func (s *scripted) Read(p []byte) (int, error) {
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.in)
	s.in = s.in[n:]
	return n, nil
}

func (s *scripted) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = append(s.out, p...)
	return len(p), nil
}

// What was written before Close arrives, also where another goroutine is writing it: the answer to a
// ping with a close behind it, on a stream that is no socket.
func TestCloseSendsAnswers(t *testing.T) {
	for range 100 {
		near, far := net.Pipe()
		s := &scripted{Conn: near, in: []byte("\x89\x82\x00\x00\x00\x00hi\x88\x80\x00\x00\x00\x00")}
		c := newConn(s, true, 0, 0, nil, nil, nil)
		c.SetCloseHandler(func(int, string) error { return nil })
		if _, _, err := c.ReadMessage(); !IsCloseError(err, CloseNoStatusReceived) {
			t.Fatal(err)
		}
		c.Close()
		far.Close()
		s.mu.Lock()
		if string(s.out) != "\x8a\x02hi" {
			t.Fatalf("%q was sent", s.out)
		}
		s.mu.Unlock()
	}
}

// A panic of CheckOrigin, whichever goroutine calls it, is one of the handler, and where it ends its
// goroutine, as a test does that fails, the client is refused.
func TestCheckOriginPanics(t *testing.T) {
	caught := make(chan any, 1)
	var check func(*http.Request) bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { caught <- recover() }()
		(&Upgrader{Versions: draftwire.AllVersions, CheckOrigin: check}).Upgrade(w, r, nil)
	}))
	defer s.Close()
	url := "ws" + strings.TrimPrefix(s.URL, "http")
	check = func(*http.Request) bool { panic("mine") }
	for _, v := range []draftwire.Version{draftwire.RFC6455, draftwire.Hixie76} {
		if _, _, err := (&Dialer{Version: v}).Dial(url, nil); err == nil {
			t.Error("opened")
		}
		if got := <-caught; got != "mine" {
			t.Errorf("%s: the handler sees %v", v, got)
		}
	}
	check = func(*http.Request) bool { runtime.Goexit(); return true }
	if _, resp, err := (&Dialer{Version: draftwire.Hixie76}).Dial(url, nil); err != ErrBadHandshake || resp.StatusCode != 500 {
		t.Error(err)
	}
	<-caught
}

// A prepared message goes before one that has been begun and of which nothing was sent; a control
// does not end it.
func TestPreparedBeforeWriter(t *testing.T) {
	c := dial(t, serve(t, &Upgrader{}, echo))
	w, err := c.NextWriter(TextMessage)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "begun ")
	pm, err := NewPreparedMessage(TextMessage, []byte("prepared"))
	if err != nil {
		t.Fatal(err)
	}
	ping, err := NewPreparedMessage(PingMessage, []byte("ping"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*PreparedMessage{pm, ping} {
		if err := c.WritePreparedMessage(m); err != nil {
			t.Error(err)
		}
	}
	io.WriteString(w, "first")
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"prepared", "begun first"} {
		if _, p, err := c.ReadMessage(); err != nil || string(p) != want {
			t.Errorf("%q %v, want %q", p, err, want)
		}
	}
}

// What a program gets behind a close of its own and behind a Close, in the order of the two.
func TestWritesBehindTheEnd(t *testing.T) {
	c := dial(t, serve(t, &Upgrader{}, drop))
	w, err := c.NextWriter(TextMessage)
	if err != nil {
		t.Fatal(err)
	}
	c.WriteControl(CloseMessage, FormatCloseMessage(CloseNormalClosure, ""), time.Time{})
	if err := w.Close(); err != ErrCloseSent {
		t.Error("the writer:", err)
	}
	if err := w.Close(); err != ErrCloseSent {
		t.Error("the writer again:", err)
	}
	c.Close()
	if err := c.WriteMessage(PingMessage, make([]byte, 200)); err != ErrCloseSent {
		t.Error("behind both:", err)
	}
	if err := c.WriteControl(PingMessage, nil, time.Now().Add(-time.Second)); err != errWriteTimeout {
		t.Error("a deadline that has passed:", err)
	}
	c = dial(t, serve(t, &Upgrader{}, drop))
	c.Close()
	if _, err := c.NextWriter(TextMessage); err != nil {
		t.Error("a writer behind Close:", err) // it fails when it writes
	}
	for range 2 {
		if err := c.WriteMessage(TextMessage, nil); !errors.Is(err, net.ErrClosed) {
			t.Error("behind Close:", err)
		}
	}
}

// The field Host is the URL's, with a port that is the scheme's too; a frame's length may be in more bytes
// than it needs.
func TestAsGorillaIsLax(t *testing.T) {
	hosts := make(chan string, 1)
	url := serve(t, &Upgrader{CheckOrigin: func(r *http.Request) bool { hosts <- r.Host; return true }}, echo)
	d := Dialer{NetDial: func(network, _ string) (net.Conn, error) {
		return net.Dial(network, strings.TrimPrefix(url, "ws://"))
	}}
	c, _, err := d.Dial("ws://example.com:80/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if host := <-hosts; host != "example.com:80" {
		t.Error(host)
	}
	c.NetConn().Write([]byte("\x81\xfe\x00\x02\x00\x00\x00\x00hi"))
	if _, p, err := c.ReadMessage(); err != nil || string(p) != "hi" {
		t.Errorf("%q %v", p, err)
	}
}
