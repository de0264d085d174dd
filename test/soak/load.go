package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
)

// load is what clients do to the gateway.
type load struct {
	g        *gateway
	began    time.Time
	opened   map[string]*atomic.Int64 // sessions, by version
	doubtful map[string]*atomic.Int64 // handshakes that a client gave up, or that failed
	messages atomic.Int64
	requests atomic.Int64
	excused  atomic.Int64 // failures that a killed backend explains

	mu       sync.Mutex
	failures []error
}

func (l *load) String() string {
	n := int64(0)
	for _, v := range l.opened {
		n += v.Load()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("so far: %d sessions, %d messages, %d requests, %d failures, %d excused", n, l.messages.Load(), l.requests.Load(), len(l.failures), l.excused.Load())
}

// start starts the clients: of each version some with short sessions, one with long ones, and
// one that is rude; and some that ask for pages.
func (l *load) start(ctx context.Context, wg *sync.WaitGroup) {
	l.opened, l.doubtful = map[string]*atomic.Int64{}, map[string]*atomic.Int64{}
	for _, v := range draftwire.AllVersions.List() {
		l.opened[v.String()], l.doubtful[v.String()] = new(atomic.Int64), new(atomic.Int64)
	}
	id := 0
	for _, v := range draftwire.AllVersions.List() {
		for _, lasts := range []time.Duration{time.Second, 3 * time.Second, time.Minute} {
			id++
			name := fmt.Sprintf("c%d", id)
			wg.Go(func() { l.again(ctx, func() error { return l.session(ctx, v, name, lasts) }) })
		}
		wg.Go(func() { l.again(ctx, func() error { return l.rude(v) }) })
	}
	for range 3 {
		wg.Go(func() { l.again(ctx, func() error { return l.visit(ctx) }) })
	}
	wg.Go(func() { l.again(ctx, func() error { return l.rudeRequest() }) })
}

// again calls f until ctx ends, and judges its errors.
func (l *load) again(ctx context.Context, f func() error) {
	for ctx.Err() == nil {
		began := time.Now()
		err := f()
		switch {
		case err == nil:
			continue
		case l.isExcused(began):
			l.excused.Add(1)
			time.Sleep(100 * time.Millisecond)
		default:
			l.mu.Lock()
			l.failures = append(l.failures, fmt.Errorf("%v after the start: %w", began.Sub(l.began).Round(time.Millisecond), err))
			l.mu.Unlock()
			time.Sleep(time.Second)
		}
	}
}

// recovery is how long a killed backend may be felt: it comes back after a second, and a check
// of its health finds it.
const recovery = 3 * time.Second

// isExcused reports whether a backend was killed while something went on that began then.
func (l *load) isExcused(began time.Time) bool {
	for _, b := range l.g.backends {
		if killed := b.killed.Load(); killed > 0 && time.Unix(0, killed).Add(recovery).After(began) {
			return true
		}
	}
	return false
}

func (l *load) verdict() error {
	fmt.Println(l)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failures) > 0 {
		return fmt.Errorf("%d failures, first: %v", len(l.failures), errors.Join(l.failures[:min(len(l.failures), 5)]...))
	}
	for name, n := range l.opened {
		if n.Load() == 0 {
			return fmt.Errorf("%s opened no session", name)
		}
	}
	return nil
}

// dial opens a session.
func (l *load) dial(ctx context.Context, v draftwire.Version, client string) (*draftwire.Conn, error) {
	l.doubtful[v.String()].Add(1)
	c, _, err := draftwire.Dial(ctx, "ws://"+l.g.address+"/"+client+"/echo", &draftwire.DialOptions{Version: v, Origin: "http://" + l.g.address})
	if err != nil {
		return nil, fmt.Errorf("%v: %w", v, err)
	}
	l.doubtful[v.String()].Add(-1)
	l.opened[v.String()].Add(1)
	return c, nil
}

