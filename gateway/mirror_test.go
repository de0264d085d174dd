package gateway_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/usage"
)

// answering starts a backend that gives answers to each message, and closes behind the answer "bye".
func (w *world) answering(address string, versions draftwire.Versions, answers func(text string) []string) *talks {
	t := &talks{}
	w.backend(address, &draftwire.Server{Options: open(versions), WebSocket: t.serve(answers)})
	return t
}

// talks is what a backend has heard.
type talks struct {
	mu    sync.Mutex
	heard []string
	ends  []string
	heads []string
}

func (t *talks) serve(answers func(text string) []string) draftwire.HandlerFunc {
	return func(ctx context.Context, c *draftwire.Conn) error {
		t.mu.Lock()
		t.heads = append(t.heads, c.Handshake().Request())
		t.mu.Unlock()
		for m, err := range c.Messages(ctx) {
			t.mu.Lock()
			if err != nil {
				t.ends = append(t.ends, err.Error())
				t.mu.Unlock()
				return nil
			}
			t.heard = append(t.heard, string(m.Data))
			t.mu.Unlock()
			for _, a := range answers(string(m.Data)) {
				if err := c.Write(ctx, m.Op, []byte(a)); err != nil {
					return err
				}
				if a == "bye" {
					return c.Close(4000, "enough")
				}
			}
		}
		t.mu.Lock()
		t.ends = append(t.ends, "clean")
		t.mu.Unlock()
		return nil
	}
}

func (t *talks) all() (heard, ends, heads []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.heard), slices.Clone(t.ends), slices.Clone(t.heads)
}

func same(text string) []string { return []string{"re: " + text} }

// mirrored returns a configuration with a backend and a mirror.
func mirrored(m gateway.Mirror) *gateway.Config {
	cfg := to(gateway.Policy{Ping: -1}, "ws://back/") // as clients of these tests do not read all the time
	if m.To.URL == "" {
		m.To.URL = "ws://new/"
	}
	cfg.Routes[0].Mirror = &m
	return cfg
}

// mirror returns the state of the route's mirror.
func (w *world) mirror() *gateway.MirrorStatus { return w.gw.Status().Routes[0].Mirror }

const ipad = "Mozilla/5.0 (iPad; CPU OS 5_1_1 like Mac OS X) Safari"

func agent(name string) draftwire.DialOptions {
	return draftwire.DialOptions{Fields: draftwire.Fields{{Name: "User-Agent", Value: name}}}
}

// say sends messages, and reads the answer to each of them.
func say(t *testing.T, c *draftwire.Conn, texts ...string) (answers []string) {
	t.Helper()
	for _, text := range texts {
		if err := c.Write(bg, draftwire.OpText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		_, p, err := c.Read(bg)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, string(p))
	}
	return answers
}

// Every client on a mirror of every version: the mirror gets what the client says and how it closes, and
// an answer that differs is found.
func TestMirrorEveryPair(t *testing.T) {
	forPairs(t, func(t *testing.T, front, back draftwire.Version) {
		w := newWorld(t)
		var told usage.Mirror
		var mu sync.Mutex
		w.hooks.Mirrored = func(_ *gateway.Session, x usage.Mirror) {
			mu.Lock()
			defer mu.Unlock()
			told.Add(x)
		}
		w.answering("back:80", draftwire.AllVersions, same)
		new := w.answering("new:80", draftwire.VersionsOf(back), func(text string) []string {
			if text == "second" {
				return []string{"Re: second"}
			}
			return same(text)
		})
		w.start(mirrored(gateway.Mirror{To: gateway.Backend{URL: "ws://new/?version=" + back.String()}}))
		c := w.mustClient(front, agent(ipad))
		long := strings.Repeat("grüße ", 5000)
		for i, a := range say(t, c, "first", "second", long, "last") {
			if want := "re: " + []string{"first", "second", long, "last"}[i]; a != want {
				t.Errorf("the client got %.100q", a)
			}
		}
		c.Close(4001, "enough")
		pass(20 * time.Second)
		s := w.mirror()
		want := usage.Mirror{Opened: 1, Equal: 3, Differed: 1}
		if s.Counts != want || s.Connections != 0 || !s.Up || s.Error != "" {
			t.Fatalf("%+v", s)
		}
		mu.Lock()
		if told != want {
			t.Errorf("told %+v", told)
		}
		mu.Unlock()
		if len(s.Kinds) != 1 || s.Kinds[0].Kind != "iOS 5.1" || len(s.Kinds[0].Differences) != 1 {
			t.Fatalf("%+v", s.Kinds)
		}
		d := s.Kinds[0].Differences[0]
		if d.Number != 2 || d.Where != "byte 1" || d.Want != 10 || d.Got != 10 || d.Verdict != "different" || d.Version != front.String() || d.Backend+d.Mirror != "" {
			t.Errorf("%+v", d)
		}
		heard, ends, _ := new.all()
		if !slices.Equal(heard, []string{"first", "second", long, "last"}) || len(ends) != 1 {
			t.Errorf("the mirror heard %.100q and %q", heard, ends)
		}
		// A close crosses to the mirror as it does to a backend.
		if front.Supports(draftwire.CapCloseCode) && back.Supports(draftwire.CapCloseCode) && !strings.Contains(ends[0], "4001") {
			t.Errorf("the mirror was closed with %q", ends)
		}
		w.settled()
	})
}

