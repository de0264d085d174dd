package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/draftwire/draftwire/cmd/draftwire/internal/generation"
	"github.com/draftwire/draftwire/gateway"
	"github.com/sirupsen/logrus"
)

// errDraining ends an upgrade that is under way when the gateway drains.
var errDraining = errors.New("the gateway drains")

// upgrade starts the program again in place of this process. The status is that of an answer
// of the admin port.
func (r *runningGateway) upgrade() (status int, err error) {
	if !r.upgrading.TryLock() {
		return http.StatusConflict, errors.New("another upgrade is under way")
	}
	defer r.upgrading.Unlock()
	if err := r.mayUpgrade(); err != nil {
		return http.StatusConflict, err
	}
	log := r.log.WithField("event", "upgrade")
	log.WithField("program", r.program.Path).Info("starting the program again, to take this process's place")
	u := &generation.Upgrade{
		Program: r.program, Sockets: r.sockets(), Systemd: systemdSockets(), Timeout: r.UpgradeTimeout(),
		Release: r.watch.book.release, TakeBack: r.takeBack, Retire: r.stepBack, Control: r.control(),
	}
	s, err := u.Start(r.upgrades)
	r.watch.metrics.Upgraded(err == nil)
	if err != nil {
		log.WithField("error", errorText(err)).Error("the upgrade has failed; this process goes on")
		f, ok := errors.AsType[*generation.Failure](err)
		if ok && f.Code == exitUsage {
			return http.StatusUnprocessableEntity, err
		}
		return http.StatusBadGateway, err
	}
	r.replaced <- s
	return http.StatusOK, nil
}

func (r *runningGateway) mayUpgrade() error {
	switch {
	case r.successor.Load() != 0:
		return fmt.Errorf("process %d has taken this one's place", r.successor.Load())
	case r.upgrades.Err() != nil:
		return errDraining
	}
	return cannotUpgrade(r.Config().Hub)
}

// sockets are those that a successor gets by the upgrade itself; it gets those of systemd as
// systemd would pass them.
func (r *runningGateway) sockets() []generation.Socket {
	list := sockets(r.Sockets())
	if _, ok := r.adminListener.(interface{ File() (*os.File, error) }); ok {
		list = append(list, generation.Socket{Name: adminSocket(r.config), Listener: r.adminListener})
	}
	return list
}

func sockets(of []gateway.Socket) (list []generation.Socket) {
	for _, s := range of {
		list = append(list, generation.Socket{Name: s.Address, Listener: s.Listener})
	}
	return list
}

// systemdSockets have the names by which systemd has passed them.
func systemdSockets() []generation.Socket {
	list := sockets(gateway.SystemdSockets())
	for i := range list {
		list[i].Name = strings.TrimPrefix(list[i].Name, "fd:")
	}
	return list
}

// adminSocket is the name of the admin port's socket.
func adminSocket(cfg *gateway.Config) string { return "admin " + adminAddressOf(cfg) }

// listen takes the parent's socket of an address, or opens it.
func (r *runningGateway) listen(address string) (net.Listener, error) {
	return r.inherit(address, address)
}

func (r *runningGateway) inherit(name, address string) (net.Listener, error) {
	l := r.before.Listener(name)
	if l == nil {
		return gateway.Listen(address)
	}
	if u, ok := l.(*net.UnixListener); ok {
		r.paths = append(r.paths, u)
	}
	return l, nil
}

// takeBack opens the ledger again after an upgrade that failed.
func (r *runningGateway) takeBack() {
	if err := r.watch.book.open(); err != nil {
		r.log.WithField("error", errorText(err)).Error("the ledger cannot be opened again; its changes wait in memory")
	}
}

// stepBack is what this process does when its successor serves. Systemd takes the message from
// the process that it knows.
func (r *runningGateway) stepBack(pid int, taken []string) {
	r.successor.Store(int64(pid))
	r.fleet.leave()
	if after := r.DrainAfter(); after > 0 {
		r.until.Store(time.Now().Add(after).UnixMilli())
	}
	daemon.SdNotify(false, fmt.Sprintf("MAINPID=%d", pid))
	r.Retire(func(address string) bool { return slices.Contains(taken, address) })
	if r.adminListener == nil {
		return
	}
	if name := adminSocket(r.config); slices.Contains(taken, name) || strings.HasPrefix(adminAddressOf(r.config), "fd:") {
		if u, ok := r.adminListener.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
		to := forwarder(r.adminListener.Addr(), r.watch.journal.lines())
		r.forward.Store(&to)
	}
	r.adminListener.Close()
}

