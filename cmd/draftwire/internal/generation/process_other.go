//go:build !unix

package generation

import (
	"net"
	"os"
)

func (*Upgrade) launch() (*os.Process, net.Conn, error) { return nil, nil, ErrUnsupported }

func inheritSocket(int, string) (net.Listener, error) { return nil, ErrUnsupported }

func inheritPair(int) (net.Conn, error) { return nil, ErrUnsupported }
