package console

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/wire"
)

// reading is a reader of frames.
type reading struct {
	*world
	body  io.ReadCloser
	lines chan map[string]any
}

// serve puts the console on a port.
func (w *world) serve() *httptest.Server {
	srv := httptest.NewServer(w.console)
	w.Cleanup(srv.Close)
	w.Cleanup(w.console.Close)
	return srv
}

// read reads the frames of a connection, behind the line that says it is armed.
func (w *world) read(srv *httptest.Server, id string) *reading {
	w.Helper()
	resp, err := http.Get(srv.URL + "/console/api/connections/" + id + "/frames")
	if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/x-ndjson" {
		w.Fatal(err, resp)
	}
	r := &reading{world: w, body: resp.Body, lines: make(chan map[string]any, 10_000)}
	w.Cleanup(func() { r.body.Close() })
	go func() {
		defer close(r.lines)
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			if x := map[string]any{}; s.Text() != "" && json.Unmarshal(s.Bytes(), &x) == nil {
				r.lines <- x
			}
		}
	}()
	if x := r.next(); x["armed"] != true || x["ring"] != 256.0 {
		w.Fatal(x)
	}
	return r
}

func (r *reading) next() map[string]any {
	r.Helper()
	select {
	case x := <-r.lines:
		return x
	case <-time.After(patience):
		r.Fatal("no line comes")
		return nil
	}
}

func (w *world) ids() (ids []string) {
	var l listed
	w.get("connections?sort=opened", &l)
	for _, row := range l.Rows {
		ids = append(ids, row.ID)
	}
	return ids
}

func note(x map[string]any) string {
	s := fmt.Sprintf("%v %v %v", x["side"], x["dir"], x["op"])
	for _, key := range []string{"type", "payload", "payload_hex", "loss", "code"} {
		if x[key] != nil {
			s += fmt.Sprintf(" %s=%v", key, x[key])
		}
	}
	return s
}

// Frames of a running connection are shown from when somebody reads them, of both sides, with
// what translation changed; then the end.
func TestFrames(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Routes[0].Policy.Binary = "base64" })
	srv := w.serve()
	c := w.dial(draftwire.Hixie76, "/", draftwire.DialOptions{})
	w.echo(c, "before")
	id := w.ids()[0]
	r := w.read(srv, id)
	w.echo(c, "hello")
	for _, want := range []string{
		"client in text type=0x00 payload=hello", "backend out text payload=hello", "backend in text payload=hello", "client out text type=0x00 payload=hello",
	} {
		if got := note(r.next()); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
	var s shownJSON
	w.get("connections/"+id, &s)
	if s.Ended || s.MessagesIn != 2 {
		t.Errorf("%+v", s)
	}
	c.Close(draftwire.CodeNormal, "")
	var ended map[string]any
	seen := ""
	for x := r.next(); ended == nil; {
		if x["ended"] == true {
			ended = x
			break
		}
		seen += note(x) + "\n"
		x = r.next()
	}
	if !strings.Contains(seen, "client in close type=0xff") || !strings.Contains(seen, "backend out close payload_hex=03e8 loss=close_code_added code=1000") || ended["why"] == "" {
		t.Errorf("%s%v", seen, ended)
	}
	w.get("connections/"+id, &s)
	if !s.Ended || s.Version != "hixie-76" || len(s.Handshake) < 3 {
		t.Errorf("behind the end: %+v", s)
	}
}

// The reason of a close is what a user says: who may not see that does not get it by the way a
// connection has ended.
func TestReasonIsWithheld(t *testing.T) {
	w := newWorld(t, nil)
	srv := w.serve()
	end := func() (id, why string) {
		c := w.dial(draftwire.RFC6455, "/", draftwire.DialOptions{})
		id = w.ids()[0]
		r := w.read(srv, id)
		c.Close(4001, "s3cret")
		x := r.next()
		for x["ended"] != true {
			x = r.next()
		}
		w.until(func() bool { return len(w.ids()) == 0 })
		return id, x["why"].(string)
	}
	id, why := end()
	here := w.ask("GET", "api/connections/"+id, "").Body.String()
	away := w.ask("GET", "api/connections/"+id, "", "from", "192.0.2.1:5").Body.String()
	if !strings.Contains(why, "s3cret") || !strings.Contains(here, "s3cret") || strings.Contains(away, "s3cret") || !strings.Contains(away, "4001") {
		t.Errorf("%s\n%s\n%s", why, here, away)
	}
	w.withheld = true
	id, why = end()
	here = w.ask("GET", "api/connections/"+id, "").Body.String()
	if strings.Contains(why+here, "s3cret") || !strings.Contains(why, "4001") {
		t.Errorf("%s\n%s", why, here)
	}
}

