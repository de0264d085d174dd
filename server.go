package draftwire

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire/internal/sock"
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
// It counts every connection, also those that handlers below Handler have accepted, so
// Shutdown can say farewell to each in its own way. The fields are not to be changed once a
// method was called; SetOptions, SetProxy and SetFlashPolicy replace what they
// name while it serves, and a TLS whose GetConfigForClient returns another configuration is
// replaced by that.
type Server struct {
	// WebSocket owns each connection until it returns, as the function that Handler takes
	// does. It gets every request that asks for an upgrade, whatever its path. nil leaves
	// such requests to the Handler field, where a router can send each to a Handler of its
	// own, or to Accept.
	WebSocket HandlerFunc
	// Events takes the place of WebSocket for a program that needs no goroutine for each
	// connection. One of both is nil, unless there is Takes.
	Events *Events
	// Takes says of an open connection that a loop can read whether Events gets it; all others
	// then are WebSocket's. nil: Events gets all.
	Takes func(c *Conn) bool
	// Handler serves ordinary HTTP, and where WebSocket is nil upgrade requests too; nil
	// answers 426 with the versions served.
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
	// above it the oldest goes that has not sent a whole head yet, or has been refused, and
	// then the oldest that keeps the eight bytes of hixie-76 back; where there is none, the
	// new one is closed at once. Default 20,000.
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
	// Farewell says the farewell of Shutdown to a connection: with another code, or with
	// CloseNow where clients come back only after a lost connection. It may wait for the
	// peer. Default: Close with CodeGoingAway.
	Farewell func(c *Conn)
	// ErrorLog is for panics of handlers and what net/http logs. nil logs panics
	// alone, by the log package: a peer can make net/http log other things.
	ErrorLog *log.Logger

	once    sync.Once
	start   sync.Once
	handler HandlerFunc // WebSocket or that of Events
	loops   *sock.Loops // for Events; nil where there are none
	stopped chan struct{}
	live    atomic.Pointer[liveConfig]
	tls     *tls.Config
	http    *http.Server
	feed    *feed
	mu      sync.Mutex
	closing bool
	listen  map[net.Listener]struct{}
	limits  serverLimits
	pending pending
	web     web
	conns   openConns
	heads   headTable
	running sync.WaitGroup // goroutines of connections, and connections
	// authorize takes the place of Options.Authorize on a loop: see inside.Authorize.
	authorize func(h *Handshake, a *Answer, client *sock.Socket, then func(ask func() error))
}

func (s *Server) setup() {
	s.once.Do(func() {
		live := &liveConfig{config: s.compile(&s.Options), flash: s.FlashPolicy, proxy: s.Proxy}
		s.live.Store(live)
		s.handler, s.stopped = s.WebSocket, make(chan struct{})
		if s.Events != nil && s.Takes == nil {
			s.handler = s.Events.serve
		}
		s.limits = s.limitsOf()
		s.mu.Lock() // Counts may be asked before
		s.listen = make(map[net.Listener]struct{})
		s.pending.init()
		s.web.init()
		s.mu.Unlock()
		if s.TLS != nil {
			s.tls = s.TLS.Clone()
			if s.tls.NextProtos == nil {
				s.tls.NextProtos = []string{"http/1.1"}
				if s.Handler != nil { // without one there is nothing to say in HTTP/2
					s.tls.NextProtos = []string{"h2", "http/1.1"}
				}
			}
		}
		s.feed = &feed{conns: make(chan net.Conn), closed: make(chan struct{})}
		s.http = s.httpServer(live.config)
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

// compile compiles options for the connections that s reads itself.
func (s *Server) compile(o *AcceptOptions) *config {
	c := compile(o)
	c.heads = &s.heads
	c.settings.forget, c.settings.events, c.settings.logPanic = s.forget, s.Events, s.logPanic
	c.settings.left = s.running.Done
	return c
}

// Serve takes connections from l until Shutdown or Close, then returns
// http.ErrServerClosed. It may run on several listeners at once. Options that
// cannot be served are an error at once; l is closed in any case.
func (s *Server) Serve(l net.Listener) error {
	s.setup()
	defer l.Close()
	live := s.live.Load()
	if err := cmp.Or(live.config.bad, live.proxy.Check()); err != nil {
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
	if own, ok := l.(loopListener); ok && s.Events != nil && own.ServeOnLoops(s.begin) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.closing {
			return http.ErrServerClosed
		}
		return net.ErrClosed
	}
	if ok, err := s.loopOn(l); ok || err != nil {
		return cmp.Or(err, s.awaitClosed(l))
	}
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
		s.begin(nc)
	}
}

// enter lets a request's upgrade begin; false if the shutdown has. Until the caller calls
// running.Done, the shutdown waits for it.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.running.Add(1)
	return true
}

// track counts an open connection; h is its handshake, nil for one that came by
// net/http.
func (s *Server) track(c *Conn, h *handshakeState) {
	s.mu.Lock()
	expired := false
	if h != nil {
		s.pending.remove(&h.pendingEntry)
		expired = h.expired
	}
	closing := s.closing
	if !c.c.Released() { // it has not ended already
		s.conns.add(c)
		s.running.Add(1)
	}
	s.mu.Unlock()
	switch {
	case expired: // the deadline of its handshake has passed, and stands
		c.CloseNow()
	case closing:
		go s.sayFarewell(c)
	}
}

func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	ok := s.conns.remove(c)
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

// Conns returns the open connections, in no order: for a program that shows them. They may have
// ended when it returns.
func (s *Server) Conns() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.conns)
}

