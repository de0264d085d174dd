package replay_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/compare"
	"github.com/draftwire/draftwire/recording"
	"github.com/draftwire/draftwire/replay"
	"github.com/draftwire/draftwire/wire"
)

// texts is a session in which the sides say texts: "> x" is the client's, "< x" the server's.
func texts(lines ...string) *replay.Session {
	s := &replay.Session{Number: 1, Version: wire.RFC6455, Target: "/chat?a=1", End: "clean", Closer: recording.Client, Code: 1000}
	for i, l := range lines {
		from := recording.Client
		if l[0] == '<' {
			from = recording.Server
		}
		s.Steps = append(s.Steps, replay.Step{At: time.Duration(i) * time.Millisecond, From: from, Op: wire.OpText, Payload: []byte(l[2:])})
	}
	return s
}

// against plays the client of a session against the server of another one.
func against(t *testing.T, client, server *replay.Session, o replay.Options) (a, b *replay.Result) {
	t.Helper()
	o.Wait = 300 * time.Millisecond
	return playTwo(t, client, server, o)
}

func kinds(r *replay.Result) string {
	var all []string
	for _, d := range r.Differences {
		all = append(all, string(d.Kind)+" "+d.Want+"/"+d.Got)
	}
	return strings.Join(all, ", ")
}

// Each kind of difference is found, and what follows one is compared again.
func TestDifferences(t *testing.T) {
	old := texts("> one", "< two", "< three", "< four", "> five", "< six")
	closes := texts("> one", "< two", "< three", "< four", "> five", "< six")
	closes.Closer = recording.Server
	for name, x := range map[string]struct {
		now  *replay.Session
		want string
	}{
		"same":      {texts("> one", "< two", "< three", "< four", "> five", "< six"), ""},
		"differs":   {texts("> one", "< two", "< 3", "< four", "> five", "< six"), "differs three/3"},
		"missing":   {texts("> one", "< two", "< four", "> five", "< six"), "missing three/what follows it came"},
		"the last":  {texts("> one", "< two", "< three", "< four", "> five"), "missing six/nothing came in time"},
		"in order":  {texts("> one", "< three", "< two", "< four", "> five", "< six"), "missing two/what follows it came, differs four/two, differs six/four"},
		"closes":    {closes, "closes open, until this side closes/draftwire: closed: 1000 (normal)"},
		"one more":  {texts("> one", "< two", "< three", "< four", "> five", "< six", "< seven"), "extra /seven"},
		"all other": {texts("> one", "< a", "< b", "< c", "> five", "< d"), "differs two/a, differs three/b, differs four/c, differs six/d"},
	} {
		a, _ := against(t, old, x.now, replay.Options{Linger: 250 * time.Millisecond}) // longer than the server
		if got := kinds(a); got != x.want && !(name == "in order" && strings.HasPrefix(got, "missing two")) {
			t.Errorf("%s: %s", name, got)
		}
		if a.Same() != (kinds(a) == "") || a.Err != nil {
			t.Errorf("%s: same %v, %v", name, a.Same(), a.Err)
		}
	}
}

// A server that goes on speaking where it had closed does not hold a session for ever.
func TestSpeaksOn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &draftwire.Server{WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
		for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
			if err := c.Write(ctx, draftwire.OpText, []byte("on")); err != nil {
				return err
			}
		}
	}}
	go srv.Serve(l)
	defer srv.Close()
	s := texts("< on")
	s.Closer = recording.Server
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r := replay.Client(ctx, s, "ws://"+l.Addr().String(), draftwire.DialOptions{}, replay.Options{Wait: 100 * time.Millisecond})
	if got := kinds(r); r.Err != nil || !strings.Contains(got, "extra /on") || !strings.HasSuffix(got, "closes a close with 1000/the connection is open") {
		t.Errorf("%s, %v", got, r.Err)
	}
}

// The answers that a recording lacks which ends before its session are no differences.
func TestCutShort(t *testing.T) {
	for _, end := range []string{"", "open"} {
		s := texts("> one", "< two")
		s.End = end
		if a, _ := against(t, s, texts("> one", "< two", "< three"), replay.Options{}); !a.Same() || a.Got != 2 {
			t.Errorf("%q: %s, %d received", end, kinds(a), a.Got)
		}
		if a, _ := against(t, s, texts("> one", "< 2"), replay.Options{}); kinds(a) != "differs two/2" {
			t.Errorf("%q: %s", end, kinds(a))
		}
	}
}

