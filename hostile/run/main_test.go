package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire/hostile"
)

// The programs that the player starts in these tests are this one again.
const faultVariable = "HOSTILE_TEST_FAULT"

func TestMain(m *testing.M) {
	fault := os.Getenv(faultVariable)
	if fault == "" {
		os.Exit(m.Run())
	}
	role, fault, _ := strings.Cut(fault, ":")
	switch role {
	case "server":
		faultyServer(os.Args[1], fault)
	case "client":
		faultyClient(os.Args[1], fault)
	case "pipe":
		pipe(os.Args[1], os.Args[2])
	}
}

// command is what starts this program in a role, with a fault.
func command(role, fault, args string) string {
	return fmt.Sprintf("env %s=%s:%s %s %s", faultVariable, role, fault, os.Args[0], args)
}

// faultyServer echoes honestly to the probe, and has a fault towards all others.
func faultyServer(listen, fault string) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		panic(err)
	}
	var all sync.Mutex // the probe waits where it is held
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			pre := readFirst(c)
			if len(pre) == 0 { // the player looks whether somebody listens
				return
			}
			if targetOf(pre) == probeTarget {
				echoes(&behindLock{c, &all}, pre, nil)
				return
			}
			faulty(c, pre, fault, &all)
		}()
	}
}

// behindLock makes each read of a connection wait for a lock.
type behindLock struct {
	net.Conn
	all *sync.Mutex
}

func (b *behindLock) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	b.all.Lock()
	defer b.all.Unlock()
	return n, err
}

var leaked []any

// faulty does one thing that a sound server does not.
func faulty(c net.Conn, pre []byte, fault string, all *sync.Mutex) {
	switch fault {
	case "leak":
		for range 3 {
			f, err := os.Open(os.DevNull)
			if err != nil {
				panic(err)
			}
			leaked = append(leaked, f)
		}
	case "memory":
		leaked = append(leaked, bytes.Repeat([]byte("x"), 64<<20))
	case "processor":
		begin, _ := usageOf(os.Getpid())
		for now := begin; now.cpu < begin.cpu+400*time.Millisecond; {
			now, _ = usageOf(os.Getpid())
		}
	case "late":
		all.Lock()
		<-time.After(1500 * time.Millisecond)
		all.Unlock()
	case "lines":
		fmt.Fprint(os.Stderr, strings.Repeat("a line\n", 60))
	case "crash":
		fmt.Fprintln(os.Stderr, "panic: recovered")
	case "dies":
		os.Exit(3)
	case "refuses":
		io.WriteString(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
		return
	case "silent":
		io.Copy(io.Discard, c)
		return
	case "wrong-code":
		shake(c, pre)
		c.Write([]byte("\x88\x02\x03\xea"))
		return
	case "waits": // for the client's end, behind its own closing handshake
		shake(c, pre)
		c.Write([]byte("\x88\x02\x03\xea"))
		io.Copy(io.Discard, c)
		return
	case "talks":
		shake(c, pre)
		c.Write([]byte("\x81\x06secret"))
		io.Copy(io.Discard, c)
		return
	}
	echoes(c, pre, nil)
}

// shake answers a handshake of RFC 6455.
func shake(c net.Conn, head []byte) {
	v := &values{}
	v.request(head, false)
	c.Write(dialectOf("rfc6455").answer(v, nil))
}

// faultyClient says hello in RFC 6455, whatever the answer is.
func faultyClient(url, fault string) {
	c, err := net.Dial("tcp", strings.Trim(strings.TrimPrefix(url, "ws://"), "/"))
	if err != nil {
		panic(err)
	}
	d := dialectOf("rfc6455")
	c.Write(d.request("127.0.0.1", "/", nil))
	c.Read(make([]byte, 4<<10))
	c.Write(d.clientText("hello", ""))
	switch fault {
	case "crash":
		panic("no")
	case "stays":
		io.Copy(io.Discard, c)
		<-time.After(time.Minute)
	case "lines":
		fmt.Print(strings.Repeat("a line\n", 60))
	}
	io.Copy(io.Discard, c)
}

// pipe is a proxy that looks at nothing.
func pipe(listen, to string) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		panic(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			b, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			defer b.Close()
			go func() {
				copyPlainly(b, c)
				b.Close()
			}()
			copyPlainly(c, b)
		}()
	}
}

// copyPlainly is io.Copy without splice, whose pipes would be taken for leaked
// descriptors.
func copyPlainly(to, from net.Conn) { io.Copy(struct{ io.Writer }{to}, struct{ io.Reader }{from}) }

// played runs the player on cases and returns its exit status and the results.
func played(t *testing.T, side string, cases []hostile.Case, args ...string) (int, []result) {
	t.Helper()
	text, err := json.Marshal(hostile.File{Format: hostile.Format, License: "0BSD", Side: side, Cases: cases})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cases.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, talk bytes.Buffer
	status := run(t.Context(), append([]string{"--side", side, "--cases", file, "--json"}, args...), &out, &talk)
	var results []result
	for d := json.NewDecoder(&out); d.More(); {
		var r result
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		results = append(results, r)
	}
	if len(results) != len(cases) {
		t.Fatalf("%d results of %d cases: %s", len(results), len(cases), talk.String())
	}
	return status, results
}

// wants checks a result: passed where the reason is empty, else failed for that reason.
func wants(t *testing.T, status int, r result, reason string) {
	t.Helper()
	switch {
	case reason == "" && (status != exitPassed || r.Result != passed):
		t.Errorf("exit status %d: %+v, want a case that passes", status, r)
	case reason != "" && (status != exitFailed || r.Result != failed || !strings.Contains(r.Reason, reason)):
		t.Errorf("exit status %d: %+v, want a case that fails: %s", status, r, reason)
	}
}

// one is a case of a side in RFC 6455.
func one(side, outcome string, steps ...hostile.Step) hostile.Case {
	return hostile.Case{ID: side + "/frame/test/rfc6455", Kind: "frame", Version: "rfc6455", Comment: "a test",
		Steps: steps, Verdict: hostile.Verdict{Outcomes: []string{outcome}}}
}

const millisecond = hostile.Duration(time.Millisecond)

var (
	opens = hostile.Step{Do: hostile.Open}
	hello = hostile.Step{Do: hostile.Send, Parts: []hostile.Part{{Hex: dialectOf("rfc6455").clientText("Hello", "")}}}
	echo  = hostile.Step{Do: hostile.Expect, Text: "Hello"}
	holds = hostile.Step{Do: hostile.Hold, For: 300 * millisecond}
)