// The mirror gets the client's request, with its credentials, and is told that it is one.
func TestMirrorRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		old, new := w.answering("back:80", draftwire.AllVersions, same), w.answering("new:80", draftwire.AllVersions, same)
		cfg := mirrored(gateway.Mirror{To: gateway.Backend{URL: "ws://new/base"}})
		cfg.Routes[0].SetHeaders = map[string]string{"X-Set": "1"}
		w.start(cfg)
		o := agent(ipad)
		o.Protocols = []string{"a", "b"}
		o.Fields = append(o.Fields, draftwire.Fields{{Name: "Cookie", Value: "id=7"}, {Name: "Draftwire-Mirror", Value: "9"}}...)
		c := w.mustClient(draftwire.RFC6455, o)
		say(t, c, "x")
		pass(time.Second)
		_, _, atOld := old.all()
		_, _, atNew := new.all()
		if len(atOld) != 1 || len(atNew) != 1 {
			t.Fatalf("%d and %d requests", len(atOld), len(atNew))
		}
		lines := func(head, host string) (out []string) {
			for _, l := range strings.Split(strings.TrimSpace(strings.ReplaceAll(head, host, "HOST")), "\r\n") {
				if !strings.HasPrefix(l, "Sec-WebSocket-Key") {
					out = append(out, l)
				}
			}
			slices.Sort(out)
			return out
		}
		want := append(lines(atOld[0], "Host: back"), "Draftwire-Mirror: 1")
		slices.Sort(want)
		got := lines(strings.Replace(atNew[0], "GET /base/", "GET /", 1), "Host: new")
		if !slices.Equal(got, want) || strings.Contains(atOld[0], "Draftwire-Mirror") {
			t.Errorf("mirror:\n%s\nbackend:\n%s", strings.Join(got, "\n"), atOld[0])
		}
	})
}

