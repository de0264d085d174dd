package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
)

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	resp, err := http.Get(strings.Replace(url, "ws", "http", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp, string(body)
}

func TestPage(t *testing.T) {
	url, _ := serveOn(t)
	resp, body := get(t, url+"/?x=1")
	policy := resp.Header.Get("Content-Security-Policy")
	if resp.StatusCode != 200 || body != page || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("%d, %v", resp.StatusCode, resp.Header)
	}
	for _, want := range []string{"default-src 'none'", "connect-src 'self' ws: wss:", hashOf("script"), hashOf("style")} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %q", policy, want)
		}
	}
	for _, id := range []string{"state", "version", "text", "send", "log"} {
		if strings.Count(body, `id="`+id+`"`) != 1 {
			t.Errorf("no element #%s", id)
		}
	}
	// What browsers of 2010 do not read, what would load something, and inline
	// handlers, which the policy forbids.
	if bad := regexp.MustCompile(`=>|\b(const|let|fetch|async|class|Promise)\b|addEventListener|textContent|src=|href=|url\(| on\w+=|style=`).FindString(body); bad != "" {
		t.Errorf("the page has %q", bad)
	}
	for _, path := range []string{"/favicon.ico", "/_page", "/close", "/x"} {
		if resp, _ := get(t, url+path); resp.StatusCode != 404 {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	post, err := http.Post(strings.Replace(url, "ws", "http", 1)+"/", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	post.Body.Close()
	if post.StatusCode != 405 {
		t.Errorf("POST: %d", post.StatusCode)
	}
}

// The page's connection is told what its handshake means, in every version.
func TestPageHandshake(t *testing.T) {
	url, _ := serveOn(t)
	for _, v := range draftwire.ServedVersions().List() {
		c := dial(t, url+"/_page?annotate", v)
		wantMessage(t, c, "version "+v.String())
		_, p, err := c.Read(t.Context())
		if err != nil {
			t.Fatal(v, err)
		}
		text, ok := strings.CutPrefix(string(p), "handshake ")
		var h pageHandshake
		if err := json.Unmarshal([]byte(text), &h); !ok || err != nil {
			t.Fatalf("%s: %v in %q", v, err, p)
		}
		if h.Version != v.String() || h.Spec == "" || h.Date == "" || h.Shipped == "" || h.Messages == "" || h.Closing == "" || h.Rule == "" || h.Mode != modeEcho || !h.Console {
			t.Errorf("%s: %+v", v, h)
		}
		if (h.Tail != "") != (v == draftwire.Hixie76 || v == draftwire.Hybi02) {
			t.Errorf("%s: behind the heads: %q", v, h.Tail)
		}
		if len(h.Events) != 2 || h.Events[0].Kind != "request" || h.Events[1].Kind != "response" {
			t.Fatalf("%s: %d events: %s", v, len(h.Events), text)
		}
		if first := h.Events[0].Lines[0]; first.Text != "GET /_page?annotate HTTP/1.1" || len(first.Notes) == 0 || first.Notes[0].Section == "" {
			t.Errorf("%s: the first line is %+v", v, first)
		}
		for _, e := range h.Events {
			if e.Draft != v.String() || e.Bytes != nil || len(e.Broken()) > 0 {
				t.Errorf("%s: %+v", v, e)
			}
		}
		write(t, c, draftwire.OpText, "echo")
		wantMessage(t, c, "echo")
	}
	// Others get the version alone.
	c := dial(t, url+"/_page?x", draftwire.RFC6455)
	wantMessage(t, c, "version rfc6455")
	write(t, c, draftwire.OpText, "echo")
	wantMessage(t, c, "echo")
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret")
	os.WriteFile(filepath.Join(dir, "a.txt"), []byte("content"), 0o600)
	os.WriteFile(secret, []byte("secret"), 0o600)
	os.Symlink(secret, filepath.Join(dir, "link"))
	url, _ := serveOn(t, "--mode", "files", dir)
	if resp, body := get(t, url+"/a.txt"); resp.StatusCode != 200 || body != "content" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	if resp, body := get(t, url+"/link"); resp.StatusCode == 200 || strings.Contains(body, "secret") {
		t.Errorf("a link out of the folder: %d %q", resp.StatusCode, body)
	}
	if resp, _ := get(t, url+"/b.txt"); resp.StatusCode != 404 {
		t.Errorf("%d", resp.StatusCode)
	}
	c := dial(t, url+"/a.txt", draftwire.Hixie76)
	write(t, c, draftwire.OpText, "echo")
	wantMessage(t, c, "echo")
}

func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(k)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600)
	return cert, key
}

