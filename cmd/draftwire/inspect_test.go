package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/internal/vectest"
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// quotedConnection is a connection of RFC 6455 as a program would log it.
const quotedConnection = `> "GET /feed?token=abc HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nCookie: sid=1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
< "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
> "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
< "\x81\x05Hello"
> "\x88\x82\x00\x00\x00\x00\x03\xe8"
< "\x88\x02\x03\xe8"
`

func TestInspect(t *testing.T) {
	code, out, err := call(t, quotedConnection, "inspect", "-", "--check", "--width", "80")
	if code != exitDone || err != "draftwire inspect: read as quoted\n" {
		t.Errorf("exit %d, stderr %q", code, err)
	}
	for _, want := range []string{"connection 1\n", ">        0 GET /feed?token=abc HTTP/1.1\n", "           ok once, the proof that the server has read the key (RFC 6455 4.1)\n",
		`text, opcode 1, FIN, 5 bytes, mask 37fa213d: "Hello"`, "base64   s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
		"closing: clean, the client closed first with 1000 (normal), and the"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("colours where there is no terminal")
	}
	if _, out, _ := call(t, quotedConnection, "inspect", "--color", "always", "-"); !strings.Contains(out, "\x1b[32mok\x1b[0m") {
		t.Error("no colours where they are asked for")
	}
}

// --check tells what is wrong by the exit code.
func TestInspectCheck(t *testing.T) {
	for name, x := range map[string]struct {
		text string
		code int
	}{
		"clean":    {quotedConnection, exitDone},
		"unmasked": {quotedConnection + `> "\x81\x00"` + "\n", exitDone}, // it follows the close
		"broken":   {strings.Replace(quotedConnection, `\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58`, `\x81\x02hi`, 1), exitProtocol},
		"proof":    {strings.Replace(quotedConnection, "s3pPLM", "s3pPLN", 1), exitProtocol},
		"refused":  {strings.Split(quotedConnection, "\n")[0] + "\n" + `< "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"` + "\n", exitRefused},
		"nothing":  {`> "GET / HTTP/1.1\r\nHost: a\r\n\r\n"`, exitDone},
	} {
		if code, out, err := call(t, x.text, "inspect", "--check", "--quiet", "-"); code != x.code {
			t.Errorf("%s: exit %d, not %d: %s\n%s", name, code, x.code, err, out)
		}
	}
}

func TestInspectUsage(t *testing.T) {
	for args, want := range map[string]string{
		"--json --html -":            "--json and --html exclude each other",
		"--write hex --redact -":     "--redact does not go with --write hex",
		"--only frames,nosuch -":     `"nosuch" is not one of handshake, frames`,
		"--stream x -":               `"x" is not a number`,
		"--mask-key 00 -":            "20 bytes",
		"--version 99 -":             "unknown version",
		"--format nosuch -":          "is not one of auto, pcap, har",
		"- -":                        "stdin can be one",
		"--payload 100000 -":         "is not from 0 to 65536",
		"--width 10 -":               "is below 40",
		"--write vectors --only x -": "--only: \"x\" is not one of",
	} {
		if code, _, err := call(t, quotedConnection, append([]string{"inspect"}, strings.Fields(args)...)...); code != exitUsage || !strings.Contains(err, want) {
			t.Errorf("%s: exit %d, %q", args, code, err)
		}
	}
	if code, _, err := call(t, "", "inspect", "-"); code != exitFailure || !strings.Contains(err, "empty") {
		t.Errorf("nothing: exit %d, %q", code, err)
	}
	for _, as := range []string{"hex", "pcap", "vectors"} {
		if code, _, err := call(t, quotedConnection, "inspect", "--write", as, "--stream", "7", "-"); code != exitFailure || !strings.Contains(err, "no connection") {
			t.Errorf("--write %s of nothing: exit %d, %q", as, code, err)
		}
	}
	if code, _, err := call(t, "", "inspect", "nosuch"); code != exitFailure || !strings.Contains(err, "- for stdin") {
		t.Errorf("no file: exit %d, %q", code, err)
	}
	if code, _, err := call(t, "no bytes", "inspect", "--format", "xxd", "-"); code != exitFailure || !strings.Contains(err, "--format says what it is") {
		t.Errorf("no dump: exit %d, %q", code, err)
	}
}