// forwarder passes requests on to an admin port.
func forwarder(to net.Addr, errors *stdlog.Logger) http.Handler {
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, to.Network(), to.String())
	}}
	return &httputil.ReverseProxy{Transport: t, ErrorLog: errors, Rewrite: func(p *httputil.ProxyRequest) {
		p.Out.URL.Scheme, p.Out.URL.Host = "http", "admin"
		p.Out.Host = p.In.Host
	}}
}

// orForward is h, until another process has taken this one's place: a request that comes by
// a connection from before is then for that process.
func (r *runningGateway) orForward(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if to := r.forward.Load(); to != nil {
			w.Header().Set("Connection", "close")
			if strings.HasPrefix(q.URL.Path, gateway.ConsolePath) { // what it shows depends on where a request comes from
				http.Redirect(w, q, q.URL.RequestURI(), http.StatusTemporaryRedirect)
				return
			}
			(*to).ServeHTTP(w, q)
			return
		}
		h.ServeHTTP(w, q)
	})
}

// control answers the questions of the successor.
func (r *runningGateway) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(r.status()) })
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		if list, err := r.gather(); err == nil {
			writeFamilies(w, list)
		}
	})
	mux.HandleFunc("GET /visits", func(w http.ResponseWriter, q *http.Request) {
		r.before.pull() // what it cannot give now it gives with the next batch
		after, _ := strconv.Atoi(q.URL.Query().Get("after"))
		n, visits := r.watch.book.give(after)
		fmt.Fprintln(w, n)
		if err := visits.Export(w); err == nil && r.isEnding() {
			r.told.Store(true)
		}
	})
	mux.HandleFunc("GET /end", func(_ http.ResponseWriter, q *http.Request) {
		select {
		case <-r.ending:
		case <-q.Context().Done():
		}
	})
	mux.HandleFunc("POST /drain", func(http.ResponseWriter, *http.Request) { r.orderDrain() })
	return mux
}

// outlive runs a process whose place another one has taken: it keeps its sessions until they
// end or the time is over.
func (r *runningGateway) outlive(s *generation.Successor, signals <-chan os.Signal) error {
	log := r.log.WithFields(logrus.Fields{"event": "upgrade", "successor": s.PID})
	log.WithField("connections", r.Status().Connections).Info("another process has taken this one's place; its sessions stay here")
	go func() { // answers that are under way, as that to the upgrade, may end
		time.Sleep(stopAfter)
		stopAdmin(r.admin)
	}()
	ctx, cut := context.WithCancel(context.Background())
	defer cut()
	drains, gone := 0, s.Gone()
	drain := func(why string) {
		if drains++; drains == 1 {
			log.WithField("connections", r.Status().Connections).Info(why)
			go r.Drain(ctx)
		}
	}
	var late <-chan time.Time
	if after := r.DrainAfter(); after > 0 {
		late = time.After(after)
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for !r.Idle() || !r.before.over() {
		select {
		case <-look.C:
		case <-gone:
			gone = nil
			log.Error("the process that took this one's place has ended; this one keeps its sessions, but accepts no clients")
		case <-late:
			drain("draining what is left: drain_after is over")
		case <-r.drain:
			drain("draining")
			go r.before.drain(ctx)
		case sig := <-signals:
			if drains > 0 {
				cut()
				return &exitError{code: exitInterrupted}
			}
			drain("draining: " + sig.String())
			go r.before.drain(ctx)
		}
	}
	return r.leave(s, log)
}

const (
	lookEvery = 250 * time.Millisecond // whether there is still a session
	stopAfter = time.Second            // the admin port stops, after the upgrade
	lastWords = 30 * time.Second       // for the successor to ask for what this process has counted
)

// leave gives the successor what it has not asked for yet. If that has ended, what this process
// has counted goes into the ledger's file, unless a third process has it open.
func (r *runningGateway) leave(s *generation.Successor, log *logrus.Entry) error {
	r.Gateway.Close() // so that all ends are counted
	close(r.ending)
	select {
	case <-s.Gone():
	case <-time.After(lastWords):
	}
	if r.told.Load() {
		log.Info("all sessions have ended")
		return nil
	}
	if err := r.watch.book.open(); err != nil {
		log.WithField("error", errorText(err)).Error("what this process has counted since the upgrade is lost: its successor has not asked for it")
	}
	return nil
}
