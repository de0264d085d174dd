package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/probe"
	"github.com/draftwire/draftwire/wire"
	"github.com/sirupsen/logrus"
	"github.com/urfave/cli/v2"
)

// probeOptions are what the probe command needs to know.
type probeOptions struct {
	url        string
	probe      probe.Options
	through    bool
	listen     string
	require    []string
	json, long bool
	limit      time.Duration
	quiet      bool
}

func (p *program) probeCommand() command {
	return command{
		name: "probe", usage: "find out which versions a server speaks, and how", args: "URL", least: 0, most: 1,
		about: "Asks a server, connection by connection: which versions open, how it answers and spells, whether its answer in hixie-76 waits for the eight bytes, how it closes, " +
			"which extensions and subprotocols it takes, the largest message (sizes are doubled up to --largest) and the longest head, how long it bears silence. " +
			"By default it does only what a client may do; --faults sends what none may, and --vectors plays the test vectors that a server can be asked, which holds faults too. " +
			"Ask servers that are yours, or whose owner knows.\n" +
			"--through URL finds out what a proxy does to each version: the proxy has to lead to --listen, where the probe is the server too. It tells which fields were added, removed, respelled or moved, " +
			"what became of the eight bytes, whether heads or frames wait, and when a silent connection is cut.\n" +
			"--require LIST exits with 7 unless all of the list is so: names of versions that open and of extensions that are taken, and the words 'vectors' (all that were played pass) and 'faults' (none is accepted that has to be refused). " +
			"Of extensions the names are as they stand in Sec-WebSocket-Extensions. The exit code is 3 where nobody answers at all, and 1 where the probe was stopped before its end by --for or --max-conns.",
		examples: []example{
			{"draftwire probe ws://127.0.0.1:8080/", "what does it speak?"},
			{"draftwire probe --json --quick ws://127.0.0.1:8080/ | jq '.versions[] | [.version, .outcome]'", "for scripts, without what takes time"},
			{"draftwire probe --require hixie-76,rfc6455,permessage-deflate ws://127.0.0.1:8080/", "in a test of a deployment"},
			{"draftwire probe --faults --vectors --rate 500 ws://127.0.0.1:8080/echo", "a server of your own, thoroughly"},
			{"draftwire probe --as safari5.1 ws://127.0.0.1:8080/", "hixie-76 as Safari asks for it"},
			{"draftwire probe --through http://127.0.0.1:80/ --listen 127.0.0.1:9000", "what does the proxy do, which leads to port 9000?"},
		},
		flags: probeFlags(),
		run: func(c *cli.Context) error {
			log, err := p.logger(c)
			if err != nil {
				return err
			}
			o, err := probeOptionsOf(c)
			if err != nil {
				return err
			}
			o.quiet = !log.IsLevelEnabled(logrus.InfoLevel)
			return runProbe(c.Context, o, p.stdio, p.signals)
		},
	}
}

func probeFlags() []cli.Flag {
	what := []cli.Flag{
		&cli.StringFlag{Name: "versions", Value: "all", Usage: "`VERSIONS` to ask for: all, modern, or names joined by commas; -NAME leaves one out"},
		&cli.BoolFlag{Name: "faults", Usage: "send what no client may send, too"},
		&cli.BoolFlag{Name: "vectors", Usage: "play the test vectors of the versions that open"},
		&cli.BoolFlag{Name: "quick", Usage: "leave out limits, silence and idle connections, which take time"},
		&cli.StringFlag{Name: "through", Usage: "ask the proxy at `URL`, which leads to --listen, what it does to each version"},
		&cli.StringFlag{Name: "listen", Value: "127.0.0.1:0", DefaultText: "a free port of 127.0.0.1", Usage: "with --through: the `ADDRESS` to which the proxy leads"},
		&cli.StringFlag{Name: "require", Usage: "exit with 7 unless all of `LIST` is so: versions, extensions, vectors, faults"},
		&cli.StringFlag{Name: "as", Usage: "send the request of the `DEVICE` for its version: a name that 'draftwire client --help' lists"},
		&cli.StringFlag{Name: "message", Value: "draftwire probe", Usage: "`TEXT` to send, to see whether it comes back"},
	}
	request := []cli.Flag{
		&cli.StringSliceFlag{Name: "header", Aliases: []string{"H"}, Usage: "`FIELD` to send, like 'Name: value', spelled as given"},
		&cli.StringFlag{Name: "origin", DefaultText: "that of the URL's host, where a version needs one", Usage: "`ORIGIN` to send"},
		&cli.StringSliceFlag{Name: "protocol", Usage: "`NAME` of a subprotocol that the server speaks"},
		&cli.BoolFlag{Name: "insecure", Usage: "do not verify the server's certificate"},
		&cli.StringFlag{Name: "cacert", Usage: "trust the certificates in `FILE` (PEM)"},
	}
	bounds := []cli.Flag{
		&cli.Float64Flag{Name: "rate", Value: probe.DefaultRate, Usage: "open at most `N` connections a second"},
		&cli.IntFlag{Name: "max-conns", DefaultText: fmt.Sprintf("%d, with --vectors 10000", probe.DefaultMaxConns), Usage: "open at most `N` connections"},
		&cli.DurationFlag{Name: "timeout", Value: probe.DefaultTimeout, Usage: "`TIME` for each answer"},
		&cli.DurationFlag{Name: "patience", Value: probe.DefaultPatience, Usage: "`TIME` to watch what is done with silence"},
		&cli.DurationFlag{Name: "for", Value: 10 * time.Minute, Usage: "end after `TIME`, whatever is left"},
		&cli.StringFlag{Name: "largest", Value: "1MiB", Usage: "largest message to try, a `SIZE` up to 64MiB"},
		&cli.BoolFlag{Name: "long", Aliases: []string{"l"}, Usage: "print the answers with their fields, and each fault"},
		&cli.BoolFlag{Name: "json", Usage: "print JSON"},
	}
	return slices.Concat(what, request, bounds)
}

