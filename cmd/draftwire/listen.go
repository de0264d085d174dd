package main

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// listen opens an address like 127.0.0.1:8080 or unix:PATH.
func listen(addr string) (net.Listener, error) {
	path, ok := strings.CutPrefix(addr, "unix:")
	if !ok {
		return net.Listen("tcp", addr)
	}
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && abandoned(path) {
		os.Remove(path)
		l, err = net.Listen("unix", path)
	}
	return l, err
}

// abandoned reports whether path is a socket that nobody listens on, left
// behind by a program that was killed.
func abandoned(path string) bool {
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSocket == 0 {
		return false
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

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
