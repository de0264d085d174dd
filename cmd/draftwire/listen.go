package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
)

// urlOf is where a listener can be reached.
func urlOf(l net.Listener, secure bool) string {
	scheme := "ws"
	if secure {
		scheme = "wss"
	}
	if a := l.Addr(); a.Network() == "unix" {
		return scheme + "+unix:" + a.String()
	}
	return scheme + "://" + l.Addr().String() + "/"
}

// listenError gives the error of a listener its exit code: what the system refuses, as a
// port in use, is a failure; anything else, as an address without a port, is a fault in
// what the program was given.
func listenError(err error) error {
	op, ok := errors.AsType[*net.OpError](err)
	if _, badAddress := errors.AsType[*net.AddrError](err); !ok || badAddress {
		return configf("%w", err)
	}
	if a, ok := op.Addr.(*net.TCPAddr); ok && a.Port < 1024 && errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; a port below 1024 needs root or CAP_NET_BIND_SERVICE (setcap, or AmbientCapabilities of systemd)", err)
	}
	return err
}
