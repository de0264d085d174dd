package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/inside"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/oldtls"
	"github.com/draftwire/draftwire/wire"
)

// port is a Listener that is open.
type port struct {
	portConfig
	listener *lease
	server   *draftwire.Server
	served   chan struct{}         // closed when the server accepts no more; nil before it has begun
	removed  atomic.Bool           // no longer in the configuration
	issuer   *issuer               // nil: the port has certificates of files alone
	certs    []*oldtls.Certificate // of files
	leave    context.CancelFunc
}

// idle reports whether a removed port has no more connections.
func (p *port) idle() bool {
	if p.served != nil {
		select {
		case <-p.served:
		default:
			return false
		}
	}
	n := p.server.Counts()
	return n.Pending+n.Open+n.HTTP == 0
}

// portConfig is what a port's server is made of.
type portConfig struct {
	Listener
	limits Limits
	trust  []netip.Prefix
	drain  Duration
}

// openPorts opens the ports of a configuration. Ports that did not change go on. A port
// whose settings changed passes its socket to its successor, so that no client is refused.
func (g *Gateway) openPorts(cfg *Config, before []*port) (ports []*port, err error) {
	defer func() {
		if err != nil {
			for _, p := range ports {
				if !slices.Contains(before, p) && p.listener.holds() {
					p.listener.Close()
				}
			}
		}
	}()
	for _, l := range cfg.Listen {
		pc := portConfig{l, cfg.Limits, cfg.TrustForwarded, cfg.Drain}
		var same *port
		for _, o := range before {
			if o.Address == l.Address {
				same = o
			}
		}
		if same != nil && reflect.DeepEqual(same.portConfig, pc) {
			ports = append(ports, same)
			for _, c := range same.certs {
				if err := c.Reread(); err != nil {
					return ports, fmt.Errorf("listener %s: %w", l.Name, err)
				}
			}
			continue
		}
		p, err := g.openPort(pc, same)
		if err != nil {
			return ports, fmt.Errorf("listener %s: %w", l.Name, err)
		}
		ports = append(ports, p)
	}
	return ports, nil
}

// openPort opens a port, with the socket of the old port same if that is not nil.
func (g *Gateway) openPort(pc portConfig, same *port) (*port, error) {
	p := &port{portConfig: pc}
	var err error
	if pc.TLS != nil && pc.TLS.ACME != nil {
		if p.issuer, err = newIssuer(pc.TLS.ACME, func(err error) { g.certificateFailed(pc.Name, err) }); err != nil {
			return nil, err
		}
	}
	if p.server, err = g.newServer(p); err != nil {
		return nil, err
	}
	if same != nil {
		p.listener = same.listener.lease() // remove hands the door over
		return p, nil
	}
	l, err := g.listen(pc.Address)
	if err != nil {
		return nil, err
	}
	if own, ok := l.(*lease); ok {
		p.listener = own
		return p, nil
	}
	d := openDoor(l, false)
	p.listener = d.lease()
	d.handOver(p.listener)
	return p, nil
}

// newServer returns the server of a port.
func (g *Gateway) newServer(p *port) (*draftwire.Server, error) {
	pc := &p.portConfig
	versions, err := draftwire.ParseVersions(pc.Versions)
	if err != nil {
		return nil, err
	}
	tolerate, err := wire.ParseTolerances(strings.Join(pc.Tolerate, ","), wire.ClientFaults())
	if err != nil {
		return nil, err
	}
	l, name := &pc.limits, pc.Name
	s := &draftwire.Server{
		WebSocket:            g.serve,
		Events:               g.clientEvents,
		Takes:                takes,
		Handler:              g.handler(&pc.Listener, versions),
		MaxHTTP:              l.webConnections(),
		ReadTimeout:          time.Duration(l.HTTPReadTimeout),
		WriteTimeout:         l.WriteTimeout.timeout(),
		IdleTimeout:          l.HTTPIdleTimeout.timeout(),
		MaxPending:           l.pending(),
		MaxPendingPerAddress: l.pendingPerAddress(),
		FarewellOver:         pc.drain.spread(),
		Farewell:             sayFarewell,
		ErrorLog:             g.errors,
		Options: draftwire.AcceptOptions{
			Versions: versions, Tolerate: tolerate, TrustForwarded: pc.trust, PublicURL: pc.PublicURL,
			Origins: []string{"*"}, Protocols: []string{"*"}, // the route decides
			Authorize: func(h *draftwire.Handshake, a *draftwire.Answer) error {
				return g.workers.do(func() error { return g.admit(&pc.Listener, h, a) })
			},
			Limits: draftwire.Limits{
				ReadLimit: int64(l.Message), HeadLimit: int(l.Head), HandshakeTimeout: l.HandshakeTimeout.timeout(),
				Key3Timeout: l.Key3Timeout.timeout(), CloseTimeout: l.CloseTimeout.timeout(),
				WriteTimeout: l.WriteTimeout.timeout(), IdleTimeout: max(time.Duration(l.IdleTimeout), 0),
			},
			CompressionFor: compressionFor,
		},
	}
	inside.Authorize(s, func(h *draftwire.Handshake, a *draftwire.Answer, client *sock.Socket, then func(func() error)) {
		g.admitOnLoop(&pc.Listener, h, a, client, then)
	})
	if g.hooks.Observer != nil {
		s.Options.Observer = g.hooks.Observer(name)
	}
	if pc.FlashPolicy {
		s.FlashPolicy = draftwire.DefaultFlashPolicy
	}
	if pc.Proxy.Mode != "off" {
		s.Proxy = &draftwire.ProxyProtocol{From: pc.Proxy.From, Required: pc.Proxy.Mode == "require", Read: readProxy}
	}
	if pc.TLS != nil {
		s.TLS, err = g.tlsConfig(p)
	}
	return s, err
}

