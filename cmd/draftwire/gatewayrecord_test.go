package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/recording"
	"github.com/draftwire/draftwire/replay"
	"github.com/draftwire/draftwire/wire"
)

// recordingGateway starts a gateway with a configuration for record, and returns its URL and the
// folder of its recordings.
func recordingGateway(t *testing.T, back, record string) (url, folder string, p *process) {
	t.Helper()
	folder = t.TempDir()
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	text := fmt.Sprintf("listen: [{address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\nrecord: {folder: '%s'%s}\n"+
		"routes:\n- {name: quiet, match: {paths: [/quiet]}, backends: [{url: '%s'}]}\n- {name: main, backends: [{url: '%s'}]}\n", folder, record, back, back)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p = start(t, "gateway", "--log-format", "json", "--config", config)
	return "ws://" + p.err.await(t, `"addr":"([^"]+)"`)[1], folder, p
}

// sessions stops a gateway and returns what it has recorded.
func sessions(t *testing.T, p *process, folder string) (file string, all []*replay.Session) {
	t.Helper()
	p.signals <- os.Interrupt
	if code := p.wait(t); code != exitDone {
		t.Fatalf("exit %d, %s", code, p.err)
	}
	names, err := filepath.Glob(filepath.Join(folder, "*.dwr"))
	if err != nil || len(names) != 1 {
		t.Fatalf("%v, %v", names, err)
	}
	f, err := os.Open(names[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if all, err = replay.Load(f); err != nil {
		t.Fatal(err)
	}
	return names[0], all
}

// A gateway records its clients, of all versions, and what it has recorded is the same when it is
// played at the backend.
func TestGatewayRecords(t *testing.T) {
	back, _ := serveOn(t)
	url, folder, p := recordingGateway(t, back, ", redact: [pin], routes: [main], message: 1MiB")
	for _, v := range draftwire.ServedVersions().List() {
		for _, path := range []string{"/a?token=s3cret&x=1", "/quiet"} {
			c := dialWith(t, url+path, draftwire.DialOptions{Version: v, Header: http.Header{"Cookie": {"sid=s3cret"}, "User-Agent": {"TV/1"}}})
			for _, text := range []string{"grüße", `{"pin":"s3cret"}`, strings.Repeat("x", 70_000)} {
				write(t, c, draftwire.OpText, text)
				wantMessage(t, c, text)
			}
			if v.Supports(wire.CapBinary) {
				write(t, c, draftwire.OpBinary, "\x00\x01")
				wantMessage(t, c, "\x00\x01")
			}
			c.Close(draftwire.CodeNormal, "")
		}
	}
	file, all := sessions(t, p, folder)
	p9, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(p9), "s3cret") {
		t.Error("what is secret is in the file")
	}
	if len(all) != 9 {
		t.Fatalf("%d sessions", len(all))
	}
	for i, v := range draftwire.ServedVersions().List() {
		s, steps := all[i], 6
		if v.Supports(wire.CapBinary) {
			steps = 8
		}
		if s.Version != v || s.Target != "/a?token=[redacted:token]&x=1" || s.Incomplete != "" || len(s.Steps) != steps || s.End != "clean" || s.Fields.Get("User-Agent") != "TV/1" {
			t.Errorf("%s: %+v, %d messages", v, *s, len(s.Steps))
		}
		if v.Supports(wire.CapCloseCode) && (s.Code != 1000 || s.Closer != recording.Client) {
			t.Errorf("%s: closed by the %s with %d", v, s.Closer, s.Code)
		}
	}
	code, out, errs := call(t, "", "replay", "--speed", "0", "--set", "pin=1", file, back)
	if code != exitDone || strings.Count(out, "the same") != 9 {
		t.Errorf("exit %d, %s\n%s", code, errs, out)
	}
}

// Clients may be chosen, and compressed messages are not recorded, which a replay says.
func TestGatewayRecordsChosen(t *testing.T) {
	back, _ := serveOn(t)
	url, folder, p := recordingGateway(t, back, ", clients: [192.0.2.0/24]")
	dial(t, url, draftwire.RFC6455).Close(draftwire.CodeNormal, "")
	if _, all := sessions(t, p, folder); len(all) != 0 {
		t.Errorf("%d sessions of an address that is not to be recorded", len(all))
	}
	url, folder, p = recordingGateway(t, back, ", redact_payload: true")
	c := dial(t, url, draftwire.RFC6455)
	write(t, c, draftwire.OpText, "s3cret")
	wantMessage(t, c, "s3cret")
	c.Close(draftwire.CodeNormal, "s3cret")
	file, all := sessions(t, p, folder)
	if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), "s3cret") {
		t.Errorf("payload is in the file: %v", err)
	}
	if len(all) != 1 || all[0].Incomplete == "" || all[0].Code != 1000 {
		t.Errorf("%+v", all)
	}
}

