package main

import (
	"fmt"
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
	conns, idle, broadcast int
	each, settle           time.Duration
	warm                   time.Duration // of CPU time
	warmNode               time.Duration // the same for Node, which compiles while it runs: cold, it does a tenth
	rounds                 int
}

var (
	full = scale{
		conns: 64, idle: 5000, broadcast: 10000, rounds: 12, each: 250 * time.Millisecond,
		warm: 200 * time.Millisecond, warmNode: 800 * time.Millisecond, settle: 150 * time.Millisecond,
	}
	quick = scale{
		conns: 64, idle: 2000, broadcast: 2000, rounds: 3, each: 200 * time.Millisecond,
		warm: 50 * time.Millisecond, warmNode: 800 * time.Millisecond, settle: 100 * time.Millisecond,
	}
	smoke = scale{
		conns: 4, idle: 20, broadcast: 20, rounds: 1, each: 50 * time.Millisecond,
		warm: 5 * time.Millisecond, warmNode: 5 * time.Millisecond, settle: 10 * time.Millisecond,
	}
)

// within makes the scale fit the files that a process may have open here.
func (s scale) within(files int) scale {
	const others = 100
	s.idle, s.broadcast = min(s.idle, files-others), min(s.broadcast, files-others)
	return s
}

// all13 are the servers of RFC 6455 cells.
var all13 = []string{"raw", "draftwire", "gobwas", "gobwas-buf", "gws", "gorilla", "coder", "ws", prototype}

// prototype is the event loop, which is made for many small connections and
// runs where these are measured.
const prototype = "loop"

// packers are the servers that compress.
var packers = []string{"draftwire", "gws", "gorilla", "fasthttp", "coder", "ws"}

func in13(servers ...string) []entry {
	var es []entry
	for _, s := range servers {
		es = append(es, entry{s, load.V13})
	}
	return es
}

// inEach is draftwire in every version, and the one other server that has
// hixie-76.
func inEach() []entry {
	var es []entry
	for _, v := range versions {
		es = append(es, entry{"draftwire", v})
	}
	for _, v := range []string{load.V13, load.V76} {
		es = append(es, entry{"websocket-driver", v})
	}
	return es
}

func allCells(s scale) []cell {
	few := max(2, s.conns/8)
	cells := []cell{
		echoCell("echo-125", "Echo, 125 bytes, one at a time", load.Spec{Size: 125, Conns: s.conns}),
		echoCell("echo-125x32", "Echo, 125 bytes, 32 in flight", load.Spec{Size: 125, Batch: 32, Conns: s.conns}),
		echoCell("echo-16k", "Echo, 16 KiB, one at a time", load.Spec{Size: 16 << 10, Conns: s.conns}),
		echoCell("echo-1m", "Echo, 1 MiB, one at a time", load.Spec{Size: 1 << 20, Conns: few}),
		{
			name: "handshake", title: "Handshake: connect, upgrade, close",
			spec:    load.Spec{Kind: load.Handshake, Conns: s.conns},
			entries: in13(append(all13[:len(all13):len(all13)], "accept")...), columns: handshakeColumns,
		},
		{
			name: "broadcast", title: "Broadcast, 125 bytes",
			spec:    load.Spec{Kind: load.Broadcast, Size: 125, Conns: s.broadcast},
			entries: in13("raw", "draftwire", "gobwas", "gws", "gorilla", "coder", "ws"), columns: broadcastColumns,
		},
		deflateCell("deflate-1k", "Echo, compressed, 1 KiB of JSON", 1<<10, s),
		deflateCell("deflate-16k", "Echo, compressed, 16 KiB of JSON", 16<<10, s),
		{
			name: "idle", title: "Idle connections",
			spec:    load.Spec{Kind: load.Idle, Size: 125, Conns: s.idle},
			entries: in13(append(all13[:len(all13):len(all13)], "draftwire-lean")...), once: true, steady: true, columns: idleColumns,
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
	for i := range cells {
		switch cells[i].name {
		case "echo-1m":
			cells[i].leave(func(server string) bool { return server != prototype })
		case "versions-125":
			for _, v := range versions {
				cells[i].entries = append(cells[i].entries, entry{prototype, v})
			}
		}
		cells[i].title += fmt.Sprintf(", %d connections", cells[i].spec.Conns)
		cells[i].spec.Batch = max(1, cells[i].spec.Batch)
	}
	return cells
}

// rounds is how many rounds a cell has, of those asked for.
func (c *cell) rounds(all int) int {
	if c.steady {
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
