package draftwire

import (
	"context"
	"net"
	"strings"
	"syscall"

	"github.com/draftwire/draftwire/internal/sock"
)

// Listen is net.Listen for a Server. A TCP connection that it takes has the sock.Keepalive
// that package net gives each (a probe after 15 seconds of silence and then every 15,
// nine without an answer are the end), but where the system lets it inherit that from
// the listening socket it costs nothing: net asks for it with four system calls a
// connection. Elsewhere it is net.Listen. Errors are those of net.Listen.
func Listen(network, address string) (net.Listener, error) {
	if sock.Keepalive == nil || !strings.HasPrefix(network, "tcp") {
		return net.Listen(network, address)
	}
	var refused error
	lc := net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, socket syscall.RawConn) error {
		return socket.Control(func(fd uintptr) { refused = sock.Keepalive(fd) })
	}}
	l, err := lc.Listen(context.Background(), network, address)
	if err != nil || refused == nil {
		return l, err
	}
	at := l.Addr().String() // an old kernel
	l.Close()
	return net.Listen(network, at)
}
