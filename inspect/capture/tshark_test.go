package capture

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// follow returns what Wireshark makes of a connection: the bytes of both directions.
func follow(t *testing.T, file, protocol string, stream int, args ...string) (said [2][]byte) {
	t.Helper()
	cmd := exec.Command("tshark", append([]string{"-r", file, "-q", "-z", fmt.Sprintf("follow,%s,raw,%d", protocol, stream)}, args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, errs.String())
	}
	first, other := FromClient, FromServer // as it prints them
	for line := range strings.Lines(string(out)) {
		if node, found := strings.CutPrefix(line, "Node 0: "); found && !strings.Contains(node, fmt.Sprint(":", v4client.Port())) && protocol == "tls" {
			first, other = FromServer, FromClient
		}
		from := first
		if strings.HasPrefix(line, "\t") {
			from = other
		}
		if p, err := hex.DecodeString(strings.TrimSpace(line)); err == nil {
			said[from] = append(said[from], p...)
		}
	}
	return said
}

func writeFile(t *testing.T, file []byte) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "capture")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Wireshark puts the same streams together, of captures with repeated packets in any order.
func TestFollow(t *testing.T) {
	t.Parallel()
	need(t, "tshark")
	for seed := range uint64(2) {
		r := rand.New(rand.NewPCG(seed, 5))
		c := []Conn{simpleV4, simpleV6}[seed%2]
		texts := [2][]byte{text(r, 1000+r.IntN(30000)), text(r, 1000+r.IntN(30000))}
		var file bytes.Buffer
		s := &roughen{r: r, to: NewWriter(&file).Open(c)}
		var clock tick
		var sent [2]int
		for sent[0] < len(texts[0]) || sent[1] < len(texts[1]) {
			from := Direction(r.IntN(2))
			left := texts[from][sent[from]:]
			n := min(len(left), r.IntN(5000))
			s.Data(clock.next(), from, int64(sent[from]), left[:n])
			sent[from] += n
		}
		s.End(clock.next(), FromClient, Fin)
		s.End(clock.next(), FromServer, Fin)
		all := file.Bytes()
		conns, _ := read(t, all, Options{})
		theirs := follow(t, writeFile(t, all), "tcp", 0)
		for from := range Direction(2) {
			if ours := conns[0].bytes(from); !bytes.Equal(ours, theirs[from]) || !bytes.Equal(ours, texts[from]) {
				t.Errorf("seed %d, %v: %d bytes and %d; they differ at %d", seed, from, len(ours), len(theirs[from]), differ(ours, theirs[from]))
			}
		}
	}
}

// Wireshark says of the Writer's packets that nothing is wrong with them, checksums too.
func TestWriterWithTshark(t *testing.T) {
	t.Parallel()
	need(t, "tshark")
	for _, c := range []Conn{simpleV4, simpleV6} {
		out, err := exec.Command("tshark", "-r", writeFile(t, simple(c)), "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
			"-Y", "tcp.analysis.flags || tcp.checksum.status == 0 || ip.checksum.status == 0 || _ws.malformed || _ws.expert").Output()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		for _, line := range lines { // that a connection begins and ends is "expert" information too
			if line != "" && !strings.Contains(line, "SYN") && !strings.Contains(line, "FIN") || err != nil {
				t.Errorf("%v: %s", err, line)
			}
		}
	}
}