// What a mirror does that is no answer has its own count, and is said once when it begins to fail and
// once when it is well again. The client does not notice any of it.
func TestMirrorFails(t *testing.T) {
	refuse := says("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
	upgraded := func(f func(nc net.Conn, r *bufio.Reader)) func(w *world) {
		return func(w *world) {
			l, _ := w.listen("new:80")
			w.t.Cleanup(func() { l.Close() })
			go func() {
				for {
					nc, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						defer nc.Close()
						c, rest := shakeHands(nc)
						if c {
							f(nc, rest)
						}
					}()
				}
			}()
		}
	}
	for _, x := range []struct {
		name  string
		start func(w *world)
		want  usage.Mirror // of two clients, one behind the other
		ups   string
	}{
		{"nobody is there", func(*world) {}, usage.Mirror{Failed: 1, Skipped: 1}, "down"},
		{"refused", func(w *world) { w.script("new:80", refuse) }, usage.Mirror{Refused: 2, Unknown: 6}, "down"},
		{"server error", func(w *world) { w.script("new:80", says("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")) }, usage.Mirror{Failed: 1, Skipped: 1}, "down"},
		{"no answer", func(w *world) { w.script("new:80", silent) }, usage.Mirror{Failed: 2}, "down"},
		{"another subprotocol", func(w *world) {
			w.backend("new:80", &draftwire.Server{WebSocket: echo, Options: draftwire.AcceptOptions{Origins: []string{"*"}, Protocols: []string{"b"}}})
		}, usage.Mirror{Refused: 2, Unknown: 6}, ""},
		{"cut", upgraded(func(net.Conn, *bufio.Reader) {}), usage.Mirror{Opened: 2, Failed: 2, Unknown: 6}, ""},
		{"no frame", upgraded(func(nc net.Conn, _ *bufio.Reader) { nc.Write([]byte("\xff\xff\xff\xff")); time.Sleep(10 * time.Minute) }), usage.Mirror{Opened: 2, Failed: 2, Unknown: 6}, ""},
		{"closes", upgraded(func(nc net.Conn, r *bufio.Reader) {
			nc.Write([]byte("\x88\x02\x03\xe8"))
			r.ReadByte()
			time.Sleep(time.Second)
		}), usage.Mirror{Opened: 2, Closed: 2, Unknown: 6}, ""},
		{"silent", upgraded(func(nc net.Conn, r *bufio.Reader) { drain(r) }), usage.Mirror{Opened: 2, Missing: 6}, ""},
		{"reads nothing", upgraded(func(net.Conn, *bufio.Reader) { time.Sleep(10 * time.Minute) }), usage.Mirror{Opened: 2, Missing: 6}, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				var ups []string
				var mu sync.Mutex
				w.hooks.MirrorUp = func(_, _ string, up bool, err error) {
					mu.Lock()
					defer mu.Unlock()
					ups = append(ups, map[bool]string{true: "up", false: "down"}[up])
					if up != (err == nil) {
						t.Errorf("up %v, %v", up, err)
					}
				}
				w.backend("back:80", &draftwire.Server{WebSocket: echo, Options: draftwire.AcceptOptions{Origins: []string{"*"}, Protocols: []string{"a"}}})
				x.start(w)
				w.start(mirrored(gateway.Mirror{}))
				for range 2 {
					o := agent(ipad)
					o.Protocols = []string{"a", "b"}
					c := w.mustClient(draftwire.RFC6455, o)
					began := time.Now()
					say(t, c, "one", "two", "three")
					if took := time.Since(began); took != 0 {
						t.Errorf("the client has waited for %v", took)
					}
					// The first is open while the mirror ends early.
					time.Sleep(time.Minute)
					if err := c.Close(draftwire.CodeNormal, ""); err != nil {
						t.Error(err)
					}
					if x.want.Skipped > 0 { // which it would not be a cooldown later
						w.down("new:80")
					}
				}
				pass(time.Hour)
				got := w.mirror().Counts
				if x.want.Skipped > 0 {
					x.want = usage.Mirror{Failed: 2, Unknown: 6}
				} else if x.want.Failed == 2 && x.want.Opened == 0 {
					x.want.Unknown = 6
				}
				if got != x.want {
					t.Errorf("got  %+v\nwant %+v", got, x.want)
				}
				mu.Lock()
				if s := strings.Join(ups, " "); s != x.ups {
					t.Errorf("told %q", s)
				}
				mu.Unlock()
				w.settled()
			})
		})
	}
}

// drain reads until the end.
func drain(r *bufio.Reader) {
	for _, err := r.ReadByte(); err == nil; _, err = r.ReadByte() {
	}
}

// shakeHands accepts a client of RFC 6455.
func shakeHands(nc net.Conn) (ok bool, r *bufio.Reader) {
	r = bufio.NewReader(nc)
	var key string
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return false, nil
		}
		if name, value, _ := strings.Cut(line, ": "); strings.EqualFold(name, "Sec-WebSocket-Key") {
			key = strings.TrimSpace(value)
		}
		if line == "\r\n" {
			break
		}
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: a\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	return true, r
}

// A mirror that fails rests, as a backend does: clients that come meanwhile are not mirrored. What is
// told is that it fails and that it is well again.
func TestMirrorRests(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		ups := make(chan bool, 10)
		w.hooks.MirrorUp = func(_, _ string, up bool, _ error) { ups <- up }
		w.answering("back:80", draftwire.AllVersions, same)
		w.start(mirrored(gateway.Mirror{}))
		visit := func() {
			c := w.mustClient(draftwire.RFC6455, agent(ipad))
			say(t, c, "x")
			c.Close(draftwire.CodeNormal, "")
			pass(time.Second)
		}
		visit()
		visit()
		if got, want := w.mirror().Counts, (usage.Mirror{Failed: 1, Skipped: 1, Unknown: 1}); got != want {
			t.Errorf("%+v", got)
		}
		if s := w.mirror(); s.Up || !strings.Contains(s.Error, "nobody is there") {
			t.Errorf("%+v", s)
		}
		w.answering("new:80", draftwire.AllVersions, same)
		pass(10 * time.Second)
		visit()
		if got, want := w.mirror().Counts, (usage.Mirror{Opened: 1, Equal: 1, Failed: 1, Skipped: 1, Unknown: 1}); got != want {
			t.Errorf("%+v", got)
		}
		if <-ups || !<-ups || len(ups) > 0 {
			t.Error("it is not told that it was down, and is up")
		}
	})
}

