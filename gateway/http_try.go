package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// The backends of an ordinary request, tried in the order of backends.order:
//
//	RoundTrip  for each backend: attempt
//	  attempt    connect within a share of dial_timeout, send, wait for the head
//	  failedAt   whose fault is it, and may the next one be asked?
//
// The next one is asked if nothing was sent, or if asking again does no harm: a GET, HEAD or
// OPTIONS without a body, to which no answer has begun.

// webSchemes are the schemes of upgrades for those of ordinary requests.
var webSchemes = map[string]string{"http": "ws", "https": "wss"}

// Bounds of the connections to a backend.
const (
	backendIdle  = 4 * time.Second // unused, before it is closed: Node.js closes them after 5 s
	backendSpare = 64              // unused at a time
	backendHead  = 256 << 10       // bytes of the head of an answer
)

// web is what a backend needs for ordinary requests.
type web struct {
	scheme      string       // http or https
	dialTimeout atomic.Int64 // nanoseconds
	once        sync.Once
	transport   *http.Transport
}

// roundTripper returns the connections to a backend, of HTTP/1.1.
func (b *backend) roundTripper(dial dialer) *http.Transport {
	w := b.web
	w.once.Do(func() {
		var only http.Protocols
		only.SetHTTP1(true)
		t := &http.Transport{
			Protocols: &only, DisableCompression: true, ExpectContinueTimeout: time.Second, MaxResponseHeaderBytes: backendHead,
			MaxIdleConnsPerHost: backendSpare, IdleConnTimeout: backendIdle, TLSHandshakeTimeout: time.Duration(w.dialTimeout.Load()),
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				ctx, cancel := context.WithTimeout(ctx, time.Duration(w.dialTimeout.Load()))
				defer cancel()
				return b.connect(ctx, dial)
			},
		}
		if b.tls != nil {
			t.TLSClientConfig = b.tls.Clone()
		}
		t.DisableKeepAlives = b.proxy != 0 // each connection is a client's
		w.transport = t
	})
	return w.transport
}

func (w *web) closeIdle() {
	w.once.Do(func() {}) // none, and none will be
	if w.transport != nil {
		w.transport.CloseIdleConnections()
	}
}

// try is a request on its way to a backend.
type try struct {
	b      *backend
	cancel context.CancelCauseFunc
	sent   atomic.Bool // the backend has been reached, and may have got the request
	over   sync.Once
}

func (t *try) end() {
	t.over.Do(func() {
		t.cancel(nil)
		t.b.open.Add(-1)
	})
}

var (
	errUnreached  = fmt.Errorf("gateway: the backend was not reached: %w", context.DeadlineExceeded)
	errUnanswered = fmt.Errorf("gateway: the backend was silent: %w", context.DeadlineExceeded)
	errSlashes    = errors.New("a target that begins with // and has characters that need an escape")
)

// RoundTrip implements http.RoundTripper.
func (x *exchange) RoundTrip(out *http.Request) (*http.Response, error) {
	r := x.s.route
	list := r.web.(*proxy).order(x.s.balanceKey())
	by := time.Now().Add(r.DialTimeout.timeout())
	var failures []error
	for i, b := range list {
		if !b.take() {
			continue
		}
		share := max(time.Until(by)/time.Duration(len(list)-i), minTry)
		res, err := x.attempt(b, share, out)
		if err == nil {
			b.accepted()
			return res, nil
		}
		failures = append(failures, err)
		if !x.mayAskNext(b, err) || time.Until(by) < 0 {
			break
		}
	}
	return nil, x.noAnswer(failures, len(list))
}

