package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/draftwire/draftwire/oldtls"
	"github.com/sirupsen/logrus"
	"github.com/urfave/cli/v2"
)

func (p *program) certCommand() command {
	return command{
		name: "cert", usage: "make certificates that old devices can be told to trust", args: "legacy NAME...", least: 2, most: 101,
		about: "Old devices trust none of the current public roots, so they need a root of their own. The first run makes one, ca.pem with " +
			"ca-key.pem; later runs use it again. Each run makes an RSA certificate for the NAMEs, host names and IP addresses, " +
			"as NAME.pem with NAME-key.pem, NAME being the first. Both are valid from 2010, as devices without a battery start " +
			"with a clock in the past, until the end of 2037, as the clocks of old ones end in 2038.\n" +
			"Install ca.pem on the devices. Keep ca-key.pem secret: with it anybody can pose as any server to these devices.",
		examples: []example{
			{"draftwire cert legacy kiosk 192.0.2.7", "a root, and a server with a name and an address"},
			{"draftwire serve --tls-profile legacy --tls-cert kiosk.pem --tls-key kiosk-key.pem", "serve it"},
			{"draftwire cert legacy --museum --dir museum tv.example", "1024 bits and SHA-1, for devices that know nothing newer"},
			{"draftwire cert legacy --force kiosk", "a new key for the same name"},
		},
		flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Value: ".", Usage: "the folder `DIR` to write to"},
			&cli.IntFlag{Name: "days", DefaultText: "until the end of 2037", Usage: "valid for `N` days from now"},
			&cli.BoolFlag{Name: "museum", Usage: "a key of 1024 bits and a SHA-1 signature; current browsers refuse it"},
			&cli.BoolFlag{Name: "force", Usage: "replace the certificate and key of NAME; the root always stays"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		run: func(c *cli.Context) error {
			o, err := certOptionsOf(c)
			if err != nil {
				return err
			}
			log, err := p.logger(c)
			if err != nil {
				return err
			}
			r, err := makeCert(o)
			if err != nil {
				return err
			}
			r.warn(log)
			return r.write(p.stdio, o.json)
		},
	}
}

type certOptions struct {
	dir                 string
	names               []string
	days                int // 0: as long as possible
	museum, force, json bool
}

func certOptionsOf(c *cli.Context) (certOptions, error) {
	o := certOptions{
		dir: c.String("dir"), names: c.Args().Tail(), days: c.Int("days"),
		museum: c.Bool("museum"), force: c.Bool("force"), json: c.Bool("json"),
	}
	if kind := c.Args().First(); kind != "legacy" {
		return o, usagef("%q is not a kind of certificate; there is only legacy", kind)
	}
	if c.IsSet("days") && (o.days < 1 || o.days > 36500) {
		return o, usagef("--days: %d is not between 1 and 36500", o.days)
	}
	for _, n := range o.names {
		if err := oldtls.CheckName(n); err != nil {
			return o, usagef("%s", strings.TrimPrefix(err.Error(), "oldtls: "))
		}
	}
	return o, nil
}

