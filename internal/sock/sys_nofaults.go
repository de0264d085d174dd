//go:build !faults || !unix

package sock

import (
	"net"
	"syscall"
)

// madeUp returns the raw connection of a socket that only tests with the tag faults have.
func madeUp(net.Conn) syscall.RawConn { return nil }
