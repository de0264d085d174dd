package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"

	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/inspect/input"
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// runInspect explains an input.
func runInspect(ctx context.Context, o inspectOptions, std stdio, signals <-chan os.Signal) error {
	ctx, stop := interruptible(ctx, signals)
	defer stop()
	out := bufio.NewWriterSize(std.out, 64<<10)
	r := newInspection(o, out, std)
	var err error
	if o.live != nil {
		err = r.runLive(ctx)
	} else {
		err = r.run(ctx)
	}
	if o.live == nil && context.Cause(ctx) == errInterrupted {
		out.Flush()
		return &exitError{code: exitInterrupted}
	}
	if err == nil {
		err = r.finish()
	}
	if err2 := out.Flush(); err == nil {
		err = err2
	}
	return err
}

// inspection is a run of the inspect command. It is the sink of the connections that are read.
type inspection struct {
	o      inspectOptions
	std    stdio
	out    *bufio.Writer
	events eventWriter // nil with --write
	sink   capture.Sink
	gate   gate
	found  found
	name   string                       // of the command; "": inspect
	text   func(p []byte) (bool, error) // reads what is about connections and has none; may be nil
}

// found is what was found, for --check and for what is said at the end.
type found struct {
	conns, sealed             int
	broken, refused, abnormal int
}

// eventWriter writes events in one form.
type eventWriter interface {
	add(e *inspect.Event) error
	close() error
}

func newInspection(o inspectOptions, out *bufio.Writer, std stdio) *inspection {
	r := &inspection{o: o, std: std, out: out}
	switch o.as {
	case "json":
		r.events = &jsonEvents{w: out}
	case "html":
		r.events = &htmlEvents{w: out}
	case "text":
		r.events = newTextEvents(o, out, std)
	case "hex":
		r.sink = &hexSink{w: out}
	case "vectors":
		r.sink = &vectorSink{w: out, o: &r.o, vectors: map[wire.Version][]vectors.Vector{}}
	case "pcap":
		r.sink = &pcapSink{Writer: capture.NewWriter(out)}
	}
	if r.events != nil {
		r.sink = inspect.New(o.explain, r.tell)
		r.gate = gate{all: o.all, pass: r.pass}
	}
	return r
}

// Open implements capture.Sink.
func (r *inspection) Open(c capture.Conn) capture.Stream {
	if !r.o.wantsStream(c.Number) {
		return nil
	}
	r.found.conns++
	if c.TLS != nil && c.TLS.Err != nil {
		r.found.sealed++
	}
	return r.sink.Open(c)
}

// tell takes an event of the inspector.
func (r *inspection) tell(e *inspect.Event) {
	if len(e.Broken()) > 0 {
		r.found.broken++
	}
	if e.Closing != nil {
		switch e.Closing.Result {
		case "refused":
			r.found.refused++
		case "abnormal":
			r.found.abnormal++
		}
	}
	r.gate.add(e)
}

// pass writes an event that the gate lets through.
func (r *inspection) pass(e *inspect.Event) error {
	if !r.o.wants(e) {
		return nil
	}
	if r.o.redact {
		e.Redact()
	}
	return r.events.add(e)
}

// run reads the input.
func (r *inspection) run(ctx context.Context) error {
	first, err := r.read(ctx, r.o.files[0])
	if err != nil || first == nil {
		return err
	}
	all := []*input.Recording{first}
	if len(r.o.files) == 2 {
		second, err := r.read(ctx, r.o.files[1])
		if err != nil {
			return err
		}
		if second == nil {
			return usagef("%s is a capture, which has both sides", r.o.files[1])
		}
		both, err := input.Join(first, second)
		if err != nil {
			return usagef("%w", err)
		}
		all = []*input.Recording{both}
	}
	r.gate.all = r.gate.all || first.Packets == nil
	for _, x := range all {
		r.say("read as %s", x.Format)
		if err := x.Play(r, 1, r.o.from); err != nil {
			return err
		}
	}
	return nil
}

