package main

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/sirupsen/logrus"
	"github.com/urfave/cli/v2"
)

// What a run may hold at most.
const (
	maxBenchConns  = 100_000
	maxBenchDepth  = 65_536
	maxBenchRate   = 10_000_000
	maxBenchFlight = 1 << 31 // bytes under way, on all connections
)

// benchOptions are what the bench command needs to know.
type benchOptions struct {
	url         string
	dial        draftwire.DialOptions // all but the version
	mix         []share
	connections int
	messages    int           // in all; 0: until duration is over
	duration    time.Duration // 0: until messages have gone
	rate        int           // messages a second in all; 0: as fast as answers come
	warmup      time.Duration
	sizes       []int
	depth       int
	op          draftwire.Op
	timeout     time.Duration
	maxP99      time.Duration // 0: none
	json, long  bool
	quiet       bool
}

func (p *program) benchCommand() command {
	return command{
		name: "bench", usage: "load an echo server and measure its answers, by version", args: "URL", least: 1, most: 1,
		about: "Opens connections in the versions of --mix, sends messages and checks that each comes back as it went, in order. " +
			"Then prints a line for each version and one for all: messages a second, payload in MB a second (one way; MB is 10^6 bytes), percentiles of the time from message to answer, and errors. " +
			"An error is a connection that could not be opened, one that broke or gave no answer in time, or a wrong answer.\n" +
			"Without --rate each connection sends as soon as it may: a server that stalls is then sent less, and the percentiles flatter it. " +
			"With --rate each message has a time when it is due, and its answer is measured from then on, even if the message had to wait for earlier ones: a stall shows in all it held up. " +
			"Times are told in three digits; 60s stands for all above.\n" +
			"Ctrl-C ends a run early and prints what was measured.",
		examples: []example{
			{"draftwire bench ws://127.0.0.1:8080/", "50 connections for 10 seconds, rfc6455"},
			{"draftwire bench --mix hixie-76=40,hybi-08=30,rfc6455=30 ws://127.0.0.1:8080/", "as an old fleet might be"},
			{"draftwire bench -c 200 -q 5000 -z 1m --warmup 5s ws://127.0.0.1:8080/", "5000 messages a second"},
			{"draftwire bench -n 100000 --size 125,16KiB --depth 8 ws://127.0.0.1:8080/", "short and long ones, eight under way"},
			{"draftwire bench -z 30s -q 1000 --max-p99 20ms --json ws://127.0.0.1:8080/", "a test: exit code 7 if it is slower"},
		},
		flags: benchFlags(),
		run: func(c *cli.Context) error {
			log, err := p.logger(c)
			if err != nil {
				return err
			}
			o, err := benchOptionsOf(c)
			if err != nil {
				return err
			}
			o.quiet = !log.IsLevelEnabled(logrus.InfoLevel)
			return runBench(c.Context, o, p.stdio, p.signals)
		},
	}
}

func benchFlags() []cli.Flag {
	load := []cli.Flag{
		&cli.StringFlag{Name: "version", Value: "rfc6455", Usage: "`VERSION` that all connections speak"},
		&cli.StringFlag{Name: "mix", Usage: "versions and their weights, a `LIST` like hixie-76=40,rfc6455=60"},
		&cli.IntFlag{Name: "connections", Aliases: []string{"c"}, Value: 50, Usage: "open `N` connections"},
		&cli.IntFlag{Name: "messages", Aliases: []string{"n"}, DefaultText: "no end by number", Usage: "send `N` messages in all, evenly spread over the connections"},
		&cli.DurationFlag{Name: "duration", Aliases: []string{"z"}, DefaultText: "10s without -n", Usage: "send for that `TIME`"},
		&cli.IntFlag{Name: "rate", Aliases: []string{"q"}, DefaultText: "none", Usage: "send `N` messages a second in all; answers are then measured from when a message was due"},
		&cli.StringFlag{Name: "size", Value: "125", Usage: "payload of a message, a `SIZE` like 16KiB, or several joined by commas that take turns"},
		&cli.IntFlag{Name: "depth", Value: 1, Usage: "at most `N` messages under way on a connection"},
		&cli.DurationFlag{Name: "warmup", DefaultText: "none", Usage: "send for that `TIME` before measuring"},
	}
	results := []cli.Flag{
		&cli.DurationFlag{Name: "timeout", Value: draftwire.DefaultHandshakeTimeout, Usage: "`TIME` for each connection, and for each answer"},
		&cli.DurationFlag{Name: "max-p99", DefaultText: "none", Usage: "exit with 7 if the p99 of all answers is above `TIME`"},
		&cli.BoolFlag{Name: "long", Aliases: []string{"l"}, Usage: "with the columns OPEN P50 and OPEN P99, the time to open a connection"},
		&cli.BoolFlag{Name: "json", Usage: "print one JSON object, with all there is"},
	}
	return slices.Concat(load, kindFlags(), requestFlags(), results, compressionFlags())
}