// certResult is what was made, as JSON.
type certResult struct {
	Names     []string  `json:"names"`
	CA        string    `json:"ca"`      // what to install on the device
	CAKey     string    `json:"ca_key"`  // what to keep secret
	CAMade    bool      `json:"ca_made"` // false: it existed
	Cert      string    `json:"cert"`
	Key       string    `json:"key"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Museum    bool      `json:"museum"`

	caSHA1 bool
}

// makeCert writes what is missing of the root, and the certificate.
func makeCert(o certOptions) (*certResult, error) {
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return nil, err
	}
	base := filepath.Join(o.dir, fileName(o.names[0]))
	r := &certResult{
		Names: o.names, Museum: o.museum, Cert: base + ".pem", Key: base + "-key.pem",
		CA: filepath.Join(o.dir, "ca.pem"), CAKey: filepath.Join(o.dir, "ca-key.pem"),
	}
	if r.Cert == r.CA || r.Cert == r.CAKey || r.Key == r.CAKey {
		return nil, usagef("a certificate for %s would have the root's file name; choose another first NAME", o.names[0])
	}
	for _, file := range []string{r.Key, r.Cert} {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) && !o.force {
			return nil, exitf(exitFailure, "%s exists; --force replaces it", file)
		}
	}
	ca, err := r.root(o)
	if err != nil {
		return nil, err
	}
	leaf := oldtls.LeafOptions{Names: o.names, Museum: o.museum}
	if o.days > 0 {
		leaf.NotAfter = time.Now().AddDate(0, 0, o.days)
	}
	issued, err := ca.Issue(leaf)
	if err != nil {
		return nil, err
	}
	r.NotBefore, r.NotAfter = issued.Leaf.NotBefore, issued.Leaf.NotAfter
	return r, r.save(issued)
}

// save writes the key first: a server that reloads its files does not accept a pair that
// does not match.
func (r *certResult) save(issued *oldtls.Issued) error {
	if err := os.Remove(r.Key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := oldtls.WriteKey(r.Key, issued.Key); err != nil {
		return err
	}
	return writeWhole(r.Cert, issued.Chain)
}

// root reads the root, or makes one where there is neither certificate nor key.
func (r *certResult) root(o certOptions) (*oldtls.CA, error) {
	cert, certErr := os.ReadFile(r.CA)
	key, keyErr := os.ReadFile(r.CAKey)
	switch {
	case certErr == nil && keyErr == nil:
		ca, err := oldtls.ReadCA(cert, key)
		if err != nil {
			return nil, exitf(exitFailure, "%s and %s cannot be used as a root: %w", r.CA, r.CAKey, err)
		}
		r.caSHA1 = strings.HasPrefix(ca.Certificate().SignatureAlgorithm.String(), "SHA1")
		return ca, nil
	case errors.Is(certErr, fs.ErrNotExist) && errors.Is(keyErr, fs.ErrNotExist):
	case certErr == nil && errors.Is(keyErr, fs.ErrNotExist):
		return nil, exitf(exitFailure, "%s has no %s; bring the key, or choose another --dir", r.CA, r.CAKey)
	case keyErr == nil && errors.Is(certErr, fs.ErrNotExist):
		return nil, exitf(exitFailure, "%s has no %s; bring the certificate, or choose another --dir", r.CAKey, r.CA)
	default:
		return nil, errors.Join(certErr, keyErr)
	}
	ca, err := oldtls.NewCA(oldtls.CAOptions{SHA1: o.museum})
	if err != nil {
		return nil, err
	}
	r.CAMade, r.caSHA1 = true, o.museum
	if err := oldtls.WriteKey(r.CAKey, ca.Key()); err != nil {
		return nil, err
	}
	return ca, writeWhole(r.CA, ca.PEM())
}

// writeWhole replaces a file in one step, so that no reader sees half of it.
func writeWhole(file string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".draftwire-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// fileName is a host's name as that of a file on any system.
func fileName(host string) string {
	return strings.NewReplacer("*", "_", ":", "_").Replace(strings.ToLower(host))
}

// warn says what such a certificate is worth.
func (r *certResult) warn(log *logrus.Logger) {
	if !r.Museum {
		return
	}
	log.Warn("a museum piece: a key of 1024 bits and SHA-1 stop no attacker")
	if !r.caSHA1 {
		log.Warn("the root is signed with SHA-256, which a device that checks a root's own signature may not know; another --dir gets a root with SHA-1")
	}
}

// write prints the files and what to do with them.
func (r *certResult) write(std stdio, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(std.out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	root := "the root, as it was"
	if r.CAMade {
		root = "a new root: install this on the devices"
	}
	t := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{r.CA, root},
		{r.CAKey, "its key: keep it secret"},
		{r.Cert, fmt.Sprintf("for the server: certificate for %s, from %s to %s, and the root",
			strings.Join(r.Names, ", "), r.NotBefore.Format(time.DateOnly), r.NotAfter.Format(time.DateOnly))},
		{r.Key, "for the server: its key"},
	} {
		fmt.Fprintf(t, "%s\t%s\n", line[0], line[1])
	}
	return t.Flush()
}
