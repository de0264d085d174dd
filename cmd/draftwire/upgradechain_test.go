//go:build unix

package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/usage"
)

// held opens a session and shows that it works.
func (g *gatewayProcess) held() *draftwire.Conn {
	g.t.Helper()
	c := dial(g.t, "ws://"+g.addr, draftwire.Hixie76)
	g.works(c)
	return c
}

func (g *gatewayProcess) works(c *draftwire.Conn) {
	g.t.Helper()
	write(g.t, c, draftwire.OpText, "abc")
	wantMessage(g.t, c, "abc")
}

// A socket of systemd goes from process to process, also through a reload that does not use
// it, and a session of each of four processes lives. An order to drain reaches them all.
func TestUpgradeChain(t *testing.T) {
	back, _ := serveOn(t)
	l := wstest.ListenTCP(t)
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	config := "listen: [{name: main, address: 'fd:ws'}]\nadmin: {address: '127.0.0.1:0'}\ndrain: -1s\nroutes: [{backends: [{url: '" + back + "'}]}]\n"
	bin := built(t)
	g := launchGateway(t, bin, config, func(c *exec.Cmd) {
		// as systemd does, which names the process that it starts
		c.Path, c.Args = "/bin/sh", append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`}, c.Args...)
		c.Env = append(os.Environ(), "LISTEN_FDS=1", "LISTEN_FDNAMES=ws")
		c.ExtraFiles = []*os.File{f}
	})
	conns := []*draftwire.Conn{g.held()}
	for range 3 {
		g.upgrade(0, "upgraded")
		conns = append(conns, g.held())
	}
	s := g.status()
	if len(s.Generations) != 4 || s.Connections != 4 {
		t.Errorf("the status is %+v", s)
	}
	for _, x := range s.Generations {
		if x.Connections != 1 || x.Version == "" {
			t.Errorf("generation %+v", x)
		}
	}
	if code, out, err := call(t, "", "status", "--admin", g.admin); code != 0 || strings.Count(out, "keeps 1 connections until 20") != 3 {
		t.Errorf("exit %d, %s%s", code, out, err)
	}
	for _, c := range conns {
		g.works(c)
	}
	if n := g.metric("draftwire_generations"); n != 4 {
		t.Errorf("%v processes in the metrics", n)
	}
	conns[1].Close(draftwire.CodeNormal, "") // this process stays: the one before it still has a session
	g.until("a session less", func(s gateway.Status) bool { return s.Connections == 3 && len(s.Generations) == 4 })
	if code, _, err := call(t, "", "drain", "--admin", g.admin); code != 0 {
		t.Fatal(err)
	}
	for _, i := range []int{0, 2, 3} {
		if _, _, err := conns[i].Read(deadline(t)); err == nil {
			t.Error("a session is not drained")
		}
	}
	for _, pid := range g.pids {
		g.wait(pid)
	}
}

// Where the new process dies the old one keeps its sessions, and what it has counted is in
// the ledger's file at its end. An upgrade during another one is refused, and so is one of a
// process that has been replaced.
func TestUpgradeCrash(t *testing.T) {
	back, _ := serveOn(t)
	ledger := filepath.Join(t.TempDir(), "usage.db")
	config := "listen: [{name: main, address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\nledger: {file: " + ledger + "}\nupgrade_timeout: 2s\n" +
		"routes: [{backends: [{url: '" + back + "'}]}]\n"
	g := launchGateway(t, built(t), config)
	program, err := os.ReadFile(g.bin)
	if err != nil {
		t.Fatal(err)
	}
	c := g.held()
	g.install([]byte("#!/bin/sh\nexec sleep 1000\n"))
	first := make(chan int)
	go func() {
		resp, err := http.Post(g.admin+"/upgrade", "", nil)
		if err != nil {
			first <- 0
			return
		}
		resp.Body.Close()
		first <- resp.StatusCode
	}()
	g.log.await(t, "starting the program again")
	g.upgrade(exitFailure, "another upgrade is under way")
	if code := <-first; code != http.StatusBadGateway {
		t.Errorf("the first upgrade: status %d", code)
	}
	g.install(program)
	g.upgrade(0, "upgraded")
	syscall.Kill(g.pids[0], syscall.SIGUSR2) // which changes nothing
	last := g.status().Generations[0].PID
	syscall.Kill(last, syscall.SIGKILL)
	g.wait(last)
	g.log.await(t, "the process that took this one's place has ended")
	g.works(c)
	syscall.Kill(g.pids[0], syscall.SIGHUP)
	g.log.await(t, "another process has taken this one's place")
	c.Close(draftwire.CodeNormal, "")
	g.wait(g.pids[0])
	s, err := usage.ReadFile(ledger, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range s.Versions {
		if v.Version == draftwire.Hixie76 && (v.Opened != 1 || v.MessagesIn != 2 || v.In != 6) {
			t.Errorf("the ledger has %+v", v)
		}
	}
}

// SIGTERM to the newest process drains all of them, and SIGUSR2 upgrades.
func TestUpgradeSignals(t *testing.T) {
	back, _ := serveOn(t)
	g := launchGateway(t, built(t), "listen: [{name: main, address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\ndrain: -1s\nroutes: [{backends: [{url: '"+back+"'}]}]\n")
	c := g.held()
	syscall.Kill(g.pids[0], syscall.SIGUSR2)
	s := g.until("an upgrade", func(s gateway.Status) bool { return len(s.Generations) == 2 })
	syscall.Kill(s.Generations[0].PID, syscall.SIGTERM)
	if _, _, err := c.Read(deadline(t)); err == nil {
		t.Error("the session is not drained")
	}
	for _, pid := range g.pids {
		g.wait(pid)
	}
}