// What has no room is counted, and from there on nothing is compared.
func TestMirrorOverrun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.answering("back:80", draftwire.AllVersions, same)
		w.script("new:80", silent) // not even a handshake
		w.start(mirrored(gateway.Mirror{Queue: 8 << 10}))
		c := w.mustClient(draftwire.RFC6455, agent(ipad))
		for range 10 {
			say(t, c, strings.Repeat("x", 3000))
		}
		c.Close(draftwire.CodeNormal, "")
		pass(time.Minute)
		if got := w.mirror().Counts; got.Unknown != 10 || got.Answers() != 0 || got.Failed != 1 {
			t.Errorf("%+v", got)
		}
	})
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.answering("back:80", draftwire.AllVersions, same)
		hang := make(chan struct{})
		w.backend("new:80", &draftwire.Server{Options: open(draftwire.AllVersions), WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			c.Write(ctx, draftwire.OpText, []byte("re: a"))
			<-hang
			return nil
		}})
		w.start(mirrored(gateway.Mirror{Queue: 64 << 10}))
		c := w.mustClient(draftwire.RFC6455, agent(ipad))
		say(t, c, "a")
		pass(time.Second)
		for range 100 {
			say(t, c, strings.Repeat("x", 30000))
		}
		c.Close(draftwire.CodeNormal, "")
		pass(time.Minute)
		if got, want := w.mirror().Counts, (usage.Mirror{Opened: 1, Overrun: 1, Equal: 1, Unknown: 100}); got != want {
			t.Errorf("%+v", got)
		}
		close(hang)
		w.settled()
	})
}

// More clients than there are connections are not mirrored, and a sample of them is.
func TestMirrorBounds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.answering("back:80", draftwire.AllVersions, same)
		w.answering("new:80", draftwire.AllVersions, same)
		w.start(mirrored(gateway.Mirror{Connections: 3, To: gateway.Backend{URL: "ws://new/", MaxConns: 2}}))
		for i := range 60 {
			c := w.mustClient(draftwire.RFC6455, agent(fmt.Sprintf("device-%d/1.0", i)))
			say(t, c, "x")
			defer c.CloseNow()
			if i == 1 { // so that the first two are among the kinds that are told apart
				pass(10 * time.Second)
			}
		}
		pass(20 * time.Second)
		s := w.mirror()
		if s.Connections != 2 || s.Counts.Opened != 2 || s.Counts.Skipped != 58 {
			t.Errorf("%+v", s.Counts)
		}
		if len(s.Kinds) != 51 || s.Kinds[len(s.Kinds)-1].Kind != "other" || s.Kinds[len(s.Kinds)-1].Counts.Skipped != 10 {
			t.Errorf("%d kinds, the last is %+v", len(s.Kinds), s.Kinds[len(s.Kinds)-1])
		}
	})
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.answering("back:80", draftwire.AllVersions, same)
		w.answering("new:80", draftwire.AllVersions, same)
		w.start(mirrored(gateway.Mirror{Sample: 10}))
		for range 300 {
			c := w.mustClient(draftwire.RFC6455, agent(ipad))
			c.Close(draftwire.CodeNormal, "")
			pass(time.Second)
		}
		if n := w.mirror().Counts.Opened; n < 10 || n > 60 {
			t.Errorf("%d of 300 are mirrored, about 30 are wanted", n)
		}
	})
}

