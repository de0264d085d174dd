package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// An operator's terminal does not obey what a backend, or another server in place of the
// gateway, has said.
func TestOperatorsCommandsShowEscapes(t *testing.T) {
	evil := "500 \x1b[2J\x1b]0;pwn\x07\u009b\u202e\t\n" + strings.Repeat("x", 1000)
	s := gateway.Status{
		Why: evil, Listeners: []gateway.ListenerStatus{{Name: evil, Address: evil}}, Retiring: []gateway.RetireStatus{{Version: evil, Mode: evil}},
		Routes: []gateway.RouteStatus{{Name: evil, Backends: []gateway.BackendStatus{{URL: evil, Error: evil}}}},
	}
	answer := func(status int) (url string) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			if r.URL.Path == "/status" {
				json.NewEncoder(w).Encode(s)
			} else {
				io.WriteString(w, evil)
			}
		}))
		t.Cleanup(srv.Close)
		return srv.URL
	}
	for _, status := range []int{http.StatusOK, http.StatusUnprocessableEntity, http.StatusBadGateway} {
		admin := answer(status)
		for _, args := range [][]string{{"status"}, {"status", "--json"}, {"reload"}, {"drain"}, {"report"}} {
			_, out, err := call(t, "", append(args, "--admin", admin)...)
			if bad := strings.Trim(obeyed(out+err), "\t"); bad != "" || out+err == "" {
				t.Errorf("%d %q: %+q in %q", status, args, bad, out+err)
			}
		}
	}
	var got gateway.Status
	_, out, _ := call(t, "", "status", "--json", "--admin", answer(http.StatusOK))
	if json.Unmarshal([]byte(out), &got) != nil || got.Routes[0].Backends[0].Error != evil {
		t.Errorf("the JSON reads as something else: %q", out)
	}
}

// The status of a gateway names the fault of a backend in words that a terminal
// only shows.
func TestStatusShowsABackendsEscapes(t *testing.T) {
	back := backendThatSays(t, "HTTP/1.1 500 \x1b[2J\x1b]0;pwn\x07\u009b\r\n\r\n")
	url, admin, _ := gatewayOn(t, append(free, "--to", back)...)
	if _, _, err := draftwire.Dial(deadline(t), url, nil); err == nil {
		t.Fatal("the backend took it")
	}
	_, out, _ := call(t, "", "status", "--admin", admin)
	if bad := obeyed(out); bad != "" || !strings.Contains(out, `\x1b[2J`) {
		t.Errorf("%+q in %q", bad, out)
	}
}

// backendThatSays answers each request with the same bytes.
func backendThatSays(t *testing.T, answer string) (url string) {
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
			nc.Read(make([]byte, 4096))
			io.WriteString(nc, answer)
			nc.Close()
		}
	}()
	return "ws://" + l.Addr().String()
}

// The token of --admin-token-file goes with an order.
func TestOrderWithToken(t *testing.T) {
	got := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization")
	}))
	defer srv.Close()
	file := filepath.Join(t.TempDir(), "token")
	os.WriteFile(file, []byte("0123456789abcdef\n"), 0o600)
	if code, _, err := call(t, "", "reload", "--admin", srv.URL, "--admin-token-file", file); code != 0 || <-got != "POST /reload Bearer 0123456789abcdef" {
		t.Errorf("exit %d, %s", code, err)
	}
	if code, _, err := call(t, "", "drain", "--admin", srv.URL, "--admin-token-file", file+"x"); code != exitUsage || strings.Contains(err, "--help") {
		t.Errorf("exit %d, %s", code, err)
	}
}
