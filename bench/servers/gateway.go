package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/draftwire/draftwire"
)

// proxy is what a gateway is started with.
type proxy struct {
	backend string        // the address of the server behind it
	program string        // the gateway command, for draftwire's
	tls     bool          // TLS in front, with a certificate made here
	ping    time.Duration // between draftwire's pings; 0: none
	folder  string        // for its files
	address string        // to listen on
}

// programs are gateways that are programs of their own. The process of this program stays
// as their parent: it ends them when its standard input ends.
var programs = map[string]func(p *proxy) (*exec.Cmd, error){
	"gateway":           (*proxy).draftwire,
	"gateway-record":    (*proxy).recording,
	"gateway-translate": (*proxy).translating,
	"haproxy":           (*proxy).haproxy,
	"nginx":             (*proxy).nginx,
}

// proxies are gateways within this process.
var proxies = map[string]func(l net.Listener, p *proxy) error{
	"copy":     serveCopy,
	"httputil": serveHTTPUtil,
}

// serveGateway serves a gateway until standard input ends, and prints its address when it
// accepts connections. Nothing makes it collect its garbage: it is measured as it runs.
func serveGateway(name string, p *proxy) (err error) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR2) // which would end this process
	ended := make(chan error, 2)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		ended <- nil
	}()
	if start := programs[name]; start != nil {
		if p.folder, err = os.MkdirTemp("", "bench-gateway-"); err != nil {
			return err
		}
		defer os.RemoveAll(p.folder)
		kill, err := p.run(start, ended)
		if err != nil {
			return err
		}
		defer kill()
		fmt.Println(p.address)
		return <-ended
	}
	serve := proxies[name]
	if serve == nil {
		return fmt.Errorf("no gateway %q", name)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if p.tls {
		cert, err := certificate()
		if err != nil {
			return err
		}
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}})
	}
	fmt.Println(l.Addr())
	go func() { ended <- serve(l, p) }()
	return <-ended
}

// upTime bounds the wait for a program to accept connections.
const upTime = 10 * time.Second

// run starts a program and waits until it accepts connections. The processes that it starts
// are of its group, and end with it.
func (p *proxy) run(command func(p *proxy) (*exec.Cmd, error), ended chan<- error) (kill func(), err error) {
	if p.address, err = freeAddress(); err != nil {
		return nil, err
	}
	if p.tls {
		if err := p.writeCertificate(); err != nil {
			return nil, err
		}
	}
	cmd, err := command(p)
	if err != nil {
		return nil, err
	}
	out, err := os.Create(p.file("output"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	// Should this process be killed, which is not how it is ended, the program still ends.
	runtime.LockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	gone := make(chan struct{})
	go func() {
		err := cmd.Wait()
		close(gone)
		ended <- fmt.Errorf("%s has ended: %v: %s", cmd.Path, err, p.said())
	}()
	kill = func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-gone
	}
	for until := time.Now().Add(upTime); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if nc, err := net.Dial("tcp", p.address); err == nil {
			nc.Close()
			return kill, nil
		}
	}
	kill()
	return nil, fmt.Errorf("%s accepts no connections: %s", cmd.Path, p.said())
}

func (p *proxy) file(name string) string { return filepath.Join(p.folder, name) }

// said is the beginning of what the program has printed.
func (p *proxy) said() string {
	b, _ := os.ReadFile(p.file("output"))
	return strings.TrimSpace(string(b[:min(len(b), 1000)]))
}

// freeAddress is an address that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// draftwire is the gateway command as it is shipped: with its log, which goes into a file,
// its admin port with metrics, and its ledger.
func (p *proxy) draftwire() (*exec.Cmd, error) {
	ping := cmp.Or(p.ping, -time.Second) // a load that answers no pings must not get them
	args := []string{
		"gateway", "--listen", p.address, "--to", "ws://" + p.backend, "--admin", "127.0.0.1:0",
		"--ledger", p.file("ledger"), "--ping", ping.String(),
	}
	if p.tls {
		args = append(args, "--tls-cert", p.file("cert.pem"), "--tls-key", p.file("key.pem"))
	}
	return exec.Command(p.program, args...), nil
}

// recording is the gateway command that records all that its clients say and hear, and is
// otherwise as draftwire.
func (p *proxy) recording() (*exec.Cmd, error) {
	return p.configured("", fmt.Sprintf("record: {folder: %q, file: 4GiB}\n", p.folder))
}