// Wireshark opens TLS to the same plaintext, with keys beside the file and in it.
func TestFollowTLS(t *testing.T) {
	t.Parallel()
	need(t, "tshark")
	need(t, "editcap")
	for _, x := range []struct{ version, suite uint16 }{
		{tls.VersionTLS10, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}, {tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA}, {tls.VersionTLS13, 0},
	} {
		var log bytes.Buffer
		client, server := confs(x.version, x.suite, &log)
		file, state := record(t, client, server)
		name, keys := writeFile(t, file), writeFile(t, log.Bytes())
		theirs := follow(t, name, "tls", 0, "-o", "tls.keylog_file:"+keys, "-d", "tcp.port==80,tls")
		conns, _ := read(t, file, Options{Keys: keyLog(t, log.Bytes())})
		wantOpened(t, conns[0], state)
		for from := range Direction(2) {
			if ours := conns[0].bytes(from); !bytes.Equal(ours, theirs[from]) {
				t.Errorf("%s: %v: %d bytes and %d", versionName(x.version), from, len(ours), len(theirs[from]))
			}
		}
		if out, err := exec.Command("editcap", "--inject-secrets", "tls,"+keys, "-F", "pcapng", name, name+".ng").CombinedOutput(); err != nil {
			t.Fatalf("editcap: %v: %s", err, out)
		}
		with, err := os.ReadFile(name + ".ng")
		if err != nil {
			t.Fatal(err)
		}
		conns, _ = read(t, with, Options{})
		wantOpened(t, conns[0], state)
	}
}

// Every format that Wireshark writes and this package reads.
func TestFormatsOfEditcap(t *testing.T) {
	t.Parallel()
	need(t, "editcap")
	for _, c := range []Conn{simpleV4, simpleV6} {
		name := writeFile(t, simple(c))
		for _, format := range []string{"pcap", "nsecpcap", "pcapng"} {
			if out, err := exec.Command("editcap", "-F", format, name, name+format).CombinedOutput(); err != nil {
				t.Fatalf("editcap: %v: %s", err, out)
			}
			file, err := os.ReadFile(name + format)
			if err != nil {
				t.Fatal(err)
			}
			wantSimple(t, file)
		}
	}
}

// A capture of the loopback, by tcpdump, is what went over it.
func TestRealCapture(t *testing.T) {
	t.Parallel()
	need(t, "tcpdump")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	name := filepath.Join(t.TempDir(), "capture")
	cmd := exec.Command("tcpdump", "-i", "lo", "-U", "--immediate-mode", "-s", "0", "-B", "32768", "-w", name, fmt.Sprintf("tcp port %d", port))
	says, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var heard strings.Builder
	buf := make([]byte, 1024)
	for !strings.Contains(heard.String(), "listening on") {
		n, err := says.Read(buf)
		heard.Write(buf[:n])
		if err != nil {
			cmd.Wait()
			t.Skipf("SKIPPED: tcpdump may not capture here: %s", strings.TrimSpace(heard.String()))
		}
	}
	var want [3][2][]byte
	r := rand.New(rand.NewPCG(6, 6))
	for i := range want {
		want[i] = [2][]byte{text(r, 200000*i+10), text(r, 100000*i+20)}
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan bool)
		for j, x := range []net.Conn{client, server} {
			go func() {
				x.Write(want[i][j])
				x.(*net.TCPConn).CloseWrite()
				done <- true
			}()
			go func() {
				io.Copy(io.Discard, x)
				done <- true
			}()
		}
		for range 4 {
			<-done
		}
		client.Close()
		server.Close()
	}
	// It writes what it has when it is told to end.
	go io.Copy(io.Discard, says)
	deadline := time.Now().Add(limit)
	var conns []*taken
	for { // until the last FIN is in the file
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if conns, _ = read(t, file, Options{}); len(conns) == len(want) && conns[2].how == [2]End{Fin, Fin} {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("tcpdump has %d connections", len(conns))
		}
		time.Sleep(10 * time.Millisecond)
	}
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait()
	for i, k := range conns {
		for from := range Direction(2) {
			if got := k.bytes(from); !bytes.Equal(got, want[i][from]) {
				t.Errorf("connection %d, %v: %d bytes, expected %d; they differ at %d", i, from, len(got), len(want[i][from]), differ(got, want[i][from]))
			}
		}
	}
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Log("SKIPPED: the same with tshark, which is not installed")
		return
	}
	theirs := follow(t, name, "tcp", 2)
	for from := range Direction(2) {
		if !bytes.Equal(theirs[from], want[2][from]) {
			t.Errorf("%v: tshark has %d bytes", from, len(theirs[from]))
		}
	}
}
