//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// crowd is what clients do while a gateway is upgraded. No error is allowed.
type crowd struct {
	t              *testing.T
	opened, echoed atomic.Int64
	asked          atomic.Int64 // by ordinary requests
	closed         atomic.Bool  // by closeAll
	paused         sync.RWMutex // held for writing while no message is under way
	stopChurn      context.CancelFunc
	churning, busy sync.WaitGroup
	conns          []*draftwire.Conn
}

var crowdVersions = []draftwire.Version{draftwire.Hixie75, draftwire.Hixie76, draftwire.Hybi08, draftwire.RFC6455}

// crowdOn opens sessions that echo all the time, and begins to open and close further ones,
// at each of the URLs.
func crowdOn(t *testing.T, sessions int, urls ...string) *crowd {
	t.Helper()
	l := &crowd{t: t}
	for i := range sessions {
		c := dial(t, urls[i%len(urls)], crowdVersions[i/len(urls)%len(crowdVersions)])
		l.opened.Add(1)
		l.conns = append(l.conns, c)
		l.busy.Go(func() { l.echo(c, i) })
	}
	ctx, stop := context.WithCancel(context.Background())
	l.stopChurn = stop
	l.churning.Go(func() {
		for ctx.Err() == nil {
			l.ask(strings.Replace(urls[0], "ws:", "http:", 1))
		}
	})
	for i := range 4 {
		l.churning.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				l.visit(urls[i%len(urls)], crowdVersions[n%len(crowdVersions)], n%5 == i)
			}
		})
	}
	t.Cleanup(stop)
	return l
}

