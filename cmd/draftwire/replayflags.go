package main

import (
	"strconv"
	"strings"

	"github.com/draftwire/draftwire/compare"
	"github.com/draftwire/draftwire/replay"
	"github.com/urfave/cli/v2"
)

func (p *program) replayCommand() command {
	return command{
		name: "replay", usage: "play a recording against a server, or for clients, and say what differs", args: "FILE [URL]", least: 1, most: 2,
		about: "Plays the clients of FILE, which 'draftwire record' has written, against the server at URL, and compares what it says with what was said then. " +
			"The path is the recorded one, unless URL has one. A message is sent when its time has come and everything that the server had said before it has come again.\n" +
			"What --as VERSION cannot say is no difference: it is counted as a loss, as the gateway's table names it. Values that were redacted are not compared; --set puts others in their place.\n" +
			"With --serve it is the other way round: the servers of FILE are played for clients that connect, until it is interrupted.",
		examples: []example{
			{"draftwire replay --speed 0 day.dwr ws://127.0.0.1:9000", "as fast as the server answers"},
			{"draftwire replay --as rfc6455 --set token=abc --ignore /time day.dwr wss://new.example", "against a new backend"},
			{"draftwire replay --junit result.xml --speed 0 day.dwr ws://127.0.0.1:9000", "for a CI system; exit code 7 is a difference"},
			{"draftwire replay --serve --listen 127.0.0.1:8080 day.dwr", "play the server for a real device"},
		},
		flags: []cli.Flag{
			&cli.StringFlag{Name: "as", DefaultText: "the recorded one", Usage: "speak `VERSION`"},
			&cli.Float64Flag{Name: "speed", Value: 1, Usage: "`N` times as fast as it was; 0 is as fast as the other side answers"},
			&cli.StringSliceFlag{Name: "stream", DefaultText: "all", Usage: "play the connection with the number `N`"},
			&cli.StringSliceFlag{Name: "set", DefaultText: "none", Usage: "`NAME=VALUE`: send VALUE where NAME was redacted"},
			&cli.StringSliceFlag{Name: "ignore", DefaultText: "nothing", Usage: "do not compare `WHAT`: a JSON pointer like /data/*/time, or a regular expression behind re:"},
			&cli.DurationFlag{Name: "wait", Value: replay.DefaultWait, Usage: "`TIME` by which a message of the other side may be late"},
			&cli.IntFlag{Name: "clients", Value: 1, Usage: "play each connection `N` times at once"},
			&cli.IntFlag{Name: "parallel", Value: 16, Usage: "with --speed 0: play `N` connections at a time"},
			&cli.BoolFlag{Name: "insecure", Usage: "do not verify the server's certificate"},
			&cli.StringFlag{Name: "cacert", Usage: "trust the certificates in `FILE` (PEM)"},
			&cli.BoolFlag{Name: "serve", Usage: "play the servers for clients that connect to --listen"},
			&cli.StringFlag{Name: "listen", Value: defaultListen, Usage: "with --serve: `ADDR` to listen on"},
			&cli.BoolFlag{Name: "json", Usage: "print a line of JSON for each session"},
			&cli.StringFlag{Name: "junit", DefaultText: "none", Usage: "write the results to `FILE` in the format of JUnit"},
		},
		run: func(c *cli.Context) error {
			if _, err := p.logger(c); err != nil {
				return err // its flags are wrong
			}
			o, err := replayOptionsOf(c)
			if err != nil {
				return err
			}
			return runReplay(c.Context, o, p.stdio, p.signals)
		},
	}
}

// maxCopies bounds --clients and --parallel.
const maxCopies = 10_000

// replayOptionsOf reads the flags.
func replayOptionsOf(c *cli.Context) (o replayOptions, err error) {
	o = replayOptions{file: c.Args().Get(0), url: c.Args().Get(1), json: c.Bool("json"), junit: c.String("junit"), quiet: c.Bool("quiet")}
	o.play = replay.Options{Speed: c.Float64("speed"), Wait: c.Duration("wait"), Set: map[string]string{}}
	switch {
	case c.Bool("serve") && o.url != "":
		return o, usagef("--serve takes no URL: clients connect to --listen")
	case c.Bool("serve"):
		o.listen = c.String("listen")
	case c.IsSet("listen"):
		return o, usagef("--listen needs --serve")
	case o.url == "":
		return o, usagef("the URL of the server is missing")
	default:
		if err := checkURL(o.url); err != nil {
			return o, err
		}
	}
	if o.play.Speed < 0 || o.play.Speed > 1000 {
		return o, usagef("--speed: %v is not from 0 to 1000", o.play.Speed)
	}
	if o.play.Wait <= 0 {
		return o, usagef("--wait: %s is not above 0", o.play.Wait)
	}
	if o.clients, err = countFlag(c, "clients", maxCopies); err != nil {
		return o, err
	}
	if o.parallel, err = countFlag(c, "parallel", maxCopies); err != nil {
		return o, err
	}
	if name := c.String("as"); name != "" {
		if c.Bool("serve") {
			return o, usagef("--as goes with a URL: with --serve the client has its version")
		}
		if o.dial.Version, err = spokenVersion("as", name); err != nil {
			return o, err
		}
	}
	if err := readReplayLists(c, &o); err != nil {
		return o, err
	}
	return o, readTrust(c, &o.dial)
}

// readReplayLists reads the flags that may be given several times.
func readReplayLists(c *cli.Context, o *replayOptions) error {
	for _, s := range c.StringSlice("stream") {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil || n < 1 {
			return usagef("--stream: %q is not a number from 1 on", s)
		}
		o.streams = append(o.streams, n)
	}
	for _, s := range c.StringSlice("set") {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return usagef("--set: %q is not NAME=VALUE", s)
		}
		o.play.Set[strings.ToLower(name)] = value
	}
	for _, s := range c.StringSlice("ignore") {
		i, err := compare.ParseIgnore(s)
		if err != nil {
			return usagef("--ignore: %s", strings.TrimPrefix(err.Error(), "compare: "))
		}
		o.play.Ignore = append(o.play.Ignore, i)
	}
	return nil
}
