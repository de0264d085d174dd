package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
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

// A server records its clients too.
func TestServeRecords(t *testing.T) {
	folder := t.TempDir()
	url, p := serveOn(t, "--record", folder, "--redact", "pin")
	for _, v := range draftwire.ServedVersions().List() {
		c := dial(t, url+"/a", v)
		write(t, c, draftwire.OpText, `{"pin":"s3cret","token":"s3cret"}`)
		wantMessage(t, c, `{"pin":"s3cret","token":"s3cret"}`)
		c.Close(draftwire.CodeNormal, "")
	}
	file, all := sessions(t, p, folder)
	if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), "s3cret") {
		t.Errorf("what is secret is in the file: %v", err)
	}
	if len(all) != 9 || len(all[0].Steps) != 2 || all[8].Target != "/a" {
		t.Errorf("%d sessions", len(all))
	}
	if code, _, err := call(t, "", "serve", "--redact", "pin"); code != exitUsage || !strings.Contains(err, "--record") {
		t.Errorf("exit %d, %s", code, err)
	}
	if code, _, err := call(t, "", "serve", "--listen", "127.0.0.1:0", "--record", "/no/such/folder"); code != exitFailure || !strings.Contains(err, "no such file") {
		t.Errorf("exit %d, %s", code, err)
	}
}