// A mirror that floods is not read, and what it says too much is counted.
func TestMirrorFlood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.answering("back:80", draftwire.AllVersions, same)
		w.backend("new:80", &draftwire.Server{Options: open(draftwire.AllVersions), WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			for c.Write(ctx, draftwire.OpText, []byte(strings.Repeat("flood ", 10))) == nil {
			}
			return nil
		}})
		w.start(mirrored(gateway.Mirror{}))
		c := w.mustClient(draftwire.RFC6455, agent(ipad))
		for range 3 {
			say(t, c, "x")
			pass(10 * time.Second)
		}
		c.Close(draftwire.CodeNormal, "")
		pass(time.Minute)
		got := w.mirror().Counts
		if got.Equal != 0 || got.Differed+got.Missing != 3 || got.More < 64 || got.More > 1000 {
			t.Errorf("%+v", got)
		}
		w.settled()
	})
}

// Where the backend closes, the mirror need not have closed by itself; and a mirror that closes as the
// backend does is not early.
func TestMirrorCloses(t *testing.T) {
	for _, x := range []struct {
		name string
		new  func(string) []string
		want usage.Mirror
	}{
		{"both", func(text string) []string { return []string{text, "bye"} }, usage.Mirror{Opened: 1, Equal: 2}},
		{"the backend alone", func(text string) []string { return []string{text} }, usage.Mirror{Opened: 1, Equal: 1, Missing: 1}},
	} {
		t.Run(x.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.answering("back:80", draftwire.AllVersions, func(text string) []string { return []string{text, "bye"} })
				new := w.answering("new:80", draftwire.AllVersions, x.new)
				w.start(mirrored(gateway.Mirror{}))
				c := w.mustClient(draftwire.RFC6455, agent(ipad))
				say(t, c, "x")
				_, p, _ := c.Read(bg)
				_, _, err := c.Read(bg)
				if ce, ok := errors.AsType[*draftwire.CloseError](err); !ok || ce.Code != 4000 || string(p) != "bye" {
					t.Errorf("%q, %v", p, err)
				}
				pass(time.Minute)
				if got := w.mirror().Counts; got != x.want {
					t.Errorf("%+v", got)
				}
				if _, ends, _ := new.all(); x.want.Missing > 0 && (len(ends) != 1) {
					t.Errorf("the mirror was closed with %q", ends)
				}
				w.settled()
			})
		})
	}
}

// A mirror that answers late, or before the backend, is compared all the same; the close waits for what
// it still has to say.
func TestMirrorLate(t *testing.T) {
	for _, late := range []string{"back:80", "new:80"} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			for _, at := range []string{"back:80", "new:80"} {
				w.answering(at, draftwire.AllVersions, func(text string) []string {
					if at == late {
						time.Sleep(2 * time.Second)
					}
					return same(text)
				})
			}
			w.start(mirrored(gateway.Mirror{}))
			c := w.mustClient(draftwire.RFC6455, agent(ipad))
			say(t, c, "one", "two")
			c.Close(draftwire.CodeNormal, "")
			pass(time.Minute)
			if got, want := w.mirror().Counts, (usage.Mirror{Opened: 1, Equal: 2}); got != want {
				t.Errorf("%s is late: %+v", late, got)
			}
		})
	}
}

// What is ignored makes no difference; where answers differ is said without their values, and with
// payload they are shown without secrets.
func TestMirrorDifferences(t *testing.T) {
	for _, payload := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			answer := func(at string, price int) func(string) []string {
				return func(text string) []string {
					return []string{fmt.Sprintf(`{"at":%q,"data":{"price":%d},"token":"secret-%s"}`, at, price, at), "x " + text, at + strings.Repeat("long", 1000)}
				}
			}
			w.answering("back:80", draftwire.AllVersions, answer("10:00", 5))
			w.answering("new:80", draftwire.AllVersions, answer("11:00", 6))
			w.start(mirrored(gateway.Mirror{Ignore: []string{"/at", "/token", "re:[0-9]+:[0-9]+"}, Payload: payload}))
			c := w.mustClient(draftwire.RFC6455, agent(ipad))
			for range 5 {
				say(t, c, "y")
				c.Read(bg)
				c.Read(bg)
			}
			pass(time.Minute)
			s := w.mirror()
			if want := (usage.Mirror{Opened: 1, Equal: 10, Differed: 5}); s.Counts != want {
				t.Errorf("%+v", s.Counts)
			}
			if len(s.Kinds) != 1 || len(s.Kinds[0].Differences) != 3 {
				t.Fatalf("%+v", s.Kinds)
			}
			d := s.Kinds[0].Differences[0]
			wantBack, wantNew := "", ""
			if payload {
				wantBack = `{"at":"10:00","data":{"price":5},"token":"[redacted:token]"}`
				wantNew = `{"at":"11:00","data":{"price":6},"token":"[redacted:token]"}`
			}
			if d.Where != "/data/price" || d.Backend != wantBack || d.Mirror != wantNew || strings.Contains(d.String(), "secret") {
				t.Errorf("%+v", d)
			}
			if line := d.String(); !strings.HasPrefix(line, "answer 1 of a connection of rfc6455: different at /data/price, 56 and 56 bytes") {
				t.Errorf("%s", line)
			}
		})
	}
}

