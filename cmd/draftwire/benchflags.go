package main

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/cmd/draftwire/internal/load"
	"github.com/sirupsen/logrus"
	"github.com/urfave/cli/v2"
)

// The most that a run may hold.
const (
	maxBenchConns  = 100_000
	maxBenchDepth  = 65_536
	maxBenchRate   = 10_000_000
	maxBenchFlight = 1 << 31 // bytes under way, on all connections
)

// benchOptions are what the bench command needs to know.
type benchOptions struct {
	load       load.Options
	maxP99     time.Duration // 0: none
	json, long bool
	quiet      bool
}

func (p *program) benchCommand() command {
	return command{
		name: "bench", usage: "load an echo server and measure its answers, by version", args: "URL", least: 1, most: 1,
		about: "Opens connections in the versions of --mix, sends messages and checks that each comes back unchanged and in order. " +
			"Then prints a line for each version and one for all: messages a second, payload in MB a second (one way; MB is 10^6 bytes), percentiles of the time from message to answer, and errors. " +
			"An error is a connection that could not be opened, one that broke or gave no answer in time, or a wrong answer.\n" +
			"Without --rate each connection sends as soon as it may: a server that stalls then gets fewer messages, and the percentiles flatter it. " +
			"With --rate each message has a time when it is due, and its answer is measured from then on, even if the message had to wait for earlier ones: a stall shows in every message that it delayed. " +
			"Times have three digits; 60s stands for all longer ones.\n" +
			"Ctrl-C ends a run early and prints what was measured.",
		examples: []example{
			{"draftwire bench ws://127.0.0.1:8080/", "50 connections for 10 seconds, rfc6455"},
			{"draftwire bench --mix hixie-76=40,hybi-08=30,rfc6455=30 ws://127.0.0.1:8080/", "a mix as of old devices"},
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
		&cli.IntFlag{Name: "messages", Aliases: []string{"n"}, DefaultText: "no limit", Usage: "send `N` messages in all, evenly spread over the connections"},
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
		&cli.BoolFlag{Name: "json", Usage: "print everything as one JSON object"},
	}
	return slices.Concat(load, kindFlags(), requestFlags(), results, compressionFlags())
}

// benchOptionsOf reads the flags; what is wrong with them is a usage error.
func benchOptionsOf(c *cli.Context) (benchOptions, error) {
	o := benchOptions{json: c.Bool("json"), long: c.Bool("long")}
	o.load.URL = c.Args().First()
	if err := checkURL(o.load.URL); err != nil {
		return o, err
	}
	if err := readDial(c, &o.load.Dial); err != nil {
		return o, err
	}
	for _, read := range []func(*cli.Context, *load.Options) error{readLoad, readTimes, readSizes, readMix} {
		if err := read(c, &o.load); err != nil {
			return o, err
		}
	}
	if !c.IsSet("max-p99") {
		return o, nil
	}
	var err error
	if o.maxP99, err = timeFlag(c, "max-p99"); err != nil {
		return o, err
	}
	if o.maxP99 > load.MaxLatency {
		return o, usagef("--max-p99: %s is above %s, the longest time that is told apart", o.maxP99, load.MaxLatency)
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

func readLoad(c *cli.Context, o *load.Options) error {
	for _, f := range []struct {
		name string
		to   *int
		most int
	}{
		{"connections", &o.Connections, maxBenchConns}, {"depth", &o.Depth, maxBenchDepth},
		{"rate", &o.Rate, maxBenchRate}, {"messages", &o.Messages, math.MaxInt32},
	} {
		if (f.name == "rate" || f.name == "messages") && !c.IsSet(f.name) {
			continue
		}
		n, err := countFlag(c, f.name, f.most)
		if err != nil {
			return err
		}
		*f.to = n
	}
	if o.Messages > 0 && o.Messages < o.Connections {
		return usagef("--messages: %d are fewer than the %d connections; -c %d opens fewer", o.Messages, o.Connections, o.Messages)
	}
	return nil
}

func readTimes(c *cli.Context, o *load.Options) error {
	for _, f := range []struct {
		name string
		to   *time.Duration
	}{{"timeout", &o.Timeout}, {"duration", &o.Duration}, {"warmup", &o.Warmup}} {
		if f.name != "timeout" && !c.IsSet(f.name) {
			continue
		}
		d, err := timeFlag(c, f.name)
		if err != nil {
			return err
		}
		*f.to = d
	}
	switch {
	case o.Messages > 0 && o.Duration > 0:
		return usagef("--messages and --duration exclude each other")
	case o.Messages == 0 && o.Duration == 0:
		o.Duration = 10 * time.Second
	}
	l := &o.Dial.Limits
	l.HandshakeTimeout = o.Timeout
	l.WriteTimeout = o.Timeout
	l.CloseTimeout = min(o.Timeout, draftwire.DefaultCloseTimeout)
	return nil
}

func readSizes(c *cli.Context, o *load.Options) error {
	for text := range strings.SplitSeq(c.String("size"), ",") {
		n, err := parseSize(text)
		if err != nil {
			return usagef("--size: %w", err)
		}
		if n > maxBenchFlight/int64(o.Connections)/int64(o.Depth) {
			return usagef("--size: %s on %d connections, %d under way on each, is more than 2GiB at once; lower one of them",
				strings.TrimSpace(text), o.Connections, o.Depth)
		}
		o.Sizes = append(o.Sizes, int(n))
	}
	o.Dial.Limits.ReadLimit = max(int64(slices.Max(o.Sizes)), draftwire.DefaultReadLimit)
	return nil
}

func readMix(c *cli.Context, o *load.Options) (err error) {
	if c.IsSet("mix") {
		if c.IsSet("version") {
			return usagef("--mix and --version exclude each other")
		}
		o.Mix, err = parseMix(c.String("mix"))
	} else {
		var v draftwire.Version
		v, err = spokenVersion("version", c.String("version"))
		o.Mix = []load.Share{{Version: v, Weight: 1}}
	}
	if err != nil {
		return err
	}
	if o.Op, err = readKind(c); err != nil {
		return err
	}
	for _, s := range o.Mix {
		if o.Op == draftwire.OpBinary && !s.Version.Supports(draftwire.CapBinary) {
			return usagef("--binary: %s has no binary messages; send --text, or leave it out", s.Version)
		}
	}
	if o.Connections < len(o.Mix) {
		return usagef("--connections: %d are too few for the %d versions of --mix; each needs one", o.Connections, len(o.Mix))
	}
	return nil
}

// parseMix reads "hixie-76=40,rfc6455=60".
func parseMix(text string) ([]load.Share, error) {
	var mix []load.Share
	for part := range strings.SplitSeq(text, ",") {
		name, number, ok := strings.Cut(part, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, usagef("--mix: %q is not like VERSION=WEIGHT, for example hixie-76=40,rfc6455=60", part)
		}
		v, err := spokenVersion("mix", name)
		if err != nil {
			return nil, err
		}
		w, err := strconv.Atoi(strings.TrimSpace(number))
		if err != nil || w < 1 || w > load.MaxWeight {
			return nil, usagef("--mix: %q is not a weight for %s: weights are whole numbers from 1 to %d; leave out a version that gets nothing", number, v, load.MaxWeight)
		}
		if slices.ContainsFunc(mix, func(s load.Share) bool { return s.Version == v }) {
			return nil, usagef("--mix: %s is given twice; add up its weights", v)
		}
		mix = append(mix, load.Share{Version: v, Weight: w})
	}
	return mix, nil
}
