package nats

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Server is a server of NATS in this process.
type Server struct {
	ns      *server.Server
	folder  string // to be removed
	members int    // servers of the cluster; 1: alone
	alone   bool   // nothing but this process can connect to it
	token   string
	journal *journal
}

// maxPayload is the longest message of an embedded server: one of a hub by default, and what is around it.
const maxPayload = 1<<20 + 64<<10

// upTime bounds the wait for a server to listen.
const upTime = 10 * time.Second

// StartServer starts a server of NATS in this process. It returns when the server takes connections; those of
// a cluster may still look for each other. Its errors say what is wrong with the options, or are those of listening and of the
// folder. Close must be called.
func StartServer(o ServerOptions) (*Server, error) {
	x := &Server{members: 1, journal: &journal{failed: make(chan error, 1), secret: o.Token}, token: o.Token, alone: o.Listen == "" && o.Cluster == ""}
	opts := &server.Options{ServerName: o.Name, NoSigs: true, NoLog: true, JetStream: true, StoreDir: o.Dir, MaxPayload: maxPayload,
		DontListen: x.alone, Authorization: o.Token, JetStreamMaxMemory: -1, JetStreamMaxStore: -1}
	if o.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, err
		}
		opts.ServerName = host
	}
	var err error
	if o.Listen != "" {
		if opts.Host, opts.Port, err = hostPort(o.Listen); err != nil {
			return nil, err
		}
		if o.Token == "" {
			return nil, errors.New("hub/nats: a server that others may connect to needs a token")
		}
	}
	if err := x.cluster(opts, &o); err != nil {
		return nil, err
	}
	if opts.StoreDir == "" {
		if opts.StoreDir, err = os.MkdirTemp("", "draftwire-nats-"); err != nil {
			return nil, err
		}
		x.folder = opts.StoreDir
	}
	if x.ns, err = server.NewServer(opts); err == nil {
		err = x.start()
	}
	if err != nil {
		os.RemoveAll(x.folder)
		return nil, fmt.Errorf("hub/nats: the server %s, with the folder %s: %w", opts.ServerName, opts.StoreDir, err)
	}
	return x, nil
}

// start starts the server, and waits until it listens.
func (x *Server) start() error {
	const debug, trace = false, false
	x.ns.SetLogger(x.journal, debug, trace)
	x.ns.Start()
	err := fmt.Errorf("it does not listen after %v", upTime)
	for began := time.Now(); time.Since(began) < upTime; {
		ready := x.ns.ReadyForConnections(100 * time.Millisecond)
		select {
		case err = <-x.journal.failed:
			began = time.Time{}
		default:
			if ready {
				return nil
			}
		}
	}
	x.ns.Shutdown()
	x.ns.WaitForShutdown()
	return err
}

// journal is a log that keeps why a server cannot start, and the last error, and nothing else: others can make it write as
// many lines as they like.
type journal struct {
	failed chan error
	secret string // which no text has

	mu   sync.Mutex
	last string
	at   time.Time
}

// lastError bounds the text of the last error, in bytes.
const lastError = 200

func (j *journal) Fatalf(format string, v ...any) {
	select {
	case j.failed <- fmt.Errorf(format, v...):
	default:
	}
}

func (j *journal) Errorf(format string, v ...any) {
	s := fmt.Sprintf(format, v...)
	if j.secret != "" {
		s = strings.ReplaceAll(s, j.secret, "...")
	}
	s = strings.ToValidUTF8(s[:min(len(s), lastError)], "")
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last, j.at = s, time.Now()
}

func (*journal) Noticef(string, ...any) {}
func (*journal) Warnf(string, ...any)   {}
func (*journal) Debugf(string, ...any)  {}
func (*journal) Tracef(string, ...any)  {}

// cluster sets what makes the server one of several.
func (x *Server) cluster(opts *server.Options, o *ServerOptions) error {
	if o.Cluster == "" {
		if len(o.Routes) > 0 {
			return errors.New("hub/nats: routes need an address to listen on for the other servers")
		}
		return nil
	}
	if o.Token == "" {
		return errors.New("hub/nats: a cluster needs a token")
	}
	host, port, err := hostPort(o.Cluster)
	if err != nil {
		return err
	}
	opts.Cluster = server.ClusterOpts{Name: "draftwire", Host: host, Port: port, Username: "draftwire", Password: o.Token, TLSConfig: o.TLS, TLSTimeout: 5, AuthTimeout: 5,
		PingInterval: pingTime, MaxPingsOut: 2} // so that the others notice soon when one hangs
	if o.Listen == "" { // a server that takes no clients takes no other servers either
		opts.Host, opts.Port = "127.0.0.1", server.RANDOM_PORT
		opts.Cluster.NoAdvertise = true // programs elsewhere would try it there, with their secret
	}
	members := map[string]bool{o.Cluster: true}
	for _, r := range o.Routes {
		if _, _, err := hostPort(r); err != nil {
			return err
		}
		members[r] = true
		opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats-route", Host: r, User: url.UserPassword("draftwire", o.Token)})
	}
	// One that listens on all addresses is among its routes with another one.
	x.members = len(members)
	if host == "" || net.ParseIP(host).IsUnspecified() {
		x.members = max(len(o.Routes), 2)
	}
	return nil
}

func hostPort(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("hub/nats: %q is not HOST:PORT", addr)
	}
	return host, port, nil
}

// replicas is on how many servers of the cluster messages are by default.
func (x *Server) replicas() int {
	if x.members >= 3 {
		return 3
	}
	return 1
}

// Close ends the server, and waits for that.
func (x *Server) Close() {
	x.ns.Shutdown()
	x.ns.WaitForShutdown()
	if x.folder != "" {
		os.RemoveAll(x.folder)
	}
}

// Peers returns how many other servers of the cluster this one is connected to.
func (x *Server) Peers() int { return x.ns.NumRemotes() }

// Members returns how many servers the cluster has according to the options, this one too: 1 for a server that is alone.
func (x *Server) Members() int { return x.members }

// LastError returns the last error that the server has had, and when: that another one has a wrong token, or the
// same name, for example. It has at most 200 bytes, and no secret. Where there was none the text is empty.
func (x *Server) LastError() (text string, at time.Time) {
	x.journal.mu.Lock()
	defer x.journal.mu.Unlock()
	return x.journal.last, x.journal.at
}