// A binary message that the mirror's version does not have is not compared, where the policy does not
// encode it; and a mirror that would make the gateway refuse a message fails.
func TestMirrorBinary(t *testing.T) {
	for _, x := range []struct {
		client, mirror draftwire.Version
		policy         gateway.Policy
		want           usage.Mirror
	}{
		{draftwire.RFC6455, draftwire.Hixie76, gateway.Policy{Binary: "drop"}, usage.Mirror{Opened: 1, Unknown: 1, Equal: 1}},
		{draftwire.RFC6455, draftwire.Hixie76, gateway.Policy{Binary: "base64", BinaryBack: true}, usage.Mirror{Opened: 1, Equal: 1, Differed: 1}}, // text is decoded too
		{draftwire.RFC6455, draftwire.Hixie76, gateway.Policy{}, usage.Mirror{Opened: 1, Failed: 1, Unknown: 2}},
		{draftwire.RFC6455, draftwire.Hybi08, gateway.Policy{}, usage.Mirror{Opened: 1, Equal: 2}},
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t)
			w.echo("back:80", draftwire.AllVersions)
			w.echo("new:80", draftwire.AllVersions)
			cfg := mirrored(gateway.Mirror{To: gateway.Backend{URL: "ws://new/?version=" + x.mirror.String()}})
			x.policy.Ping = -1
			cfg.Routes[0].Policy = x.policy
			w.start(cfg)
			c := w.mustClient(x.client, agent(ipad))
			if err := c.Write(bg, draftwire.OpBinary, []byte{1, 2, 255}); err != nil {
				t.Fatal(err)
			}
			if op, p, err := c.Read(bg); op != draftwire.OpBinary || err != nil || len(p) != 3 {
				t.Errorf("%v %v %v", op, p, err)
			}
			if text := say(t, c, "text"); text[0] != "text" {
				t.Errorf("%q", text)
			}
			pass(time.Minute)
			c.Close(draftwire.CodeNormal, "")
			pass(time.Minute)
			if got := w.mirror().Counts; got != x.want {
				t.Errorf("%s on %s, %+v: got %+v, want %+v", x.client, x.mirror, x.policy, got, x.want)
			}
			if l := w.losses(); len(l) > 0 && x.mirror == draftwire.Hybi08 {
				t.Errorf("losses of the client: %v", l)
			}
		})
	}
}

// A reload goes on counting under the same name, and begins anew under another one.
func TestMirrorReload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.answering("back:80", draftwire.AllVersions, same)
		w.answering("new:80", draftwire.AllVersions, same)
		w.start(mirrored(gateway.Mirror{Name: "build 1"}))
		visit := func() {
			c := w.mustClient(draftwire.RFC6455, agent(ipad))
			say(t, c, "x")
			c.Close(draftwire.CodeNormal, "")
			pass(time.Minute)
		}
		for i, x := range []struct {
			m    *gateway.Mirror
			want uint64
		}{{&gateway.Mirror{Name: "build 1", Wait: gateway.Duration(time.Second)}, 2}, {&gateway.Mirror{Name: "build 2"}, 1}, {nil, 0}} {
			if i == 0 {
				visit()
			}
			cfg := to(gateway.Policy{}, "ws://back/")
			if cfg.Routes[0].Mirror = x.m; x.m != nil {
				x.m.To.URL = "ws://new/"
			}
			if err := w.gw.Reload(cfg); err != nil {
				t.Fatal(err)
			}
			visit()
			if s := w.mirror(); (s == nil) != (x.m == nil) || s != nil && s.Counts.Equal != x.want {
				t.Errorf("%d: %+v", i, s)
			}
		}
	})
}

