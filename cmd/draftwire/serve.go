package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/sirupsen/logrus"
)

// serveOptions are what the serve command needs to know.
type serveOptions struct {
	listen      []string
	broadcast   bool
	hub         gateway.Hub
	console     bool
	files       fs.FS // what to serve over HTTP; nil: the page
	accept      draftwire.AcceptOptions
	tls         *tls.Config
	certs       *reloads // of tls
	flashPolicy string
	maxPending  int
	record      gateway.Record // Folder is "" where nothing is recorded
	maxHTTP     int
	httpTimeout time.Duration // for a part of a body or an answer
	httpIdle    time.Duration // between two requests
}

// farewell bounds how long a shutdown waits for connections to close.
const farewell = 10 * time.Second

var noTime time.Time

// serve runs a server until the first signal, then shuts it down. The second signal ends
// it at once.
func serve(ctx context.Context, o serveOptions, logger *logrus.Logger, signals <-chan os.Signal) error {
	j := newJournal(logger)
	defer j.fold.flush()
	o.certs.tell(logger)
	b, err := openBroker(o.hub, logger, j.fold, nil)
	if err != nil {
		return err
	}
	defer b.close()
	s := newService(j, o.broadcast, b)
	tape, err := openTape(o.record, logger)
	if err != nil {
		return err
	}
	defer tape.close()
	o.accept.Observer = tape.observer()
	srv := newServer(o, s)
	defer s.begin()()
	defer s.hub.Close()
	failed := make(chan error, len(o.listen))
	var listeners []net.Listener
	for _, addr := range o.listen {
		l, err := gateway.Listen(addr)
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
			return listenError(err)
		}
		listeners = append(listeners, l)
		s.addresses = append(s.addresses, l.Addr().String())
	}
	for _, l := range listeners {
		announce(l, o, logger)
		go func() { failed <- srv.Serve(l) }()
	}
	select {
	case err := <-failed:
		srv.Close()
		return err
	case <-ctx.Done():
	case sig := <-signals:
		logger.WithField("signal", sig.String()).Info("shutting down")
	}
	return shutdown(srv, logger, signals)
}

func newServer(o serveOptions, s *service) *draftwire.Server {
	j := s.journal
	j.notes = s.inRoom
	o.accept.Observer = draftwire.JoinObservers(j.observer(""), o.accept.Observer)
	o.accept.CompressionFor = compressionFor(o.accept.Compression)
	handler := http.Handler(http.HandlerFunc(servePage))
	if o.files != nil {
		handler = http.FileServerFS(o.files)
	}
	srv := new(draftwire.Server)
	if o.console {
		s.console = s.newConsole(srv)
		o.accept.Authorize = s.authorize
		o.accept.Observer = draftwire.JoinObservers(o.accept.Observer, s.console.Observer())
		handler = withConsole(handler, s.console)
	}
	srv.Events, srv.Handler, srv.Options = s.events(), bodyless(handler), o.accept
	srv.TLS, srv.FlashPolicy, srv.ErrorLog = o.tls, o.flashPolicy, j.lines()
	srv.MaxPending, srv.MaxHTTP = o.maxPending, o.maxHTTP
	srv.ReadTimeout, srv.WriteTimeout, srv.IdleTimeout = o.httpTimeout, o.httpTimeout, o.httpIdle
	return srv
}

// bodyless closes the connection behind the answer to a request with a body: pages have no
// use for one, and net/http would wait for it before it reads the next request.
func bodyless(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 && r.ProtoMajor == 1 {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}

// announce logs where a listener can be reached, in clear and over TLS.
func announce(l net.Listener, o serveOptions, logger *logrus.Logger) {
	fields := logrus.Fields{
		"url": urlOf(l, false), "addr": l.Addr().String(),
		"versions": o.accept.Versions.String(), "origins": strings.Join(o.accept.Origins, ","),
	}
	if o.console {
		fields["console"] = consoleURL(l)
	}
	if o.tls != nil {
		fields["tls_url"] = urlOf(l, true)
	}
	logger.WithFields(fields).Info("serving")
}

func shutdown(srv *draftwire.Server, logger *logrus.Logger, signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- srv.Shutdown(ctx) }()
	select {
	case err := <-done:
		if errors.Is(err, context.DeadlineExceeded) {
			logger.Warn("some connections had to be cut")
			return nil
		}
		return err
	case <-signals:
		srv.Close()
		return &exitError{code: exitInterrupted}
	}
}
