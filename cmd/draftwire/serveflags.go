package main

import (
	"cmp"
	"context"
	"math"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/oldtls"
	"github.com/draftwire/draftwire/wire"
	"github.com/urfave/cli/v2"
)

const (
	modeEcho      = "echo"
	modeBroadcast = "broadcast"
	modeFiles     = "files"
)

func (p *program) serveCommand() command {
	return command{
		name: "serve", usage: "run a server for tests: echo, broadcast or files", args: "[DIR]", most: 1,
		about: "Serves WebSocket in every version, TLS, plain HTTP and Flash policy requests on one port.\n" +
			"It is a test server: it accepts every origin and every subprotocol unless --origin and --protocol say otherwise.\n" +
			"Paths with a meaning of their own, in every mode: /close?code=4001&reason=bye closes right after the handshake " +
			"(code 1006 cuts the connection); /broadcast sends each message to everyone on it; /deflate echoes with compression " +
			"if the client offers it, whatever --compression says. GET / shows a page that talks to the server.",
		examples: []example{
			{"draftwire serve", "echo on 127.0.0.1:8080; open http://127.0.0.1:8080/ in any browser"},
			{"draftwire serve --mode broadcast --listen :8080", "a room for each path, reachable from other machines"},
			{"draftwire serve --mode broadcast --hub nats://hub.example:4222", "rooms that several machines share, over servers of NATS"},
			{"draftwire serve --mode files ./public", "files over HTTP, echo over WebSocket"},
			{"draftwire serve --versions modern --origin example.com", "as a current site would"},
			{"draftwire serve --compression large", "compress messages from 512 bytes on, where the client can"},
			{"draftwire serve --tls-cert cert.pem --tls-key key.pem", "ws and wss on the same port"},
			{"draftwire serve --tls-profile legacy --tls-cert kiosk.pem --tls-key kiosk-key.pem", "TLS 1.0 too, for old devices; see draftwire cert"},
		},
		flags: serveFlags(),
		run: func(c *cli.Context) error {
			o, err := serveOptionsOf(c)
			if err != nil {
				return err
			}
			log, err := p.logger(c)
			if err != nil {
				return err
			}
			defer writeBehind(log, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGABRT)()
			return serve(c.Context, o, log, p.signals)
		},
	}
}

func serveFlags() []cli.Flag {
	serving := []cli.Flag{
		&cli.StringFlag{Name: "mode", Value: modeEcho, Usage: "what to do: `echo|broadcast|files`"},
		&cli.StringFlag{Name: "dir", Usage: "the folder `DIR` of --mode files"},
		&cli.StringSliceFlag{Name: "protocol", DefaultText: "*, the client's first", Usage: "`NAME` of a subprotocol to speak"},
		&cli.StringFlag{Name: "console", Value: "on", Usage: "`on|off`: show the connections at /_console/, to this machine alone"},
		&cli.StringFlag{Name: "record", TakesFile: true, DefaultText: "none", Usage: "record what clients and server say, without what is secret, in a file of the folder `DIR`; see draftwire replay"},
		&cli.StringSliceFlag{Name: "redact", DefaultText: "as draftwire record", Usage: "`NAMES` whose values --record leaves out too, joined by commas"},
		&cli.BoolFlag{Name: "redact-payload", Usage: "--record leaves out all payload"},
		&cli.StringFlag{Name: "flash-policy-file", Usage: "answer Flash policy requests with `FILE`"},
	}
	http := []cli.Flag{
		&cli.IntFlag{Name: "max-http", Value: draftwire.DefaultMaxHTTP, Usage: "at most `N` connections of ordinary HTTP, half of them of one address"},
		&cli.DurationFlag{Name: "http-timeout", Value: draftwire.DefaultHTTPTimeout, Usage: "`TIME` for the client to send a part of an HTTP body, or to take one of an answer"},
		&cli.DurationFlag{Name: "http-idle-timeout", Value: draftwire.DefaultHTTPIdle, Usage: "`TIME` between two HTTP requests of a connection"},
	}
	return slices.Concat(serving, hubFlags(), listenFlags(listenDefaults{message: "1MiB", pending: draftwire.DefaultMaxPending, write: draftwire.DefaultWriteTimeout}), http, compressionFlags())
}

