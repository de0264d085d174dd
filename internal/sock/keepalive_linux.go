package sock

import "syscall"

// Keepalive sets package net's defaults on a listening socket, from which the sockets
// of its connections inherit them. It is nil where what they inherit is not known.
var Keepalive = func(fd uintptr) error {
	for _, o := range []struct{ level, name, value int }{
		{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 15},  // seconds
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 15}, // seconds
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, 9},
	} {
		if err := syscall.SetsockoptInt(int(fd), o.level, o.name, o.value); err != nil {
			return err
		}
	}
	return nil
}
