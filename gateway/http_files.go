package gateway

import (
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
)

// The files of a folder: GET and HEAD, with ranges and If-Modified-Since as in
// http.ServeContent. No file is reached outside the folder, by .. or by a link (os.Root), no
// name that begins with a dot is served, and a folder is only its index.html.

type files struct{ dir string }

// types are those that the pages of all times need, whatever the system knows.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".json": "application/json", ".map": "application/json",
	".txt": "text/plain; charset=utf-8", ".xml": "text/xml; charset=utf-8", ".svg": "image/svg+xml",
	".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".ico": "image/x-icon", ".webp": "image/webp",
	".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf", ".otf": "font/otf",
	".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".wav": "audio/wav", ".mp4": "video/mp4", ".webm": "video/webm",
	".wasm": "application/wasm", ".pdf": "application/pdf", ".swf": "application/x-shockwave-flash",
	".appcache": "text/cache-manifest", ".manifest": "text/cache-manifest", ".webmanifest": "application/manifest+json",
}

func (f *files) serve(x *exchange) {
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		x.w.Header().Set("Allow", "GET, HEAD")
		answer(x.w, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	target, err := x.s.route.target("", x.Handshake.Target())
	if err != nil {
		x.refuse(noRoute(err))
		return
	}
	raw, query, _ := strings.Cut(target, "?")
	name, ok := fileName(raw)
	if !ok {
		notFound(x.w)
		return
	}
	root, err := os.OpenRoot(f.dir) // each time: a new version of a site may take the name of the old one
	if err != nil {
		notFound(x.w)
		return
	}
	defer root.Close()
	serveFile(x, root, name, raw, query)
}

// fileName returns the name of the file that a path of a URL asks for, in the folder; of a
// path that ends in a slash it ends in one too.
func fileName(raw string) (name string, ok bool) {
	p, err := url.PathUnescape(raw)
	if err != nil || strings.ContainsAny(p, "\\\x00:") {
		return "", false
	}
	name = strings.TrimPrefix(p, "/")
	for i, seg := range strings.Split(strings.TrimSuffix(name, "/"), "/") {
		if name != "" && seg == "" || strings.HasPrefix(seg, ".") && (i > 0 || seg != ".well-known") { // RFC 8615 3
			return "", false
		}
	}
	return name, true
}

// serveFile answers with a file, or with the index of a folder.
func serveFile(x *exchange, root *os.Root, name, raw, query string) {
	below := strings.TrimSuffix(name, "/")
	info, err := stat(root, below)
	switch {
	case err != nil, !info.IsDir() && below != name:
		notFound(x.w)
		return
	case info.IsDir() && name != "" && below == name: // so that links on the page work
		to := "./" + path.Base(raw) + "/"
		if query != "" {
			to += "?" + query
		}
		x.w.Header().Set("Location", to)
		answer(x.w, http.StatusMovedPermanently, http.StatusText(http.StatusMovedPermanently))
		return
	case info.IsDir():
		below = path.Join(below, "index.html")
		if info, err = stat(root, below); err != nil {
			notFound(x.w)
			return
		}
	}
	if !info.Mode().IsRegular() { // to open a pipe would wait
		notFound(x.w)
		return
	}
	file, err := root.Open(below)
	if err != nil {
		notFound(x.w)
		return
	}
	defer file.Close()
	h := x.w.Header()
	h.Set("Content-Type", typeOf(below))
	h.Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(x.w, x.r, "", info.ModTime(), file)
}

func stat(root *os.Root, name string) (fs.FileInfo, error) {
	if name == "" {
		name = "."
	}
	return root.Stat(name)
}

// typeOf returns the type of a file by its name.
func typeOf(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if t := types[ext]; t != "" {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}

func notFound(w http.ResponseWriter) {
	answer(w, http.StatusNotFound, http.StatusText(http.StatusNotFound))
}