func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	url, server := serveOn(t, "--tls-cert", cert, "--tls-key", key)
	secure := strings.Replace(url, "ws:", "wss:", 1) + "/"
	server.err.await(t, `"tls_url":"`+secure+`"`)
	for _, c := range []struct {
		code int
		args []string
	}{
		{exitDone, []string{secure, "--cacert", cert}}, {exitDone, []string{secure, "--insecure", "--version", "hixie-76"}},
		{exitDone, []string{url + "/"}}, {exitConnect, []string{secure}},
	} {
		if code, out, err := call(t, "", append([]string{"client", "-x", "a"}, c.args...)...); code != c.code || out != "a\n" && code == 0 {
			t.Errorf("%q: exit %d, %q, %s", c.args, code, out, err)
		}
	}
	if _, _, err := call(t, "", "client", secure); !strings.Contains(err, "; --cacert FILE trusts its root (without it the system's roots count), --insecure trusts any certificate\n") {
		t.Errorf("an unknown root: %s", err)
	}
	if _, _, err := call(t, "", "client", "--cacert", cert, strings.Replace(secure, "127.0.0.1", "localhost", 1)); !strings.Contains(err, "; a URL with a name of the certificate is needed, or --insecure") {
		t.Errorf("a name that the certificate does not have: %s", err)
	}
	gw, _, p := gatewayOn(t, append(free, "--to", secure)...)
	if _, _, err := draftwire.Dial(deadline(t), gw, nil); err == nil {
		t.Error("a backend that is not trusted has a client")
	}
	p.err.await(t, `"event":"backend.dial".*"hint":"tls: {ca: FILE} of the backend trusts its root \(without it the system's roots count\), insecure: true trusts any certificate"`)
	server.err.await(t, `"draft":"hixie-76".*"secure":true.*"tls":"TLS 1.3"`)
}

func TestFlashPolicy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.xml")
	os.WriteFile(file, []byte("<own/>\n"), 0o600)
	for _, c := range []struct{ args, want string }{{"--flash-policy", draftwire.DefaultFlashPolicy}, {"--flash-policy-file=" + file, "<own/>"}} {
		url, _ := serveOn(t, c.args)
		nc, err := net.Dial("tcp", strings.TrimPrefix(url, "ws://"))
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(patience))
		io.WriteString(nc, "<policy-file-request/>\x00")
		if got, err := io.ReadAll(nc); err != nil || string(got) != c.want+"\x00" {
			t.Errorf("%s: %q, %v", c.args, got, err)
		}
		nc.Close()
	}
}

func TestListenUnixAndSeveral(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	// A socket file that a killed program left does not prevent listening.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	url, server := serveOn(t, "--listen", "unix:"+path)
	server.err.await(t, regexp.QuoteMeta(path))
	c, _, err := draftwire.Dial(deadline(t), "ws://name/", &draftwire.DialOptions{
		NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, c, draftwire.OpText, "a")
	wantMessage(t, c, "a")
	c.Close(draftwire.CodeNormal, "")
	server.err.await(t, `"client_ip":"unix"`)
	if code, _, err := call(t, "", "serve", "--listen", strings.TrimPrefix(url, "ws://")); code != exitFailure || !strings.Contains(err, "in use") {
		t.Errorf("a taken port: exit %d, %s", code, err)
	}
}

func TestServeRestricts(t *testing.T) {
	url, _ := serveOn(t, "--origin", "good.example", "--protocol", "chat", "--versions", "modern", "--max-message", "10B")
	dial := func(o draftwire.DialOptions) (*draftwire.Conn, error) {
		c, _, err := draftwire.Dial(deadline(t), url, &o)
		return c, err
	}
	for _, o := range []draftwire.DialOptions{{Origin: "http://bad.example"}, {Version: draftwire.Hixie76, Origin: "http://good.example"}} {
		if _, err := dial(o); err == nil {
			t.Errorf("%+v was let in", o)
		}
	}
	c, err := dial(draftwire.DialOptions{Origin: "http://good.example", Protocols: []string{"x", "chat"}})
	if err != nil || c.Subprotocol() != "chat" {
		t.Fatal(c, err)
	}
	write(t, c, draftwire.OpText, "0123456789a")
	if _, _, err := c.Read(deadline(t)); draftwire.CloseStatus(err) != draftwire.CodeTooBig {
		t.Error(err)
	}
}