// tapeOf begins a recording in a folder of the test's, and returns how its only file is read.
func tapeOf(t *testing.T, cfg gateway.Record) (x *tape, read func() []recording.Event) {
	t.Helper()
	log, err := newLogger(io.Discard, logOptions{level: "info", format: "json"})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Folder = t.TempDir()
	if x, err = openTape(cfg, log); err != nil {
		t.Fatal(err)
	}
	return x, func() (all []recording.Event) {
		t.Helper()
		x.close()
		names, _ := filepath.Glob(filepath.Join(cfg.Folder, "*.dwr"))
		f, err := os.Open(names[0])
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r, err := recording.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		for {
			var e recording.Event
			if err := r.Next(&e); err == io.EOF {
				return all
			} else if err != nil {
				t.Fatal(err)
			}
			e.Payload = bytes.Clone(e.Payload)
			all = append(all, e)
		}
	}
}

// What clients begin and do not finish is bounded, over all of them, and so is how many are
// recorded at a time.
func TestTapeHolds(t *testing.T) {
	x, read := tapeOf(t, gateway.Record{Sample: 100, File: 1 << 20, Message: 1 << 20})
	x.failed.Store(true) // nothing is written
	conns := make([]tapedConn, 200)
	p := make([]byte, 1<<20)
	frame := func(c *tapedConn, op wire.Op, fin bool) {
		x.frame(c, &draftwire.Frame{Op: op, Fin: fin, Length: int64(len(p)), Payload: p})
	}
	for i := range conns {
		frame(&conns[i], wire.OpBinary, false)
	}
	if x.held.Load() != tapeHeld || !conns[0].parts[0].whole || conns[199].parts[0].whole {
		t.Errorf("%d bytes are held", x.held.Load())
	}
	frame(&conns[0], wire.OpContinuation, true) // longer than a message may be
	if x.held.Load() != tapeHeld-1<<20 || conns[0].parts[0].whole {
		t.Errorf("%d bytes are held without the message that is too long", x.held.Load())
	}
	for i := range conns {
		c := new(draftwire.Conn)
		x.conns[c] = &conns[i]
		x.closed(c, nil)
	}
	if x.held.Load() != 0 || len(x.conns) != 0 || x.places() != 512 {
		t.Errorf("%d bytes are held, %d places", x.held.Load(), x.places())
	}
	read()
}

// Nobody waits for a disk: what has no room in the queue is lost to the recording, and says so.
func TestTapeFull(t *testing.T) {
	x, read := tapeOf(t, gateway.Record{Sample: 100, File: 1 << 20, Message: 1 << 20})
	c := &tapedConn{number: 1}
	x.spool.n.Add(tapeQueue + 1) // as if the disk hung
	x.frame(c, &draftwire.Frame{Op: wire.OpBinary, Fin: true, Length: 1, Payload: []byte("1")})
	lost := c.lost
	x.spool.n.Add(-tapeQueue - 1)
	x.frame(c, &draftwire.Frame{Op: wire.OpBinary, Fin: true, Length: 1, Payload: []byte("2")})
	if !lost || c.lost {
		t.Errorf("lost %v, and then %v", lost, c.lost)
	}
	all := read()
	if len(all) != 3 || all[0].Kind != recording.KindLost || all[1].Kind != recording.KindFrame || string(all[2].Payload) != "2" {
		t.Errorf("%+v", all)
	}
}

// A message is as long as it was in several frames, on both sides at a time, and a file that is
// full ends the recording with what it has.
func TestTapeFrames(t *testing.T) {
	x, read := tapeOf(t, gateway.Record{Sample: 100, File: 1 << 20, Message: 100})
	c := &tapedConn{number: 1, version: draftwire.RFC6455}
	frame := func(sent bool, op wire.Op, fin bool, text string) {
		x.frame(c, &draftwire.Frame{Op: op, Fin: fin, Sent: sent, Length: int64(len(text)), Payload: []byte(text)})
	}
	frame(false, wire.OpText, false, `{"tok`)
	frame(true, wire.OpBinary, false, "a")
	frame(false, wire.OpPing, true, `{"token":1}`)
	frame(false, wire.OpContinuation, true, `en":"s3cret"}`)
	frame(true, wire.OpContinuation, true, "b")
	frame(true, wire.OpBinary, true, strings.Repeat("x", 101))
	var messages []string
	for _, e := range read() {
		if e.Kind == recording.KindMessage {
			messages = append(messages, fmt.Sprintf("%s %s %d %t %s", e.From, e.Op, e.Size, e.Withheld, e.Payload))
		} else if strings.Contains(string(e.Payload), "tok\"") || strings.Contains(string(e.Payload), "s3cret") || e.Op == wire.OpPing && !strings.Contains(string(e.Payload), "[redacted:token]") {
			t.Errorf("a frame has %q", e.Payload)
		}
	}
	want := []string{`client text 18 false {"token":"[redacted:token]"}`, "server binary 2 false ab", "server binary 101 true "}
	if fmt.Sprint(messages) != fmt.Sprint(want) {
		t.Errorf("%q", messages)
	}
	x, read = tapeOf(t, gateway.Record{Sample: 100, File: 1000, Message: 100})
	for range 100 {
		x.frame(c, &draftwire.Frame{Op: wire.OpBinary, Fin: true, Length: 50, Payload: make([]byte, 50)})
	}
	if n := len(read()); n < 5 || n > 20 || !x.failed.Load() {
		t.Errorf("%d events in a file of 1000 bytes", n)
	}
}
