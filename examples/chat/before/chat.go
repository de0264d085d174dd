// Package before is a chat server as it is written for gorilla/websocket: a goroutine that knows all
// clients, and two for each client, of which one reads and one writes. Only the import is not gorilla's.
package before

import (
	"net/http"
	"time"

	websocket "github.com/draftwire/draftwire/compat/gorilla"
)

const (
	maxMessage = 512              // bytes
	writeWait  = 10 * time.Second // a client takes a message within that
	pongWait   = time.Minute      // and says something within that
	pingEvery  = pongWait * 9 / 10
	backlog    = 256 // messages that may wait for a client
)

var upgrader = websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}

// Chat gives everybody what anybody says.
type Chat struct {
	join, leave chan *client
	said        chan []byte
}

// New returns a Chat that runs for as long as the process.
func New() *Chat {
	c := &Chat{join: make(chan *client), leave: make(chan *client), said: make(chan []byte)}
	go c.run()
	return c
}

func (c *Chat) run() {
	clients := map[*client]bool{}
	drop := func(who *client) {
		if clients[who] {
			delete(clients, who)
			close(who.send)
		}
	}
	for {
		select {
		case who := <-c.join:
			clients[who] = true
		case who := <-c.leave:
			drop(who)
		case p := <-c.said:
			for who := range clients {
				select {
				case who.send <- p:
				default: // it lags
					drop(who)
				}
			}
		}
	}
}

// ServeHTTP lets a client in.
func (c *Chat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the client has been told
	}
	who := &client{chat: c, conn: conn, send: make(chan []byte, backlog)}
	c.join <- who
	go who.write()
	who.read()
}

type client struct {
	chat *Chat
	conn *websocket.Conn
	send chan []byte
}

// read tells the chat what the client says.
func (c *client) read() {
	defer func() {
		c.chat.leave <- c
		c.conn.Close()
	}()
	alive := func(string) error { return c.conn.SetReadDeadline(time.Now().Add(pongWait)) }
	c.conn.SetReadLimit(maxMessage)
	c.conn.SetPongHandler(alive)
	alive("")
	for {
		_, p, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		c.chat.said <- p
	}
}

// write sends what the chat says, and asks whether the client lives.
func (c *client) write() {
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	defer c.conn.Close()
	for {
		kind, p := websocket.PingMessage, []byte(nil)
		select {
		case said, ok := <-c.send:
			kind, p = websocket.TextMessage, said
			if !ok {
				kind, p = websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
			}
		case <-ping.C:
		}
		c.conn.SetWriteDeadline(time.Now().Add(writeWait))
		if c.conn.WriteMessage(kind, p) != nil || kind == websocket.CloseMessage {
			return
		}
	}
}
