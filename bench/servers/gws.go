package main

import (
	"bufio"
	"net"
	"net/http"

	"github.com/lxzan/gws"
)

// serveGws uses the library's own server, which is quicker than net/http's.
func serveGws(l net.Listener, o options) error {
	opt := &gws.ServerOption{
		ReadMaxPayloadSize:  maxMessage,
		WriteMaxPayloadSize: maxMessage,
		PermessageDeflate:   gws.PermessageDeflate{Enabled: o.deflate, Level: 1, Threshold: 1},
		Logger:              quiet{},
	}
	s := gws.NewServer(gwsEcho{}, opt)
	echo, share := s.GetUpgrader(), gws.NewUpgrader(&gwsRoom{}, opt)
	s.OnRequest = func(nc net.Conn, br *bufio.Reader, r *http.Request) {
		up := echo
		if r.URL.Path == roomPath {
			up = share
		}
		c, err := up.UpgradeFromConn(nc, br, r)
		if err != nil {
			return
		}
		c.ReadLoop()
	}
	return s.RunListener(l)
}

// quiet drops what gws says about clients that leave without a close.
type quiet struct{}

func (quiet) Error(...any) {}

type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnMessage(c *gws.Conn, m *gws.Message) {
	_ = c.WriteMessage(m.Opcode, m.Bytes())
	_ = m.Close()
}

type gwsRoom struct {
	gws.BuiltinEventHandler
	room room[*gws.Conn]
}

func (e *gwsRoom) OnOpen(c *gws.Conn)           { e.room.join(c) }
func (e *gwsRoom) OnClose(c *gws.Conn, _ error) { e.room.leave(c) }

// OnMessage keeps the message: the broadcaster writes it later.
func (e *gwsRoom) OnMessage(_ *gws.Conn, m *gws.Message) {
	b := gws.NewBroadcaster(m.Opcode, m.Bytes())
	e.room.each(b.Broadcast)
	_ = b.Close()
}