// compressionFor returns the compression of a client's side: its route decides.
func compressionFor(h *draftwire.Handshake) draftwire.Compression {
	s, ok := h.Value().(*Session)
	if !ok {
		return draftwire.Compression{}
	}
	return draftwire.Compression{Mode: compressionModes[s.route.Policy.Compression]}
}

// compressionModes are the values of a policy's compression.
var compressionModes = map[string]draftwire.CompressionMode{
	"off": draftwire.CompressNothing, "large": draftwire.CompressLarge, "all": draftwire.CompressAll,
}

// tlsConfig returns the TLS settings of a port. Certificates are read again when their
// files change, and at a reload.
func (g *Gateway) tlsConfig(p *port) (*tls.Config, error) {
	pc, is := &p.portConfig, p.issuer
	profile, err := oldtls.ParseProfile(pc.TLS.Profile)
	if err != nil {
		return nil, err
	}
	o := oldtls.Options{Profile: profile}
	if is != nil {
		o.Certificates = slices.Clone(is.certs)
	}
	for _, k := range pc.TLS.Certificates {
		c, err := oldtls.LoadFiles(k.Cert, k.Key, func(err error) { g.certificateFailed(pc.Name, err) })
		if err != nil {
			return nil, err
		}
		p.certs = append(p.certs, c)
	}
	o.Certificates = append(o.Certificates, p.certs...)
	cfg, err := o.Config()
	if err == nil && is != nil {
		is.serve(cfg)
	}
	return cfg, err
}

// certificateFailed tells the hook that a certificate could not be renewed.
func (g *Gateway) certificateFailed(listener string, err error) {
	if f := g.hooks.Certificate; f != nil {
		f(listener, err)
	}
}

// Listen opens HOST:PORT, unix:PATH or fd:NAME. fd:NAME is a socket that systemd passes to
// the program (sd_listen_fds(3)) under the name in FileDescriptorName=. A unix socket that
// a killed program has left behind is replaced.
func Listen(address string) (net.Listener, error) {
	if name, ok := strings.CutPrefix(address, "fd:"); ok {
		return inherited(name)
	}
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return draftwire.Listen("tcp", address)
	}
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && abandoned(path) {
		os.Remove(path)
		l, err = net.Listen("unix", path)
	}
	return l, err
}

// abandoned reports whether path is a unix socket on which no program listens.
func abandoned(path string) bool {
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSocket == 0 {
		return false
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// sockets returns the sockets that systemd passes. The program can get them only once, so
// they stay open: one reload may remove a port and the next one may add it again.
var sockets = sync.OnceValues(func() (map[string][]*door, error) {
	named, err := activation.ListenersWithNames()
	doors := make(map[string][]*door)
	for name, list := range named {
		for _, l := range list {
			if l != nil {
				doors[name] = append(doors[name], openDoor(l, true))
			}
		}
	}
	return doors, err
})

func inherited(name string) (net.Listener, error) {
	named, err := sockets()
	if err != nil {
		return nil, err
	}
	switch l := named[name]; len(l) {
	case 0:
		return nil, fmt.Errorf("systemd does not pass a socket named %q; it passes %q", name, slices.Sorted(maps.Keys(named)))
	case 1:
		own := l[0].lease()
		l[0].handOver(own)
		return own, nil
	default:
		return nil, fmt.Errorf("systemd passes %d sockets named %q; each needs a socket unit of its own, with its own FileDescriptorName", len(l), name)
	}
}
