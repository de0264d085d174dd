package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/inspect/input"
	"github.com/draftwire/draftwire/recording"
	"github.com/draftwire/draftwire/wire"
)

// exported is a connection of some version over which messages went while it was watched, and its
// files.
func exported(t *testing.T, v draftwire.Version) (w *world, file func(as string) []byte) {
	w = newWorld(t, func(c *gateway.Config) { c.Routes[0].Policy.Binary = "base64" })
	w.gw.KeepHeads(10)
	srv := w.serve()
	c := w.dial(v, "/room?token=s3cret", draftwire.DialOptions{Fields: draftwire.Fields{{Name: "Cookie", Value: "id=s3cret"}}})
	w.echo(c, "before")
	id := w.ids()[0]
	r := w.read(srv, id)
	w.echo(c, `{"say":"hello","password":"s3cret"}`)
	w.echo(c, strings.Repeat("long ", 1000))
	for range 8 {
		r.next()
	}
	return w, func(as string) []byte {
		rec := w.ask("GET", "api/connections/"+id+"/export?as="+as, "")
		_, params, err := mime.ParseMediaType(rec.Result().Header.Get("Content-Disposition"))
		if rec.Code != 200 || err != nil || !strings.HasPrefix(params["filename"], "connection-"+id+".") {
			t.Fatalf("%s: %d, %v, %v", as, rec.Code, params, err)
		}
		return rec.Body.Bytes()
	}
}

