package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"

	"github.com/gobwas/ws"
	"github.com/panjf2000/gnet/v2"
)

// serveGnet is a WebSocket echo on gnet's event loops, with the least that RFC 6455 asks: a
// head up to its blank line, frames whose payload has come whole, no control frames but close.
// It chooses a port itself, as gnet takes no listener.
func serveGnet() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := l.Addr().String()
	l.Close()
	return gnet.Run(&gnetEcho{addr: addr}, "tcp://"+addr, gnet.WithMulticore(true), gnet.WithReadBufferCap(128<<10), gnet.WithLogger(gnetLog{}))
}

// gnetLog is a logger: gnet's own writes to standard output, which has the address.
type gnetLog struct{}

func (gnetLog) Debugf(string, ...any) {}
func (gnetLog) Infof(string, ...any)  {}
func (gnetLog) Warnf(string, ...any)  {}
func (gnetLog) Errorf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
func (q gnetLog) Fatalf(format string, args ...any) { q.Errorf(format, args...) }

type gnetEcho struct {
	gnet.BuiltinEventEngine
	addr string
}

// OnBoot implements gnet.EventHandler.
func (e *gnetEcho) OnBoot(gnet.Engine) gnet.Action {
	fmt.Println(e.addr)
	return gnet.None
}

// OnTraffic implements gnet.EventHandler. A connection whose handshake is done has a context.
func (e *gnetEcho) OnTraffic(c gnet.Conn) gnet.Action {
	p, err := c.Peek(-1)
	if err != nil {
		return gnet.Close
	}
	n := 0
	if c.Context() == nil {
		end := bytes.Index(p, []byte("\r\n\r\n"))
		if end < 0 {
			return gnet.None
		}
		var out bytes.Buffer
		n = end + 4
		if _, err := ws.Upgrade(&gnetHead{bytes.NewReader(p[:n]), &out}); err != nil {
			return gnet.Close
		}
		c.SetContext(true)
		if _, err := c.Write(out.Bytes()); err != nil {
			return gnet.Close
		}
	}
	out := make([]byte, 0, len(p)-n)
	for {
		frame, size := gnetFrame(p[n:])
		if size == 0 {
			break
		}
		if frame.OpCode == ws.OpClose || frame.Length > maxMessage {
			return gnet.Close
		}
		out = appendGnet(out, frame, p[n+size-int(frame.Length):n+size])
		n += size
	}
	if n > 0 { // with 0 it would discard everything
		c.Discard(n)
	}
	if len(out) > 0 {
		if _, err := c.Write(out); err != nil {
			return gnet.Close
		}
	}
	return gnet.None
}

// gnetHead gives ws.Upgrade a head, and takes its answer.
type gnetHead struct {
	*bytes.Reader
	out *bytes.Buffer
}

// Write implements io.Writer.
func (h *gnetHead) Write(p []byte) (int, error) { return h.out.Write(p) }

// gnetFrame returns the head of a frame that has come whole, and the frame's size; 0 for none.
func gnetFrame(p []byte) (h ws.Header, size int) {
	if len(p) < 2 {
		return h, 0
	}
	head, n := 2, int(p[1]&0x7F)
	switch {
	case n == 126 && len(p) >= 4:
		head, n = 4, int(binary.BigEndian.Uint16(p[2:]))
	case n == 127 && len(p) >= 10:
		head, n = 10, int(binary.BigEndian.Uint64(p[2:]))
	case n >= 126:
		return h, 0
	}
	head += 4
	if n > maxMessage || len(p) < head+n {
		return ws.Header{Length: int64(n)}, 0
	}
	h = ws.Header{Fin: true, OpCode: ws.OpCode(p[0] & 0x0F), Length: int64(n), Masked: true}
	copy(h.Mask[:], p[head-4:head])
	return h, head + n
}

// appendGnet appends the answer to a frame.
func appendGnet(out []byte, h ws.Header, payload []byte) []byte {
	out = append(out, 0x80|byte(h.OpCode))
	switch n := len(payload); {
	case n < 126:
		out = append(out, byte(n))
	case n < 1<<16:
		out = binary.BigEndian.AppendUint16(append(out, 126), uint16(n))
	default:
		out = binary.BigEndian.AppendUint64(append(out, 127), uint64(n))
	}
	at := len(out)
	out = append(out, payload...)
	ws.Cipher(out[at:], h.Mask, 0)
	return out
}