// session has messages echoed for some time, one at a time or several, and closes.
func (l *load) session(ctx context.Context, v draftwire.Version, client string, lasts time.Duration) error {
	dialing, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := l.dial(dialing, v, client)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	pause := lasts / 100
	for end := time.Now().Add(time.Duration(rand.Int64N(int64(lasts)))); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(pause) {
		batch := 1 + rand.IntN(4)
		texts := make([]string, batch)
		exchange, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		for i := range texts {
			texts[i] = strings.Repeat("soak ", rand.IntN(1<<(rand.IntN(13))))
			if err := c.Write(exchange, draftwire.OpText, []byte(texts[i])); err != nil {
				cancel()
				return fmt.Errorf("%v: write: %w", v, err)
			}
		}
		for _, want := range texts {
			_, got, err := c.Read(exchange)
			if err != nil {
				cancel()
				return fmt.Errorf("%v: read: %w", v, err)
			}
			if string(got) != want {
				cancel()
				return fmt.Errorf("%v: %d bytes came back, not %d", v, len(got), len(want))
			}
			l.messages.Add(1)
		}
		cancel()
	}
	if err := c.Close(draftwire.CodeNormal, "enough"); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("%v: close: %w", v, err)
	}
	return nil
}

// rude does one of the things that devices do: it leaves without a word, stops in the middle
// of a handshake or of a message, or takes no answers.
func (l *load) rude(v draftwire.Version) error {
	defer time.Sleep(time.Duration(rand.Int64N(int64(500 * time.Millisecond))))
	if rand.IntN(3) == 0 {
		nc, err := net.DialTimeout("tcp", l.g.address, 5*time.Second)
		if err != nil {
			return err
		}
		defer nc.Close()
		const head = "GET /rude/echo HTTP/1.1\r\nHost: rude\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
		io.WriteString(nc, head[:rand.IntN(len(head))])
		time.Sleep(time.Duration(rand.Int64N(int64(time.Second))))
		return nil
	}
	dialing, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := l.dial(dialing, v, "rude")
	if err != nil {
		return err
	}
	defer c.CloseNow()
	full, cancel := context.WithTimeout(context.Background(), time.Duration(rand.Int64N(int64(2*time.Second))))
	defer cancel()
	text := bytes.Repeat([]byte("rude"), 1<<14)
	for range rand.IntN(200) { // and it reads nothing
		if c.Write(full, draftwire.OpText, text) != nil {
			break
		}
	}
	return nil
}

// visit asks for a page, an echo of an upload, or news, on one connection.
func (l *load) visit(ctx context.Context) error {
	c := http.Client{Timeout: 20 * time.Second, Transport: new(http.Transport)}
	defer c.CloseIdleConnections()
	for range 1 + rand.IntN(10) {
		if ctx.Err() != nil {
			return nil
		}
		url, body, want := "http://"+l.g.address+"/site/", []byte(nil), len(page)*8
		switch rand.IntN(20) {
		case 0:
			url, want = url+"poll", len("nothing new")
		case 1, 2, 3, 4, 5:
			body = page[:rand.IntN(len(page))]
			url, want = url+"echo", len(body)
		default:
			url += "page"
		}
		res, err := c.Post(url, "text/plain", bytes.NewReader(body))
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 || n != int64(want) {
			return fmt.Errorf("%s: status %d, %d bytes, not %d: %v", url, res.StatusCode, n, want, err)
		}
		l.requests.Add(1)
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// rudeRequest leaves in the middle of a request or of its answer.
func (l *load) rudeRequest() error {
	nc, err := net.DialTimeout("tcp", l.g.address, 5*time.Second)
	if err != nil {
		return err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	const post = "POST /site/echo HTTP/1.1\r\nHost: rude\r\nContent-Length: 100000\r\n\r\nsome"
	const poll = "GET /site/poll HTTP/1.1\r\nHost: rude\r\n\r\n"
	const get = "GET /site/page HTTP/1.1\r\nHost: rude\r\n\r\n"
	switch rand.IntN(4) {
	case 0:
		io.WriteString(nc, post)
	case 1:
		io.WriteString(nc, poll)
	case 2:
		io.WriteString(nc, get+get+get)
		bufio.NewReader(nc).ReadByte()
	case 3:
		io.WriteString(nc, get)
		io.CopyN(io.Discard, nc, 200_000)
		io.WriteString(nc, "GET / HTT")
	}
	time.Sleep(time.Duration(rand.Int64N(int64(300 * time.Millisecond))))
	return nil
}
