package nats

import (
	"crypto/tls"
	"time"
)

// The defaults of Options and ServerOptions.
const (
	DefaultPrefix  = "draftwire"
	DefaultHistory = 100
	DefaultAge     = time.Hour
	DefaultBytes   = 256 << 20
	DefaultTimeout = 5 * time.Second
)

// Options say where the broker is, and what it keeps. Fields that are zero have their defaults.
type Options struct {
	// URL is that of the servers of NATS, or several with commas: nats://HOST:4222, with a user and a
	// password or a token in it, or tls://HOST:4222. Not with Server.
	URL string
	// Server is one in this process.
	Server *Server
	// Credentials is a file of NATS credentials, for servers that ask for them.
	Credentials string
	// TLS is for connections to servers. Default: that of the system, where the URL asks for it.
	TLS *tls.Config
	// Prefix begins all names of subjects and of the stream, so that several of these may share servers.
	// Letters, digits and '-'. Default "draftwire".
	Prefix string
	// History is how many messages of each room are kept (100), for how long (Age, one hour), and how many bytes
	// of all rooms at most (Bytes, 256 MiB; 1,114,112 at least): the oldest go first. They are those of whoever makes the stream: later ones change it.
	History int
	Age     time.Duration
	Bytes   int64
	// Disk keeps the messages on the disks of the servers, not in their memory. All programs say the same: one that
	// does not is told so by each error.
	Disk bool
	// Replicas is on how many servers of a cluster the messages are. Default: as the stream that is there has it; one that
	// is made has 3 with an embedded cluster of three or more, else 1.
	Replicas int
	// Timeout bounds a publication, and each question to the broker. Default 5s.
	Timeout time.Duration
	// Changed is called when the connection to the broker is lost, with the reason, and with nil when it
	// is there again. It must not block.
	Changed func(err error)
}

// ServerOptions are the options of a server of NATS in this process.
type ServerOptions struct {
	// Name is that of the server, which no other one of the cluster has. Default: the name of the host.
	Name string
	// Dir is where it keeps what Options.Disk asks for, and what a cluster of servers has agreed on. Default: a temporary
	// folder, which is removed at the end. Only one server may have it.
	Dir string
	// Cluster is where it listens for the other servers: HOST:PORT. Default: it is alone.
	Cluster string
	// Routes are the addresses at which the other servers listen for this one. Itself may be among them.
	Routes []string
	// Token is a secret that all servers of the cluster have. It is needed with Cluster.
	Token string
	// TLS is for what goes between the servers: all have a certificate, by which each is judged. Default: none.
	TLS *tls.Config
	// Listen is where programs may connect: HOST:PORT, with the token. Default: this process alone.
	Listen string
}
