package gateway_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire/gateway"
)

// certificate writes the files of a certificate for 127.0.0.1 and example.com.
func certificate(t *testing.T) gateway.KeyPair {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	c := s.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	pair := gateway.KeyPair{Cert: filepath.Join(t.TempDir(), "cert.pem"), Key: filepath.Join(t.TempDir(), "key.pem")}
	for file, block := range map[string]pem.Block{pair.Cert: {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, pair.Key: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(&block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return pair
}

// HTTP/1 and HTTP/2 within TLS in front, TLS to the backend: bodies stream both ways, and the
// backend learns that the client came by https.
func TestHTTPOverTLS(t *testing.T) {
	back := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("the backend is asked in %s", r.Proto)
		}
		w.Header().Set("Seen", r.Header.Get("X-Forwarded-Proto")+" "+r.Header.Get("X-Real-Ip")+r.Header.Get("Cookie"))
		w.Header().Set("Trailer", "Sum")
		http.NewResponseController(w).EnableFullDuplex()
		http.NewResponseController(w).Flush()
		n, p := 0, make([]byte, 100)
		for err := error(nil); err == nil; {
			var k int
			k, err = r.Body.Read(p)
			n += k
			w.Write(p[:k])
			http.NewResponseController(w).Flush()
		}
		w.Header().Set("Sum", fmt.Sprint(n))
	}))
	defer back.Close()
	cfg := to(gateway.Policy{}, back.URL)
	cfg.Routes[0].Backends[0].Insecure = true
	cfg.Listen = []gateway.Listener{{Name: "main", Address: "127.0.0.1:0", Health: "/healthz", TLS: &gateway.TLS{Certificates: []gateway.KeyPair{certificate(t)}}}}
	gw, err := gateway.New(cfg, gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- gw.Run(bg) }()
	defer func() { gw.Close(); <-done }()
	url := "https://" + gw.Status().Listeners[0].Address
	for _, major := range []int{1, 2} {
		tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: major == 2}
		c := &http.Client{Transport: tr}
		r, w := io.Pipe()
		req, _ := http.NewRequest("POST", url+"/x", r)
		req.Header.Set("X-Real-IP", "6.6.6.6")
		req.Header.Set("Cookie", "a=b")
		go io.WriteString(w, "first ")
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if res.ProtoMajor != major || res.StatusCode != 200 || res.Header.Get("Seen") != "https a=b" {
			t.Errorf("HTTP/%d: %v", major, res)
		}
		p := make([]byte, 6)
		if _, err := io.ReadFull(res.Body, p); err != nil || string(p) != "first " {
			t.Errorf("HTTP/%d: %q %v", major, p, err)
		}
		io.WriteString(w, "second")
		w.Close()
		if p, err := io.ReadAll(res.Body); string(p) != "second" || err != nil || res.Trailer.Get("Sum") != "12" {
			t.Errorf("HTTP/%d: %q %v %v", major, p, err, res.Trailer)
		}
		if res, err := c.Get(url + "/healthz"); err != nil || res.StatusCode != 200 {
			t.Errorf("HTTP/%d: %v %v", major, res, err)
		}
		tr.CloseIdleConnections()
	}
}

