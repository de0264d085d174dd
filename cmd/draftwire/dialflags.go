package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
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

// requestFlags are what a command that connects sends, and what it accepts of servers.
func requestFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "header", Aliases: []string{"H"}, Usage: "`FIELD` to send, like 'Name: value', spelled as given"},
		&cli.StringFlag{Name: "origin", Usage: "`ORIGIN` to send; hixie versions always send one"},
		&cli.StringSliceFlag{Name: "protocol", Usage: "`NAME` of a subprotocol to offer, the best first"},
		&cli.StringFlag{Name: "tolerate", Usage: "`LIST` of known faults of servers to accept, of the tolerances below, joined by commas"},
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
	if !draftwire.ServedVersions().Has(v) {
		return v, usagef("--%s: this program does not speak %s; it speaks %s", flag, v, draftwire.ServedVersions())
	}
	return v, nil
}

func checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || !strings.Contains(raw, "://") {
		return usagef("%q is not a URL like ws://127.0.0.1:8080/", raw)
	}
	switch u.Scheme {
	case "ws", "wss", "http", "https":
	default:
		return usagef("%q is not a ws or wss URL", raw)
	}
	if u.Hostname() == "" {
		return usagef("no host in %q", raw)
	}
	return nil
}

func readRequest(c *cli.Context, d *draftwire.DialOptions) (err error) {
	if d.Tolerate, err = wire.ParseTolerances(c.String("tolerate"), wire.ServerFaults()); err != nil {
		return usagef("--tolerate: %s", plain(err))
	}
	return readRequestFields(c, d)
}

// readRequestFields reads the fields, the origin and the subprotocols to send.
func readRequestFields(c *cli.Context, d *draftwire.DialOptions) error {
	d.Header = http.Header{}
	for _, line := range c.StringSlice("header") {
		name, value, ok := strings.Cut(line, ":")
		if value = strings.TrimSpace(value); !ok || !httphead.IsToken(name) || !httphead.IsFieldValue(value) {
			return usagef("--header: %q is not like 'Name: value'", line)
		}
		d.Header[name] = append(d.Header[name], value) // not Add, which changes the spelling
	}
	d.Origin = c.String("origin")
	if !httphead.IsFieldValue(d.Origin) {
		return usagef("--origin: %q cannot be sent", d.Origin)
	}
	d.Protocols = c.StringSlice("protocol")
	for _, p := range d.Protocols {
		if p == "" || !httphead.IsFieldValue(p) {
			return usagef("--protocol: %q cannot be sent", p)
		}
	}
	return nil
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