// read reads a file. Of a capture it plays the connections, and returns nil.
func (r *inspection) read(ctx context.Context, name string) (*input.Recording, error) {
	in := r.std.in
	if name != "-" {
		f, err := openFile(ctx, name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b := bufio.NewReaderSize(readable(ctx, in), 64<<10)
	head, _ := b.Peek(32)
	if r.o.format == "pcap" || r.o.format == "" && capture.Sniff(head) {
		if len(r.o.files) > 1 {
			return nil, usagef("%s is a capture, which has both sides", name)
		}
		return nil, r.readCapture(ctx, b)
	}
	p, err := io.ReadAll(io.LimitReader(b, input.MaxSize+1))
	if err != nil {
		return nil, err
	}
	if len(p) == 0 {
		return nil, exitf(exitFailure, "%s: it is empty", name)
	}
	if r.text != nil && r.o.format == "" && len(r.o.files) == 1 {
		if ok, err := r.text(p); ok || err != nil {
			return nil, err
		}
	}
	x, err := input.Read(p, r.o.format)
	if err != nil {
		return nil, exitf(exitFailure, "%s: %w; --format says what it is, --from who has sent it", name, err)
	}
	return x, nil
}

// openFile opens a file to read until the program is interrupted: to open a pipe that has a name
// waits for somebody who writes to it.
func openFile(ctx context.Context, name string) (*os.File, error) {
	type result struct {
		f   *os.File
		err error
	}
	done := make(chan result, 1)
	go func() {
		f, err := os.Open(name)
		done <- result{f, err}
	}()
	select {
	case x := <-done:
		if errors.Is(x.err, os.ErrNotExist) {
			return nil, exitf(exitFailure, "%w: give the name of a file that is there, or - for stdin", x.err)
		}
		return x.f, x.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// untilDone is a reader that ends when the program is interrupted, also while a read waits for
// what does not come: then a goroutine is left with that.
type untilDone struct {
	ctx  context.Context
	r    io.Reader
	buf  []byte // of the goroutine that reads
	rest []byte // of buf: what was read and not given yet
	err  error  // what follows rest
}

// readable returns r as untilDone.
func readable(ctx context.Context, r io.Reader) *untilDone {
	return &untilDone{ctx: ctx, r: r, buf: make([]byte, 64<<10)}
}

// Read implements io.Reader.
func (u *untilDone) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, u.ctx.Err()
	}
	if len(u.rest) == 0 && u.err == nil {
		u.wait()
	}
	if len(u.rest) == 0 {
		return 0, u.err
	}
	n := copy(p, u.rest)
	u.rest = u.rest[n:]
	return n, nil
}

// wait waits for a read, or for the interruption.
func (u *untilDone) wait() {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	go func() {
		n, err := u.r.Read(u.buf)
		done <- result{n, err}
	}()
	select {
	case x := <-done:
		u.rest, u.err = u.buf[:x.n], x.err
	case <-u.ctx.Done():
		u.err = u.ctx.Err()
	}
}

// captureMemory is from when on the garbage of a capture is collected earlier than Go would: what is
// held of one is bounded, and its garbage would take as much again.
const captureMemory = 45 << 20

// readCapture reads a file of packets.
func (r *inspection) readCapture(ctx context.Context, in io.Reader) error {
	o := capture.Options{}
	for _, name := range r.o.keyLogs {
		f, err := openFile(ctx, name)
		if err != nil {
			return err
		}
		keys, err := capture.ReadKeyLog(readable(ctx, f))
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if o.Keys != nil {
			return usagef("--keylog: one file holds all keys; put the files together")
		}
		o.Keys = keys
	}
	for _, name := range r.o.rsaKeys {
		key, err := readRSAKey(ctx, name)
		if err != nil {
			return err
		}
		o.RSA = append(o.RSA, key)
	}
	if os.Getenv("GOMEMLIMIT") == "" && (r.o.as == "text" || r.o.as == "json") {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(captureMemory))
	}
	report, err := capture.Read(in, r, o)
	if err != nil && report.Packets == 0 {
		return err
	}
	r.say("%s, %s, %s", report.Format, countOf(int(report.Packets), "packet"), countOf(report.Conns, "connection"))
	for _, x := range []struct {
		n    int64
		what string
	}{
		{report.Cut, "packets are in the file only in part: what they lack is a gap (tcpdump -s 0 keeps it)"},
		{report.Fragments, "packets are fragments of IP, of which only the first is read"},
		{report.Damaged, "packets have heads that cannot be read"},
		{report.OtherLink, fmt.Sprintf("packets are of a link layer that is not read (%d)", report.Link)},
		{int64(report.Evicted), "connections were given up, as there were too many at once"},
	} {
		if x.n > 0 {
			r.say("%d %s", x.n, x.what)
		}
	}
	if report.CutShort {
		r.say("the file ends inside a packet")
	}
	return err
}

// keyMost is more than a file with a private key has.
const keyMost = 1 << 20

// readRSAKey reads a private key in PEM.
func readRSAKey(ctx context.Context, name string) (*rsa.PrivateKey, error) {
	f, err := openFile(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := io.ReadAll(io.LimitReader(readable(ctx, f), keyMost))
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(p); block != nil; block, rest = pem.Decode(rest) {
		if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
			return key, nil
		}
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if k, ok := key.(*rsa.PrivateKey); ok {
				return k, nil
			}
		}
	}
	return nil, configf("%s: there is no RSA key in it in PEM", name)
}