// benchOptionsOf reads the flags; what is wrong with them is a usage error.
func benchOptionsOf(c *cli.Context) (benchOptions, error) {
	o := benchOptions{url: c.Args().First(), json: c.Bool("json"), long: c.Bool("long")}
	if err := checkURL(o.url); err != nil {
		return o, err
	}
	if err := readDial(c, &o.dial); err != nil {
		return o, err
	}
	for _, read := range []func(*cli.Context, *benchOptions) error{readLoad, readTimes, readSizes, readMix} {
		if err := read(c, &o); err != nil {
			return o, err
		}
	}
	return o, nil
}

// countFlag reads a flag that holds a number from 1 to most.
func countFlag(c *cli.Context, name string, most int) (int, error) {
	n := c.Int(name)
	if n < 1 || n > most {
		return 0, usagef("--%s: %d is not from 1 to %d", name, n, most)
	}
	return n, nil
}

func readLoad(c *cli.Context, o *benchOptions) (err error) {
	if o.connections, err = countFlag(c, "connections", maxBenchConns); err != nil {
		return err
	}
	if o.depth, err = countFlag(c, "depth", maxBenchDepth); err != nil {
		return err
	}
	if c.IsSet("rate") {
		if o.rate, err = countFlag(c, "rate", maxBenchRate); err != nil {
			return err
		}
	}
	if !c.IsSet("messages") {
		return nil
	}
	if o.messages, err = countFlag(c, "messages", math.MaxInt32); err != nil {
		return err
	}
	if o.messages < o.connections {
		return usagef("--messages: %d are fewer than the %d connections; -c %d opens fewer", o.messages, o.connections, o.messages)
	}
	return nil
}

func readTimes(c *cli.Context, o *benchOptions) (err error) {
	for _, f := range []struct {
		name string
		to   *time.Duration
	}{{"timeout", &o.timeout}, {"duration", &o.duration}, {"warmup", &o.warmup}, {"max-p99", &o.maxP99}} {
		if f.name != "timeout" && !c.IsSet(f.name) {
			continue
		}
		if *f.to, err = timeFlag(c, f.name); err != nil {
			return err
		}
	}
	switch {
	case o.messages > 0 && o.duration > 0:
		return usagef("--messages and --duration exclude each other")
	case o.messages == 0 && o.duration == 0:
		o.duration = 10 * time.Second
	}
	if o.maxP99 > maxLatency {
		return usagef("--max-p99: %s is above %s, the most that is told apart", o.maxP99, maxLatency)
	}
	l := &o.dial.Limits
	l.HandshakeTimeout, l.WriteTimeout = o.timeout, o.timeout
	l.CloseTimeout = min(o.timeout, draftwire.DefaultCloseTimeout)
	return nil
}

func readSizes(c *cli.Context, o *benchOptions) error {
	for text := range strings.SplitSeq(c.String("size"), ",") {
		n, err := parseSize(text)
		if err != nil {
			return usagef("--size: %w", err)
		}
		if n > maxBenchFlight/int64(o.connections)/int64(o.depth) {
			return usagef("--size: %s on %d connections, %d under way on each, is more than 2GiB at once; fewer of one of them will do",
				strings.TrimSpace(text), o.connections, o.depth)
		}
		o.sizes = append(o.sizes, int(n))
	}
	o.dial.Limits.ReadLimit = max(int64(slices.Max(o.sizes)), draftwire.DefaultReadLimit)
	return nil
}

func readMix(c *cli.Context, o *benchOptions) (err error) {
	if c.IsSet("mix") {
		if c.IsSet("version") {
			return usagef("--mix and --version exclude each other")
		}
		o.mix, err = parseMix(c.String("mix"))
	} else {
		var v draftwire.Version
		v, err = spokenVersion("version", c.String("version"))
		o.mix = []share{{version: v, weight: 1}}
	}
	if err != nil {
		return err
	}
	if o.op, err = readKind(c); err != nil {
		return err
	}
	for _, s := range o.mix {
		if o.op == draftwire.OpBinary && !s.version.Supports(draftwire.CapBinary) {
			return usagef("--binary: %s has no binary messages; send --text, or leave it out", s.version)
		}
	}
	return spread(o.mix, o.connections)
}