// serveOptionsOf reads the flags; what is wrong with them is a usage error.
func serveOptionsOf(c *cli.Context) (serveOptions, error) {
	o := serveOptions{listen: readAddresses(c)}
	o.accept.Origins = orAny(c.StringSlice("origin"))
	o.accept.Protocols = orAny(c.StringSlice("protocol"))
	var err error
	if o.accept.Compression, err = readCompression(c); err != nil {
		return o, err
	}
	if o.accept.Limits, err = readLimits(c); err != nil {
		return o, err
	}
	if o.maxPending, err = readPending(c); err != nil {
		return o, err
	}
	for _, read := range []func(*cli.Context, *serveOptions) error{readHub, readMode, readConsole, readRecord, readVersions, readHTTP, readTLS, readFlash} {
		if err := read(c, &o); err != nil {
			return o, err
		}
	}
	return o, nil
}

func orAny(list []string) []string {
	if len(list) == 0 {
		return []string{"*"}
	}
	return list
}

func readMode(c *cli.Context, o *serveOptions) error {
	mode, dir := c.String("mode"), c.String("dir")
	if arg := c.Args().First(); arg != "" {
		if dir != "" {
			return usagef("the folder is given twice, as --dir %s and as %s", dir, arg)
		}
		dir = arg
	}
	if mode != modeFiles {
		o.broadcast = mode == modeBroadcast
		if dir != "" {
			return usagef("the folder %s needs --mode files", dir)
		}
		return nil
	}
	if dir == "" {
		return usagef("--mode files needs a folder")
	}
	root, err := os.OpenRoot(dir) // links that lead out of the folder are not followed
	if err != nil {
		return usagef("--mode files: %w", err)
	}
	context.AfterFunc(c.Context, func() { root.Close() })
	o.files = root.FS()
	return nil
}

func readHub(c *cli.Context, o *serveOptions) (err error) {
	if o.hub, err = hubOfFlags(c); o.hub.URL == "" {
		o.hub.History = -1 // nobody comes back to a room of serve
	}
	return err
}

func readRecord(c *cli.Context, o *serveOptions) error {
	o.record = gateway.Record{Folder: c.String("record"), Redact: splitNames(c.StringSlice("redact")), RedactPayload: c.Bool("redact-payload")}
	if o.record.Folder == "" && (c.IsSet("redact") || c.IsSet("redact-payload")) {
		return usagef("--redact and --redact-payload belong to --record")
	}
	return nil
}

func readConsole(c *cli.Context, o *serveOptions) error {
	switch word := c.String("console"); word {
	case "on":
		o.console = true
	case "off":
	default:
		return usagef("--console: %q is neither on nor off", word)
	}
	return nil
}

func readVersions(c *cli.Context, o *serveOptions) (err error) {
	if o.accept.Versions, err = draftwire.ParseVersions(c.String("versions")); err != nil {
		return usagef("--versions: %s", plain(err))
	}
	if o.accept.Tolerate, err = wire.ParseTolerances(c.String("tolerate"), wire.ClientFaults()); err != nil {
		return usagef("--tolerate: %s", plain(err))
	}
	return nil
}

// plain is an error of the library without its prefix.
func plain(err error) string { return strings.TrimPrefix(err.Error(), "draftwire: ") }

func readHTTP(c *cli.Context, o *serveOptions) (err error) {
	if o.maxHTTP, err = countFlag(c, "max-http", math.MaxInt32); err != nil {
		return err
	}
	if o.httpTimeout, err = timeFlag(c, "http-timeout"); err != nil {
		return err
	}
	o.httpIdle, err = timeFlag(c, "http-idle-timeout")
	return err
}

func readTLS(c *cli.Context, o *serveOptions) error {
	files, err := readTLSFiles(c)
	if err != nil || len(files.pairs) == 0 {
		return err
	}
	o.certs = &reloads{profile: files.profile}
	var loaded []*oldtls.Certificate
	for _, pair := range files.pairs {
		cert, err := oldtls.LoadFiles(pair.Cert, pair.Key, o.certs.failed)
		if err != nil {
			return usagef("--tls-cert: %s", strings.TrimPrefix(err.Error(), "oldtls: "))
		}
		loaded = append(loaded, cert)
	}
	if o.tls, err = oldtls.Config(files.profile, loaded); err != nil {
		return usagef("--tls-cert: %s", strings.TrimPrefix(err.Error(), "oldtls: "))
	}
	return nil
}

func readFlash(c *cli.Context, o *serveOptions) error {
	if c.Bool("flash-policy") {
		o.flashPolicy = draftwire.DefaultFlashPolicy
	}
	if file := c.String("flash-policy-file"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return usagef("--flash-policy-file: %w", err)
		}
		o.flashPolicy = cmp.Or(strings.TrimSpace(string(text)), o.flashPolicy)
	}
	return nil
}
