//go:build unix

package main

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/draftwire/draftwire/internal/browsercases"
)

//go:embed page.html
var page []byte

// play is a case at one place where it is cut.
type play struct {
	c   *browsercases.Case
	cut int // before this byte; 0 sends it whole
	ln  net.Listener

	mu       sync.Mutex
	request  []byte // the last that came
	response []byte // what it got
	err      error
	outcome  string
	said     []string
	again    bool
}

// stage serves the plays, each on an address of its own: browsers open one connection to an
// address at a time, and wait before they try one again that has failed.
type stage struct {
	plays    []*play
	together int
	single   bool               // the browser takes one subprotocol, as a string
	judge    func(*play) string // what is not as it should be
	again    bool               // the second round
	page     net.Listener
	done     chan struct{}
	once     sync.Once
}

// newStage listens for the cases of a version.
func newStage(family, only string, together int) (*stage, error) {
	s := &stage{together: together, single: family == "hixie-76", done: make(chan struct{})}
	all := browsercases.Cases()
	for i := range all {
		c := &all[i]
		if c.Family != family || !strings.Contains(c.Name, only) {
			continue
		}
		cuts := []int{0}
		if c.Split == "all" {
			cuts = nil
			for cut := 1; cut < splitLength; cut++ {
				cuts = append(cuts, cut)
			}
		}
		for _, cut := range cuts {
			s.plays = append(s.plays, &play{c: c, cut: cut})
		}
	}
	for i, p := range s.plays {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.%d.%d:0", 1+i/200, 1+i%200))
		if err != nil {
			return nil, err
		}
		p.ln = ln
		go p.serve()
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.page = ln
	go http.Serve(ln, s)
	return s, nil
}

// splitLength is more than the answers have bytes that are cut at each place; where one is
// shorter it comes whole.
const splitLength = 240

// How long, in milliseconds, a page waits for an outcome. Where it is not what was expected it is
// asked for once more, alone and with more time: the machine may be busy.
const wait, waitAgain = 1500, 8000

// differs finds what has to be played again.
func (s *stage) differs() (any bool) {
	for _, p := range s.plays {
		p.mu.Lock()
		if p.again = s.judge(p) != ""; p.again {
			p.said, any = nil, true
		}
		p.mu.Unlock()
	}
	return any
}

func (s *stage) close() {
	s.page.Close()
	for _, p := range s.plays {
		p.ln.Close()
	}
}

// ServeHTTP serves the page, what it shall do, and takes what came of it.
func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(page)
	case "/cases":
		type item struct {
			N    int    `json:"n"`
			URL  string `json:"url"`
			Ask  any    `json:"ask,omitempty"`
			Wait int    `json:"wait"`
		}
		var list []item
		for i, p := range s.plays {
			x := item{N: i, URL: "ws://" + p.ln.Addr().String() + p.c.Path, Wait: wait}
			if s.again {
				if x.Wait = waitAgain; !p.again {
					continue
				}
			}
			switch {
			case p.c.Ask != "" && s.single:
				x.Ask = p.c.Ask
			case p.c.Ask != "":
				x.Ask = strings.Split(p.c.Ask, ", ")
			}
			list = append(list, x)
		}
		together := s.together
		if s.again {
			together = 1
		}
		json.NewEncoder(w).Encode(map[string]any{"together": together, "list": list})
	case "/done":
		var results []struct {
			N       int
			Outcome string
		}
		if err := json.NewDecoder(r.Body).Decode(&results); err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		for _, x := range results {
			p := s.plays[x.N]
			p.mu.Lock()
			p.outcome = x.Outcome
			p.mu.Unlock()
		}
		if !s.again && s.differs() {
			s.again = true
			io.WriteString(w, "again")
			return
		}
		s.once.Do(func() { close(s.done) })
	default:
		http.NotFound(w, r)
	}
}

// serve plays the case to whoever connects.
func (p *play) serve() {
	for {
		c, err := p.ln.Accept()
		if err != nil {
			return
		}
		go p.perform(c.(*net.TCPConn))
	}
}

func (p *play) perform(c *net.TCPConn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	request, err := readRequest(bufio.NewReader(c))
	if err != nil {
		return // a browser connects in advance, too
	}
	answer, err := p.c.Expand(request)
	p.mu.Lock()
	p.request, p.response, p.err = request, answer, err
	p.mu.Unlock()
	if err != nil {
		return
	}
	var pieces [][]byte
	switch {
	case p.c.Split == "bytes":
		for i := range answer {
			pieces = append(pieces, answer[i:i+1])
		}
	case p.cut > 0 && p.cut < len(answer):
		pieces = [][]byte{answer[:p.cut], answer[p.cut:]}
	default:
		pieces = [][]byte{answer}
	}
	for i, piece := range pieces {
		if i > 0 {
			time.Sleep(4 * time.Millisecond) // a segment of its own
		}
		if _, err := c.Write(piece); err != nil {
			return
		}
	}
	switch p.c.End {
	case "fin":
		c.CloseWrite()
	case "rst":
		c.SetLinger(0)
		return
	}
	// Until the browser goes; one of hixie-76 waits for us, behind its FF 00.
	var b [1]byte
	if _, err := c.Read(b[:]); err == nil {
		time.Sleep(50 * time.Millisecond)
	}
}

// readRequest reads a head, and the eight bytes of hixie-76 behind it.
func readRequest(r *bufio.Reader) ([]byte, error) {
	var head []byte
	keyed := false
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		head = append(head, line...)
		keyed = keyed || strings.HasPrefix(strings.ToLower(string(line)), "sec-websocket-key1:")
		if len(line) == 2 {
			break
		}
	}
	if !keyed {
		return head, nil
	}
	var key3 [8]byte
	_, err := io.ReadFull(r, key3[:])
	return append(head, key3[:]...), err
}