// What a side says that the other cannot is marked: on the frame that goes out, or where none
// does by itself.
func TestFramesShowLosses(t *testing.T) {
	for policy, want := range map[string]string{"base64": "client out text type=0x00 payload=AQI= loss=binary_encoded", "drop": "backend in loss loss=binary_dropped"} {
		w := newWorld(t, func(c *gateway.Config) { c.Routes[0].Policy.Binary = policy })
		srv := w.serve()
		w.dial(draftwire.Hixie75, "/", draftwire.DialOptions{})
		r := w.read(srv, w.ids()[0])
		if err := w.gw.Sessions()[0].BackendConn().Write(t.Context(), draftwire.OpBinary, []byte{1, 2}); err != nil { // the backend sends it back
			t.Fatal(err)
		}
		seen := ""
		for x := r.next(); ; x = r.next() {
			seen += note(x) + "\n"
			if note(x) == want {
				break
			}
			if strings.Count(seen, "\n") > 10 {
				t.Fatalf("%s: no %s in\n%s", policy, want, seen)
			}
		}
		if !strings.Contains(seen, "backend in binary payload_hex=0102") {
			t.Errorf("%s: %s", policy, seen)
		}
		r.body.Close()
	}
}

// Who may read frames.
func TestFramesRights(t *testing.T) {
	w := newWorld(t, nil)
	w.dial(draftwire.RFC6455, "/", draftwire.DialOptions{})
	path := "api/connections/" + w.ids()[0] + "/frames"
	for _, tt := range []struct {
		fields []string
		want   int
	}{
		{[]string{"from", "192.0.2.1:5"}, 401},
		{[]string{"from", "192.0.2.1:5", "Authorization", "Bearer no"}, 401},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Origin", "https://evil.example", "Authorization", "Bearer " + token}, 403},
	} {
		if rec := w.ask("GET", path, "", tt.fields...); rec.Code != tt.want {
			t.Errorf("%v: %d", tt.fields, rec.Code)
		}
	}
	if rec := w.ask("GET", "api/connections/1/frames", ""); rec.Code != 404 {
		t.Error(rec.Code)
	}
	if rec := w.ask("HEAD", path, ""); rec.Code != 405 {
		t.Errorf("a head of what has no end: %d", rec.Code)
	}
	if rec := w.ask("POST", path, "{}", "Content-Type", "application/json", "Authorization", "Bearer "+token); rec.Code != 405 {
		t.Error(rec.Code)
	}
}