// say says something about the input.
func (r *inspection) say(format string, args ...any) {
	if !r.o.quiet {
		fmt.Fprintf(r.std.err, "draftwire %s: %s\n", cmp.Or(r.name, "inspect"), visible(fmt.Sprintf(format, args...)))
	}
}

// finish ends the output, and finds the exit code.
func (r *inspection) finish() error {
	if r.events == nil {
		if c, ok := r.sink.(interface{ close() error }); ok {
			return c.close()
		}
		return nil
	}
	r.gate.end()
	err := cmp.Or(r.gate.err, r.events.close())
	if err != nil {
		return err
	}
	if r.found.sealed > 0 {
		r.say("%s over TLS could not be opened; --keylog or --rsa-key has the keys", countOf(r.found.sealed, "connection"))
	}
	if r.gate.left > 0 {
		r.say("%s without WebSocket left out; --all shows them", countOf(r.gate.left, "connection"))
	}
	switch {
	case r.gate.passed == 0:
		return exitf(exitFailure, "there is no WebSocket in it")
	case !r.o.check:
		return nil
	case r.found.broken > 0:
		return exitf(exitProtocol, "%s breaks a rule, or several", countOf(r.found.broken, "event"))
	case r.found.refused > 0:
		return exitf(exitRefused, "%s refused", countOf(r.found.refused, "handshake"))
	case r.found.abnormal > 0:
		return exitf(exitAbnormal, "%s without a close", countOf(r.found.abnormal, "end"))
	}
	return nil
}

// gate keeps the events of a connection back until it shows that it is one of WebSocket.
type gate struct {
	all    bool
	pass   func(*inspect.Event) error
	open   map[int]bool             // the connection is one
	held   map[int][]*inspect.Event // of those that are not known to be
	passed int                      // connections
	left   int
	err    error
}

// heldMost is how many events of a connection are kept back.
const heldMost = 16

func (g *gate) add(e *inspect.Event) {
	if g.open == nil {
		g.open, g.held = map[int]bool{}, map[int][]*inspect.Event{}
	}
	if !g.open[e.Conn] {
		held := append(g.held[e.Conn], e)
		is := g.all || e.Draft != "" || e.Fault != "" || e.Kind == inspect.KindFrame
		if !is {
			if len(held) > heldMost {
				held = slices.Delete(held, 1, 2) // the first tells the addresses
			}
			g.held[e.Conn] = held
			if e.Kind == inspect.KindClosing {
				delete(g.held, e.Conn)
				g.left++
			}
			return
		}
		g.open[e.Conn] = true
		g.passed++
		delete(g.held, e.Conn)
		for _, e := range held {
			g.write(e)
		}
	} else {
		g.write(e)
	}
	if e.Kind == inspect.KindClosing {
		delete(g.open, e.Conn)
	}
}

func (g *gate) write(e *inspect.Event) {
	if g.err == nil {
		g.err = g.pass(e)
	}
}

// end counts what is still held back.
func (g *gate) end() {
	g.left += len(g.held)
}