// The client's address comes from the PROXY protocol and from trusted proxies, as in
// handshakes; networks and credentials fence ordinary requests too.
func TestHTTPWhoAndFence(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.page("back:80", func(rw http.ResponseWriter, r *http.Request) {
			fmt.Fprint(rw, r.Header.Get("X-Forwarded-For"), " ", r.Header.Get("X-Forwarded-Proto"), " ", r.Header.Get("X-Real-IP"))
		})
		cfg := to(gateway.Policy{}, "http://back")
		cfg.TrustForwarded = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		cfg.Listen[0].Proxy = gateway.ProxyProtocol{Mode: "accept", From: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}
		cfg.Listen[0].Deny = []netip.Prefix{netip.MustParsePrefix("203.0.113.66/32")}
		cfg.Listen[0].Health = "/healthz"
		fenced := cfg.Routes[0]
		fenced.Name, fenced.Match.Paths = "fenced", []string{"/fenced"}
		fenced.Auth.Tokens, fenced.Auth.Token = secrets(t, "0123456789abcdef\n"), "header X-Token"
		cfg.Routes = []gateway.Route{fenced, cfg.Routes[0]}
		w.start(cfg)
		ask := func(from, target string, fields ...string) (*http.Response, string) {
			u := w.user()
			u.send("PROXY TCP4 " + from + " 127.0.0.1 1 2\r\n")
			return u.ask("GET", target, fields...)
		}
		for _, x := range []struct {
			from, target string
			fields       []string
			status       int
			body         string
		}{
			{"203.0.113.7", "/", []string{"X-Forwarded-For: 6.6.6.6", "X-Real-IP: 6.6.6.6"}, 200, "203.0.113.7 http "},
			{"192.0.2.1", "/", []string{"X-Forwarded-For: 198.51.100.9", "X-Forwarded-Proto: https"}, 200, "198.51.100.9 https "},
			{"203.0.113.66", "/", nil, 403, "403 Forbidden: network\n"},
			{"203.0.113.66", "/healthz", nil, 403, "403 Forbidden: network\n"},
			{"203.0.113.7", "/healthz", nil, 200, "ok\n"},
			{"203.0.113.7", "/fenced", nil, 401, "401 Unauthorized: auth\n"},
			{"203.0.113.7", "/fenced", []string{"X-Token: 0123456789abcdef"}, 200, "203.0.113.7 http "},
		} {
			if res, body := ask(x.from, x.target, x.fields...); res.StatusCode != x.status || body != x.body {
				t.Errorf("%s %s: %d %q", x.from, x.target, res.StatusCode, body)
			}
		}
	})
}

// A reload changes what ordinary requests get; those that are under way end as they began,
// and an idle connection of a client stays of use.
func TestHTTPReload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		go1 := make(chan bool)
		for _, name := range []string{"one", "two"} {
			w.page(name+":80", func(rw http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/slow" {
					<-go1
				}
				io.WriteString(rw, name)
			})
		}
		w.start(to(gateway.Policy{}, "http://one"))
		slow, idle := w.user(), w.user()
		idle.ask("GET", "/")
		slow.send("GET /slow HTTP/1.1\r\nHost: front\r\n\r\n")
		synctest.Wait() // it has come to its backend
		if err := w.gw.Reload(to(gateway.Policy{}, "http://two")); err != nil {
			t.Fatal(err)
		}
		if _, body := idle.ask("GET", "/"); body != "two" {
			t.Errorf("behind the reload: %q", body)
		}
		close(go1)
		if _, body := slow.answer("GET"); body != "one" {
			t.Errorf("under way: %q", body)
		}
	})
}

// A client that breaks off its body, or sends one that cannot be read, ends the backend's
// request; the backend never sees a whole one.
func TestHTTPBrokenBodies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		defer time.Sleep(time.Second) // net/http waits before it closes a connection that it has refused
		w := newWorld(t)
		seen := make(chan string, 10)
		w.page("back:80", func(rw http.ResponseWriter, r *http.Request) {
			p, err := io.ReadAll(r.Body)
			seen <- fmt.Sprintf("%s %t", p, err == nil)
		})
		w.start(to(gateway.Policy{}, "http://back"))
		const head = "POST / HTTP/1.1\r\nHost: front\r\n"
		for text, status := range map[string]int{
			head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nXX\r\n": 400,
			head + "Content-Length: 10\r\n\r\nhello":                        0,
		} {
			u := w.user()
			u.send(text)
			if status == 0 {
				u.Close()
			} else if res, _ := u.answer("POST"); res.StatusCode != status || res.Header.Get("Draftwire-Reason") != "bad_head" {
				t.Errorf("%q: %v", text, res)
			}
			if got := <-seen; !strings.HasSuffix(got, "false") {
				t.Errorf("%q: the backend saw %q", text, got)
			}
		}
	})
}
