// Servers is the program of the benchmark's Go servers, one implementation to
// a process:
//
//	servers [-deflate] [-buffered] [-lean] [-apart] NAME
//	servers -backend ADDRESS [-program FILE] [-tls] [-ping TIME] GATEWAY
//
// It prints the address that it listens on and serves until its standard input
// ends. Every path echoes, except /broadcast, where each message goes to every
// connection on it. SIGUSR2 makes it collect its garbage and give the memory
// back, so that what remains is what the connections hold. With a backend it is a
// gateway to it.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/draftwire/draftwire"
)

// options are what a server is started with.
type options struct {
	deflate  bool // negotiate permessage-deflate without context takeover
	buffered bool // of gobwas: read and write through bufio
	lean     bool // of draftwire: hold no heads
	events   bool // of draftwire: loops in place of goroutines
	apart    bool // of gorilla: a goroutine for each connection, and the handler returns
}

// maxMessage is the limit of a message where one has to be set.
const maxMessage = 4 << 20

// roomPath is the path whose messages go to everybody on it.
const roomPath = "/broadcast"

var servers = map[string]func(l net.Listener, o options) error{
	"accept":    serveAccept,
	"behind":    serveBehind,
	"coder":     serveCoder,
	"draftwire": serveDraftwire,
	"dropin":    serveDropin,
	"fasthttp":  serveFasthttp,
	"gobwas":    serveGobwas,
	"gorilla":   serveGorilla,
	"handler":   serveHandler,
	"gws":       serveGws,
	"raw":       serveRaw,
}

func main() {
	var o options
	flag.BoolVar(&o.deflate, "deflate", false, "negotiate permessage-deflate")
	flag.BoolVar(&o.buffered, "buffered", false, "gobwas: read and write through bufio")
	flag.BoolVar(&o.lean, "lean", false, "draftwire: hold no heads")
	flag.BoolVar(&o.events, "events", false, "draftwire: loops in place of goroutines")
	flag.BoolVar(&o.apart, "apart", false, "gorilla: a goroutine for each connection, and the handler returns")
	var p proxy
	flag.StringVar(&p.backend, "backend", "", "be a gateway to the server at this `ADDRESS`")
	flag.StringVar(&p.program, "program", "", "of the gateway of that name: the command, a `FILE`")
	flag.BoolVar(&p.tls, "tls", false, "of a gateway: TLS in front")
	flag.DurationVar(&p.ping, "ping", 0, "of the gateway of that name: `TIME` between pings; 0 for none")
	flag.Parse()
	if p.backend != "" {
		if err := serveGateway(flag.Arg(0), &p); err != nil {
			fail(err)
		}
		return
	}
	if flag.Arg(0) == "gnet" {
		go freeOnSignal()
		go endWithStdin()
		fail(serveGnet())
	}
	serve := servers[flag.Arg(0)]
	if serve == nil {
		fail(fmt.Errorf("no server %q", flag.Arg(0)))
	}
	listen := net.Listen
	if name := flag.Arg(0); name == "draftwire" || name == "behind" {
		listen = draftwire.Listen
	}
	l, err := listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	go freeOnSignal()
	go endWithStdin()
	fmt.Println(l.Addr())
	fail(serve(l, o))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "servers:", err)
	os.Exit(1)
}

// endWithStdin ends the process when its standard input ends.
func endWithStdin() {
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// freeOnSignal collects twice: what a sync.Pool holds outlives one collection.
func freeOnSignal() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR2)
	for range c {
		debug.FreeOSMemory()
		debug.FreeOSMemory()
	}
}

// serveHTTP serves a handler for the libraries that sit on net/http.
func serveHTTP(l net.Listener, h http.HandlerFunc) error {
	return (&http.Server{Handler: h}).Serve(l)
}

// acceptEach runs serve for each connection, in its own goroutine.
func acceptEach(l net.Listener, serve func(nc net.Conn)) error {
	for {
		nc, err := l.Accept()
		if err != nil {
			return err
		}
		go serve(nc)
	}
}
