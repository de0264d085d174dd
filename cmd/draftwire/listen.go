package main

import "net"

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
