package draftwire

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire/wire"
)

// DefaultFlashPolicy lets Flash movies of any site open sockets to any port
// that serves it.
const DefaultFlashPolicy = `<?xml version="1.0"?>` +
	`<!DOCTYPE cross-domain-policy SYSTEM "http://www.adobe.com/xml/dtds/cross-domain-policy.dtd">` +
	`<cross-domain-policy><allow-access-from domain="*" to-ports="*"/></cross-domain-policy>`

// Server serves every version of WebSocket, TLS, ordinary HTTP and Flash
// policy requests on one port. It looks at the first bytes of each connection,
// reads the head of a request itself, byte by byte as it came, and answers an
// upgrade right there; all else it gives to Handler.
//
// It counts every connection, also those taken over from HTTP, so Shutdown can
// say farewell to each in its own way. The fields are not to be changed once a
// method was called; SetOptions, SetProxy and SetFlashPolicy replace what they
// name while it serves, and a TLS whose GetConfigForClient returns another configuration is
// replaced by that.
type Server struct {
	// WebSocket owns each connection until it returns, as in Handler. nil
	// leaves upgrade requests to the Handler field.
	WebSocket func(ctx context.Context, c *Conn) error
	// Handler serves ordinary HTTP; nil answers 426 with the versions served.
	Handler http.Handler
	// Options are those of Accept. Serve returns what their Check says of them.
	Options AcceptOptions
	// TLS, if not nil, serves connections that begin with a TLS hello; others
	// stay in clear.
	TLS *tls.Config
	// Proxy says who may name the client with the PROXY protocol; nil refuses
	// connections that begin with it.
	Proxy *ProxyProtocol
	// FlashPolicy answers <policy-file-request/>; "" refuses it.
	FlashPolicy string
	// MaxPending bounds the connections whose handshake is not done. For one that comes
	// above it the oldest goes that has not sent a whole head yet, or has been refused;
	// where there is none, the new one is closed at once. Default 20,000.
	MaxPending int
	// MaxPendingPerAddress is MaxPending for one IPv4 address or IPv6 /64, so that nobody
	// can hold all places. Peers that Proxy.From or TrustForwarded lists speak for many,
	// and have no such bound. Default half of MaxPending.
	MaxPendingPerAddress int
	// MaxHTTP bounds the connections that were given to Handler, or are of HTTP/2, until
	// they end or Accept takes them over; half of them for one address, as above. For one that comes above it the
	// one goes that has waited longest for its next request; where there is none the new
	// one gets a 503. Default 5,000.
	MaxHTTP int
	// ReadTimeout is how long a part of a request's body may take, WriteTimeout how long
	// the peer may take nothing of an answer; each part begins it anew. A handler that
	// streams may lift them, by http.ResponseController. Default 1 min each; negative is
	// none.
	ReadTimeout, WriteTimeout time.Duration
	// IdleTimeout bounds the wait for the next request of a connection. Default 2 min.
	IdleTimeout time.Duration
	// FarewellOver spreads the farewells of Shutdown evenly over that time, so that
	// the clients do not all come back at once: the first at once, the last at its
	// end. 0 says them all at once.
	FarewellOver time.Duration
	// ErrorLog is for panics of handlers and what net/http logs. nil logs panics
	// alone, by the log package: a peer can make net/http log other things.
	ErrorLog *log.Logger

	once    sync.Once
	start   sync.Once
	live    atomic.Pointer[rules]
	tls     *tls.Config
	http    *http.Server
	feed    *feed
	mu      sync.Mutex
	closing bool
	listen  map[net.Listener]struct{}
	limits  serverLimits
	pending pending
	web     web
	conns   map[*Conn]struct{}
	running sync.WaitGroup // goroutines of connections, and connections
}

func (s *Server) setup() {
	s.once.Do(func() {
		r := &rules{acceptor: s.acceptor(&s.Options), flash: s.FlashPolicy, proxy: s.Proxy}
		s.live.Store(r)
		s.limits = s.limitsOf()
		s.mu.Lock() // Counts may be asked before
		s.listen = make(map[net.Listener]struct{})
		s.conns = make(map[*Conn]struct{})
		s.pending.from, s.web.from = make(addresses), make(addresses)
		s.mu.Unlock()
		if s.TLS != nil {
			s.tls = s.TLS.Clone()
			if s.tls.NextProtos == nil {
				s.tls.NextProtos = []string{"http/1.1"}
				if s.Handler != nil { // else there is nothing to be said in HTTP/2
					s.tls.NextProtos = []string{"h2", "http/1.1"}
				}
			}
		}
		s.feed = &feed{conns: make(chan net.Conn), closed: make(chan struct{})}
		s.http = s.httpServer(r)
	})
}

// serverLimits are the limits of a Server's fields, with their defaults.
type serverLimits struct {
	pending, pendingOf, web, webOf int
	read, write, idle              time.Duration
}

func (s *Server) limitsOf() serverLimits {
	l := serverLimits{pending: s.MaxPending, pendingOf: s.MaxPendingPerAddress, web: s.MaxHTTP, read: s.ReadTimeout, write: s.WriteTimeout, idle: s.IdleTimeout}
	def(&l.pending, DefaultMaxPending)
	def(&l.pendingOf, (l.pending+1)/2)
	def(&l.web, DefaultMaxHTTP)
	l.webOf = (l.web + 1) / 2
	def(&l.read, DefaultHTTPTimeout)
	def(&l.write, DefaultHTTPTimeout)
	def(&l.idle, DefaultHTTPIdle)
	return l
}

