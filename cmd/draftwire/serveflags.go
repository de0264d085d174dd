package main

import (
	"cmp"
	"context"
	"os"
	"strings"

	"github.com/draftwire/draftwire"
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
			"It is a test server: every origin and every subprotocol is welcome unless --origin and --protocol say otherwise.\n" +
			"Paths with a meaning of their own, in every mode: /close?code=4001&reason=bye closes right after the handshake " +
			"(code 1006 cuts the connection); /broadcast sends each message to everyone on it; /deflate echoes and compresses, " +
			"whatever --compression says, if the client can. GET / shows a page that talks to the server.",
		examples: []example{
			{"draftwire serve", "echo on 127.0.0.1:8080; open http://127.0.0.1:8080/ in any browser"},
			{"draftwire serve --mode broadcast --listen :8080", "a room for each path, reachable from other machines"},
			{"draftwire serve --mode files ./public", "files over HTTP, echo over WebSocket"},
			{"draftwire serve --versions modern --origin example.com", "as a site of today would"},
			{"draftwire serve --compression large", "messages from 512 bytes on may be compressed"},
			{"draftwire serve --tls-cert cert.pem --tls-key key.pem", "ws and wss on the same port"},
			{"draftwire serve --tls-profile legacy --tls-cert kiosk.pem --tls-key kiosk-key.pem", "the same, for TLS 1.0 too; see draftwire cert"},
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
			return serve(c.Context, o, log, p.signals)
		},
	}
}

func serveFlags() []cli.Flag {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "mode", Value: modeEcho, Usage: "what to do: `echo|broadcast|files`"},
		&cli.StringFlag{Name: "dir", Usage: "the folder `DIR` of --mode files"},
		&cli.StringSliceFlag{Name: "listen", DefaultText: "127.0.0.1:8080", Usage: "`ADDR` to listen on, HOST:PORT or unix:PATH"},
		&cli.StringFlag{Name: "versions", Value: "all", Usage: "`VERSIONS` to serve: all, modern, names joined by commas, -NAME takes one away"},
		&cli.StringSliceFlag{Name: "tls-cert", Usage: "certificate `FILE` (PEM); TLS is then recognised on the same port"},
		&cli.StringSliceFlag{Name: "tls-key", Usage: "key `FILE` of the certificate (PEM)"},
		&cli.StringFlag{Name: "tls-profile", Value: oldtls.Modern.String(), Usage: "how old a TLS client may be: `modern|legacy|museum`; today's clients get today's TLS with each"},
		&cli.StringSliceFlag{Name: "origin", DefaultText: "*, any", Usage: "`PATTERN` of pages that may connect, for example *.example.com"},
		&cli.StringSliceFlag{Name: "protocol", DefaultText: "*, the client's first", Usage: "`NAME` of a subprotocol to speak"},
		&cli.StringFlag{Name: "tolerate", Usage: "`LIST` of known faults to accept: " + strings.ReplaceAll((^draftwire.Tolerances(0)).String(), ",", ", ")},
		&cli.StringFlag{Name: "max-message", Value: "1MiB", Usage: "largest message, a `SIZE` like 64KiB"},
		&cli.StringFlag{Name: "max-head", Value: "16KiB", Usage: "largest request head, a `SIZE`"},
		&cli.DurationFlag{Name: "handshake-timeout", Value: draftwire.DefaultHandshakeTimeout, Usage: "`TIME` for the whole opening handshake"},
		&cli.DurationFlag{Name: "key3-timeout", Value: draftwire.DefaultKey3Timeout, Usage: "`TIME` for the eight bytes of hixie-76"},
		&cli.DurationFlag{Name: "close-timeout", Value: draftwire.DefaultCloseTimeout, Usage: "`TIME` for the closing handshake"},
		&cli.DurationFlag{Name: "idle-timeout", DefaultText: "none", Usage: "close after that `TIME` without a byte from the client"},
		&cli.IntFlag{Name: "max-pending", Value: draftwire.DefaultMaxPending, Usage: "at most `N` connections whose handshake is not done, half of them of one address"},
		&cli.IntFlag{Name: "max-http", Value: draftwire.DefaultMaxHTTP, Usage: "at most `N` connections of ordinary HTTP, half of them of one address"},
		&cli.DurationFlag{Name: "http-timeout", Value: draftwire.DefaultHTTPTimeout, Usage: "`TIME` in which a part of an HTTP body has to come, and one of an answer to be taken"},
		&cli.DurationFlag{Name: "http-idle-timeout", Value: draftwire.DefaultHTTPIdle, Usage: "`TIME` between two HTTP requests of a connection"},
		&cli.BoolFlag{Name: "flash-policy", Usage: "answer Flash policy requests: any site, any port"},
		&cli.StringFlag{Name: "flash-policy-file", Usage: "answer Flash policy requests with `FILE`"},
	}
	return append(flags, compressionFlags()...)
}