// What --write writes is read again with the same events: as a dump, as a capture and as
// vectors.
func TestInspectWrite(t *testing.T) {
	dir := t.TempDir()
	_, want, _ := call(t, quotedConnection, "inspect", "--json", "-")
	_, dump, _ := call(t, quotedConnection, "inspect", "--write", "hex", "-")
	if code, got, err := call(t, dump, "inspect", "--json", "-"); got != want || !strings.Contains(err, "wireshark-hex") {
		t.Errorf("from a dump: exit %d, %s\n%s", code, err, got)
	}
	_, pcap, _ := call(t, quotedConnection, "inspect", "--write", "pcap", "-")
	file := filepath.Join(dir, "x.pcap")
	if err := os.WriteFile(file, []byte(pcap), 0o600); err != nil {
		t.Fatal(err)
	}
	code, got, err := call(t, "", "inspect", "--json", file)
	if code != exitDone || strings.Count(got, "\n") != strings.Count(want, "\n") || !strings.Contains(got, `"time":`) || !strings.Contains(err, "pcap, ") {
		t.Errorf("from a capture: exit %d, %s\n%s\nnot\n%s", code, err, got, want)
	}
	_, text, _ := call(t, quotedConnection, "inspect", "--write", "vectors", "-")
	var f vectors.File
	if err := json.Unmarshal([]byte(text), &f); err != nil || f.Format != vectors.Format || f.Version != "rfc6455" || len(f.Vectors) != 1 {
		t.Fatalf("vectors: %v, %s", err, text)
	}
	if v := f.Vectors[0]; v.Kind != vectors.KindSession || len(v.Steps) != 6 || !v.Steps[0].Wait || v.ID != "rfc-capture-1" || !bytes.Equal(v.Steps[3].Bytes, []byte("\x81\x05Hello")) {
		t.Errorf("vector %+v", v)
	}
}

