package main

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/cmd/draftwire/internal/load"
)

// benched runs the command with --json.
func benched(t *testing.T, args ...string) (code int, out benchJSON, err string) {
	t.Helper()
	code, text, err := call(t, "", append([]string{"bench", "--json"}, args...)...)
	if text != "" {
		parseBench(t, text, &out)
	}
	return code, out, err
}

// parseBench also checks that the numbers add up.
func parseBench(t *testing.T, text string, out *benchJSON) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(out); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var s load.Result
	for _, r := range out.Versions {
		s.ConnectionsWanted += r.ConnectionsWanted
		s.Connections += r.Connections
		s.Messages += r.Messages
		s.Bytes += r.Bytes
		s.Errors += r.Errors
		s.Unanswered += r.Unanswered
		s.Unsent += r.Unsent
		s.Max = max(s.Max, r.Max)
		if r.Errors != int64(r.FailedConnections+r.BrokenConnections)+r.WrongAnswers {
			t.Errorf("the errors do not add up: %+v", r)
		}
		if r.P50 > r.P90 || r.P90 > r.P99 || r.P99 > r.P999 || r.P999 > r.Max || r.HandshakeP50 > r.HandshakeP99 {
			t.Errorf("the percentiles do not rise: %+v", r)
		}
	}
	g := out.Total
	if g.ConnectionsWanted != s.ConnectionsWanted || g.Connections != s.Connections || g.Messages != s.Messages || g.Bytes != s.Bytes ||
		g.Errors != s.Errors || g.Unanswered != s.Unanswered || g.Unsent != s.Unsent || g.Max != s.Max || g.Version != "total" {
		t.Errorf("the total is %+v, the sum %+v", g, s)
	}
}

func TestBenchEveryVersion(t *testing.T) {
	url, server := serveOn(t)
	var mix []string
	for i, v := range draftwire.ServedVersions().List() {
		mix = append(mix, v.String()+"="+strconv.Itoa(1+i%2))
	}
	n := len(mix) + len(mix)/2
	for _, more := range []string{"", "--depth 4", "-q 1000000 --warmup 1ms"} {
		args := append(strings.Fields(more), url+"/", "--mix", strings.Join(mix, ","), "-n", strconv.Itoa(10*n+1), "-c", strconv.Itoa(n), "--size", "7,125,2KiB")
		code, out, err := benched(t, args...)
		if code != 0 || err != "" || out.Total.Messages != int64(10*n+1) || out.Total.Unanswered+out.Total.Unsent != 0 {
			t.Errorf("%s: exit %d, %+v, stderr %q", more, code, out.Total, err)
		}
		for i, r := range out.Versions {
			conns, least := 1+i%2, int64(10*(1+i%2))
			if r.Version != draftwire.ServedVersions().List()[i].String() || r.Connections != conns || r.Messages < least || r.Messages > least+1 || r.Errors != 0 || r.P50 == 0 || r.HandshakeP50 == 0 {
				t.Errorf("%s: %+v", more, r)
			}
		}
	}
	server.stop(t)
	if log := server.err.String(); strings.Count(log, `"msg":"connection"`) != 3*n || strings.Count(log, `"close_code":1006`) != 0 {
		t.Errorf("not all connections were closed by a closing handshake:\n%s", log)
	}
}

func TestBenchTable(t *testing.T) {
	url, _ := serveOn(t)
	code, out, err := call(t, "", "bench", url+"/", "--mix", "76=1,13=2", "-c", "3", "-n", "30", "--long", "-q", "100000")
	lines := strings.Split(out, "\n")
	if code != 0 || err != "" || len(lines) != 5 {
		t.Fatalf("exit %d, stderr %q:\n%s", code, err, out)
	}
	if got, want := strings.Join(strings.Fields(lines[0]), " "), "VERSION CONNS MSGS MSGS/S MB/S P50 P90 P99 P99.9 MAX ERRORS OPEN P50 OPEN P99"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for i, want := range []string{"hixie-76 1 10 ", "rfc6455 2 20 ", "total 3 30 "} {
		if f := strings.Fields(lines[1+i]); len(f) != 13 || !strings.HasPrefix(strings.Join(f, " "), want) || f[10] != "0" {
			t.Errorf("line %q, want %q", lines[1+i], want)
		}
	}
	if _, out, _ = call(t, "", "bench", url+"/", "-c", "1", "-n", "1"); strings.Contains(out, "OPEN") || !strings.Contains(out, "\nrfc6455 ") {
		t.Errorf("%s", out)
	}
}

