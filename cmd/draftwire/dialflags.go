package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/draftwire/draftwire"
	"github.com/urfave/cli/v2"
)

// kindFlags choose the kind of the messages that are sent.
func kindFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "text", Aliases: []string{"t"}, Usage: "send text, which is the default"},
		&cli.BoolFlag{Name: "binary", Aliases: []string{"b"}, Usage: "send binary messages"},
	}
}

func readKind(c *cli.Context) (draftwire.Op, error) {
	switch {
	case c.Bool("binary") && c.Bool("text"):
		return 0, usagef("--text and --binary exclude each other")
	case c.Bool("binary"):
		return draftwire.OpBinary, nil
	}
	return draftwire.OpText, nil
}

// requestFlags say how a command that connects asks and whom it trusts.
func requestFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "header", Aliases: []string{"H"}, Usage: "`FIELD` to send, like 'Name: value', spelled as given"},
		&cli.StringFlag{Name: "origin", Usage: "`ORIGIN` to send; hixie versions always send one"},
		&cli.StringSliceFlag{Name: "protocol", Usage: "`NAME` of a subprotocol to offer, the best first"},
		&cli.BoolFlag{Name: "insecure", Usage: "do not verify the server's certificate"},
		&cli.StringFlag{Name: "cacert", Usage: "trust the certificates in `FILE` (PEM)"},
	}
}

// readDial reads requestFlags and compressionFlags.
func readDial(c *cli.Context, d *draftwire.DialOptions) (err error) {
	if d.Compression, err = readCompression(c); err != nil {
		return err
	}
	if err := readRequest(c, d); err != nil {
		return err
	}
	return readTrust(c, d)
}

// spokenVersion reads the name of a version that can be dialled.
func spokenVersion(flag, name string) (draftwire.Version, error) {
	v, err := draftwire.ParseVersion(name)
	if err != nil {
		return v, usagef("--%s: %s", flag, plain(err))
	}
	if !draftwire.Served().Has(v) {
		return v, usagef("--%s: %s is not spoken here; spoken are %s", flag, v, draftwire.Served())
	}
	return v, nil
}

func checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || !strings.Contains(raw, "://") {
		return usagef("%q is no URL; one is like ws://127.0.0.1:8080/", raw)
	}
	switch u.Scheme {
	case "ws", "wss", "http", "https":
	default:
		return usagef("%q is no ws or wss URL", raw)
	}
	if u.Hostname() == "" {
		return usagef("no host in %q", raw)
	}
	return nil
}

func readRequest(c *cli.Context, d *draftwire.DialOptions) error {
	d.Header = http.Header{}
	for _, line := range c.StringSlice("header") {
		name, value, ok := strings.Cut(line, ":")
		if value = strings.TrimSpace(value); !ok || !isToken(name) || !isPrintable(value) {
			return usagef("--header: %q is not like 'Name: value'", line)
		}
		d.Header[name] = append(d.Header[name], value) // not Add, which changes the spelling
	}
	d.Origin = c.String("origin")
	if !isPrintable(d.Origin) {
		return usagef("--origin: %q cannot be sent", d.Origin)
	}
	d.Protocols = c.StringSlice("protocol")
	for _, p := range d.Protocols {
		if p == "" || !isPrintable(p) {
			return usagef("--protocol: %q cannot be sent", p)
		}
	}
	return nil
}

// isToken reports whether s can be a field name (RFC 9110 5.6.2).
func isToken(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	}) < 0
}

// isPrintable reports whether s can be a field value.
func isPrintable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) < 0
}

func readTrust(c *cli.Context, d *draftwire.DialOptions) error {
	d.TLS = &tls.Config{InsecureSkipVerify: c.Bool("insecure")}
	file := c.String("cacert")
	if file == "" {
		return nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return usagef("--cacert: %w", err)
	}
	d.TLS.RootCAs = x509.NewCertPool()
	if !d.TLS.RootCAs.AppendCertsFromPEM(pem) {
		return usagef("--cacert: no certificate in %s", file)
	}
	return nil
}