// probeOptionsOf reads the flags; what is wrong with them is a usage error.
func probeOptionsOf(c *cli.Context) (o probeOptions, err error) {
	o = probeOptions{
		url: c.Args().First(), through: c.IsSet("through"), listen: c.String("listen"), json: c.Bool("json"), long: c.Bool("long"),
	}
	switch {
	case o.through && o.url != "":
		return o, usagef("--through names the URL; %q is one too many", o.url)
	case o.through:
		o.url = c.String("through")
	case o.url == "":
		return o, usagef("argument URL is missing")
	case c.IsSet("listen"):
		return o, usagef("--listen belongs to --through")
	}
	for _, name := range []string{"faults", "vectors", "require"} {
		if o.through && c.IsSet(name) {
			return o, usagef("--through and --%s exclude each other", name)
		}
	}
	if err := checkURL(o.url); err != nil {
		return o, err
	}
	if o.limit, err = timeFlag(c, "for"); err != nil {
		return o, err
	}
	if err := readProbe(c, &o.probe); err != nil {
		return o, err
	}
	o.require, err = readRequired(c.String("require"), &o.probe)
	return o, err
}

// readProbe reads what the probe does.
func readProbe(c *cli.Context, o *probe.Options) (err error) {
	if o.Versions, err = draftwire.ParseVersions(c.String("versions")); err != nil {
		return usagef("--versions: %s", plain(err))
	}
	var d draftwire.DialOptions
	if err := readRequestFields(c, &d); err != nil {
		return err
	}
	if err := readTrust(c, &d); err != nil {
		return err
	}
	o.Origin, o.Protocols = d.Origin, d.Protocols
	o.TLS, o.Fields = d.TLS, fieldsOf(d.Header)
	o.Faults, o.Vectors, o.Quick = c.Bool("faults"), c.Bool("vectors"), c.Bool("quick")
	o.Message = c.String("message")
	if c.IsSet("as") {
		device, err := deviceNamed(c.String("as"))
		if err != nil {
			return err
		}
		o.Compose, o.ComposeVersion = composer(device), device.Version
	}
	if o.Rate = c.Float64("rate"); !(o.Rate > 0) || o.Rate > 1e6 {
		return usagef("--rate: %v is not from above 0 to a million", o.Rate)
	}
	if o.MaxConns = c.Int("max-conns"); o.MaxConns < 0 {
		return usagef("--max-conns: %d is below 0", o.MaxConns)
	}
	if o.Timeout, err = timeFlag(c, "timeout"); err != nil {
		return err
	}
	if o.Patience, err = timeFlag(c, "patience"); err != nil {
		return err
	}
	if o.Largest, err = sizeFlag(c, "largest"); err != nil {
		return err
	}
	if err := o.Check(); err != nil {
		return usagef("%s", plain(err))
	}
	return nil
}

