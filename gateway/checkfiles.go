package gateway

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/draftwire/draftwire/oldtls"
)

// CheckFiles reports everything that is wrong with the files that a configuration names:
// certificates, users, tokens, folders of pages, the ledger, what the hub needs. Check does not look at them, so
// that a configuration can be checked on another machine.
func (c *Config) CheckFiles() error {
	var f faults
	c = c.own() // which has names for all
	for i := range c.Listen {
		f.folderOf("listen "+c.Listen[i].Name+": address", c.Listen[i].Address)
		if l := &c.Listen[i]; l.TLS != nil {
			for _, k := range l.TLS.Certificates {
				if k.Cert == "" || k.Key == "" {
					continue // which check reports
				}
				if _, err := oldtls.LoadFiles(k.Cert, k.Key, nil); err != nil {
					f.add("listen %s: tls: certificates: %s", l.Name, strings.TrimPrefix(err.Error(), "oldtls: "))
				}
			}
			if a := l.TLS.ACME; a != nil && a.CA != "" {
				if _, err := rootsOf(a.CA); err != nil {
					f.add("listen %s: tls: acme: ca: %v", l.Name, err)
				}
			}
			if a := l.TLS.ACME; a != nil && a.Cache != "" && isFile(a.Cache) {
				f.add("listen %s: tls: acme: cache: %q is not a folder", l.Name, a.Cache)
			}
		}
	}
	for i := range c.Routes {
		r := &c.Routes[i]
		if r.Files != "" && !isFolder(r.Files) {
			f.add("route %s: files: %q is not a folder", r.Name, r.Files)
		}
		if _, err := newGuard(&r.Auth); err != nil {
			f.add("route %s: auth: %v", r.Name, err)
		}
		servers := slices.Concat(r.Backends, r.HTTP)
		if r.Mirror != nil {
			servers = append(servers, r.Mirror.To)
		}
		for _, c := range servers {
			if b, err := newBackend(&c); err == nil {
				if err := b.loadTLS(); err != nil {
					f.add("route %s: %v", r.Name, err)
				}
			}
		}
	}
	f.folderOf("admin: address", c.Admin.Address)
	if c.Admin.TokenFile != "" {
		if _, err := readAdminToken(c.Admin.TokenFile); err != nil {
			f.add("admin: token_file: %v", err)
		}
	}
	c.Hub.checkFiles(&f)
	f.checkLedger(c.Ledger.File)
	if c.Record.Folder != "" && !isFolder(c.Record.Folder) {
		f.add("record: folder: %q is not a folder", c.Record.Folder)
	}
	f.locate(c.file)
	return errors.Join(f...)
}

// checkLedger checks that the file of the ledger can be written, or made.
func (f *faults) checkLedger(file string) {
	if file == "" {
		return
	}
	if i, err := os.Stat(file); err == nil && i.IsDir() {
		f.add("ledger: file: %q is a folder", file)
		return
	} else if err == nil {
		opened, err := os.OpenFile(file, os.O_RDWR, 0)
		if err != nil {
			f.add("ledger: file: %v", err)
			return
		}
		opened.Close()
	}
	if folder := filepath.Dir(file); !isFolder(folder) {
		f.add("ledger: file: the folder %q of %q does not exist", folder, file)
	}
}

// folderOf checks that there is a folder for a socket, if address is that of one.
func (f *faults) folderOf(what, address string) {
	path, ok := strings.CutPrefix(address, "unix:")
	if folder := filepath.Dir(path); ok && path != "" && !strings.HasPrefix(path, "@") && !isFolder(folder) {
		f.add("%s: the folder %q of %q does not exist", what, folder, path)
	}
}

func isFile(path string) bool {
	i, err := os.Stat(path)
	return err == nil && !i.IsDir()
}

func isFolder(path string) bool {
	i, err := os.Stat(path)
	return err == nil && i.IsDir()
}