// The states of two processes are added up.
func TestMirrorOfGenerations(t *testing.T) {
	one := func(n uint64, kind string) gateway.Status {
		return gateway.Status{Versions: map[string]int{}, Routes: []gateway.RouteStatus{{Name: "r", Mirror: &gateway.MirrorStatus{
			Name: "m", Connections: 1, Counts: usage.Mirror{Equal: n},
			Kinds: []gateway.MirrorKind{{Kind: "all", Counts: usage.Mirror{Equal: n}, Differences: make([]gateway.MirrorDifference, 2)}, {Kind: kind}},
		}}}}
	}
	s, older := one(1, "z"), one(2, "b")
	s.Add(&older)
	m := s.Routes[0].Mirror
	if m.Connections != 2 || m.Counts.Equal != 3 || len(m.Kinds) != 3 || m.Kinds[1].Kind != "b" || m.Kinds[0].Counts.Equal != 3 || len(m.Kinds[0].Differences) != 3 {
		t.Errorf("%+v", m)
	}
	older.Routes[0].Mirror.Name = "other"
	s.Add(&older)
	older.Routes[0].Mirror = nil
	s.Add(&older)
	if m.Counts.Equal != 3 {
		t.Errorf("%+v", m)
	}
}

// What a mirror cannot be is said.
func TestMirrorConfig(t *testing.T) {
	for _, x := range []struct{ yaml, want string }{
		{"{to: ws://new}", ""},
		{"{to: {url: wss://new, insecure: true}, sample: 10, ignore: [/a, 're:x'], queue: 1MiB, wait: 1s}", ""},
		{"{}", "it needs the URL of a server"},
		{"{to: tcp://new:1}", "is a stream"},
		{"{to: new}", "is not a URL"},
		{"{to: ws://new, ignore: [x]}", "neither a JSON pointer"},
		{"{to: ws://new, sample: 101}", "sample: 101 is not from 1 to 100"},
		{"{to: ws://new, queue: 1KiB}", "queue: 1024 is not from 4KiB to 64MiB"},
		{"{to: ws://new, connections: -1}", "connections: -1 is not from"},
		{"{to: ws://new, wait: none}", "wait: "},
		{"{to: ws://new, connections: 100000}", "more than 1 GiB"},
		{"{to: {url: ws://new, send_proxy: v3}}", "send_proxy"},
		{"{to: {url: ws://new, tolerate: [nothing]}}", "tolerate"},
		{"{too: ws://new}", `unknown key "too"; did you mean "to"`},
	} {
		_, err := gateway.Load(strings.NewReader("routes:\n- backends: [ws://back]\n  mirror: " + x.yaml + "\n"))
		if x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
			t.Errorf("%s: %v", x.yaml, err)
		}
	}
	for yaml, want := range map[string]string{"backends: [tcp://back:1]": "is a stream", "status: 404": "has no backends"} {
		if _, err := gateway.Load(strings.NewReader("routes:\n- " + yaml + "\n  mirror: {to: ws://new}\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", yaml, err)
		}
	}
}

// A gateway that closes does not wait for its mirrors.
func TestMirrorGatewayCloses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.answering("back:80", draftwire.AllVersions, same)
		hang := make(chan struct{})
		w.backend("new:80", &draftwire.Server{Options: open(draftwire.AllVersions), WebSocket: func(context.Context, *draftwire.Conn) error { <-hang; return nil }})
		w.start(mirrored(gateway.Mirror{}))
		c := w.mustClient(draftwire.RFC6455, agent(ipad))
		say(t, c, "x")
		synctest.Wait()
		began := time.Now()
		w.gw.Close()
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
		close(hang)
	})
}

// What still waits for the mirror when the gateway ends is counted: it was not compared.
func TestMirrorUnsettledAtEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.answering("back:80", draftwire.AllVersions, same)
		w.answering("new:80", draftwire.AllVersions, func(string) []string { return nil })
		var mu sync.Mutex
		var found usage.Mirror
		w.hooks.Mirrored = func(_ *gateway.Session, x usage.Mirror) {
			mu.Lock()
			defer mu.Unlock()
			found.Add(x)
		}
		w.start(mirrored(gateway.Mirror{Wait: gateway.Duration(time.Hour)}))
		c := w.mustClient(draftwire.RFC6455, agent(ipad))
		say(t, c, "one", "two", "three")
		synctest.Wait()
		w.gw.Close()
		mu.Lock()
		defer mu.Unlock()
		if found.Unknown != 3 || found.Missing != 0 {
			t.Errorf("%+v", found)
		}
	})
}
