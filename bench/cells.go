package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/draftwire/draftwire/bench/load"
)

// entry is who runs a cell: a server, asked in a version.
type entry struct {
	Server  string `json:"server"`
	Version string `json:"version"`
}

// cell is one comparison.
type cell struct {
	name    string
	title   string
	spec    load.Spec // without server and times
	entries []entry   // the first is the reference
	args    []string  // for the server
	once    bool      // placement makes little difference: measured in the first one
	steady  bool      // the numbers hardly change: a third of the rounds will do
	columns []column
}

var versions = []string{load.V13, load.V08, load.V07, load.V76, load.V75}

// versionNames are for the tables.
var versionNames = map[string]string{
	load.V13: "RFC 6455", load.V08: "hybi-08", load.V07: "hybi-07", load.V76: "hixie-76", load.V75: "hixie-75",
}

// scale is how large cells are.
type scale struct {
	conns, many, idle, broadcast int
	each, settle                 time.Duration
	warm                         time.Duration // of CPU time
	warmNode                     time.Duration // the same for Node, which compiles while it runs: cold, it does a tenth
	rounds                       int
	rate                         int // messages a second where the tail is measured
	alive                        int // servers that have their connections at the same time, at most
	sessions, hold               int // of a gateway that is idle; of several that hold them
	holdFor, ping                time.Duration
	gatewayTurns                 int // of a gateway in a round
}

var (
	full = scale{
		conns: 64, many: 1000, idle: 5000, broadcast: 10000, rate: 60_000, rounds: 12, each: 250 * time.Millisecond,
		warm: 200 * time.Millisecond, warmNode: 800 * time.Millisecond, settle: 150 * time.Millisecond,
		sessions: eachGateway, hold: 100_000, holdFor: time.Minute, ping: 30 * time.Second, gatewayTurns: 20,
	}
	quick = scale{
		conns: 64, many: 1000, idle: 2000, broadcast: 2000, rate: 60_000, rounds: 3, each: 200 * time.Millisecond,
		warm: 50 * time.Millisecond, warmNode: 800 * time.Millisecond, settle: 100 * time.Millisecond,
		sessions: 2000, hold: 4000, holdFor: 5 * time.Second, ping: 2 * time.Second, gatewayTurns: 20,
	}
	smoke = scale{
		conns: 4, many: 20, idle: 20, broadcast: 20, rate: 2000, rounds: 1, each: 50 * time.Millisecond,
		warm: 5 * time.Millisecond, warmNode: 5 * time.Millisecond, settle: 10 * time.Millisecond,
		sessions: 20, hold: 40, holdFor: 3 * time.Second, ping: time.Second, gatewayTurns: 1,
	}
)

// within makes the scale fit the files that a process may have open here.
func (s scale) within(files int) scale {
	const others = 100
	each := (files - others) / max(1, s.alive)
	s.idle, s.broadcast, s.many = min(s.idle, files-others), min(s.broadcast, each), min(s.many, each)
	s.sessions = min(s.sessions, (files-others)/2) // a gateway has two files for each
	return s
}

// turnTime is how long a turn is.
const turnTime = 25 * time.Millisecond

// inTurns is the scale where all servers of a cell are alive at once.
func (s scale) inTurns() scale {
	s.each, s.broadcast, s.alive = turnTime, quick.broadcast, len(all13)
	return s
}

// all13 are the servers of RFC 6455 cells.
var all13 = []string{"raw", "draftwire", "draftwire-events", "readme", "handler", "serve", "gobwas", "gobwas-buf", "gws", "gorilla", "dropin", "coder", "ws", "gnet"}

// packers are the servers that compress.
var packers = []string{"draftwire", "gws", "gorilla", "dropin", "fasthttp", "coder", "ws"}

func in13(servers ...string) []entry {
	var es []entry
	for _, s := range servers {
		es = append(es, entry{s, load.V13})
	}
	return es
}

// inAll returns an entry of a server for each version.
func inAll(server string) (list []entry) {
	for _, v := range versions {
		list = append(list, entry{server, v})
	}
	return list
}

// inEach is draftwire in every version, and the one other server that has
// hixie-76.
func inEach() []entry {
	return append(inAll("draftwire"), entry{"websocket-driver", load.V13}, entry{"websocket-driver", load.V76})
}