// Where the server closes, what it says before and how it closes are compared.
func TestServerCloses(t *testing.T) {
	session := func(code int, lines ...string) *replay.Session {
		s := texts(lines...)
		s.Closer, s.Code = recording.Server, code
		return s
	}
	for name, x := range map[string]struct {
		now  *replay.Session
		want string
	}{
		"same":      {session(1008, "> one", "< two"), ""},
		"code":      {session(1000, "> one", "< two"), "closes a close with 1008/a close with 1000"},
		"extra":     {session(1008, "> one", "< two", "< three"), "extra /three"},
		"too early": {session(1008), "missing two/"},
		"not at all": {func() *replay.Session {
			s := session(1008, "> one", "< two", "> never")
			return s
		}(), "closes a close with 1008/the connection is open"},
	} {
		a, _ := against(t, session(1008, "> one", "< two"), x.now, replay.Options{})
		if got := kinds(a); got != x.want && !(name == "too early" && (strings.Contains(got, "missing two/") || strings.Contains(got, "not sent one/"))) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// What is to be ignored is not compared, and what was redacted gets a value of its own.
func TestIgnoreAndSet(t *testing.T) {
	ignore, err := compare.ParseRules([]string{"/at", "/list/*/t", "/1/t", "re:[0-9:]{8}"})
	if err != nil {
		t.Fatal(err)
	}
	old := texts(`> {"token":"[redacted:token]"}`, `< {"id":1,"at":"10:00","list":[{"t":1,"v":2}],"token":"[redacted:token]"}`, `< 42["x",{"t":1}]`, "< at 10:00:01")
	now := texts(`> {"token":"abc"}`, `< {"at":"11:30","id":1,"list":[{"v":2,"t":9}],"token":"xyz"}`, `< 42["x",{"t":7}]`, "< at 11:30:59")
	o := replay.Options{Set: map[string]string{"token": "abc"}, Redacted: []string{"token"}, Ignore: ignore}
	a, b := against(t, old, now, o)
	if !a.Same() {
		t.Errorf("%s", kinds(a))
	}
	for _, d := range b.Differences {
		if d.Kind == replay.Differs {
			t.Errorf("the server heard %s", d.Got)
		}
	}
	a, _ = against(t, old, now, replay.Options{Redacted: []string{"token"}})
	if len(a.Differences) < 3 {
		t.Errorf("without: %s", kinds(a))
	}
}

// A value stays what it is in JSON, and is not escaped elsewhere.
func TestSetInJSON(t *testing.T) {
	value := `a"b\c`
	old := texts(`> {"token":"[redacted:token]"}`, `> token=[redacted:token]`, "< ok")
	now := texts(`> {"token":"a\"b\\c"}`, `> token=a"b\c`, "< ok")
	_, b := against(t, old, now, replay.Options{Set: map[string]string{"token": value}, Redacted: []string{"token"}})
	for _, d := range b.Differences {
		t.Errorf("the server heard %s, want %s", d.Got, d.Want)
	}
}

// With the original timing a message is sent when it was, and late by little.
func TestTiming(t *testing.T) {
	s := texts("> one", "< two", "> three")
	s.Steps[2].At = 60 * time.Millisecond
	began := time.Now()
	a, _ := playTwo(t, s, s, replay.Options{Speed: 0.5, Wait: time.Second})
	if took := time.Since(began); !a.Same() || took < 120*time.Millisecond || a.Late > time.Second || a.Late99 > a.Late || a.Late99 == 0 {
		t.Errorf("%v, late by %v, most by %v, %s", took, a.Late, a.Late99, kinds(a))
	}
}

// A server that says nothing any more does not hold a session up for each message of it.
func TestGivenUp(t *testing.T) {
	lines := []string{"> one"}
	for range 1000 {
		lines = append(lines, "< two")
	}
	silent := texts("> one", "> never")
	silent.Closer = recording.Client
	began := time.Now()
	a, _ := playTwo(t, texts(lines...), silent, replay.Options{Wait: 300 * time.Millisecond})
	if len(a.Differences) != 10 || time.Since(began) > 10*time.Second {
		t.Errorf("%d differences after %v", len(a.Differences), time.Since(began))
	}
}

// Several subprotocols, which hixie clients offer in one string, are a list in other versions.
func TestProtocols(t *testing.T) {
	s := texts("> one", "< two")
	s.Version, s.Protocols, s.Code = wire.Hixie76, []string{"one two"}, 0
	for v, lost := range map[draftwire.Version]int{wire.RFC6455: 0, wire.Hybi02: 0, wire.Hixie76: 0} {
		a, _ := playAs(t, s, s, v, replay.Options{})
		if a.Losses["subprotocols"] != lost || v != wire.Hixie76 && !a.Same() {
			t.Errorf("%s: %s, %v, losses %v", v, kinds(a), a.Err, a.Losses)
		}
	}
	// One that was redacted gets its value, or is left out.
	s.Version, s.Protocols, s.Code = wire.RFC6455, []string{"[redacted:sec-websocket-protocol]"}, 1000
	for value, want := range map[string]string{"": "", "one": "one"} {
		set := map[string]string{}
		if value != "" {
			set["sec-websocket-protocol"] = value
		}
		var chosen string
		url, stop := exampleServer("")
		replay.Client(context.Background(), s, url, draftwire.DialOptions{Observer: &draftwire.Observer{
			Opened: func(c *draftwire.Conn) { chosen = strings.Join(c.Handshake().Offered(), ",") },
		}}, replay.Options{Set: set, Wait: 50 * time.Millisecond})
		stop()
		if chosen != want {
			t.Errorf("with %q, %q is offered", value, chosen)
		}
	}
	s.Version, s.Protocols, s.Code = wire.RFC6455, []string{"one", "two"}, 1000
	if a, _ := playAs(t, s, s, wire.Hixie76, replay.Options{}); a.Losses["subprotocols"] != 1 || !a.Same() {
		t.Errorf("%s, %v, losses %v", kinds(a), a.Err, a.Losses)
	}
}

// Many messages are played without loss.
func TestMany(t *testing.T) {
	n := 20_000
	if testing.Short() {
		n = 1000
	}
	s := &replay.Session{Number: 1, Version: wire.RFC6455, Target: "/chat?a=1", End: "clean", Closer: recording.Client, Code: 1000}
	for i := range n {
		s.Steps = append(s.Steps, replay.Step{From: []recording.Side{recording.Client, recording.Server}[i/3%2], Op: wire.OpText, Payload: []byte(strings.Repeat("x", i%50))})
	}
	a, b := playTwo(t, s, s, replay.Options{})
	if !a.Same() || !b.Same() || a.Sent+a.Got != n || b.Sent+b.Got != n {
		t.Errorf("%d and %d of %d, %s, %s", a.Sent+a.Got, b.Sent+b.Got, n, kinds(a), kinds(b))
	}
}

// A recording becomes sessions with what their requests had.
func TestLoad(t *testing.T) {
	var file bytes.Buffer
	w, err := recording.NewWriter(&file, recording.Header{})
	if err != nil {
		t.Fatal(err)
	}
	head := "GET /a?b=1 HTTP/1.1\r\nHost: tv.example\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nOrigin: http://o.example\r\n" +
		"Sec-WebSocket-Protocol: a b\r\nCookie: [redacted:cookie]\r\nUser-Agent: TV\r\nSec-WebSocket-Key1: 1\r\nSec-WebSocket-Key2: 2\r\n\r\n"
	for _, e := range []recording.Event{
		{Kind: recording.KindConn, Conn: 1, At: time.Second, Version: wire.Hixie76, ClientAt: "192.0.2.1:5"},
		{Kind: recording.KindRequest, Conn: 1, From: recording.Client, Head: []byte(head)},
		{Kind: recording.KindRequest, Conn: 1, From: recording.Client, Head: []byte("12345678")},
		{Kind: recording.KindMessage, Conn: 1, At: 3 * time.Second, From: recording.Client, Op: wire.OpText, Size: 2, Payload: []byte("hi")},
		{Kind: recording.KindFrame, Conn: 1, At: 4 * time.Second, From: recording.Server, Op: wire.OpClose, Type: 0xFF},
		{Kind: recording.KindEnd, Conn: 1, How: "clean"},
		{Kind: recording.KindConn, Conn: 2, Version: wire.RFC6455},
		{Kind: recording.KindMessage, Conn: 2, From: recording.Client, Op: wire.OpText, Size: 2, Withheld: true},
	} {
		if err := w.Write(&e); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	all, err := replay.Load(bytes.NewReader(file.Bytes()))
	if err != nil || len(all) != 2 {
		t.Fatalf("%d sessions, %v", len(all), err)
	}
	s := all[0]
	if s.Target != "/a?b=1" || s.Host != "tv.example" || s.Origin != "http://o.example" || len(s.Protocols) != 1 || s.Protocols[0] != "a b" ||
		s.Closer != recording.Server || s.End != "clean" || len(s.Steps) != 1 || s.Steps[0].At != 2*time.Second || s.Client != "192.0.2.1:5" {
		t.Errorf("%+v", s)
	}
	if len(s.Fields) != 2 || s.Fields.Get("User-Agent") != "TV" {
		t.Errorf("fields %v", s.Fields)
	}
	if all[1].Incomplete == "" {
		t.Error("a session without a payload is complete")
	}
	if r := replay.Client(context.Background(), all[1], "ws://127.0.0.1:1", draftwire.DialOptions{}, replay.Options{}); r.Skipped == "" || r.Same() {
		t.Errorf("it is played: %+v", r)
	}
	if one, err := replay.Load(bytes.NewReader(file.Bytes()[:file.Len()-1]), 1); err != io.ErrUnexpectedEOF || len(one) != 1 {
		t.Errorf("%d sessions of a torn file, %v", len(one), err)
	}
}