func TestBenchKinds(t *testing.T) {
	url, _ := serveOn(t)
	for _, args := range []string{
		"-b --version hybi-04", "-b --depth 3 --size 1,300KiB", "--compression all --size 4KiB --mix 8=1,13=1", "-z 200ms -c 1",
		"--rate 500 --depth 2", "--size 1MiB -n 4 -c 2",
	} {
		full := append(strings.Fields(args), url+"/", "--max-p99", "60s")
		if !strings.Contains(args, "-z") && !strings.Contains(args, "-n") {
			full = append(full, "-n", "60", "-c", "4")
		}
		code, out, err := benched(t, full...)
		if code != 0 || err != "" || out.Total.Errors != 0 || out.Total.Messages == 0 {
			t.Errorf("%s: exit %d, %+v, stderr %q", args, code, out.Total, err)
		}
	}
}

func TestBenchMaxP99(t *testing.T) {
	url, _ := serveOn(t)
	code, out, err := call(t, "", "bench", url+"/", "-n", "100", "-c", "2", "--max-p99", "1us")
	if code != exitCondition || strings.Count(out, "\n") != 3 || !strings.HasSuffix(err, "above --max-p99 1µs\n") || strings.Count(err, "\n") != 1 {
		t.Errorf("exit %d, stdout %q, stderr %q", code, out, err)
	}
}

// answering is a server that answers each message, counted on its connection,
// as it likes.
func answering(t *testing.T, answers func(n int, m draftwire.Message) []draftwire.Message) string {
	return suite(t, func(ctx context.Context, c *draftwire.Conn) error {
		for n := 0; ; n++ {
			op, p, err := c.Read(ctx)
			if err != nil {
				return err
			}
			for _, m := range answers(n, draftwire.Message{Op: op, Data: p}) {
				if err := c.Write(ctx, m.Op, m.Data); err != nil {
					return err
				}
			}
		}
	})
}

// Servers that do not echo, each in its way.
func TestBenchErrors(t *testing.T) {
	type messages = []draftwire.Message
	var held draftwire.Message
	tampered := answering(t, func(n int, m draftwire.Message) messages {
		if n%10 == 3 {
			m.Data[len(m.Data)-1] ^= 1
		}
		return messages{m}
	})
	binary := answering(t, func(n int, m draftwire.Message) messages { return messages{{Op: draftwire.OpBinary, Data: m.Data}} })
	short := answering(t, func(n int, m draftwire.Message) messages { return messages{{Op: m.Op, Data: m.Data[:len(m.Data)-1]}} })
	twice := answering(t, func(n int, m draftwire.Message) messages { return messages{m, m} })
	swapped := answering(t, func(n int, m draftwire.Message) messages {
		if n%2 == 0 {
			held = m
			return nil
		}
		return messages{m, held}
	})
	huge := answering(t, func(n int, m draftwire.Message) messages {
		return messages{{Op: m.Op, Data: []byte(strings.Repeat("x", 2<<20))}}
	})
	url, _ := serveOn(t, "--versions", "-hixie-75")
	for _, c := range []struct {
		url, args, say        string
		code                  int
		right, wrong, missing int64
	}{
		{tampered, "-c 1 -n 100", "10 answers were not what was sent; is this an echo server?", exitFailure, 90, 10, 0},
		{binary, "-c 2 -n 10", "10 answers", exitFailure, 0, 10, 0},
		{short, "-c 2 -n 10 --depth 2", "10 answers", exitFailure, 0, 10, 0},
		{twice, "-c 1 -n 10", "9 answers", exitFailure, 1, 9, 0},
		{swapped, "-c 1 -n 10 --depth 2", "10 answers", exitFailure, 0, 10, 0},
		{huge, "-c 1 -n 2", "an answer is larger than any message", exitFailure, 0, 0, 1},
		{url + "/close?code=4001&reason=a%1bb", "-c 2 -n 2", `2 connections: the server closed: 4001 a\x1bb`, exitFailure, 0, 0, 2},
		{url + "/close?code=1006", "-c 3 -n 3", ": the connection ended abnormally: ", exitAbnormal, 0, 0, 3}, // by a reset or without
		{rude(t, "\xf0\x00"), "-c 1 -n 1", "1 connection: the peer broke the protocol", exitProtocol, 0, 0, 1},
	} {
		code, out, err := benched(t, append(strings.Fields(c.args), c.url)...)
		r := out.Total
		if code != c.code || r.Messages != c.right || r.WrongAnswers != c.wrong || r.Unanswered != c.missing || !strings.Contains(err, c.say) || r.Errors == 0 {
			t.Errorf("%s: exit %d, want %d; %+v; stderr %q", c.say, code, c.code, r, err)
		}
		because := 0
		for _, x := range r.Reasons {
			because += x.Count
		}
		if because != r.BrokenConnections {
			t.Errorf("%s: reasons %v", c.say, r.Reasons)
		}
	}
}

