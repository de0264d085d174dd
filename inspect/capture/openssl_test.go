package capture

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// need skips a test where a program is missing, and says so.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("SKIPPED: %s is not installed", program)
	}
}

// limit bounds every wait for a program.
const limit = 20 * time.Second

// opensslServer starts a server that says every line backwards.
func opensslServer(t *testing.T, dir string, args ...string) (addr string) {
	t.Helper()
	var pems bytes.Buffer
	pem.Encode(&pems, &pem.Block{Type: "CERTIFICATE", Bytes: identities().rsa.Certificate[0]})
	pem.Encode(&pems, &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(identities().key)})
	file := filepath.Join(dir, "server.pem")
	if err := os.WriteFile(file, pems.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "openssl", append([]string{"s_server", "-accept", "127.0.0.1:0", "-cert", file, "-key", file}, args...)...)
	cmd.Env = append(os.Environ(), "OPENSSL_CONF=/dev/null")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe() // open, so that it does not end
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cancel()
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if at, found := strings.CutPrefix(lines.Text(), "ACCEPT "); found {
			go io.Copy(io.Discard, out)
			return at
		}
	}
	t.Fatal("the server does not say where it listens")
	return ""
}

// tap passes one connection on to a server and writes it as a capture. done is closed when both
// directions have ended.
func tap(t *testing.T, to string, out Stream) (addr string, done chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done = make(chan struct{})
	w := &wire{to: out}
	go func() {
		defer close(done)
		defer l.Close()
		a, err := l.Accept()
		if err != nil {
			return
		}
		defer a.Close()
		b, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer b.Close()
		ends := make(chan struct{}, 2)
		pass := func(from Direction, src, dst net.Conn) {
			buf := make([]byte, 32<<10)
			for {
				n, err := src.Read(buf)
				if n > 0 {
					w.write(from, buf[:n])
					dst.Write(buf[:n])
				}
				if err != nil {
					w.mu.Lock()
					w.to.End(w.clock.next(), from, Fin)
					w.mu.Unlock()
					dst.(*net.TCPConn).CloseWrite()
					ends <- struct{}{}
					return
				}
			}
		}
		go pass(FromClient, a, b)
		go pass(FromServer, b, a)
		<-ends
		<-ends
	}()
	t.Cleanup(func() { l.Close() })
	return l.Addr().String(), done
}

// opensslClient runs a client with a conversation: what it is told, and what it has to print
// before it is told the next thing.
func opensslClient(t *testing.T, addr string, talk [][2]string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "openssl", append([]string{"s_client", "-connect", addr, "-servername", "old.example"}, args...)...)
	cmd.Env = append(os.Environ(), "OPENSSL_CONF=/dev/null")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		cmd.Wait()
		w.Close()
	}()
	var heard strings.Builder
	buf := make([]byte, 4096)
	for _, x := range talk {
		io.WriteString(in, x[0])
		for at := heard.Len(); x[1] != "" && !strings.Contains(heard.String()[at:], x[1]); {
			n, err := r.Read(buf)
			heard.Write(buf[:n])
			if err != nil {
				t.Fatalf("the client ended before %q:\n%s", x[1], heard.String())
			}
		}
	}
	if talk == nil { // without a conversation it ends when it has a session
		for !hasSession(args) && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		in.Close()
	}
	io.WriteString(in, "Q\n")
	io.Copy(io.Discard, r)
	in.Close()
}

// hasSession reports whether the file of -sess_out among arguments is written.
func hasSession(args []string) bool {
	for i, a := range args {
		if a == "-sess_out" {
			b, _ := os.ReadFile(args[i+1])
			return bytes.Contains(b, []byte("-----END"))
		}
	}
	return true
}

