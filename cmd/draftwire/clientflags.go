package main

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/draftwire/draftwire"
	"github.com/sirupsen/logrus"
	"github.com/urfave/cli/v2"
)

func (p *program) clientCommand() command {
	return command{
		name: "client", usage: "talk to a server, in any version", args: "URL", least: 1, most: 1,
		about: "With -x it sends these messages, prints the answer to each on stdout and closes. Piped input is sent line by line. " +
			"On a terminal it is interactive; /help lists what can be typed. With --echo it sends back what comes and prints none of it, for suites that test clients.\n" +
			"With --as it opens the connection as a device or browser of the time does: its fields in their order and spelling, with the host, path, origin and subprotocols that are asked for, " +
			"and new keys of its form. It offers the extensions of that request, whatever --compression says of messages. The devices are " + strings.Join(deviceNames(), ", ") + ". 'draftwire drafts show VERSION' has their requests, with the source of each.\n" +
			"stderr has the version that was agreed on and how the connection was closed. A hixie server may end the connection by TCP alone, which counts as a clean close there.",
		examples: []example{
			{"draftwire client ws://127.0.0.1:8080/", "interactive"},
			{"draftwire client -x hi -x there ws://127.0.0.1:8080/", "two messages, two answers"},
			{"draftwire client --version hixie-76 -x hi ws://127.0.0.1:8080/", "as an iPad of 2011 would"},
			{"draftwire client --as safari5.1 -x hi ws://127.0.0.1:8080/", "byte for byte as Safari 5.1 would"},
			{"draftwire client --fallback hybi-08,hixie-76 ws://old.example/", "until one is accepted"},
			{"seq 3 | draftwire client --json ws://127.0.0.1:8080/", "lines in, JSON out"},
			{"draftwire client --compression all -x hi ws://127.0.0.1:8080/deflate", "compressed"},
			{"draftwire client --echo --max-message 16MiB ws://127.0.0.1:9001/", "an echo client under test"},
			{"draftwire client -H 'Cookie: a=1, b=2' wss://example.com/", "with a header of your own"},
		},
		flags: clientFlags(),
		run: func(c *cli.Context) error {
			log, err := p.logger(c)
			if err != nil {
				return err
			}
			for _, arg := range p.args { // package cli would silently change it
				if !utf8.ValidString(arg) {
					return usagef("%q is not UTF-8; piped input with --binary sends any bytes", arg)
				}
			}
			o, err := clientOptionsOf(c)
			if err != nil {
				return err
			}
			o.quiet = !log.IsLevelEnabled(logrus.InfoLevel)
			o.verbose = log.IsLevelEnabled(logrus.DebugLevel)
			return talk(c.Context, o, p.stdio, p.signals)
		},
	}
}

func clientFlags() []cli.Flag {
	talking := []cli.Flag{
		&cli.StringFlag{Name: "version", Value: "rfc6455", Usage: "`VERSION` to speak: a name, another spelling or a number"},
		&cli.StringFlag{Name: "as", Usage: "send the request of the `DEVICE`, speak its version and close as it does: a name of those below"},
		&cli.StringFlag{Name: "fallback", Usage: "`VERSION` to try when that one is refused; several are joined by commas"},
		&cli.StringSliceFlag{Name: "execute", Aliases: []string{"x"}, Usage: "send `MSG`, print one answer, close after the last"},
		&cli.DurationFlag{Name: "wait", Aliases: []string{"w"}, DefaultText: "0 with -x, 2s after piped input", Usage: "`TIME` to wait for more messages before closing"},
		&cli.BoolFlag{Name: "no-wait", Usage: "wait for no answers"},
		&cli.BoolFlag{Name: "echo", Usage: "send back every message that comes, until the server closes"},
	}
	bounds := []cli.Flag{
		&cli.DurationFlag{Name: "timeout", Value: draftwire.DefaultHandshakeTimeout, Usage: "`TIME` for the connection, and for each answer to -x"},
		&cli.StringFlag{Name: "max-message", Value: "1MiB", Usage: "largest message to receive, a `SIZE` like 64KiB"},
		&cli.IntFlag{Name: "close-code", Value: int(draftwire.CodeNormal), Usage: "close with code `N`"},
		&cli.StringFlag{Name: "close-reason", Usage: "close with reason `S`"},
		&cli.BoolFlag{Name: "json", Usage: "print messages and events as lines of JSON"},
	}
	return slices.Concat(talking, kindFlags(), requestFlags(), bounds, compressionFlags())
}

// clientOptionsOf reads the flags; what is wrong with them is a usage error.
func clientOptionsOf(c *cli.Context) (clientOptions, error) {
	o := clientOptions{
		url: c.Args().First(), messages: c.StringSlice("execute"), execute: c.IsSet("execute"),
		wait: c.Duration("wait"), waitSet: c.IsSet("wait"), noWait: c.Bool("no-wait"),
		echo: c.Bool("echo"), json: c.Bool("json"), closeReason: c.String("close-reason"),
	}
	var err error
	if o.op, err = readKind(c); err != nil {
		return o, err
	}
	if o.echo && o.execute {
		return o, usagef("--echo and --execute exclude each other")
	}
	o.closeCode = draftwire.CloseCode(c.Int("close-code"))
	if n := c.Int("close-code"); n != int(o.closeCode) || !o.closeCode.OnWire() && o.closeCode != draftwire.CodeNoStatus {
		return o, usagef("--close-code: %d cannot be sent; 1000 and 3000 to 4999 can", n)
	}
	if o.wait < 0 {
		return o, usagef("--wait: %s is below 0", o.wait)
	}
	if err := checkURL(o.url); err != nil {
		return o, err
	}
	if err := readDial(c, &o.dial); err != nil {
		return o, err
	}
	for _, read := range []func(*cli.Context, *clientOptions) error{readLanguage, readBounds} {
		if err := read(c, &o); err != nil {
			return o, err
		}
	}
	return o, nil
}

func readLanguage(c *cli.Context, o *clientOptions) error {
	var err error
	if o.dial.Version, err = spokenVersion("version", c.String("version")); err != nil {
		return err
	}
	if c.IsSet("as") {
		return readDevice(c, o)
	}
	for name := range strings.SplitSeq(c.String("fallback"), ",") {
		if strings.TrimSpace(name) == "" {
			continue
		}
		v, err := spokenVersion("fallback", name)
		if err != nil {
			return err
		}
		o.dial.Fallback = append(o.dial.Fallback, v)
	}
	return nil
}

func readBounds(c *cli.Context, o *clientOptions) (err error) {
	if o.timeout, err = timeFlag(c, "timeout"); err != nil {
		return err
	}
	l := &o.dial.Limits
	l.HandshakeTimeout = o.timeout
	l.CloseTimeout = min(o.timeout, draftwire.DefaultCloseTimeout)
	l.ReadLimit, err = sizeFlag(c, "max-message")
	return err
}