func TestBenchCannotConnect(t *testing.T) {
	url, _ := serveOn(t, "--versions", "-hixie-75")
	for _, c := range []struct {
		code int
		say  string
		args []string
	}{
		{exitConnect, "refused", []string{nobody(t), "-c", "40"}},
		{exitRefused, "version_disabled", []string{url + "/", "--mix", "13=3,75=1", "-c", "30"}},
	} {
		code, out, err := call(t, "", append([]string{"bench", "-z", "1ms"}, c.args...)...)
		if code != c.code || out != "" || !strings.Contains(err, c.say) || strings.Count(err, "\n") != 1 {
			t.Errorf("exit %d, want %d with %q; stdout %q, stderr %q", code, c.code, c.say, out, err)
		}
	}
}

// Some connections fail: the others carry the load.
func TestBenchSomeConnections(t *testing.T) {
	var taken atomic.Int32
	url := suiteWith(t, draftwire.AcceptOptions{Authorize: func(*draftwire.Handshake, *draftwire.Answer) error {
		if taken.Add(1) > 3 {
			return &draftwire.HandshakeError{Status: 503}
		}
		return nil
	}}, echo)
	code, out, err := benched(t, url, "-c", "5", "-n", "100")
	r := out.Total
	if code != exitFailure || r.Messages != 100 || r.Connections != 3 || r.ConnectionsWanted != 5 || r.FailedConnections != 2 || r.Errors != 2 {
		t.Errorf("exit %d, %+v", code, r)
	}
	if len(r.Reasons) != 1 || r.Reasons[0].Count != 2 || !strings.Contains(r.Reasons[0].Text, "503 Service Unavailable") || !strings.HasSuffix(err, "\ndraftwire: 2 errors\n") {
		t.Errorf("reasons %v, stderr %q", r.Reasons, err)
	}
}

func TestBenchInterrupted(t *testing.T) {
	for _, args := range []string{"-z 1h", "-n 1000000000 --depth 2", "-q 1000 -z 1h"} {
		seen := make(chan struct{})
		var once sync.Once
		url := suite(t, func(ctx context.Context, c *draftwire.Conn) error {
			for n := 0; ; n++ {
				op, p, err := c.Read(ctx)
				if err != nil {
					return err
				}
				if n == 10 {
					once.Do(func() { close(seen) })
				}
				if err := c.Write(ctx, op, p); err != nil {
					return err
				}
			}
		})
		p := start(t, append([]string{"bench", url, "--json", "-c", "3"}, strings.Fields(args)...)...)
		<-seen
		p.signals <- os.Interrupt
		var out benchJSON
		if code := p.wait(t); code != exitInterrupted {
			t.Errorf("%s: exit %d", args, code)
		}
		parseBench(t, p.out.String(), &out)
		if !out.Interrupted || out.Total.Messages < 10 || out.Total.Errors != 0 || p.err.String() != "" && !strings.Contains(args, "-q") {
			t.Errorf("%s: %+v, stderr %q", args, out, p.err)
		}
	}
	// Nothing was measured yet.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := start(t, "bench", "ws://"+l.Addr().String()+"/")
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p.signals <- os.Interrupt
	if code := p.wait(t); code != exitInterrupted || p.out.String()+p.err.String() != "" {
		t.Errorf("connecting: exit %d, %q, %q", code, p.out, p.err)
	}
}