// Of a capture the connections that have nothing to do with WebSocket are left out, and one
// may be chosen.
func TestInspectCapture(t *testing.T) {
	var file bytes.Buffer
	w := capture.NewWriter(&file)
	var hand []vectest.Recorded
	for _, r := range vectest.Recordings(t) {
		if r.Vector.Kind == vectors.KindSession && r.Version == "hixie-76" {
			hand = r.Pieces
			break
		}
	}
	at := time.Unix(1795946400, 0)
	for n := 1; n <= 3; n++ {
		s := w.Open(capture.Conn{Number: n})
		var off [2]int64
		if n == 2 {
			s.Data(at, capture.FromClient, 0, []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
			s.Data(at, capture.FromServer, 0, []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"))
		} else {
			for _, p := range hand {
				from := capture.FromServer
				if p.Client {
					from = capture.FromClient
				}
				s.Data(at, from, off[from], p.Bytes)
				off[from] += int64(len(p.Bytes))
			}
		}
		s.End(at, capture.FromServer, capture.Fin)
		s.End(at, capture.FromClient, capture.Fin)
	}
	name := filepath.Join(t.TempDir(), "x.pcap")
	if err := os.WriteFile(name, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, err := call(t, "", "inspect", name)
	if code != exitDone || !strings.Contains(out, "connection 1: 127.0.0.1:") || strings.Contains(out, "connection 2") || !strings.Contains(out, "\nconnection 3: ") ||
		!strings.Contains(err, "1 connection without WebSocket left out") {
		t.Errorf("exit %d, %s\n%s", code, err, out)
	}
	if _, out, _ := call(t, "", "inspect", "--all", name); !strings.Contains(out, "connection 2") {
		t.Errorf("--all: %s", out)
	}
	if _, out, _ := call(t, "", "inspect", "--stream", "3", "--only", "messages,closing", name); strings.Contains(out, "connection 1") || !strings.Contains(out, "connection 3") || strings.Contains(out, "GET ") {
		t.Errorf("--stream: %s", out)
	}
	code, out, _ = call(t, "", "inspect", "--html", "--redact", name)
	if code != exitDone || !strings.HasPrefix(out, "<!DOCTYPE html>") || strings.Count(out, "<h2>") != 2 {
		t.Errorf("exit %d, a page of %d bytes", code, len(out))
	}
}

// Two files are the two sides, in either order.
func TestInspectTwoFiles(t *testing.T) {
	dir := t.TempDir()
	var sides [2][]byte
	for _, r := range vectest.Recordings(t) {
		if r.Vector.ID == "rfc-ses-01" {
			for _, p := range r.Pieces {
				k := 1
				if p.Client {
					k = 0
				}
				sides[k] = append(sides[k], p.Bytes...)
			}
		}
	}
	names := [2]string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	for i, name := range names {
		if err := os.WriteFile(name, sides[i], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, want, err := call(t, "", "inspect", "--check", names[0], names[1])
	if code != exitDone || !strings.Contains(want, "closing: clean") {
		t.Fatalf("exit %d, %s\n%s", code, err, want)
	}
	if _, got, _ := call(t, "", "inspect", names[1], names[0]); got != want {
		t.Errorf("the other way round:\n%s\nnot\n%s", got, want)
	}
}

// An interruption ends the command also while it waits for its input, and while a key log has no
// end; of what should be a key, little is read.
func TestInspectInterrupted(t *testing.T) {
	p := start(t, "inspect", "-")
	p.signals <- os.Interrupt
	if code := p.wait(t); code != exitInterrupted {
		t.Errorf("exit %d, %s", code, p.err)
	}
	const endless = "/dev/zero"
	if _, err := os.Stat(endless); err != nil {
		t.Skip("there is no file without end")
	}
	name := filepath.Join(t.TempDir(), "x.pcap")
	var file bytes.Buffer
	capture.NewWriter(&file)
	if err := os.WriteFile(name, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	p = start(t, "inspect", "--keylog", endless, name)
	p.signals <- os.Interrupt
	if code := p.wait(t); code != exitInterrupted {
		t.Errorf("a key log: exit %d, %s", code, p.err)
	}
	if code, _, err := call(t, "", "inspect", "--rsa-key", endless, name); code != exitUsage || !strings.Contains(err, "no RSA key") {
		t.Errorf("a key: exit %d, %s", code, err)
	}
}

// What waits of dumps until its connection ends is bounded, over all connections; what has ended
// does not count.
func TestInspectHexBounded(t *testing.T) {
	var out bytes.Buffer
	h := &hexSink{w: bufio.NewWriter(&out), most: 4096}
	for range 100 {
		s := h.Open(capture.Conn{})
		s.Data(time.Time{}, capture.FromClient, 0, make([]byte, 256))
		s.End(time.Time{}, capture.FromClient, capture.Fin)
		s.End(time.Time{}, capture.FromServer, capture.Fin)
	}
	if h.close() != nil || h.waiting != 0 {
		t.Fatalf("%v, %d bytes wait", h.err, h.waiting)
	}
	for range 100 {
		h.Open(capture.Conn{}).Data(time.Time{}, capture.FromClient, 0, make([]byte, 256))
	}
	if err := h.close(); err == nil || !strings.Contains(err.Error(), "--stream N") || h.waiting > 5000 {
		t.Errorf("%v, %d bytes wait", err, h.waiting)
	}
}

// Vectors wait until the last connection has ended, so all that is held is bounded too; a
// connection that is no vector after all is no longer counted.
func TestInspectVectorsBounded(t *testing.T) {
	v := &vectorSink{w: bufio.NewWriter(io.Discard), o: new(inspectOptions), vectors: map[wire.Version][]vectors.Vector{}, most: 4096}
	for range 100 {
		s := v.Open(capture.Conn{})
		s.Data(time.Time{}, capture.FromClient, 0, make([]byte, 256))
		s.End(time.Time{}, capture.FromClient, capture.Fin)
		s.End(time.Time{}, capture.FromServer, capture.Fin)
	}
	if v.held != 0 || v.err != nil {
		t.Fatalf("%v, %d bytes are held", v.err, v.held)
	}
	for range 100 {
		v.Open(capture.Conn{}).Data(time.Time{}, capture.FromClient, 0, make([]byte, 256))
	}
	if err := v.close(); err == nil || !strings.Contains(err.Error(), "--stream N") || v.held > 4096 {
		t.Errorf("%v, %d bytes are held", err, v.held)
	}
}

// README.md shows what the program prints.
func TestInspectReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(readme), "$ draftwire inspect docs/hixie-76.txt\n")
	shown, _, _ = strings.Cut(shown, "```")
	_, out, _ := call(t, "", "inspect", "../../docs/hixie-76.txt")
	rest := out
	for _, part := range strings.Split(shown, "...\n") {
		before, after, ok := strings.Cut(rest, part)
		if part == "" || !ok || before != "" && rest == out {
			t.Fatalf("README.md has\n%s\nthe program prints\n%s", part, rest)
		}
		rest = after
	}
	if rest != "" {
		t.Errorf("README.md leaves out the end:\n%s", rest)
	}
}
