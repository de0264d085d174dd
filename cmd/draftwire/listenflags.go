package main

import (
	"math"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/oldtls"
	"github.com/urfave/cli/v2"
)

// listenDefaults are the defaults of listenFlags that commands do not share.
type listenDefaults struct {
	message string // a server holds a whole message; a gateway passes it on in parts
	pending int    // a handshake of a gateway may hold a second socket, to its backend
	write   time.Duration
}

// listenFlags are the flags of a command that clients connect to. Those that bound
// something are called as the keys of a gateway's file, numbers and sizes --max-KEY.
func listenFlags(d listenDefaults) []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "listen", DefaultText: defaultListen, Usage: "`ADDR` to listen on: HOST:PORT, unix:PATH, or fd:NAME for a socket that systemd passes"},
		&cli.StringFlag{Name: "versions", Value: "all", Usage: "`VERSIONS` that clients may speak: all, modern, or names joined by commas; -NAME leaves one out"},
		&cli.StringSliceFlag{Name: "tls-cert", Usage: "certificate `FILE` (PEM); TLS is then recognised on the same port"},
		&cli.StringSliceFlag{Name: "tls-key", Usage: "key `FILE` of the certificate (PEM)"},
		&cli.StringFlag{Name: "tls-profile", Value: oldtls.Modern.String(), Usage: "how old a TLS client may be: `modern|legacy|museum`; current clients get current TLS with each"},
		&cli.StringSliceFlag{Name: "origin", DefaultText: "*, any", Usage: "`PATTERN` of pages that may connect, for example *.example.com"},
		&cli.StringFlag{Name: "tolerate", Usage: "`LIST` of known faults of clients to accept, of the tolerances below, joined by commas"},
		&cli.BoolFlag{Name: "flash-policy", Usage: "answer Flash policy requests: any site, any port"},
		&cli.StringFlag{Name: "max-message", Value: d.message, Usage: "largest message, a `SIZE` like 64KiB"},
		&cli.StringFlag{Name: "max-head", Value: "16KiB", Usage: "largest request head, a `SIZE`"},
		&cli.IntFlag{Name: "max-pending", Value: d.pending, Usage: "at most `N` connections whose handshake is not done, half of them of one address"},
		&cli.DurationFlag{Name: "handshake-timeout", Value: draftwire.DefaultHandshakeTimeout, Usage: "`TIME` for the whole opening handshake; a gateway's includes the backend's"},
		&cli.DurationFlag{Name: "key3-timeout", Value: draftwire.DefaultKey3Timeout, Usage: "`TIME` for the eight bytes of hixie-76"},
		&cli.DurationFlag{Name: "close-timeout", Value: draftwire.DefaultCloseTimeout, Usage: "`TIME` for the closing handshake"},
		&cli.DurationFlag{Name: "write-timeout", Value: d.write, Usage: "close after that `TIME` in which the peer takes nothing of a write"},
		&cli.DurationFlag{Name: "idle-timeout", DefaultText: "none", Usage: "close after that `TIME` without a byte from the client"},
	}
}

const defaultListen = "127.0.0.1:8080"

func readAddresses(c *cli.Context) []string {
	if list := c.StringSlice("listen"); len(list) > 0 {
		return list
	}
	return []string{defaultListen}
}

// readLimits reads the limits of a connection.
func readLimits(c *cli.Context) (l draftwire.Limits, err error) {
	if l.ReadLimit, err = sizeFlag(c, "max-message"); err != nil {
		return l, err
	}
	head, err := sizeFlag(c, "max-head")
	if err != nil {
		return l, err
	}
	if head > 1<<30 {
		return l, usagef("--max-head: %s is too much", c.String("max-head"))
	}
	l.HeadLimit = int(head)
	l.IdleTimeout = c.Duration("idle-timeout")
	if l.IdleTimeout < 0 {
		return l, usagef("--idle-timeout: %s is below 0", l.IdleTimeout)
	}
	if l.HandshakeTimeout, err = timeFlag(c, "handshake-timeout"); err != nil {
		return l, err
	}
	if l.Key3Timeout, err = timeFlag(c, "key3-timeout"); err != nil {
		return l, err
	}
	if l.CloseTimeout, err = timeFlag(c, "close-timeout"); err != nil {
		return l, err
	}
	l.WriteTimeout, err = timeFlag(c, "write-timeout")
	return l, err
}

func readPending(c *cli.Context) (int, error) { return countFlag(c, "max-pending", math.MaxInt32) }

// tlsFiles are what the flags say of TLS.
type tlsFiles struct {
	profile oldtls.Profile
	pairs   []gateway.KeyPair
}

func readTLSFiles(c *cli.Context) (tlsFiles, error) {
	var f tlsFiles
	certs, keys := c.StringSlice("tls-cert"), c.StringSlice("tls-key")
	profile, err := oldtls.ParseProfile(c.String("tls-profile"))
	switch {
	case err != nil:
		return f, usagef("--tls-profile: %w", err)
	case len(certs) != len(keys):
		return f, usagef("--tls-cert and --tls-key go together")
	case len(certs) == 0 && profile != oldtls.Modern:
		return f, usagef("--tls-profile %s needs --tls-cert and --tls-key; 'draftwire cert legacy NAME' makes them", profile)
	}
	f.profile = profile
	for i, cert := range certs {
		f.pairs = append(f.pairs, gateway.KeyPair{Cert: cert, Key: keys[i]})
	}
	return f, nil
}
