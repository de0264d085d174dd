// Gateway-backend is a backend on gorilla/websocket, for test/gateway: it echoes,
// and writes down what it saw.
//
//	gateway-backend PORT FILE
//
// FILE gets a line of JSON for each connection, at its end. Paths, behind a first
// part that names the client: /echo; /close?code=C&reason=R closes; /drop ends
// TCP; /binary sends a binary message.
package main

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// seen is what the backend writes down of a connection.
type seen struct {
	Client   string            `json:"client"`
	Case     string            `json:"case"`
	Headers  map[string]string `json:"headers"`
	Protocol string            `json:"protocol"`
	Messages []message         `json:"messages"`
	Code     int               `json:"code"`
	Reason   string            `json:"reason"`
}

type message struct {
	Text bool   `json:"text"`
	Size int    `json:"size"`
	SHA1 string `json:"sha1"`
}

// book is the file.
type book struct {
	mu sync.Mutex
	*json.Encoder
}

func (b *book) write(s *seen) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.Encode(s); err != nil {
		log.Fatal(err)
	}
}

var upgrader = websocket.Upgrader{
	CheckOrigin:  func(*http.Request) bool { return true },
	Subprotocols: []string{"chat"},
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: gateway-backend PORT FILE")
	}
	f, err := os.OpenFile(os.Args[2], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	b := &book{Encoder: json.NewEncoder(f)}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], http.HandlerFunc(b.serve)))
}

func (b *book) serve(w http.ResponseWriter, r *http.Request) {
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	_, client, _ := strings.Cut(r.URL.Path, "/")
	client, what, _ := strings.Cut(client, "/")
	q := r.URL.Query()
	s := &seen{Client: client, Case: q.Get("case"), Headers: map[string]string{}, Protocol: c.Subprotocol(), Messages: []message{}}
	if s.Case == "" {
		s.Case = what + q.Get("code")
	}
	for name, values := range r.Header {
		s.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	switch what {
	case "close":
		code, _ := strconv.Atoi(q.Get("code"))
		c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, q.Get("reason")), time.Now().Add(time.Second))
	case "drop":
		c.NetConn().Close()
	case "binary":
		c.WriteMessage(websocket.BinaryMessage, sample())
	}
	s.echo(c)
	b.write(s)
}

// sample is the binary message that /binary sends.
func sample() []byte {
	p := make([]byte, 125)
	for i := range p {
		p[i] = byte(i * 7)
	}
	return p
}

// echo echoes until the connection ends, and notes how.
func (s *seen) echo(c *websocket.Conn) {
	for {
		kind, p, err := c.ReadMessage()
		if err != nil {
			s.Code = websocket.CloseAbnormalClosure
			if ce, ok := errors.AsType[*websocket.CloseError](err); ok {
				s.Code, s.Reason = ce.Code, ce.Text
			}
			return
		}
		sum := sha1.Sum(p)
		s.Messages = append(s.Messages, message{kind == websocket.TextMessage, len(p), hex.EncodeToString(sum[:])})
		if err := c.WriteMessage(kind, p); err != nil {
			s.Code = websocket.CloseAbnormalClosure
			return
		}
	}
}
