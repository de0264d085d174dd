//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkWatch: what a handshake costs a server with the line in its log, and a gateway with
// its log, its metrics and its ledger, beside one with nothing of it. Both are alive at once
// and take turns; the ratio is that of their processor time, the median over all turns.
//
//	go test ./cmd/draftwire -run '^$' -bench Watch -benchtime 60x
func BenchmarkWatch(b *testing.B) {
	b.Run("serve", func(b *testing.B) {
		serve := []string{"serve", "--listen", "127.0.0.1:0", "--log-format", "json"}
		turns(b, newChild(b, "program", serve...), newChild(b, "program", append(serve, "--log-level", "error")...))
	})
	b.Run("gateway", func(b *testing.B) {
		back := newChild(b, "program", "serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--log-level", "error")
		file := filepath.Join(b.TempDir(), "gateway.yaml")
		config := fmt.Sprintf("listen: [{address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\nledger: {file: %s}\nroutes: [{backends: ['ws://%s']}]\n",
			filepath.Join(b.TempDir(), "ledger"), back.addr)
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			b.Fatal(err)
		}
		turns(b, newChild(b, "program", "gateway", "--config", file, "--log-format", "json"), newChild(b, file))
	})
}

// child is a process whose processor time is measured.
type child struct {
	b    *testing.B
	pid  int
	addr string
	used time.Duration
}

// newChild starts a process, and finds out where it listens, which one that logs nothing does
// not say.
func newChild(b *testing.B, role string, args ...string) *child {
	b.Helper()
	c := &child{b: b}
	log, err := os.CreateTemp(b.TempDir(), "log")
	if err != nil {
		b.Fatal(err)
	}
	if slices.Contains(args, "error") {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		c.addr = l.Addr().String()
		l.Close()
		args = slices.Clone(args)
		args[slices.Index(args, "127.0.0.1:0")] = c.addr
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), childRole+"="+role, "GOMAXPROCS=1")
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	c.pid = cmd.Process.Pid
	for late := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		text, _ := os.ReadFile(log.Name())
		if _, rest, ok := strings.Cut(string(text), `"addr":"`); ok {
			c.addr, _, _ = strings.Cut(rest, `"`)
		}
		if nc, err := net.Dial("tcp", c.addr); c.addr != "" && err == nil {
			nc.Close()
			return c
		}
		if time.Now().After(late) {
			b.Fatalf("the process does not listen; its log: %s", text)
		}
	}
}

// spent is the processor time since the last call.
func (c *child) spent() time.Duration {
	list, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", c.pid))
	var sum time.Duration
	for _, name := range list {
		text, _ := os.ReadFile(name)
		first, _, _ := strings.Cut(string(text), " ")
		ns, _ := strconv.ParseInt(first, 10, 64)
		sum += time.Duration(ns)
	}
	d := sum - c.used
	c.used = sum
	return d
}

// aTurn is how many handshakes a turn has.
const aTurn = 120

// turn opens and closes connections, some at a time.
func (c *child) turn() {
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			for range aTurn / 6 {
				if err := shake(c.addr); err != nil {
					c.b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// shake opens a connection as a browser does, and closes it.
func shake(addr string) error {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	io.WriteString(nc, "GET /chat HTTP/1.1\r\nHost: "+addr+"\r\nConnection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n"+
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36\r\nUpgrade: websocket\r\n"+
		"Origin: http://"+addr+"\r\nSec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate\r\nAccept-Language: en\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	r := bufio.NewReaderSize(nc, 1024)
	for line := ""; line != "\r\n"; {
		if line, err = r.ReadString('\n'); err != nil {
			return err
		}
	}
	io.WriteString(nc, "\x88\x82\x00\x00\x00\x00\x03\xe8")
	_, err = io.Copy(io.Discard, r)
	return err
}

// turns measures two processes beside each other.
func turns(b *testing.B, with, without *child) {
	for range 5 { // they grow to what they need
		with.turn()
		without.turn()
	}
	with.spent()
	without.spent()
	var ratios []float64
	var sums [2]time.Duration
	for i := 0; b.Loop(); i++ {
		order := []*child{with, without}
		if i%2 == 1 {
			slices.Reverse(order)
		}
		for _, c := range order {
			c.turn()
		}
		a, z := with.spent(), without.spent()
		sums[0], sums[1] = sums[0]+a, sums[1]+z
		ratios = append(ratios, float64(a)/float64(z))
	}
	slices.Sort(ratios)
	n := float64(aTurn * len(ratios))
	b.ReportMetric(ratios[len(ratios)/2], "x")
	b.ReportMetric(float64(sums[0].Microseconds())/n, "us-with")
	b.ReportMetric(float64(sums[1].Microseconds())/n, "us-without")
	b.ReportMetric(float64(sums[0])/float64(sums[1]), "x-of-sums")
}
