package gateway_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/gateway"
)

// A unix socket survives a reload and is removed with the gateway. The socket of a killed
// program is replaced.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	left, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	left.Close()
	var head string
	back, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	go func() {
		nc, err := back.Accept()
		if err != nil {
			return
		}
		head = readHead(bufio.NewReader(nc))
		io.WriteString(nc, "HTTP/1.1 404 Not Found\r\n\r\n")
		nc.Close()
	}()
	cfg := to(gateway.Policy{}, "ws://"+back.Addr().String())
	cfg.Listen = []gateway.Listener{{Name: "main", Address: "unix:" + path}}
	r := realGateway(t, cfg, gateway.Options{})
	cfg.Routes[0].Backends = append(cfg.Routes[0].Backends, gateway.Backend{URL: "no such thing"})
	if err := r.gw.Reload(cfg); err == nil {
		t.Fatal("taken")
	}
	cfg.Routes[0].Backends = cfg.Routes[0].Backends[:1]
	cfg.Limits.Message = 5
	for range 2 {
		cfg.Limits.Message++
		if err := r.gw.Reload(cfg); err != nil {
			t.Fatal(err)
		}
	}
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, head13("/", ""))
	if got := readHead(bufio.NewReader(nc)); !strings.HasPrefix(got, "HTTP/1.1 404 ") {
		t.Errorf("answered %q", got)
	}
	// A client without an address is unknown to the backend.
	if strings.Contains(head, "X-Forwarded-For") || !strings.Contains(head, "for=unknown;") {
		t.Errorf("the backend got %q", head)
	}
	r.gw.Close()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's file is left: %v", err)
	}
}
