package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/replay"
)

// record9 records a client of each version that talks to a server, and returns the file.
func record9(t *testing.T, url string, flags ...string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "x.dwr")
	p := start(t, append([]string{"record", "--listen", "127.0.0.1:0", "--to", url, file}, flags...)...)
	front := p.err.await(t, `comes to (ws://[^/]+)/ goes to `)[1]
	for _, v := range draftwire.ServedVersions().List() {
		c := dial(t, front, v)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for _, text := range []string{"hello", `{"token":"s3cret","n":1}`} {
			if err := c.Write(ctx, draftwire.OpText, []byte(text)); err != nil {
				t.Fatal(err)
			}
			if _, got, err := c.Read(ctx); err != nil || string(got) != text {
				t.Fatalf("%s: %q, %v", v, got, err)
			}
		}
		if err := c.Close(draftwire.CodeNormal, ""); err != nil {
			t.Fatal(err)
		}
	}
	p.signals <- os.Interrupt
	if code := p.wait(t); code != exitDone || !strings.Contains(p.err.String(), "9 connections of WebSocket recorded") {
		t.Fatalf("exit %d, %s", code, p.err)
	}
	return file
}

// What was recorded in each version is the same when it is played again, in its own and in each
// other one, and nothing secret is in the file.
func TestRecordAndReplay(t *testing.T) {
	url, _ := serveOn(t)
	file := record9(t, url)
	p, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(p), "s3cret") || !strings.Contains(string(p), "[redacted:token]") {
		t.Error("what is secret is in the file")
	}
	code, out, errs := call(t, "", "replay", "--speed", "0", "--set", "token=s3cret", file, url)
	if code != exitDone || strings.Count(out, ": the same, 2 sent, 2 received\n") != 9 || !strings.Contains(errs, "9 sessions the same, 0 with differences") {
		t.Errorf("exit %d, %s\n%s", code, errs, out)
	}
	for _, v := range draftwire.ServedVersions().List() {
		code, out, errs := call(t, "", "replay", "--speed", "0", "--as", v.String(), "--json", file, url)
		if code != exitDone || strings.Count(out, `"same":true`) != 9 {
			t.Errorf("as %s: exit %d, %s\n%s", v, code, errs, out)
		}
		var x struct {
			Played string `json:"played"`
			Sent   int    `json:"sent"`
		}
		if err := json.Unmarshal([]byte(strings.SplitN(out, "\n", 2)[0]), &x); err != nil || x.Played != v.String() || x.Sent != 2 {
			t.Errorf("%+v, %v", x, err)
		}
	}
}

// A server that says something else is found out, by exit code, text and JUnit, unless the
// difference is to be ignored.
func TestReplayDifference(t *testing.T) {
	url, _ := serveOn(t)
	file := record9(t, url)
	room, _ := serveOn(t, "--mode", "broadcast") // which tells all members, more than one at a time
	junit := filepath.Join(t.TempDir(), "x.xml")
	refusing, _ := serveOn(t, "--versions", "rfc6455")
	code, out, errs := call(t, "", "replay", "--speed", "0", "--stream", "1", "--stream", "9", "--junit", junit, file, refusing)
	if code != exitCondition || !strings.Contains(out, "session 1, hixie-75: 1 difference") || !strings.Contains(out, "not opened") || !strings.Contains(out, "session 9, rfc6455: the same") {
		t.Errorf("exit %d, %s\n%s", code, errs, out)
	}
	p, err := os.ReadFile(junit)
	if err != nil {
		t.Fatal(err)
	}
	var s junitSuite
	if err := xml.Unmarshal(p, &s); err != nil || s.Tests != 2 || s.Failures != 1 || len(s.Cases) != 2 {
		t.Errorf("%v: %s", err, p)
	}
	if code, out, errs := call(t, "", "replay", "--speed", "0", "--stream", "9", "--clients", "3", "--wait", "500ms", file, room); code != exitCondition || !strings.Contains(out, "differ") {
		t.Errorf("in a room: exit %d, %s\n%s", code, errs, out)
	}
	if code, _, errs := call(t, "", "replay", "--speed", "0", file, "ws://127.0.0.1:1"); code != exitConnect || !strings.Contains(errs, "9 without a verdict") {
		t.Errorf("nobody there: exit %d, %s", code, errs)
	}
}

// The other way round, the servers of a recording are played for clients; a second recording of
// that is the same again.
func TestReplayServe(t *testing.T) {
	url, _ := serveOn(t)
	file := record9(t, url)
	p := start(t, "replay", "--serve", "--listen", "127.0.0.1:0", "--speed", "0", file)
	front := p.err.await(t, `sessions on (ws://[^/]+)/`)[1]
	code, out, errs := call(t, "", "replay", "--speed", "0", file, front)
	if code != exitDone || strings.Count(out, ": the same, 2 sent, 2 received") != 9 {
		t.Errorf("exit %d, %s\n%s", code, errs, out)
	}
	p.signals <- os.Interrupt
	if code := p.wait(t); code != exitDone || strings.Count(p.out.String(), ": the same, 2 sent, 2 received") != 9 {
		t.Errorf("exit %d, %s\n%s", code, p.err, p.out)
	}
}

