//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// built returns the path of the program in a folder of the test, which may replace it.
func built(t *testing.T) string {
	t.Helper()
	program, err := programFile()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "draftwire")
	if err := os.WriteFile(path, program, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// programFile is the program, built once.
var programFile = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "draftwire")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "draftwire")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return os.ReadFile(path)
})

// gatewayProcess is a gateway in processes of its own, of which upgrades make more.
type gatewayProcess struct {
	t            *testing.T
	bin, file    string
	log          *stream
	admin, addr  string
	pids         []int // all that were seen
	firstProcess *exec.Cmd
}

// launchGateway starts the gateway with a configuration whose ports are free ones.
func launchGateway(t *testing.T, bin, config string, prepare ...func(*exec.Cmd)) *gatewayProcess {
	t.Helper()
	g := &gatewayProcess{t: t, bin: bin, file: filepath.Join(t.TempDir(), "gateway.yaml"), log: newStream()}
	g.configure(config)
	g.firstProcess = exec.Command(bin, "gateway", "--config", g.file, "--log-format", "json")
	r, w, err := os.Pipe() // a file: Wait would wait for the end of all who write to a stream
	if err != nil {
		t.Fatal(err)
	}
	g.firstProcess.Stderr = w
	go func() {
		io.Copy(g.log, r)
		r.Close()
	}()
	for _, f := range prepare {
		f(g.firstProcess)
	}
	err = g.firstProcess.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.cleanup)
	g.pids = append(g.pids, g.firstProcess.Process.Pid)
	g.admin = g.log.await(t, `"admin":"([^"]+)"`)[1]
	g.addr = g.log.await(t, `"addr":"([^"]+)","listener":"main"`)[1]
	g.log.await(t, `"msg":"route"`)
	return g
}

// cleanup ends every process that was seen.
func (g *gatewayProcess) cleanup() {
	for _, pid := range g.pids {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	for _, pid := range g.pids {
		g.wait(pid)
	}
	g.firstProcess.Wait()
	if g.t.Failed() {
		g.t.Logf("the log, without the lines of connections:\n%s", regexp.MustCompile(`(?m)^.*"event":"conn\.close".*\n`).ReplaceAllString(g.log.String(), ""))
	}
}

// wait waits for the end of a process. On Linux every generation is a child of this process;
// elsewhere a later one is a child of the one before it.
func (g *gatewayProcess) wait(pid int) {
	for late := time.Now().Add(patience); time.Now().Before(late); time.Sleep(10 * time.Millisecond) {
		if pid != g.firstProcess.Process.Pid {
			syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		} else if g.firstProcess.ProcessState == nil {
			g.firstProcess.Wait()
		}
		if syscall.Kill(pid, 0) != nil {
			return
		}
	}
	g.t.Errorf("process %d has not ended", pid)
}

func (g *gatewayProcess) configure(config string) {
	g.t.Helper()
	if err := os.WriteFile(g.file, []byte(config), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// install puts another file at the path of the program.
func (g *gatewayProcess) install(content []byte) {
	g.t.Helper()
	if err := os.WriteFile(g.bin+".new", content, 0o700); err != nil {
		g.t.Fatal(err)
	}
	if err := os.Rename(g.bin+".new", g.bin); err != nil {
		g.t.Fatal(err)
	}
}

// upgrade runs the command, which must exit with code and print something with say.
func (g *gatewayProcess) upgrade(code int, say string) {
	g.t.Helper()
	got, out, err := call(g.t, "", "upgrade", "--admin", g.admin)
	if got != code || !strings.Contains(out+err, say) {
		g.t.Fatalf("upgrade: exit %d, %q; want exit %d, %q; the log:\n%s", got, out+err, code, say, g.log)
	}
	g.status()
}

func (g *gatewayProcess) status() gateway.Status {
	g.t.Helper()
	var s gateway.Status
	if err := json.Unmarshal([]byte(g.get("/status")), &s); err != nil {
		g.t.Fatal(err)
	}
	for _, x := range s.Generations {
		if !slices.Contains(g.pids, x.PID) {
			g.pids = append(g.pids, x.PID)
		}
	}
	return s
}

// until waits for a state.
func (g *gatewayProcess) until(what string, ok func(gateway.Status) bool) gateway.Status {
	g.t.Helper()
	for late := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		s := g.status()
		if ok(s) {
			return s
		}
		if time.Now().After(late) {
			g.t.Fatalf("%s: the status is %+v; the log:\n%s", what, s, g.log)
		}
	}
}

// alone waits until the gateway is one process, and the others have ended.
func (g *gatewayProcess) alone() {
	g.t.Helper()
	own := g.until("one process", func(s gateway.Status) bool { return len(s.Generations) == 1 }).Generations[0].PID
	for _, pid := range g.pids {
		if pid != own {
			g.wait(pid)
		}
	}
}

func (g *gatewayProcess) get(path string) string {
	g.t.Helper()
	resp, err := http.Get(g.admin + path)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		g.t.Fatalf("%s: %d, %v: %s", path, resp.StatusCode, err, body)
	}
	return string(body)
}

// A process whose time is over drains its sessions, and ends; its successor has then no more
// descriptors than the first process had. Systemd hears of each main process.
func TestUpgradeDrainAfter(t *testing.T) {
	back, _ := serveOn(t)
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(shortDir(t), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	g := launchGateway(t, built(t), "listen: [{name: main, address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\n"+
		"drain: -1s\ndrain_after: 1s\nroutes: [{backends: [{url: '"+back+"'}]}]\n",
		func(c *exec.Cmd) { c.Env = append(os.Environ(), "NOTIFY_SOCKET="+notify.LocalAddr().String()) })
	heard := func(want string) {
		t.Helper()
		p := make([]byte, 1000)
		notify.SetReadDeadline(time.Now().Add(patience))
		if n, err := notify.Read(p); err != nil || string(p[:n]) != want {
			t.Fatalf("systemd hears %q, %v; want %q", p[:n], err, want)
		}
	}
	heard("READY=1")
	g.status() // whose connection stays open
	before := openFilesOf(g.pids[0])
	for range 2 {
		c := dial(t, "ws://"+g.addr, draftwire.RFC6455)
		write(t, c, draftwire.OpText, "a")
		wantMessage(t, c, "a")
		g.upgrade(0, "upgraded")
		pid := itoa(g.status().Generations[0].PID)
		heard("MAINPID=" + pid)
		heard("READY=1\nMAINPID=" + pid)
		if s := g.status(); s.Connections != 1 || len(s.Generations) != 2 || s.Generations[1].Connections != 1 || time.Until(s.Generations[1].Until) > time.Second {
			t.Errorf("the status is %+v", s)
		}
		if _, _, err := c.Read(deadline(t)); err == nil || !strings.Contains(err.Error(), "1001") {
			t.Errorf("the session ends with %v", err)
		}
		g.alone()
	}
	last := g.pids[len(g.pids)-1]
	if after := openFilesOf(last); len(after) > len(before) {
		t.Errorf("the first process had\n%q, the last one has\n%q", before, after)
	}
	if err := syscall.Kill(last, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	heard("STOPPING=1")
	g.wait(last)
}

// openFilesOf are the open files of a process, on Linux.
func openFilesOf(pid int) (list []string) {
	dir := "/proc/" + itoa(pid) + "/fd/"
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		to, _ := os.Readlink(dir + e.Name())
		list = append(list, e.Name()+" "+to)
	}
	return list
}

// shortDir is a folder whose path fits into the address of a unix socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "dw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func itoa(n int) string { return strconv.Itoa(n) }