// serveOptionsOf reads the flags; what is wrong with them is a usage error.
func serveOptionsOf(c *cli.Context) (serveOptions, error) {
	o := serveOptions{listen: c.StringSlice("listen"), maxPending: c.Int("max-pending"), maxHTTP: c.Int("max-http")}
	if len(o.listen) == 0 {
		o.listen = []string{"127.0.0.1:8080"}
	}
	o.accept.Origins = orAny(c.StringSlice("origin"))
	o.accept.Protocols = orAny(c.StringSlice("protocol"))
	var err error
	if o.accept.Compression, err = readCompression(c); err != nil {
		return o, err
	}
	for name, n := range map[string]int{"max-pending": o.maxPending, "max-http": o.maxHTTP} {
		if n <= 0 {
			return o, usagef("--%s: %d is not above 0", name, n)
		}
	}
	for _, read := range []func(*cli.Context, *serveOptions) error{readMode, readVersions, readLimits, readTLS, readFlash} {
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
			return usagef("the folder stands twice, as --dir %s and as %s", dir, arg)
		}
		dir = arg
	}
	switch mode {
	case modeEcho, modeBroadcast:
		o.broadcast = mode == modeBroadcast
		if dir != "" {
			return usagef("the folder %s needs --mode files", dir)
		}
		return nil
	case modeFiles:
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
	return usagef("--mode: %q is none of echo, broadcast, files", mode)
}

func readVersions(c *cli.Context, o *serveOptions) (err error) {
	if o.accept.Versions, err = draftwire.ParseVersions(c.String("versions")); err != nil {
		return usagef("--versions: %s", plain(err))
	}
	if o.accept.Tolerate, err = wire.ParseTolerances(c.String("tolerate")); err != nil {
		return usagef("--tolerate: %s", plain(err))
	}
	return nil
}

// plain is an error of the library without its prefix.
func plain(err error) string { return strings.TrimPrefix(err.Error(), "draftwire: ") }

func readLimits(c *cli.Context, o *serveOptions) (err error) {
	l := &o.accept.Limits
	if l.ReadLimit, err = sizeFlag(c, "max-message"); err != nil {
		return err
	}
	head, err := sizeFlag(c, "max-head")
	if err != nil {
		return err
	}
	if l.HeadLimit = int(head); head > 1<<30 {
		return usagef("--max-head: %s is too much", c.String("max-head"))
	}
	l.IdleTimeout = c.Duration("idle-timeout")
	if l.IdleTimeout < 0 {
		return usagef("--idle-timeout: %s is below 0", l.IdleTimeout)
	}
	if l.HandshakeTimeout, err = timeFlag(c, "handshake-timeout"); err != nil {
		return err
	}
	if l.Key3Timeout, err = timeFlag(c, "key3-timeout"); err != nil {
		return err
	}
	if l.CloseTimeout, err = timeFlag(c, "close-timeout"); err != nil {
		return err
	}
	if o.httpTimeout, err = timeFlag(c, "http-timeout"); err != nil {
		return err
	}
	o.httpIdle, err = timeFlag(c, "http-idle-timeout")
	return err
}

func readTLS(c *cli.Context, o *serveOptions) error {
	certs, keys := c.StringSlice("tls-cert"), c.StringSlice("tls-key")
	profile, err := oldtls.ParseProfile(c.String("tls-profile"))
	switch {
	case err != nil:
		return usagef("--tls-profile: %q is none of modern, legacy, museum", c.String("tls-profile"))
	case len(certs) != len(keys):
		return usagef("--tls-cert and --tls-key go together")
	case len(certs) == 0 && profile != oldtls.Modern:
		return usagef("--tls-profile %s needs --tls-cert and --tls-key; 'draftwire cert legacy NAME' makes them", profile)
	case len(certs) == 0:
		return nil
	}
	o.certs = &reloads{profile: profile}
	var loaded []*oldtls.Certificate
	for i, file := range certs {
		cert, err := oldtls.LoadFiles(file, keys[i], o.certs.failed)
		if err != nil {
			return usagef("--tls-cert: %s", strings.TrimPrefix(err.Error(), "oldtls: "))
		}
		loaded = append(loaded, cert)
	}
	if o.tls, err = oldtls.Config(profile, loaded); err != nil {
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