// Eight connections are watched, by sixteen readers, and no more; whoever leaves makes room.
func TestFramesAreBounded(t *testing.T) {
	w := newWorld(t, nil)
	srv := w.serve()
	for range maxWatched + 1 {
		w.dial(draftwire.RFC6455, "/", draftwire.DialOptions{})
	}
	ids := w.ids()
	var all []*reading
	for _, id := range ids[:maxWatched] {
		all = append(all, w.read(srv, id))
	}
	status := func(id string) int {
		resp, err := http.Get(srv.URL + "/console/api/connections/" + id + "/frames")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := status(ids[maxWatched]); got != http.StatusTooManyRequests {
		t.Errorf("one connection more: %d", got)
	}
	for range maxReaders - maxWatched {
		all = append(all, w.read(srv, ids[0]))
	}
	if got := status(ids[0]); got != http.StatusTooManyRequests {
		t.Errorf("one reader more: %d", got)
	}
	for _, r := range all {
		r.body.Close()
	}
	w.until(func() bool { return status(ids[maxWatched]) == 200 })
	w.until(func() bool {
		w.console.mu.Lock()
		defer w.console.mu.Unlock()
		for _, x := range w.console.watched {
			if x.readers > 0 || len(x.stop) > 0 {
				return false
			}
		}
		return true
	})
	w.console.mu.Lock()
	for _, x := range w.console.watched {
		x.left = x.left.Add(-2 * keepRing)
	}
	w.console.mu.Unlock()
	w.console.sample(time.Now()) // nobody asks for anything
	if n := len(w.console.watched); n != 0 {
		t.Errorf("%d rings are kept behind their time", n)
	}
}

// Eight readers of one connection get the same.
func TestFramesManyReaders(t *testing.T) {
	w := newWorld(t, nil)
	srv := w.serve()
	c := w.dial(draftwire.RFC6455, "/", draftwire.DialOptions{})
	var all []*reading
	for range 8 {
		all = append(all, w.read(srv, w.ids()[0]))
	}
	for i := range 20 {
		w.echo(c, fmt.Sprint("message ", i))
	}
	for _, r := range all {
		for i := range 80 {
			if x := r.next(); x["payload"] != fmt.Sprint("message ", i/4) || x["notshown"] != nil {
				t.Fatalf("line %d: %v", i, x)
			}
		}
	}
}

// The ring is bounded in frames and in bytes, and says what it has left out; a burst costs a
// count alone.
func TestRing(t *testing.T) {
	now := time.Unix(1e9, 0)
	w := &watch{now: func() time.Time { return now }, news: make(chan struct{})}
	frame := &draftwire.Frame{Op: wire.OpBinary, Fin: true, Length: 5000, Head: []byte{0x82, 126, 0x13, 0x88}, Payload: make([]byte, framePayload)}
	for range 3 * burst {
		w.note(gateway.ClientSide, draftwire.RFC6455, frame)
	}
	list, to, lost, _ := w.next(0)
	if to != burst || w.bytes > ringBytes || len(list)+lost != burst || lost == 0 || w.missed != 2*burst {
		t.Errorf("%d frames of %d bytes to %d, %d lost, %d missed", len(list), w.bytes, to, lost, w.missed)
	}
	now = now.Add(window)
	small := &draftwire.Frame{Op: wire.OpText, Fin: true, Length: 1, Payload: []byte("x")}
	w.note(gateway.ClientSide, draftwire.RFC6455, small)
	list, to, _, _ = w.next(to)
	if len(list) != 1 || list[0].missed != 2*burst {
		t.Errorf("%+v", list)
	}
	for range 20 {
		now = now.Add(window)
		for range burst {
			w.note(gateway.BackendSide, draftwire.RFC6455, small)
		}
	}
	list, _, lost, _ = w.next(to)
	if len(list) != ringFrames || lost != 19*burst || cap(w.ring) > 4*ringFrames || w.bytes > ringBytes {
		t.Errorf("%d frames, %d lost, room for %d", len(list), lost, cap(w.ring))
	}
	w.note(gateway.BackendSide, draftwire.RFC6455, &draftwire.Frame{Op: wire.OpClose, Payload: []byte("\x03\xe8bye"), Length: 5})
	if list, _, _, _ := w.next(w.end() - 1); len(list) != 1 || list[0].line(true).Reason != "bye" || list[0].line(true).Code != 1000 {
		t.Error("a close is left out")
	}
}

// How a frame is put into words.
func TestFrameLine(t *testing.T) {
	for _, tt := range []struct {
		f       frame
		payload bool
		want    string
	}{
		{frame{version: wire.RFC6455, op: wire.OpText, typ: 0x81, fin: true, length: 3, payload: []byte("äx")}, true, `"rsv":0,"masked":false,"head":"","length":3,"payload":"äx"}`},
		{frame{version: wire.RFC6455, op: wire.OpText, typ: 0x81, fin: true, length: 9, payload: []byte("x\xc3")}, true, `"length":9,"payload":"x","cut":true}`},
		{frame{version: wire.RFC6455, op: wire.OpText, typ: 0xc1, fin: true, length: 3, payload: []byte("abc")}, true, `"rsv":4,"masked":false,"head":"","length":3,"payload_hex":"616263"}`},
		{frame{version: wire.RFC6455, op: wire.OpText, typ: 0x81, length: 3, payload: []byte("abc")}, false, `"length":3,"withheld":true}`},
		{frame{version: wire.RFC6455, op: wire.OpBinary, typ: 0x82, length: 1, payload: []byte("a")}, true, `"payload_hex":"61"}`},
		{frame{version: wire.Hixie76, op: wire.OpText, fin: true, masked: false, length: 0}, true, `"type":"0x00","head":"","length":0,"payload":""}`},
		{frame{version: wire.RFC6455, op: wire.OpPing, typ: 0x89, length: 1, payload: []byte("\xff")}, true, `"payload_hex":"ff"}`},
		{frame{side: gateway.BackendSide, sent: true, loss: "abnormal"}, true, `"side":"backend","dir":"out","op":"loss"`},
	} {
		b, err := json.Marshal(tt.f.line(tt.payload))
		if err != nil || !strings.Contains(string(b), tt.want) {
			t.Errorf("%s lacks %s, %v", b, tt.want, err)
		}
	}
}

// A reader that does not read holds nobody up, and nothing but the ring.
func TestSlowReader(t *testing.T) {
	w := newWorld(t, nil)
	srv := w.serve()
	c := w.dial(draftwire.RFC6455, "/", draftwire.DialOptions{})
	id := w.ids()[0]
	nc, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.(*net.TCPConn).SetReadBuffer(4 << 10)
	fmt.Fprintf(nc, "GET /console/api/connections/%s/frames HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", id)
	w.until(func() bool { return w.console.ringOf(mustID(t, id)) != nil })
	text := strings.Repeat("x", 2000)
	for range 3000 {
		w.echo(c, text)
	}
	x := w.console.ringOf(mustID(t, id))
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.ring) > ringFrames || x.bytes > ringBytes {
		t.Errorf("%d frames of %d bytes", len(x.ring), x.bytes)
	}
}

func mustID(t *testing.T, s string) uint64 {
	id, ok := readID(s)
	if !ok {
		t.Fatal(s)
	}
	return id
}