func (s *Server) acceptor(o *AcceptOptions) *acceptor {
	a := o.withDefaults()
	a.set.forget = s.forget
	return a
}

// Serve takes connections from l until Shutdown or Close, then returns
// http.ErrServerClosed. It may run on several listeners at once. Options that
// cannot be served are an error at once; l is closed in any case.
func (s *Server) Serve(l net.Listener) error {
	s.setup()
	defer l.Close()
	r := s.live.Load()
	if err := cmp.Or(r.bad, r.proxy.check()); err != nil {
		return err
	}
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return http.ErrServerClosed
	}
	s.listen[l] = struct{}{}
	s.mu.Unlock()
	s.start.Do(func() { go s.http.Serve(s.feed) })
	var pause time.Duration
	for {
		nc, err := l.Accept()
		if err != nil {
			s.mu.Lock()
			closing := s.closing
			s.mu.Unlock()
			if closing {
				return http.ErrServerClosed
			}
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			// Out of descriptors or the like: the backlog waits a little.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			time.Sleep(pause)
			continue
		}
		pause = 0
		s.take(nc)
	}
}

// take starts a connection, or refuses it.
func (s *Server) take(nc net.Conn) {
	o := openings.Get().(*opening)
	if o.run == nil {
		o.ready()
	}
	o.s, o.rules, o.below, o.began = s, s.live.Load(), nc, time.Now()
	s.mu.Lock()
	reason := s.enlist(o)
	if reason == "" {
		s.running.Add(1)
	}
	s.mu.Unlock()
	if reason != "" {
		he := wire.Refuse(Unknown, reason, "")
		he.Status = 0 // no time is spent on an answer
		o.rules.Observer.refused(nc.RemoteAddr().String(), nil, he)
		nc.Close()
		o.end()
		return
	}
	go o.run()
}

// track counts an open connection; o is its handshake, nil for one that came by
// net/http.
func (s *Server) track(c *Conn, o *opening) {
	s.mu.Lock()
	late := false
	if o != nil {
		s.pending.remove(o)
		late = o.late
	}
	closing := s.closing
	if !c.isGone() { // else it has ended already
		s.conns[c] = struct{}{}
		s.running.Add(1)
	}
	s.mu.Unlock()
	switch {
	case late: // its deadline has passed, and stands
		c.CloseNow()
	case closing:
		c.Close(CodeGoingAway, shutdownReason)
	}
}

func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	_, ok := s.conns[c]
	delete(s.conns, c)
	s.mu.Unlock()
	if ok {
		s.running.Done()
	}
}

const shutdownReason = "server is shutting down"

// ServerCounts is how many connections a Server has.
type ServerCounts struct {
	Pending int // whose handshake is not done
	Open    int // WebSocket
	HTTP    int // given to Handler, or of HTTP/2
}

// Counts returns how many connections there are now. From when it is taken until it
// ends, each is in one of the numbers.
func (s *Server) Counts() ServerCounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return ServerCounts{s.pending.n, len(s.conns), s.web.n}
}

// Shutdown stops listening, drops unfinished handshakes, and says farewell to
// every connection in its version's way, all at once or over FarewellOver:
// CodeGoingAway, FF 00 on hixie-76, the end of the stream on hixie-75. Until then
// a connection goes on as before. It waits until all handlers have returned and
// all connections have ended, or until ctx ends: then it cuts what is left and
// returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	conns := s.stop(false)
	idle := make(chan struct{})
	told := make(chan struct{})
	go func() {
		defer close(told)
		s.farewell(ctx, conns, idle)
	}()
	err := s.http.Shutdown(ctx)
	go func() {
		s.running.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		<-told
		return err
	case <-ctx.Done():
		s.Close()
		return ctx.Err()
	}
}

// farewell says it to conns, one behind the other, until ctx ends or nobody is
// left. What ended by itself is passed over.
func (s *Server) farewell(ctx context.Context, conns []*Conn, idle <-chan struct{}) {
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, c := range conns {
		conns[i] = nil
		if c.is(over) {
			continue
		}
		if i > 0 && s.FarewellOver > 0 {
			at := time.Duration(float64(s.FarewellOver) * float64(i) / float64(len(conns)-1))
			timer.Reset(at - time.Since(began))
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			case <-idle:
				return
			}
		}
		go c.Close(CodeGoingAway, shutdownReason)
	}
}

// Close ends everything at once, without farewell.
func (s *Server) Close() error {
	for _, c := range s.stop(true) {
		c.CloseNow()
	}
	return s.http.Close()
}

// stop ends the taking of connections and returns the open ones. What is
// pending is cut; with now also what has its 101 on the way.
func (s *Server) stop(now bool) []*Conn {
	s.setup()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	for l := range s.listen {
		l.Close()
	}
	for o := s.pending.first; o != nil; o = o.next {
		if now || !o.answering {
			o.below.Close()
		}
	}
	s.feed.Close()
	conns := make([]*Conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	return conns
}