// translating is the gateway command with a policy by which no frame may go on as it came, also where both sides have the
// same ones. It is otherwise as draftwire.
func (p *proxy) translating() (*exec.Cmd, error) {
	return p.configured(", invalid_text: replace", "")
}

// configured is the gateway command with what it has only in a file, and otherwise as draftwire.
func (p *proxy) configured(policy, more string) (*exec.Cmd, error) {
	text := fmt.Sprintf(`listen: [{address: %q}]
routes: [{backends: [{url: %q}], policy: {ping: none%s}}]
admin: {address: "127.0.0.1:0"}
ledger: {file: %q}
%s`, p.address, "ws://"+p.backend, policy, p.file("ledger"), more)
	if err := os.WriteFile(p.file("gateway.yaml"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	return exec.Command(p.program, "gateway", "--config", p.file("gateway.yaml")), nil
}

// nginx is nginx as its documentation shows a proxy for WebSocket, with Debian's log.
func (p *proxy) nginx() (*exec.Cmd, error) {
	listen, more := p.address, ""
	if p.tls {
		listen += " ssl"
		more = fmt.Sprintf("ssl_certificate %s; ssl_certificate_key %s;", p.file("cert.pem"), p.file("key.pem"))
	}
	temp := ""
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temp += fmt.Sprintf("\t%s_temp_path %s;\n", kind, p.file(kind))
	}
	text := fmt.Sprintf(`daemon off;
user root;
worker_processes %d;
pid %s;
error_log %s;
events { worker_connections %d; }
http {
%s	access_log %s;
	upstream backend { server %s; }
	server {
		listen %s;
		%s
		location / {
			proxy_pass http://backend;
			proxy_http_version 1.1;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection "upgrade";
			proxy_set_header Host $host;
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
			proxy_read_timeout 1h;
			proxy_send_timeout 1h;
		}
	}
}
`, runtime.GOMAXPROCS(0), p.file("nginx.pid"), p.file("error.log"), maxConns+maxConns/8, temp, p.file("access.log"), p.backend, listen, more)
	if os.Getuid() != 0 {
		text = strings.Replace(text, "user root;\n", "", 1)
	}
	return exec.Command("nginx", "-p", p.folder, "-c", p.file("conf"), "-e", p.file("error.log")), os.WriteFile(p.file("conf"), []byte(text), 0o600)
}

// maxConns is how many connections a worker of a peer may have, of both sides together. nginx gets more: it
// closes new ones when a sixteenth is left.
const maxConns = 19000

// haproxy is HAProxy in its mode for HTTP, without a log: it would go to syslog.
func (p *proxy) haproxy() (*exec.Cmd, error) {
	bind := p.address
	if p.tls {
		bind += " ssl crt " + p.file("both.pem")
	}
	text := fmt.Sprintf(`global
	maxconn %d
	nbthread %d
defaults
	mode http
	timeout connect 5s
	timeout client 1h
	timeout server 1h
	timeout tunnel 1h
frontend clients
	bind %s
	option forwardfor
	default_backend servers
backend servers
	server backend %s
`, maxConns/2, runtime.GOMAXPROCS(0), bind, p.backend)
	return exec.Command("haproxy", "-db", "-f", p.file("conf")), os.WriteFile(p.file("conf"), []byte(text), 0o600)
}

// serveBehind is the server behind gateways. They name another host than the page's.
func serveBehind(l net.Listener, _ options) error {
	s := &draftwire.Server{
		Options:   draftwire.AcceptOptions{Origins: []string{"*"}, Limits: draftwire.Limits{ReadLimit: maxMessage}},
		WebSocket: func(ctx context.Context, c *draftwire.Conn) error { return echoDraftwire(ctx, c) },
	}
	return s.Serve(l)
}

// serveCopy connects each connection to the backend and copies bytes both ways. It knows
// nothing of HTTP.
func serveCopy(l net.Listener, p *proxy) error {
	return acceptEach(l, func(nc net.Conn) {
		defer nc.Close()
		back, err := net.Dial("tcp", p.backend)
		if err != nil {
			return
		}
		defer back.Close()
		go func() {
			copyBytes(back, func(b []byte) error { _, err := nc.Write(b); return err })
			nc.Close()
		}()
		copyBytes(nc, func(b []byte) error { _, err := back.Write(b); return err })
	})
}

// serveHTTPUtil is the proxy of Go's standard library.
func serveHTTPUtil(l net.Listener, p *proxy) error {
	h := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: p.backend})
		r.SetXForwarded()
	}}
	return (&http.Server{Handler: h}).Serve(l)
}
