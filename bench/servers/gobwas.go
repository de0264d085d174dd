package main

import (
	"bufio"
	"io"
	"net"
	"strings"

	"github.com/gobwas/ws"
)

// serveGobwas uses the lower half of the library, as its README does for many
// connections: no net/http, the upgrade without copies, the frames by hand.
func serveGobwas(l net.Listener, o options) error {
	var room room[net.Conn]
	return acceptEach(l, func(nc net.Conn) {
		defer nc.Close()
		var path string
		up := ws.Upgrader{OnRequest: func(uri []byte) error {
			path = string(uri)
			return nil
		}}
		if _, err := up.Upgrade(nc); err != nil {
			return
		}
		switch {
		case strings.HasPrefix(path, roomPath):
			room.join(nc)
			defer room.leave(nc)
			shareGobwas(nc, &room)
		case o.buffered:
			echoBuffered(nc)
		default:
			echoGobwas(nc)
		}
	})
}

// gobwasFrame is a frame that came, and goes back with one write: its payload
// has room for the head before it.
type gobwasFrame struct {
	room  []byte
	start int // of the frame in room
	head  [ws.MaxHeaderSize]byte
}

func (f *gobwasFrame) read(r io.Reader) error {
	h, err := ws.ReadHeaderBuffer(r, f.head[:])
	if err != nil {
		return err
	}
	if h.OpCode == ws.OpClose || h.Length > maxMessage {
		return io.EOF
	}
	end := len(f.head) + int(h.Length)
	if cap(f.room) < end {
		f.room = make([]byte, end)
	}
	f.room = f.room[:end]
	p := f.room[len(f.head):]
	if _, err := io.ReadFull(r, p); err != nil {
		return err
	}
	ws.Cipher(p, h.Mask, 0)
	h.Masked = false
	if err := ws.WriteHeaderBuffer(io.Discard, h, f.head[:]); err != nil {
		return err
	}
	n := ws.HeaderSize(h)
	f.start = len(f.head) - n
	copy(f.room[f.start:], f.head[:n])
	return nil
}

func (f *gobwasFrame) bytes() []byte { return f.room[f.start:] }

func echoGobwas(nc net.Conn) {
	var f gobwasFrame
	for {
		if err := f.read(nc); err != nil {
			return
		}
		if _, err := nc.Write(f.bytes()); err != nil {
			return
		}
	}
}

// echoBuffered answers all frames that came together with one write.
func echoBuffered(nc net.Conn) {
	var f gobwasFrame
	r, w := bufio.NewReader(nc), bufio.NewWriter(nc)
	for {
		if err := f.read(r); err != nil {
			return
		}
		w.Write(f.bytes()) // a fault stays until Flush
		if r.Buffered() == 0 {
			if err := w.Flush(); err != nil {
				return
			}
		}
	}
}

func shareGobwas(nc net.Conn, room *room[net.Conn]) {
	var f gobwasFrame
	for {
		if err := f.read(nc); err != nil {
			return
		}
		room.each(func(nc net.Conn) error { _, err := nc.Write(f.bytes()); return err })
	}
}
