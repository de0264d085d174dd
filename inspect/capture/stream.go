package capture

import (
	"fmt"
	"net/netip"
	"time"
)

// Direction is one of the two directions of a connection.
type Direction uint8

// The directions. The client is who opened the TCP connection. Where the capture does not have
// that (Conn.Midway), it is who sends a request or a hello of TLS, and else who has the port
// that looks less like a server's.
const (
	FromClient Direction = iota
	FromServer
)

// Other returns the opposite direction.
func (d Direction) Other() Direction { return d ^ 1 }

// String returns "client" or "server".
func (d Direction) String() string {
	switch d {
	case FromClient:
		return "client"
	case FromServer:
		return "server"
	}
	return fmt.Sprintf("direction %d", uint8(d))
}

// End says how a direction ended.
type End uint8

// How a direction ends.
const (
	// Fin: its sender ended it, by a FIN or by close_notify of TLS.
	Fin End = iota
	// Reset: one of both sides reset the connection.
	Reset
	// Cut: the capture does not have the end. It stops before, or another connection begins
	// with the same addresses, or there were more connections at once than Options allow.
	Cut
)

// String returns "fin", "reset" or "cut".
func (e End) String() string {
	switch e {
	case Fin:
		return "fin"
	case Reset:
		return "reset"
	case Cut:
		return "cut"
	}
	return fmt.Sprintf("end %d", uint8(e))
}

// Conn is a TCP connection of a capture.
type Conn struct {
	Client, Server netip.AddrPort
	Number         int  // from 1, in the order in which the capture has their first packets
	Midway         bool // begun in the middle: its opening is not in the capture
	TLS            *TLS // nil: what goes over it is not TLS
}

// TLS is what is known of a connection's TLS when its first plaintext comes, or when it is
// clear that none will.
type TLS struct {
	Version    uint16 // as in crypto/tls; 0: unknown, as there was no answer
	Suite      uint16 // as in crypto/tls; 0: unknown
	ServerName string // the name in the client's hello; "": none
	ALPN       string // the protocol that the server chose; "": none, or unknown
	Resumed    bool   // the handshake goes on with an earlier session
	// Err says why the connection cannot be opened, for example ErrNoKey. Its stream gets no
	// data, and its end.
	Err error
}

// Sink takes the connections of a capture.
type Sink interface {
	// Open is called when the first byte of a connection is known, or that there will be
	// none. The result takes what goes over it; nil skips the connection.
	Open(c Conn) Stream
}

// Stream takes what goes over one connection. Offsets count the bytes of a direction from 0; of
// TLS they count plaintext. The calls of a direction are in the order of its bytes, each begins
// where the one before it ended, and End is the last. What the two directions do is in the order
// of the capture, as far as that is possible.
type Stream interface {
	// Data gives bytes, with the time of the packet that completed them. p is lent until the
	// call returns.
	Data(at time.Time, from Direction, offset int64, p []byte)
	// Gap says that n bytes are missing. Inside TLS, n is what the lost records had room
	// for, which can be more than their plaintext.
	Gap(at time.Time, from Direction, offset, n int64)
	// End is called once for each direction. A reset ends both, first that of who sent it.
	End(at time.Time, from Direction, how End)
}

// Noted is a Stream that also wants to hear what is odd about a connection.
type Noted interface {
	Stream
	// Note gives a remark at an offset of a direction: an alert of TLS, a record that
	// cannot be opened, and the like. What is said is a phrase without a full stop.
	Note(at time.Time, from Direction, offset int64, what string)
}