func allCells(s scale) []cell {
	few := max(2, s.conns/8)
	cells := []cell{
		echoCell("echo-125", "Echo, 125 bytes, one at a time", load.Spec{Size: 125, Conns: s.conns}),
		echoCell("echo-125c1000", "Echo, 125 bytes, one at a time", load.Spec{Size: 125, Conns: s.many}),
		echoCell("echo-125x32", "Echo, 125 bytes, 32 in flight", load.Spec{Size: 125, Batch: 32, Conns: s.conns}),
		echoCell("echo-16k", "Echo, 16 KiB, one at a time", load.Spec{Size: 16 << 10, Conns: s.conns}),
		echoCell("echo-1m", "Echo, 1 MiB, one at a time", load.Spec{Size: 1 << 20, Conns: few}),
		{
			name: "tail-125", title: fmt.Sprintf("Echo, 125 bytes, %d a second", s.rate),
			spec:    load.Spec{Kind: load.Paced, Size: 125, Conns: s.conns, Rate: s.rate},
			entries: in13(all13...), columns: tailColumns,
		},
		{
			name: "handshake", title: "Handshake: connect, upgrade, close",
			spec:    load.Spec{Kind: load.Handshake, Conns: s.conns},
			entries: in13(append(all13[:len(all13):len(all13)], "accept")...), columns: handshakeColumns,
		},
		{
			name: "broadcast", title: "Broadcast, 125 bytes",
			spec:    load.Spec{Kind: load.Broadcast, Size: 125, Conns: s.broadcast},
			entries: in13("raw", "draftwire", "draftwire-events", "serve", "gobwas", "gws", "gorilla", "dropin", "coder", "ws"), columns: broadcastColumns,
		},
		deflateCell("deflate-1k", "Echo, compressed, 1 KiB of JSON", 1<<10, s),
		deflateCell("deflate-16k", "Echo, compressed, 16 KiB of JSON", 16<<10, s),
		{
			name: "idle", title: "Idle connections",
			spec:    load.Spec{Kind: load.Idle, Size: 125, Conns: s.idle},
			entries: in13(append(all13[:len(all13):len(all13)], "draftwire-lean", "draftwire-events-lean", "gorilla-apart", "dropin-apart")...), once: true, steady: true, columns: idleColumns,
		},
		{
			name: "idle-deflate", title: "Idle connections that negotiated compression",
			spec:    load.Spec{Kind: load.Idle, Size: 1 << 10, Conns: s.idle, Deflate: true},
			entries: in13(append(packers[:len(packers):len(packers)], "draftwire-lean")...), args: []string{"-deflate"}, once: true, steady: true, columns: idleColumns,
		},
		versionCell("versions-125", "Each version: echo, 125 bytes of text, one at a time", load.Spec{Kind: load.Echo, Size: 125, Text: true, Conns: s.conns}),
		versionCell("versions-125x32", "Each version: echo, 125 bytes of text, 32 in flight", load.Spec{Kind: load.Echo, Size: 125, Text: true, Batch: 32, Conns: s.conns}),
		versionCell("versions-handshake", "Each version: handshake", load.Spec{Kind: load.Handshake, Conns: s.conns}),
	}
	cells = append(cells, gatewayCells(s)...)
	for i := range cells {
		switch cells[i].name {
		case "tail-125": // ws has no more than that in a second, of a core of its own
			cells[i].leave(func(server string) bool { return server != "ws" })
		case "versions-125":
			cells[i].entries = append(cells[i].entries, inAll("draftwire-events")...)
		}
		cells[i].title += fmt.Sprintf(", %d connections", cells[i].spec.Conns)
		cells[i].spec.Batch = max(1, cells[i].spec.Batch)
	}
	return cells
}

// beside puts another build of draftwire, of a program or of the gateway, beside this one, as the reference. A cell of
// several versions becomes one for each version, which is compared with itself.
func beside(cells []cell, other string) []cell {
	var out []cell
	for _, c := range cells {
		ours, commit, _ := strings.Cut(other, "@")
		if c.gateways() {
			ours = gatewayNames[0]
		}
		for _, v := range versions {
			of := c
			of.entries = []entry{{ours + "@" + commit, v}}
			for _, e := range c.entries {
				if e.Version == v {
					of.entries = append(of.entries, e)
				}
			}
			if strings.Contains(c.name, "versions") {
				of.name, of.title = c.name+"-"+v, c.title+", "+versionNames[v]
			}
			if of.has(ours) {
				out = append(out, of)
			}
		}
	}
	return out
}

// rounds is how many rounds a cell has, of those asked for.
func (c *cell) rounds(all int) int {
	switch {
	case c.spec.Kind == load.Hold:
		return 1
	case c.steady:
		return (all + 2) / 3
	}
	return all
}

func echoCell(name, title string, spec load.Spec) cell {
	spec.Kind = load.Echo
	return cell{name: name, title: title, spec: spec, entries: in13(all13...), columns: echoColumns}
}

func deflateCell(name, title string, size int, s scale) cell {
	return cell{
		name: name, title: title, args: []string{"-deflate"},
		spec:    load.Spec{Kind: load.Echo, Size: size, Deflate: true, Conns: s.conns},
		entries: in13(packers...), columns: deflateColumns,
	}
}

func versionCell(name, title string, spec load.Spec) cell {
	c := cell{name: name, title: title, spec: spec, entries: inEach(), once: true, columns: echoColumns}
	if spec.Kind == load.Handshake {
		c.columns = handshakeColumns
	}
	return c
}