// Shutdown stops listening, drops unfinished handshakes, and says farewell to every
// open connection in its version's way, all at once or over FarewellOver:
// CodeGoingAway, FF 00 on hixie-76, the end of the stream on hixie-75. It does so
// whichever way the connection came in: by Server.WebSocket, or below Server.Handler by
// Handler, Accept or an Upgrader, behind any router. Until its farewell a connection goes
// on as before. Requests that ask for an upgrade meanwhile get a 503.
//
// Shutdown waits until all connections have ended, and all handlers of WebSocket and of
// ordinary HTTP have returned, or until ctx ends: then it cuts the remaining connections
// and returns ctx's error. A program that called Accept has to end what it does with the
// connection itself.
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
		s.endLoops()
		return err
	case <-ctx.Done():
		s.Close()
		return ctx.Err()
	}
}

// farewell says it to conns, one behind the other, until ctx ends or no connection
// remains. It passes over those that ended by themselves.
func (s *Server) farewell(ctx context.Context, conns []*Conn, idle <-chan struct{}) {
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, c := range conns {
		conns[i] = nil
		if c.c.Closed() {
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
		go s.sayFarewell(c)
	}
}

// sayFarewell closes a connection as the server shuts down.
func (s *Server) sayFarewell(c *Conn) {
	if s.Farewell != nil {
		s.Farewell(c)
		return
	}
	c.Close(CodeGoingAway, shutdownReason)
}

// Close ends everything at once, without farewell.
func (s *Server) Close() error {
	for _, c := range s.stop(true) {
		c.CloseNow()
	}
	err := s.http.Close()
	go s.endLoops()
	return err
}

// stop ends the taking of connections and returns the open ones. What is
// pending is cut; with now also what has its 101 on the way.
func (s *Server) stop(now bool) []*Conn {
	s.setup()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.closing = true
		close(s.stopped)
	}
	for l := range s.listen {
		if s.loops != nil {
			s.loops.Unlisten(l)
		}
		l.Close()
	}
	for e := s.pending.ring.next; e != &s.pending.ring; e = e.next {
		if now || !e.answering {
			e.below.Close()
		}
	}
	s.feed.Close()
	return slices.Clone(s.conns)
}

// openConns are the open connections of a Server, under Server.mu. Each keeps its place, counted
// from 1, which costs less than a map of them.
type openConns []*Conn

func (o *openConns) add(c *Conn) {
	*o = append(*o, c)
	*c.c.Place() = int32(len(*o))
}

// remove takes c out, and reports whether it was there.
func (o *openConns) remove(c *Conn) bool {
	place := c.c.Place()
	if *place == 0 {
		return false
	}
	all := *o
	last := all[len(all)-1]
	all[*place-1], *last.c.Place() = last, *place
	all[len(all)-1], *place = nil, 0
	all = all[:len(all)-1]
	if cap(all) > 4*len(all)+openRoom { // most have gone
		all = append(make([]*Conn, 0, 2*len(all)), all...)
	}
	*o = all
	return true
}

// openRoom is the room for open connections that is not worth giving back.
const openRoom = 1 << 10
