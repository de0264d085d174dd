package load

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serve is a server of raw bytes, each read of which goes through change.
func serve(t *testing.T, change func(p []byte) []byte) *Spec {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go answerRaw(nc, change)
		}
	}()
	return &Spec{
		Addr: l.Addr().String(), PID: os.Getpid(), Version: V13, Conns: 3, Size: 125, Batch: 2, Rate: 2000,
		Raw: true, Warm: time.Millisecond, For: 20 * time.Millisecond, Settle: time.Millisecond,
	}
}

func answerRaw(nc net.Conn, change func(p []byte) []byte) {
	defer nc.Close()
	r := bufio.NewReader(nc)
	if _, err := http.ReadRequest(r); err != nil {
		return
	}
	io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: "+sampleAccept+"\r\n\r\n")
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		if err != nil {
			return
		}
		out := change(buf[:n])
		if out == nil {
			return
		}
		if _, err := nc.Write(out); err != nil {
			return
		}
	}
}

func same(p []byte) []byte { return p }

func TestRun(t *testing.T) {
	// The generator signals the server, which here is this process.
	signal.Ignore(syscall.SIGUSR2)
	defer signal.Reset(syscall.SIGUSR2)
	for kind, names := range map[string][]string{
		Echo:      {PerCPU, PerSecond, Busy, LoadBusy, Reads, Writes},
		Handshake: {CPUMicros},
		Paced:     {P50Micros, P99Micros, CPUMicros},
		Idle:      {OpenBytes, UsedBytes},
	} {
		s := serve(t, same)
		s.Kind = kind
		res, err := Run([]Spec{*s}, 1)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		for _, name := range names {
			if v, ok := res[0][0][name]; !ok || v <= 0 && kind != Idle {
				t.Errorf("%s: %s is %v, %v", kind, name, v, ok)
			}
		}
	}
}

// Servers that are alive at once take turns in an order that rotates, and the fault of
// one is told with its name.
func TestTurns(t *testing.T) {
	said := make(chan string, 100_000)
	var specs []Spec
	for _, name := range []string{"a", "b", "c"} {
		s := serve(t, func(p []byte) []byte { said <- name; return p })
		s.Kind, s.Name, s.Warm = Echo, name, 0
		specs = append(specs, *s)
	}
	res, err := Run(specs, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, turns := range res {
		if len(turns) != 3 || turns[2][CPUMicros] <= 0 {
			t.Errorf("the turns of %s are %v", specs[i].Name, turns)
		}
	}
	order, last := "", ""
	for len(said) > 0 {
		if name := <-said; name != last {
			order, last = order+name, name
		}
	}
	if order != "abcbcacab" {
		t.Errorf("the order is %s", order)
	}
	right, wrong := serve(t, same), serve(t, func(p []byte) []byte { p[99] ^= 1; return p })
	right.Kind, right.Name, wrong.Kind, wrong.Name = Echo, "right", Echo, "wrong"
	if _, err := Run([]Spec{*right, *wrong}, 1); err == nil || !strings.HasPrefix(err.Error(), "wrong: ") {
		t.Error(err)
	}
}

func TestFaults(t *testing.T) {
	count := 0
	for _, tt := range []struct {
		name, want string
		change     func(p []byte) []byte
	}{
		{"a byte is another", "byte 99 of the reply", func(p []byte) []byte { p[99] ^= 1; return p }},
		{"a byte too many", "behind the reply", func(p []byte) []byte { return append(p, 0) }},
		{"it closes", errClosed.Error(), func([]byte) []byte { return nil }},
		{"it closes later", errClosed.Error(), func(p []byte) []byte {
			if count++; count > 5 {
				return nil
			}
			return p
		}},
	} {
		s := serve(t, tt.change)
		s.Kind, s.Conns = Echo, 1
		if _, err := Run([]Spec{*s}, 1); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestUsage(t *testing.T) {
	before, err := ReadUsage(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// To look is work too, until there is enough of it to see.
	after := before
	for until := time.Now().Add(5 * time.Second); after.CPU-before.CPU < 5*time.Millisecond && time.Now().Before(until); {
		if after, err = ReadUsage(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if after.CPU-before.CPU < 5*time.Millisecond || after.Reads <= before.Reads {
		t.Errorf("from %+v to %+v", before, after)
	}
	if ticks, err := cpuTicks(os.Getpid()); err != nil || ticks > after.CPU+time.Second {
		t.Errorf("%v in ticks, %v", ticks, err)
	}
}
