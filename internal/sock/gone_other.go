//go:build !linux

package sock

import "net"

func reset(net.Conn) bool { return false }