// fieldsOf is a header in the order of its names.
func fieldsOf(h http.Header) (out wire.Fields) {
	for name, values := range h {
		for _, v := range values {
			out = append(out, wire.Field{Name: name, Value: v})
		}
	}
	slices.SortStableFunc(out, func(a, b wire.Field) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// The words that --require knows beside the names of versions and extensions.
const requireVectors, requireFaults = "vectors", "faults"

// extensions are those that a probe offers.
var extensions = []string{"permessage-deflate", "deflate-frame", "x-webkit-deflate-frame", "deflate-stream"}

// readRequired reads --require.
func readRequired(list string, o *probe.Options) (out []string, err error) {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		v, verr := draftwire.ParseVersion(name)
		switch {
		case name == requireVectors && !o.Vectors, name == requireFaults && !o.Faults:
			return nil, usagef("--require: %s needs --%s", name, name)
		case name == requireVectors, name == requireFaults, slices.Contains(extensions, name):
		case verr != nil:
			return nil, usagef("--require: %q is no version, none of the extensions %s, and none of the words vectors, faults", name, strings.Join(extensions, ", "))
		case !o.Versions.Has(v):
			return nil, usagef("--require: --versions leaves out %s", v)
		}
		out = append(out, name)
	}
	return out, nil
}

// runProbe probes, prints what was found and judges it.
func runProbe(ctx context.Context, o probeOptions, std stdio, signals <-chan os.Signal) error {
	ctx, stop := interruptible(ctx, signals)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	if !o.quiet && !o.json && isTerminal(std.err) {
		o.probe.Say = func(s string) { fmt.Fprintf(std.err, "\r%s\x1b[K", visible(s)) }
		defer fmt.Fprint(std.err, "\r\x1b[K")
	}
	if o.through {
		return runThrough(ctx, o, std)
	}
	r, err := probe.Run(ctx, o.url, &o.probe)
	if err != nil {
		return probeFailed(ctx, err)
	}
	if o.json {
		err = writeJSON(std.out, r)
	} else {
		err = writeProbe(std.out, r, o.long)
	}
	return errors.Join(err, probeVerdict(ctx, r.Stopped, r, o.require))
}

// runThrough probes a way.
func runThrough(ctx context.Context, o probeOptions, std stdio) error {
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return exitf(exitFailure, "--listen: %w", err)
	}
	if !o.quiet {
		fmt.Fprintf(std.err, "listening on %s\n", l.Addr())
	}
	r, err := probe.Through(ctx, o.url, l, &o.probe)
	if err != nil {
		return probeFailed(ctx, err)
	}
	if o.json {
		err = writeJSON(std.out, r)
	} else {
		err = writePath(std.out, r)
	}
	return errors.Join(err, probeVerdict(ctx, r.Stopped, nil, nil))
}

// probeFailed says why there is no report.
func probeFailed(ctx context.Context, err error) error {
	if context.Cause(ctx) == errInterrupted {
		return &exitError{code: exitInterrupted}
	}
	text := errorText(err)
	if hint := trustHint(err, "--cacert FILE", "a URL with a name of the certificate is needed", "--insecure"); hint != "" {
		text += "; " + hint
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		text += "; hint: the server does not speak TLS there"
	}
	return exitf(exitConnect, "%s", text)
}

// probeVerdict judges a report.
func probeVerdict(ctx context.Context, stopped string, r *probe.Report, require []string) error {
	switch {
	case context.Cause(ctx) == errInterrupted:
		return &exitError{code: exitInterrupted}
	case stopped != "":
		return exitf(exitFailure, "the probe was stopped: %s", stopped)
	}
	var missing []string
	for _, name := range require {
		if why := lacks(r, name); why != "" {
			missing = append(missing, why)
		}
	}
	if missing != nil {
		return exitf(exitCondition, "%s", strings.Join(missing, "; "))
	}
	return nil
}

// lacks says what is missing of a requirement, "" for nothing.
func lacks(r *probe.Report, name string) string {
	switch name {
	case requireVectors:
		if n := len(r.Vectors.Failed); n > 0 {
			return fmt.Sprintf("vectors: %d of %d fail", n, r.Vectors.Played)
		}
	case requireFaults:
		if n := laxFaults(r); n > 0 {
			return fmt.Sprintf("faults: %d are accepted", n)
		}
	default:
		if !r.Accepts(name) {
			return name + ": the server does not accept it"
		}
	}
	return ""
}

func laxFaults(r *probe.Report) (n int) {
	for _, v := range r.Versions {
		for _, f := range v.Faults {
			if f.Verdict == probe.Laxer {
				n++
			}
		}
	}
	return n
}
