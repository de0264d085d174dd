package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/draftwire/draftwire"
	websocket "github.com/draftwire/draftwire/compat/gorilla"
)

// echoServer returns the URL of a server that echoes, and how to close it.
func echoServer(u *websocket.Upgrader) (url string, closeServer func()) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		for {
			messageType, p, err := c.ReadMessage()
			if err != nil {
				return
			}
			if err := c.WriteMessage(messageType, p); err != nil {
				return
			}
		}
	}))
	return "ws" + strings.TrimPrefix(s.URL, "http"), s.Close
}

// A server of gorilla's that also serves televisions of 2011: Versions is the only new line.
func ExampleUpgrader() {
	url, closeServer := echoServer(&websocket.Upgrader{
		ReadBufferSize: 1024, WriteBufferSize: 1024,
		Versions: draftwire.AllVersions,
	})
	defer closeServer()

	for _, v := range []draftwire.Version{draftwire.Hixie76, draftwire.RFC6455} {
		c, _, err := (&websocket.Dialer{Version: v}).Dial(url, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		c.WriteMessage(websocket.TextMessage, []byte("hello"))
		_, p, err := c.ReadMessage()
		fmt.Println(c.Version(), string(p), err)
		c.Close()
	}
	// Output:
	// hixie-76 hello <nil>
	// rfc6455 hello <nil>
}

func ExampleDialer() {
	url, closeServer := echoServer(&websocket.Upgrader{})
	defer closeServer()

	c, resp, err := websocket.DefaultDialer.Dial(url, http.Header{"User-Agent": {"example"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Println(resp.StatusCode)
	// Output: 101
}

func ExampleConn() {
	url, closeServer := echoServer(&websocket.Upgrader{})
	defer closeServer()
	c, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	// Any number of goroutines may write.
	var writers sync.WaitGroup
	for n := range 3 {
		writers.Go(func() { c.WriteJSON(n) })
	}
	sum := 0
	for range 3 {
		var n int
		if err := c.ReadJSON(&n); err != nil {
			fmt.Println(err)
			return
		}
		sum += n
	}
	writers.Wait()
	fmt.Println(sum)
	// Output: 3
}

func ExampleCloseError() {
	url, closeServer := echoServer(&websocket.Upgrader{})
	defer closeServer()
	c, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseGoingAway, ""))
	_, _, err = c.ReadMessage()
	fmt.Println(err, websocket.IsUnexpectedCloseError(err, websocket.CloseGoingAway))
	// Output: websocket: close 1001 (going away) false
}

func ExampleHandshakeError() {
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	_, err := new(websocket.Upgrader).Upgrade(w, r, nil)
	_, ok := err.(websocket.HandshakeError)
	fmt.Println(ok, w.Code)
	// Output: true 400
}

func ExamplePreparedMessage() {
	url, closeServer := echoServer(&websocket.Upgrader{})
	defer closeServer()
	pm, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte("to all"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		c, _, err := websocket.DefaultDialer.Dial(url, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		c.WritePreparedMessage(pm)
		_, p, err := c.ReadMessage()
		fmt.Println(string(p), err)
		c.Close()
	}
	// Output:
	// to all <nil>
	// to all <nil>
}

// A *sync.Pool is a BufferPool. It stays empty here.
func ExampleBufferPool() {
	var pool websocket.BufferPool = new(sync.Pool)
	u := websocket.Upgrader{WriteBufferPool: pool}
	fmt.Println(u.WriteBufferPool.Get())
	// Output: <nil>
}

// The version decides what a client can hear: an old one has no pings to tell it is there.
func ExampleConn_Version() {
	url, closeServer := echoServer(&websocket.Upgrader{Versions: draftwire.AllVersions})
	defer closeServer()
	for _, v := range []draftwire.Version{draftwire.Hixie76, draftwire.RFC6455} {
		c, _, err := (&websocket.Dialer{Version: v}).Dial(url, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(c.Version(), "has pings:", c.Version().Supports(draftwire.CapPing))
		err = c.WriteMessage(websocket.PingMessage, nil)
		fmt.Println(errors.Is(err, draftwire.ErrUnsupported))
		c.Close()
	}
	// Output:
	// hixie-76 has pings: false
	// true
	// rfc6455 has pings: true
	// false
}

// Observer is told of each connection and of each refusal.
func ExampleUpgrader_observer() {
	ended := make(chan bool)
	url, closeServer := echoServer(&websocket.Upgrader{Observer: &draftwire.Observer{
		Opened:  func(c *draftwire.Conn) { fmt.Println("opened:", c.Version()) },
		Refused: func(_ string, _ []byte, err *draftwire.HandshakeError) { fmt.Println("refused:", err.Reason) },
		Closed: func(_ *draftwire.Conn, err error) {
			fmt.Println("closed:", draftwire.CloseStatus(err))
			close(ended)
		},
	}})
	defer closeServer()

	_, _, err := websocket.DefaultDialer.Dial(url, http.Header{"Origin": {"http://other.example"}})
	fmt.Println(err)
	c, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseGoingAway, ""))
	<-ended
	c.Close()
	// Output:
	// refused: origin
	// websocket: bad handshake
	// opened: rfc6455
	// closed: 1001 (going away)
}

// Below a draftwire.Server, Shutdown says farewell to what Upgrade has opened: it takes the place of
// http.Server in one line.
func ExampleUpgrader_shutdown() {
	var u websocket.Upgrader
	s := &draftwire.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		for {
			if _, _, err := c.ReadMessage(); err != nil {
				return
			}
		}
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	c, _, err := websocket.DefaultDialer.Dial("ws://"+l.Addr().String(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	down := make(chan error)
	go func() { down <- s.Shutdown(context.Background()) }()
	_, _, err = c.ReadMessage()
	fmt.Println(err)
	fmt.Println(<-down)
	<-served
	// Output:
	// websocket: close 1001 (going away): server is shutting down
	// <nil>
}