// A recording is continued, behind a torn record too, and bounded.
func TestRecordAgain(t *testing.T) {
	url, _ := serveOn(t)
	file := record9(t, url)
	p, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, p[:len(p)-5], 0o600); err != nil {
		t.Fatal(err)
	}
	again := start(t, "record", "--listen", "127.0.0.1:0", "--to", url, "--max-file", "1KiB", file)
	front := again.err.await(t, `comes to (ws://[^/]+)/ goes to `)[1]
	dial(t, front, draftwire.RFC6455).Close(draftwire.CodeNormal, "")
	again.signals <- os.Interrupt
	if code := again.wait(t); code != exitDone || !strings.Contains(again.err.String(), "has 9 connections") || !strings.Contains(again.err.String(), "had no room") {
		t.Errorf("exit %d, %s", code, again.err)
	}
	if code, out, errs := call(t, "", "replay", "--speed", "0", file, url); code != exitDone || strings.Count(out, "the same") != 9 {
		t.Errorf("exit %d, %s\n%s", code, errs, out)
	}
}

// A file that is being written is not written twice, what has no room in it makes no hole, and a
// folder is refused. What is secret is left out of the reasons of closes.
func TestRecordBorders(t *testing.T) {
	url, _ := serveOn(t)
	file := filepath.Join(t.TempDir(), "x.dwr")
	p := start(t, "record", "--listen", "127.0.0.1:0", "--to", url, "--max-file", "20KiB", file)
	front := p.err.await(t, `comes to (ws://[^/]+)/ goes to `)[1]
	if code, _, errs := call(t, "", "record", "--listen", "127.0.0.1:0", "--to", url, file); runtime.GOOS != "windows" && (code != exitFailure || !strings.Contains(errs, "another draftwire record")) {
		t.Errorf("exit %d, %s", code, errs)
	}
	if code, _, _ := call(t, "", "record", "--listen", "127.0.0.1:0", "--to", url, t.TempDir()); code != exitFailure {
		t.Errorf("a folder: exit %d", code)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := dial(t, front, draftwire.RFC6455)
	for _, text := range []string{"first", strings.Repeat("a", 30_000), "behind it"} {
		if err := c.Write(ctx, draftwire.OpText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := c.Read(ctx); err != nil || string(got) != text {
			t.Fatal(err)
		}
	}
	c.Close(draftwire.CodeNormal, "")
	p.signals <- os.Interrupt
	if code := p.wait(t); code != exitDone || !strings.Contains(p.err.String(), "had no room") {
		t.Errorf("exit %d, %s", code, p.err)
	}
	b, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(b), "behind it") || !strings.Contains(string(b), "first") {
		t.Errorf("%q, %v", b, err)
	}

	p = start(t, "record", "--listen", "127.0.0.1:0", "--to", url, "--max-file", "1MiB", file)
	front = p.err.await(t, `comes to (ws://[^/]+)/ goes to `)[1]
	dial(t, front, draftwire.RFC6455).Close(draftwire.CodeNormal, `{"token":"s3cret"}`)
	p.signals <- os.Interrupt
	p.wait(t)
	b, err = os.ReadFile(file)
	if err != nil || strings.Contains(string(b), "s3cret") || !strings.Contains(string(b), "[redacted:token]") {
		t.Errorf("%q, %v", b, err)
	}
	if code, _, errs := call(t, "", "replay", "--speed", "0", "--stream", "2", file, url); code != exitDone {
		t.Errorf("exit %d, %s", code, errs)
	}
}

func TestRecordUsage(t *testing.T) {
	for args, want := range map[string]string{
		"record x":               "--to is missing",
		"record --to ws://a/b x": "more than a host and a port",
		"record --to ws://a --no-redact --redact y x": "--no-redact excludes",
		"record --to ws://a --max-message 1GiB x":     "more than 128 MiB",
		"replay x":                   "the URL of the server is missing",
		"replay x nosuch":            "is not a URL",
		"replay --serve x ws://a":    "--serve takes no URL",
		"replay --listen a x ws://a": "--listen needs --serve",
		"replay --as 99 x ws://a":    "unknown version",
		"replay --speed -1 x ws://a": "is not from 0 to 1000",
		"replay --set x x ws://a":    "is not NAME=VALUE",
		"replay --ignore x x ws://a": "neither a JSON pointer",
		"replay --stream 0 x ws://a": "is not a number from 1 on",
	} {
		if code, _, err := call(t, "", strings.Fields(args)...); code != exitUsage || !strings.Contains(err, want) {
			t.Errorf("%s: exit %d, %q", args, code, err)
		}
	}
	if code, _, err := call(t, "", "replay", "replay_test.go", "ws://a"); code != exitFailure || !strings.Contains(err, "no recording of draftwire") {
		t.Errorf("no recording: exit %d, %q", code, err)
	}
}

// A day without connections is not waited for, and sessions that overlap keep their distance.
func TestReplayPauses(t *testing.T) {
	at := func(began, last time.Duration) *replay.Session {
		return &replay.Session{Began: began * time.Second, Steps: []replay.Step{{At: last * time.Second}}}
	}
	got := startsOf([]*replay.Session{at(5, 100), at(20, 1), at(112, 0), {Began: 86_400 * time.Second}, at(86_405, 0)})
	want := []time.Duration{0, 15, 107, 117, 122}
	for i := range want {
		if got[i] != want[i]*time.Second {
			t.Errorf("session %d begins at %v, want %d s", i, got[i], want[i])
		}
	}
}