// attempt asks one backend.
func (x *exchange) attempt(b *backend, share time.Duration, out *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(out.Context())
	t := &try{b: b, cancel: cancel}
	b.open.Add(1)
	b.give()
	x.try, x.Backend = t, b.name
	reach := time.AfterFunc(share, func() { cancel(errUnreached) })
	defer reach.Stop()
	x.silence.watch(x.s.route.ResponseTimeout.timeout(), func() { cancel(errUnanswered) })
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		reach.Stop()
		t.sent.Store(true)
		x.silence.begin()
	}})
	req, err := x.visitWeb(b, out.WithContext(forClient(ctx, x.Handshake.Remote())))
	var res *http.Response
	if err == nil {
		res, err = b.roundTripper(x.s.g.dial).RoundTrip(req)
	}
	if err != nil {
		if cause := context.Cause(ctx); cause == errUnanswered || cause == errUnreached {
			err = cause
		}
		t.end()
		return nil, err
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		x.silence.watch(x.s.route.ResponseTimeout.timeout(), x.cancel) // of both directions: see tunnel
		return res, nil
	}
	x.silence.pause()
	res.Body = &responseBody{res.Body, x, ctx}
	return res, nil
}

// mayAskNext notes the failure of a backend, and reports whether another one may be asked.
func (x *exchange) mayAskNext(b *backend, err error) bool {
	sent := x.try.sent.Load()
	_, refused := errors.AsType[*wire.HandshakeError](err)
	switch {
	case refused, x.r.Context().Err() != nil, x.bodyErr.Load() != nil, !sent && ownerOf(err) == ofGateway:
		return false
	case !sent:
		x.s.blame(b, ofBackend, err)
		return true
	}
	x.s.blame(b, inDoubt, err)
	harmless := x.r.Method == http.MethodGet || x.r.Method == http.MethodHead || x.r.Method == http.MethodOptions
	return harmless && x.r.ContentLength == 0 && !timedOut(err)
}

// noAnswer is the refusal of a request that no backend has answered.
func (x *exchange) noAnswer(failures []error, of int) error {
	if len(failures) == 0 {
		return x.s.g.limited(x.Handshake, limitBackends)
	}
	last := failures[len(failures)-1]
	if he, ok := errors.AsType[*wire.HandshakeError](last); ok {
		return he
	}
	if x.s.g.draining.Load() && x.r.Context().Err() != nil || !x.try.sent.Load() && ownerOf(last) == ofGateway && x.r.Context().Err() == nil {
		return x.s.unable(last)
	}
	he := wire.NewHandshakeError(draftwire.Unknown, wire.ReasonBackend, fmt.Sprintf("route %s: tried %d of %d backends", x.Route, len(failures), of))
	he.Err = errors.Join(failures...)
	if slices.ContainsFunc(failures, timedOut) {
		he.Status = http.StatusGatewayTimeout
	}
	return he
}

// responseBody is the body of a backend's answer.
type responseBody struct {
	io.ReadCloser
	x   *exchange
	ctx context.Context
}

// Read implements io.Reader.
func (b *responseBody) Read(p []byte) (int, error) {
	b.x.silence.begin()
	n, err := b.ReadCloser.Read(p)
	b.x.silence.pause()
	if err != nil && err != io.EOF && !b.x.gone() {
		if context.Cause(b.ctx) == errUnanswered {
			err = errUnanswered
		}
		b.x.Reason, b.x.Err = wire.ReasonBackend, fmt.Errorf("within the answer: %w", err)
	}
	return n, err
}

// silence cuts a backend that says nothing for too long.
type silence struct {
	mu    sync.Mutex
	limit time.Duration
	timer *time.Timer
}

// watch sets what happens at the end of a silence, instead of what was set before.
func (s *silence) watch(limit time.Duration, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.limit, s.timer = limit, time.AfterFunc(limit, f)
	s.timer.Stop()
}

// begin begins to wait for the backend, anew.
func (s *silence) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Reset(s.limit)
	}
}

// pause ends the wait.
func (s *silence) pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
}

// stop ends the watch.
func (s *silence) stop() {
	s.pause()
	s.mu.Lock()
	s.timer = nil
	s.mu.Unlock()
}
