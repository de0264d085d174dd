package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/live"
	"github.com/draftwire/draftwire/recording"
	"github.com/urfave/cli/v2"
)

// recordOptions are what the record command needs to know.
type recordOptions struct {
	file   string
	max    int64
	most   int64 // of a message
	redact recording.Redaction
	conns  int
	quiet  bool
	ends   *liveOptions
}

func (p *program) recordCommand() command {
	return command{
		name: "record", usage: "record what passes between clients and a server, in any version", args: "FILE", least: 1, most: 1,
		about: "Stands between clients and a server, passes each byte on as it comes, and writes every WebSocket connection to FILE: both heads, each frame with its time, and the messages. " +
			"An existing recording is continued. 'draftwire replay' plays it.\n" +
			"What is secret does not reach the file: the values of the fields " + strings.Join(recording.DefaultFields, ", ") + ", and those of members of JSON and of parameters of the query that are called " +
			strings.Join(recording.DefaultNames, ", ") + ". In their place stands [redacted:NAME]. --redact adds names.",
		examples: []example{
			{"draftwire record --listen 127.0.0.1:8081 --to ws://127.0.0.1:9000 day.dwr", "clients connect to port 8081"},
			{"draftwire record --redact pin,card --max-file 100MiB --to wss://backend.example day.dwr", "more that is secret, and a bounded file"},
		},
		flags: append([]cli.Flag{
			&cli.StringFlag{Name: "max-file", Value: "1GiB", Usage: "write no more than `SIZE`; what comes then is passed on and counted"},
			&cli.StringFlag{Name: "max-message", Value: "1MiB", Usage: "leave out the payload of messages longer than `SIZE`; a connection may take three times as much memory"},
			&cli.IntFlag{Name: "max-conns", Value: live.DefaultMaxConns, Usage: "carry at most `N` connections at once; a further one waits"},
			&cli.StringSliceFlag{Name: "redact", DefaultText: "none but the above", Usage: "`NAMES` of fields, of members of JSON and of parameters whose values are left out too, joined by commas"},
			&cli.BoolFlag{Name: "redact-payload", Usage: "leave out all payload"},
			&cli.BoolFlag{Name: "no-redact", Usage: "leave out nothing: passwords and cookies are in the file then"},
		}, betweenFlags("")...),
		run: func(c *cli.Context) error {
			if _, err := p.logger(c); err != nil {
				return err // its flags are wrong
			}
			o, err := recordOptionsOf(c)
			if err != nil {
				return err
			}
			return record(c.Context, o, p.stdio, p.signals)
		},
	}
}

func recordOptionsOf(c *cli.Context) (o recordOptions, err error) {
	o = recordOptions{file: c.Args().First(), quiet: c.Bool("quiet")}
	if c.String("to") == "" {
		return o, usagef("--to is missing: the URL of the server")
	}
	if o.max, err = sizeFlag(c, "max-file"); err != nil {
		return o, err
	}
	if o.most, err = sizeFlag(c, "max-message"); err != nil {
		return o, err
	}
	if o.most > recording.MaxRecord/2 {
		return o, usagef("--max-message: %s is more than %d MiB", c.String("max-message"), recording.MaxRecord>>21)
	}
	if o.conns, err = countFlag(c, "max-conns", math.MaxInt32); err != nil {
		return o, err
	}
	if !c.Bool("no-redact") {
		o.redact = recording.Redaction{Fields: recording.DefaultFields, Names: recording.DefaultNames}
	}
	o.redact.Payload = c.Bool("redact-payload")
	more := splitNames(c.StringSlice("redact"))
	o.redact.Fields, o.redact.Names = slices.Concat(o.redact.Fields, more), slices.Concat(o.redact.Names, more)
	if c.Bool("no-redact") && (o.redact.Payload || len(o.redact.Names) > 0) {
		return o, usagef("--no-redact excludes --redact and --redact-payload")
	}
	o.ends, err = readBetween(c)
	return o, err
}

// splitNames returns the names of lists that are joined by commas.
func splitNames(lists []string) (names []string) {
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// recordFlush is how long what was recorded may wait in memory while more comes.
const recordFlush = 100 * time.Millisecond

// record records until a signal comes.
func record(ctx context.Context, o recordOptions, std stdio, signals <-chan os.Signal) error {
	ctx, stop := interruptible(ctx, signals)
	defer stop()
	say := func(format string, args ...any) {
		if !o.quiet {
			fmt.Fprintf(std.err, "draftwire record: %s\n", visible(fmt.Sprintf(format, args...)))
		}
	}
	f, err := os.OpenFile(o.file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() { // a pipe would stop this program where nobody reads
		return exitf(exitFailure, "%s is no ordinary file, which a recording is kept in", o.file)
	}
	if !lockFile(f) {
		return exitf(exitFailure, "%s is being written by another draftwire record: choose another file", o.file)
	}
	w, before, err := recording.Append(f, recording.Header{Program: "draftwire " + readBuild().Version, Redacted: o.redact.Names})
	if err != nil {
		return exitf(exitFailure, "%s: %w", o.file, err)
	}
	if before > 0 {
		say("%s has %s; more are added", o.file, countOf(int(before), "connection"))
	}
	w.Max = o.max
	r := newSessionRecorder(w, before, o.redact)
	last := time.Now()
	failed := false
	flush := func() { // what a full disk stops is said at once, not when somebody ends this program
		if err := w.Flush(); err != nil && !failed {
			failed = true
			say("%s: %v: nothing more is recorded, but all is passed on", o.file, err)
		}
	}
	relay := &live.Relay{
		Sink: inspect.New(inspect.Options{Payload: int(o.most), Secure: o.ends.tls != nil}, func(e *inspect.Event) {
			r.tell(e)
			if now := time.Now(); now.Sub(last) > recordFlush {
				last = now
				flush()
			}
		}),
		Idle:      flush,
		MaxBehind: recordBehind, MaxConns: o.conns,
	}
	stats, err := o.ends.carry(ctx, relay, say)
	if err2 := w.Flush(); r.err == nil {
		r.err = err2
	}
	say("%s of WebSocket recorded, %d bytes in %s", countOf(r.count, "connection"), w.Size(), o.file)
	if stats.Gaps > 0 {
		say("%d bytes were passed on without being recorded, as the disk was too slow", stats.Gaps)
	}
	if r.full > 0 {
		say("%d events had no room within --max-file", r.full)
	}
	if err == nil && r.err != nil {
		err = fmt.Errorf("%s: %w", o.file, r.err)
	}
	return err
}

// recordBehind is how many bytes may wait for being recorded.
const recordBehind = 64 << 20
