package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"slices"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/inspect/live"
	"github.com/urfave/cli/v2"
)

// liveOptions are what inspect --live needs to know.
type liveOptions struct {
	listen string
	to     string      // HOST:PORT of the server
	toTLS  *tls.Config // nil: it speaks no TLS
	tls    *tls.Config // of the clients' side; nil: none
}

// betweenFlags are the flags of a command that stands between clients and a server. when begins the
// text of each.
func betweenFlags(when string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "listen", Value: defaultListen, Usage: when + "`ADDR` where clients connect, HOST:PORT, unix:PATH or fd:NAME"},
		&cli.StringFlag{Name: "to", DefaultText: "none", Usage: when + "`URL` of the server, ws://HOST:PORT or wss://HOST:PORT; what to ask it for is the client's to say"},
		&cli.StringSliceFlag{Name: "tls-cert", Usage: when + "certificate `FILE` (PEM); clients then speak TLS"},
		&cli.StringSliceFlag{Name: "tls-key", Usage: when + "key `FILE` of the certificate (PEM)"},
		&cli.StringFlag{Name: "tls-profile", Value: "modern", Usage: when + "how old a TLS client may be, `modern|legacy|museum`"},
		&cli.BoolFlag{Name: "insecure", Usage: when + "do not verify the server's certificate"},
		&cli.StringFlag{Name: "cacert", Usage: when + "trust the certificates in `FILE` (PEM)"},
	}
}

// liveFlags are the flags that only --live has.
func liveFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.BoolFlag{Name: "live", Usage: "explain what passes between clients at --listen and the server of --to, byte by byte as it comes, until interrupted"},
	}, betweenFlags("with --live: ")...)
}

// readLive reads liveFlags; nil without --live.
func readLive(c *cli.Context) (*liveOptions, error) {
	if !c.Bool("live") {
		for _, f := range liveFlags() {
			if name := f.Names()[0]; c.IsSet(name) {
				return nil, usagef("--%s needs --live", name)
			}
		}
		return nil, nil
	}
	if c.Args().Present() {
		return nil, usagef("--live takes no file: it explains what passes")
	}
	if c.String("to") == "" {
		return nil, usagef("--live needs --to: the URL of the server")
	}
	return readBetween(c)
}

// readBetween reads betweenFlags.
func readBetween(c *cli.Context) (*liveOptions, error) {
	o := &liveOptions{listen: c.String("listen")}
	raw := c.String("to")
	if err := checkURL(raw); err != nil {
		return nil, err
	}
	u, _ := url.Parse(raw)
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil {
		return nil, usagef("--to: %q has more than a host and a port, which the client's own request says", raw)
	}
	secure := slices.Contains([]string{"wss", "https"}, u.Scheme)
	o.to = net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), map[bool]string{false: "80", true: "443"}[secure]))
	if secure {
		var d draftwire.DialOptions
		if err := readTrust(c, &d); err != nil {
			return nil, err
		}
		o.toTLS = d.TLS
		o.toTLS.ServerName, o.toTLS.NextProtos = u.Hostname(), []string{"http/1.1"}
	}
	var files serveOptions
	if err := readTLS(c, &files); err != nil {
		return nil, err
	}
	o.tls = files.tls
	return o, nil
}

// carry carries connections between clients and the server until the context ends, and says with
// say where, and what could not be connected.
func (o *liveOptions) carry(ctx context.Context, relay *live.Relay, say func(format string, args ...any)) (live.Stats, error) {
	relay.Dial = o.dial
	relay.Failed = func(client net.Addr, err error) { say("%s could not be connected: %v", client, err) }
	l, err := gateway.Listen(o.listen)
	if err != nil {
		return live.Stats{}, listenError(err)
	}
	say("what comes to %s goes to %s", urlOf(l, o.tls != nil), o.to)
	if o.tls != nil {
		l = tls.NewListener(l, o.tls)
	}
	stats, err := relay.Serve(ctx, l)
	say("%s, %d bytes", countOf(stats.Conns, "connection"), stats.Bytes)
	return stats, err
}

// runLive explains what passes, until the context ends.
func (r *inspection) runLive(ctx context.Context) error {
	stats, err := r.o.live.carry(ctx, &live.Relay{Sink: r, Idle: func() { r.out.Flush() }}, r.say)
	if stats.Gaps > 0 {
		r.say("%d bytes were passed on without being explained, as the output was too slow", stats.Gaps)
	}
	return err
}

// dial opens a connection to the server.
func (o *liveOptions) dial(ctx context.Context, _ net.Addr) (net.Conn, error) {
	if o.toTLS != nil {
		return (&tls.Dialer{Config: o.toTLS}).DialContext(ctx, "tcp", o.to)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", o.to)
}
