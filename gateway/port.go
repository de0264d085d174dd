package gateway

import (
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
	"github.com/draftwire/draftwire/oldtls"
	"github.com/draftwire/draftwire/wire"
)

// port is a Listener that is open.
type port struct {
	portConfig
	listener *lease
	server   *draftwire.Server
	served   chan struct{} // closed when the server takes no more; nil while it has not begun
	left     atomic.Bool   // no longer in the configuration
}

// idle reports whether nothing is left of a port that was left.
func (p *port) idle() bool {
	if p.served != nil {
		select {
		case <-p.served:
		default:
			return false
		}
	}
	n := p.server.Counts()
	return n.Pending+n.Open == 0
}

// portConfig is what a port's server is made of.
type portConfig struct {
	Listener
	limits Limits
	trust  []netip.Prefix
	drain  Duration
}

// openPorts opens the ports of a configuration. Those that did not change are
// taken over; one that did shares its socket with its successor, so that no
// client is turned away.
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

// openPort opens a port, with the socket of same if that is not nil.
func (g *Gateway) openPort(pc portConfig, same *port) (*port, error) {
	p := &port{portConfig: pc}
	var err error
	if p.server, err = g.newServer(&pc); err != nil {
		return nil, err
	}
	if same != nil {
		p.listener = same.listener.lease() // use hands the door over
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

// newServer makes the server of a port.
func (g *Gateway) newServer(pc *portConfig) (*draftwire.Server, error) {
	versions, err := draftwire.ParseVersions(pc.Versions)
	if err != nil {
		return nil, err
	}
	tolerate, err := wire.ParseTolerances(strings.Join(pc.Tolerate, ","))
	if err != nil {
		return nil, err
	}
	l, name := &pc.limits, pc.Name
	s := &draftwire.Server{
		WebSocket:  g.serve,
		MaxPending: l.Pending,
		// An address has as many unfinished handshakes as connections, and not all places.
		MaxPendingPerAddress: pendingOf(l),
		FarewellOver:         time.Duration(pc.drain),
		ErrorLog:             g.errors,
		Options: draftwire.AcceptOptions{
			Versions: versions, Tolerate: tolerate, TrustForwarded: pc.trust, PublicURL: pc.PublicURL,
			Origins: []string{"*"}, Protocols: []string{"*"}, // the route decides
			Authorize: func(h *draftwire.Handshake, acc *wire.Accept) error { return g.admit(name, h, acc) },
			Limits: draftwire.Limits{
				ReadLimit: int64(l.Message), HeadLimit: int(l.Head), HandshakeTimeout: time.Duration(l.Handshake),
				Key3Timeout: time.Duration(l.Key3), CloseTimeout: time.Duration(l.Close),
				WriteTimeout: time.Duration(l.Write), IdleTimeout: time.Duration(l.Idle),
			},
			CompressionFor: compressionFor,
		},
	}
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
		s.TLS, err = g.tlsConfig(pc)
	}
	return s, err
}

// pendingOf bounds the unfinished handshakes of an address.
func pendingOf(l *Limits) int {
	half := (l.Pending + 1) / 2
	if l.ConnectionsPerAddress > 0 {
		return min(l.ConnectionsPerAddress, half)
	}
	return half
}

// compressionFor is the compression of a client's side, by its route.
func compressionFor(h *draftwire.Handshake) draftwire.Compression {
	s, ok := h.Value.(*Session)
	if ok && (s.route.Policy.Compression == "client" || s.route.Policy.Compression == "both") {
		return draftwire.Compression{Mode: draftwire.CompressLarge}
	}
	return draftwire.Compression{}
}

// tlsConfig makes the TLS settings of a port. Certificates are read again when
// their files change.
func (g *Gateway) tlsConfig(pc *portConfig) (*tls.Config, error) {
	profile, err := oldtls.ParseProfile(pc.TLS.Profile)
	if err != nil {
		return nil, err
	}
	o := oldtls.Options{Profile: profile}
	for _, k := range pc.TLS.Certificates {
		c, err := oldtls.LoadFiles(k.Cert, k.Key, func(err error) {
			if f := g.hooks.Certificate; f != nil {
				f(pc.Name, err)
			}
		})
		if err != nil {
			return nil, err
		}
		o.Certificates = append(o.Certificates, c)
	}
	return o.Config()
}

// Listen opens HOST:PORT, unix:PATH or fd:NAME, a socket that systemd passes
// (sd_listen_fds(3)) under the name of FileDescriptorName=. A unix socket that a
// program left behind when it was killed is replaced.
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

// abandoned reports whether path is a socket that nobody listens on.
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

// sockets are those that systemd passes. They can be asked for once, and stay open: a
// port may go with a reload and come back with another.
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
		return nil, fmt.Errorf("systemd passes no socket %q, but %q", name, slices.Sorted(maps.Keys(named)))
	case 1:
		own := l[0].lease()
		l[0].handOver(own)
		return own, nil
	default:
		return nil, fmt.Errorf("systemd passes %d sockets %q: a socket unit for each, with a name of its own", len(l), name)
	}
}