// echo sends and reads until the connection is closed by closeAll.
func (l *crowd) echo(c *draftwire.Conn, who int) {
	for n := 0; ; n++ {
		if err := l.exchange(c, fmt.Sprintf("%d of %d", n, who)); err != nil {
			if !l.closed.Load() {
				l.t.Errorf("session %d (%s), message %d: %v", who, c.Version(), n, err)
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (l *crowd) exchange(c *draftwire.Conn, text string) error {
	l.paused.RLock()
	defer l.paused.RUnlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Write(ctx, draftwire.OpText, []byte(text)); err != nil {
		return err
	}
	_, got, err := c.Read(ctx)
	if err == nil && string(got) != text {
		err = fmt.Errorf("%q came back for %q", got, text)
	}
	if err == nil {
		l.echoed.Add(1)
	}
	return err
}

// visit opens a connection, echoes once and closes it or, where cut is set, cuts it off.
func (l *crowd) visit(url string, v draftwire.Version, cut bool) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, _, err := draftwire.Dial(ctx, url, &draftwire.DialOptions{Version: v})
	if err != nil {
		l.t.Errorf("%s is not let in: %v", v, err)
		time.Sleep(100 * time.Millisecond)
		return
	}
	defer c.CloseNow()
	l.opened.Add(1)
	if err := l.exchange(c, "hi"); err != nil {
		l.t.Errorf("%s, once: %v", v, err)
	}
	if cut {
		return
	}
	if err := c.Close(draftwire.CodeNormal, ""); err != nil {
		l.t.Errorf("%s closes: %v", v, err)
	}
}

// ask sends an ordinary request, on a connection that stays open as long as the gateway wants.
// The backend has no pages.
func (l *crowd) ask(url string) {
	resp, err := http.Get(url)
	if err != nil {
		l.t.Errorf("a request: %v", err)
		return
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusUpgradeRequired {
		l.t.Errorf("a request: %s, %v", resp.Status, err)
	}
	l.asked.Add(1)
}

// goesOn waits until messages have gone to and fro for a while.
func (l *crowd) goesOn() {
	l.t.Helper()
	want := l.echoed.Load() + int64(2*len(l.conns))
	for late := time.Now().Add(patience); l.echoed.Load() < want; time.Sleep(time.Millisecond) {
		if time.Now().After(late) || l.t.Failed() {
			l.t.Fatalf("%d messages, not %d", l.echoed.Load(), want)
		}
	}
}

// closeAll ends the sessions. Nothing may be under way.
func (l *crowd) closeAll() {
	l.paused.Lock()
	l.closed.Store(true)
	for _, c := range l.conns {
		c.Close(draftwire.CodeNormal, "")
	}
	l.paused.Unlock()
	l.busy.Wait()
}

// metric is the sum of a metric over the labels that the pattern allows.
func (g *gatewayProcess) metric(pattern string) (sum float64) {
	g.t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^`+pattern+` (\S+)$`).FindAllStringSubmatch(g.get("/metrics"), -1) {
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			g.t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// counted is what the ledger has of all versions.
func (g *gatewayProcess) counted() (opened, in, messages uint64) {
	g.t.Helper()
	var x struct {
		Versions []struct {
			Opened   uint64 `json:"opened"`
			In       uint64 `json:"bytes_in"`
			Messages uint64 `json:"messages_in"`
		} `json:"versions"`
	}
	if err := json.Unmarshal([]byte(g.get("/usage")), &x); err != nil {
		g.t.Fatal(err)
	}
	for _, v := range x.Versions {
		opened, in, messages = opened+v.Opened, in+v.In, messages+v.Messages
	}
	return opened, in, messages
}

// Upgrades under load, good ones and ones that fail in every step: no client is refused, no
// session is closed, every message arrives, and in the end every count is right.
func TestUpgradeUnderLoad(t *testing.T) {
	back, _ := serveOn(t)
	dir := shortDir(t)
	sock := filepath.Join(dir, "gw.sock")
	config := "listen:\n- {name: unix, address: 'unix:" + sock + "'}\n- {name: main, address: '127.0.0.1:0'}\n" +
		"admin: {address: '127.0.0.1:0'}\nupgrade_timeout: 5s\nledger: {file: '" + filepath.Join(dir, "usage.db") + "'}\n" +
		"routes: [{backends: [{url: '" + back + "'}]}]\n"
	g := launchGateway(t, built(t), config)
	program, err := os.ReadFile(g.bin)
	if err != nil {
		t.Fatal(err)
	}
	l := crowdOn(t, 200, "ws://"+g.addr)
	l.goesOn()

	g.upgrade(0, "upgraded")
	l.goesOn()
	g.configure("listen: 7\n")
	g.upgrade(exitUsage, "expected a list")
	g.configure(strings.Replace(config, "listen:", "listen:\n- {name: taken, address: '"+strings.TrimPrefix(back, "ws://")+"'}", 1))
	g.upgrade(exitFailure, "address already in use")
	g.configure(config)
	g.install([]byte("#!/bin/sh\nexit 3\n"))
	g.upgrade(exitFailure, "has ended before it was ready")
	g.install([]byte("#!/bin/sh\nexec sleep 1000\n"))
	g.upgrade(exitFailure, "not ready within 5s")
	l.goesOn()
	g.install(program)
	g.upgrade(0, "upgraded")
	l.goesOn()
	g.upgrade(0, "upgraded")
	l.goesOn()

	l.stopChurn()
	l.churning.Wait()
	l.paused.Lock()
	// A session ends before the socket of its client is closed, which the listener counts.
	s := g.until("the visits have ended", func(s gateway.Status) bool {
		return s.Connections == len(l.conns) && s.Listeners[1].Open == len(l.conns)
	})
	if len(s.Generations) != 2 && len(s.Generations) != 4 || s.Versions["hixie-75"] != 50 || s.Routes[0].Backends[0].Connections != 200 {
		t.Errorf("the status is %+v", s)
	}
	check := func() {
		t.Helper()
		opened, echoed := l.opened.Load(), l.echoed.Load()
		if n := g.metric(`draftwire_handshakes_total{.*result="accepted"}`); n != float64(opened) {
			t.Errorf("the metrics have %v handshakes, %d were made", n, opened)
		}
		if n := g.metric(`draftwire_messages_total{direction="in",.*type="text"}`); n != float64(echoed) {
			t.Errorf("the metrics have %v messages, %d were sent", n, echoed)
		}
		if n, _, _ := g.counted(); n != uint64(opened) {
			t.Errorf("the ledger has %d handshakes, %d were made", n, opened)
		}
		if n := g.status().Requests.Total; n != l.asked.Load() {
			t.Errorf("the status has %d requests, %d were made", n, l.asked.Load())
		}
		if ok, failed := g.metric(`draftwire_upgrades_total{result="ok"}`), g.metric(`draftwire_upgrades_total{result="failed"}`); ok != 3 || failed != 4 {
			t.Errorf("%v upgrades, and %v that failed", ok, failed)
		}
	}
	check()
	l.paused.Unlock()
	l.closeAll()
	g.alone()
	check()
	if _, _, n := g.counted(); n != uint64(l.echoed.Load()) {
		t.Errorf("the ledger has %d messages, %d were sent", n, l.echoed.Load())
	}
	if n := g.metric(`draftwire_connections{.*}`); n != 0 {
		t.Errorf("%v connections are left", n)
	}
	t.Logf("%d connections, %d messages, %d requests", l.opened.Load(), l.echoed.Load(), l.asked.Load())
}