// events explains an export.
func explained(t *testing.T, p []byte) (events []*inspect.Event) {
	t.Helper()
	_, err := capture.Read(bytes.NewReader(p), inspect.New(inspect.Options{}, func(e *inspect.Event) { events = append(events, e) }), capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// Each form of a file can be read by what reads such files, and has both connections without what
// is secret.
func TestExport(t *testing.T) {
	for _, v := range []draftwire.Version{draftwire.Hixie75, draftwire.Hixie76, draftwire.Hybi08, draftwire.RFC6455} {
		t.Run(v.String(), func(t *testing.T) {
			_, file := exported(t, v)
			var texts, opens []string
			for _, e := range explained(t, file("pcap")) {
				if e.Message != nil && e.Message.Size < 100 {
					texts = append(texts, e.From+" "+e.Message.Text)
				}
				if e.Kind == inspect.KindResponse {
					opens = append(opens, e.Draft)
				}
			}
			want := `client {"say":"hello","password":"s3cret"}` // packets are as they were
			if n := strings.Count(strings.Join(texts, "\n"), want); n != 2 {
				t.Errorf("pcap: %d times %s in %q", n, want, texts)
			}
			if len(opens) != 2 || opens[0] != v.String() || opens[1] != "rfc6455" {
				t.Errorf("pcap: %v", opens)
			}
			testHAR(t, file("har"), v)
			testRecording(t, file("recording"), v)
		})
	}
}

func testHAR(t *testing.T, p []byte, v draftwire.Version) {
	var h harFile
	if err := json.Unmarshal(p, &h); err != nil || len(h.Log.Entries) != 2 {
		t.Fatalf("%v, %d entries", err, len(h.Log.Entries))
	}
	e := h.Log.Entries[0]
	if e.Response.Status != 101 || !strings.HasPrefix(e.Request.URL, "ws://127.0.0.1:") || len(e.Request.Headers) < 4 || len(e.Messages) != 4 ||
		e.Messages[0].Type != "send" || e.Messages[1].Type != "receive" || e.Messages[0].Opcode != 1 || !strings.Contains(e.Messages[0].Data, "hello") || !strings.Contains(e.Comment, v.String()) {
		t.Errorf("%+v", e)
	}
	if strings.Contains(string(p[:bytes.Index(p, []byte("_webSocketMessages"))]), "s3cret") {
		t.Errorf("a secret: %s", p)
	}
	if v != draftwire.RFC6455 {
		return
	}
	r, err := input.Read(p, "har")
	if err != nil || len(r.Conns) != 2 {
		t.Errorf("as inspect reads it: %v", err)
	}
}

func testRecording(t *testing.T, p []byte, v draftwire.Version) {
	r, err := recording.NewReader(bytes.NewReader(p))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[recording.Kind]int{}
	var texts []string
	for {
		var e recording.Event
		if err := r.Next(&e); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		kinds[e.Kind]++
		if e.Kind == recording.KindMessage && !e.Withheld {
			texts = append(texts, string(e.Payload))
		}
		if e.Kind == recording.KindConn && e.Conn == 1 && (e.Version != v || e.Route != "chat") {
			t.Errorf("%+v", e)
		}
	}
	if kinds[recording.KindConn] != 2 || kinds[recording.KindRequest] != 2 || kinds[recording.KindAnswer] != 2 || kinds[recording.KindFrame] < 8 || kinds[recording.KindMessage] != 8 || kinds[recording.KindEnd] != 2 || kinds[recording.KindLost] != 4 {
		t.Errorf("%v", kinds)
	}
	if len(texts) != 4 || texts[0] != `{"say":"hello","password":"[redacted:password]"}` || bytes.Contains(p, []byte("s3cret")) {
		t.Errorf("%q", texts)
	}
}

// A recording says that bytes are missing where they are, and nowhere else: what has them all can be
// played again.
func TestExportWhole(t *testing.T) {
	w := newWorld(t, nil)
	w.gw.KeepHeads(10)
	srv := w.serve()
	lost := func(id string) (n int) {
		r, err := recording.NewReader(w.ask("GET", "api/connections/"+id+"/export?as=recording", "").Body)
		for err == nil {
			var e recording.Event
			if err = r.Next(&e); err == nil && e.Kind == recording.KindLost {
				n++
			}
		}
		if err != io.EOF {
			t.Fatal(err)
		}
		return n
	}
	for _, v := range draftwire.ServedVersions().List() {
		c := w.dial(v, "/", draftwire.DialOptions{})
		id := w.ids()[len(w.ids())-1]
		w.read(srv, id)
		for i := range 3 {
			w.echo(c, fmt.Sprint("hello ", i))
		}
		w.until(func() bool { return lost(id) == 0 })
		for i := range ringFrames {
			w.echo(c, fmt.Sprint("more ", i))
		}
		if n := lost(id); n < 4 {
			t.Errorf("%s: %d marks that something has left the ring", v, n)
		}
		c.CloseNow()
		w.until(func() bool { return len(w.ids()) == 0 })
	}
}

// Compressed messages are no texts, so a HAR file says that they are missing.
func TestExportCompressed(t *testing.T) {
	f := func(op wire.Op, typ byte, fin bool, text string) frame {
		return frame{side: gateway.ClientSide, version: wire.RFC6455, op: op, typ: typ, fin: fin, payload: []byte(text), length: int64(len(text))}
	}
	s := &shot{frames: []frame{
		f(wire.OpContinuation, 0x80, true, "of one before"), f(wire.OpText, 0x81, true, "a"), f(wire.OpText, 0x41, false, "zip"), f(wire.OpPing, 0x89, true, "p"), f(wire.OpContinuation, 0x80, true, "zap"),
		f(wire.OpBinary, 0x02, false, "b"), f(wire.OpContinuation, 0x80, true, "c"), f(wire.OpText, 0xc1, true, "zup"), {side: gateway.BackendSide, version: wire.RFC6455, op: wire.OpText, typ: 0x81, fin: true},
	}}
	list, packed := s.messages(&part{side: gateway.ClientSide})
	got := ""
	for _, m := range list {
		got += fmt.Sprintf("%s %s, ", m.op, m.payload)
	}
	if got != "text a, ping p, binary bc, " || packed != 2 {
		t.Errorf("%s%d", got, packed)
	}
}

// Who may have a file.
func TestExportRights(t *testing.T) {
	w, _ := exported(t, draftwire.RFC6455)
	path := "api/connections/" + w.ids()[0] + "/export"
	for _, tt := range []struct {
		query  string
		fields []string
		want   int
	}{
		{"?as=pcap", []string{"from", "192.0.2.1:5"}, 401},
		{"?as=pcap", []string{"from", "192.0.2.1:5", "Authorization", "Bearer " + token}, 200},
		{"?as=pcap", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"?as=x", nil, 400}, {"", nil, 400},
	} {
		if rec := w.ask("GET", path+tt.query, "", tt.fields...); rec.Code != tt.want {
			t.Errorf("%s %v: %d", tt.query, tt.fields, rec.Code)
		}
	}
	w.withheld = true
	if rec := w.ask("GET", path+"?as=har", ""); rec.Code != 403 {
		t.Error(rec.Code)
	}
	w.withheld = false
	w.dial(draftwire.RFC6455, "/", draftwire.DialOptions{})
	for _, id := range []string{w.ids()[1], "1", "x!"} {
		if rec := w.ask("GET", "api/connections/"+id+"/export?as=har", ""); rec.Code != 404 {
			t.Errorf("%s: %d", id, rec.Code)
		}
	}
}
