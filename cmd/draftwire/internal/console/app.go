package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"time"
)

// files are the page: what the browser gets is what stands in this folder.
//
//go:embed app
var files embed.FS

// types are those of the page's files, by what their names end with. Any other file is text.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png",
}

// appFile is a file of the page.
type appFile struct {
	content []byte
	mime    string
	tag     string // ETag
}

// app has the files by their names below app/. Nothing else is served, so no path leads out.
var app = readApp()

func readApp() map[string]appFile {
	all := map[string]appFile{}
	fs.WalkDir(files, "app", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		f := appFile{content: b, mime: types[path.Ext(name)], tag: `"` + hex.EncodeToString(sum[:12]) + `"`}
		if f.mime == "" {
			f.mime = "text/plain; charset=utf-8"
		}
		all[name[len("app/"):]] = f
		return nil
	})
	return all
}

// serveApp answers with a file of the page. "" is the page itself.
func serveApp(w http.ResponseWriter, r *http.Request, name string) {
	if name == "" {
		name = "index.html"
	}
	f, ok := app[name]
	if !ok {
		unknown.answer(w)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.mime)
	h.Set("ETag", f.tag)
	h.Set("Cache-Control", "no-cache") // it is asked for again, as another program may answer then
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
}