// OpenSSL as both peers: what Go does not speak, or not by itself.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	need(t, "openssl")
	hello := [2]string{"hello\n", "olleh"}
	again := [2]string{"again\n", "niaga"}
	for name, x := range map[string]struct {
		args    []string
		version uint16
		suite   string // as Go names it
		talk    [][2]string
		rsa     bool // the private key opens it too
	}{
		"1.3 ChaCha":      {[]string{"-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"}, tls.VersionTLS13, "TLS_CHACHA20_POLY1305_SHA256", nil, false},
		"1.3 AES-256":     {[]string{"-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"}, tls.VersionTLS13, "TLS_AES_256_GCM_SHA384", nil, false},
		"1.3 key updates": {[]string{"-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"}, tls.VersionTLS13, "TLS_AES_128_GCM_SHA256", [][2]string{hello, {"k\n", "KEYUPDATE"}, again, {"K\n", "KEYUPDATE"}, hello, again}, false},
		"1.2 DHE":         {[]string{"-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384"}, tls.VersionTLS12, "0x009F", nil, false},
		"1.2 DHE CBC":     {[]string{"-tls1_2", "-cipher", "DHE-RSA-AES128-SHA256"}, tls.VersionTLS12, "0x0067", nil, false},
		"1.2 SHA-384":     {[]string{"-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA384"}, tls.VersionTLS12, "0xC028", nil, false},
		"1.2 RSA, EMS":    {[]string{"-tls1_2", "-cipher", "AES256-GCM-SHA384"}, tls.VersionTLS12, "TLS_RSA_WITH_AES_256_GCM_SHA384", nil, true},
		"1.2 RSA SHA-256": {[]string{"-tls1_2", "-cipher", "AES256-SHA256"}, tls.VersionTLS12, "0x003D", nil, true},
		"1.2 MAC of text": {[]string{"-tls1_2", "-cipher", "AES128-SHA"}, tls.VersionTLS12, "TLS_RSA_WITH_AES_128_CBC_SHA", nil, true},
		"1.2 text, MAC":   {[]string{"-tls1_2", "-cipher", "AES128-SHA", "-no_etm"}, tls.VersionTLS12, "TLS_RSA_WITH_AES_128_CBC_SHA", nil, true},
		"1.0 MAC of text": {[]string{"-tls1", "-cipher", "AES128-SHA:@SECLEVEL=0"}, tls.VersionTLS10, "TLS_RSA_WITH_AES_128_CBC_SHA", nil, true},
		"1.1 MAC of text": {[]string{"-tls1_1", "-cipher", "AES256-SHA:@SECLEVEL=0"}, tls.VersionTLS11, "TLS_RSA_WITH_AES_256_CBC_SHA", nil, true},
		"1.2 again": {[]string{"-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"}, tls.VersionTLS12, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
			[][2]string{hello, {"R\n", "RENEGOTIATING"}, again, hello}, false},
		"1.2 again, RSA": {[]string{"-tls1_2", "-cipher", "AES128-SHA"}, tls.VersionTLS12, "TLS_RSA_WITH_AES_128_CBC_SHA",
			[][2]string{hello, {"R\n", "RENEGOTIATING"}, again, hello}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			server := []string{"-rev", "-client_renegotiation"}
			for i, a := range x.args { // what a client alone takes stays away
				if a == "-cipher" || a == "-ciphersuites" {
					server = append(server, a, x.args[i+1])
				} else if strings.HasPrefix(a, "-tls") || a == "-no_etm" {
					server = append(server, a)
				}
			}
			talk := x.talk
			if talk == nil {
				talk = [][2]string{hello, again, {strings.Repeat("x", 8000) + "end\n", "dnexx"}}
			}
			var want [2]string
			for _, says := range talk {
				if len(says[0]) > 2 {
					want[0] += says[0]
					line := []byte(strings.TrimSuffix(says[0], "\n"))
					for i, j := 0, len(line)-1; i < j; i, j = i+1, j-1 {
						line[i], line[j] = line[j], line[i]
					}
					want[1] += string(line) + "\n"
				}
			}
			var file bytes.Buffer
			addr, done := tap(t, opensslServer(t, dir, server...), NewWriter(&file).Open(simpleV4))
			log := filepath.Join(dir, "keys")
			opensslClient(t, addr, talk, append([]string{"-keylogfile", log}, x.args...)...)
			select {
			case <-done:
			case <-time.After(limit):
				t.Fatal("the connection does not end")
			}
			keys, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			check := func(how string, o Options) {
				conns, _ := read(t, file.Bytes(), o)
				k := conns[0]
				if k.TLS == nil || k.TLS.Err != nil || k.TLS.Version != x.version || tls.CipherSuiteName(k.TLS.Suite) != x.suite || k.TLS.ServerName != "old.example" {
					t.Fatalf("%s: %+v, suite %s, notes %q", how, k.TLS, tls.CipherSuiteName(k.TLS.Suite), k.notes)
				}
				for from := range Direction(2) {
					if got := string(k.bytes(from)); got != want[from] {
						t.Errorf("%s: %v said %d bytes, expected %d: %.100q; notes %q", how, from, len(got), len(want[from]), got, k.notes)
					}
				}
			}
			check("key log", Options{Keys: keyLog(t, keys)})
			if x.rsa {
				check("private key", Options{RSA: []*rsa.PrivateKey{identities().key}})
			}
		})
	}
}

// Data that a client sends with its first flight, on a session that it resumes (RFC 8446 2.3).
func TestEarlyData(t *testing.T) {
	t.Parallel()
	need(t, "openssl")
	dir := t.TempDir()
	early := filepath.Join(dir, "early")
	if err := os.WriteFile(early, []byte("early\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := opensslServer(t, dir, "-early_data", "-tls1_3")
	session := filepath.Join(dir, "session")
	again := filepath.Join(dir, "again")
	log := filepath.Join(dir, "keys")
	args := []string{"-tls1_3", "-keylogfile", log}
	opensslClient(t, server, nil, append(args, "-sess_out", session)...)
	for _, with := range []bool{true, false} { // the second time the server refuses the session, and the data
		var file bytes.Buffer
		addr, done := tap(t, server, NewWriter(&file).Open(simpleV4))
		opensslClient(t, addr, nil, append(args, "-sess_in", session, "-early_data", early, "-sess_out", again)...)
		os.Remove(again)
		select {
		case <-done:
		case <-time.After(limit):
			t.Fatal("the connection does not end")
		}
		keys, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		want := "early\n"
		if !with {
			keys = bytes.ReplaceAll(keys, []byte("CLIENT_EARLY_TRAFFIC_SECRET"), []byte("NONE"))
			want = ""
		}
		conns, _ := read(t, file.Bytes(), Options{Keys: keyLog(t, keys)})
		k := conns[0]
		got := string(k.bytes(FromClient))
		if k.TLS == nil || k.TLS.Err != nil || got != want || k.TLS.Resumed != with {
			t.Errorf("with its key %v: %+v, %q, notes %q", with, k.TLS, got, k.notes)
		}
	}
}
