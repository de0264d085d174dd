package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/capture"
)

// page is what GET / shows. It is written for browsers from 2010 on: hixie clients are
// tested with it.
//
//go:embed page.html
var page string

// pagePolicy allows the page its own script and style, by their hashes, and
// connections, and nothing more. A browser that asks for an icon gets a 404, without a complaint.
var pagePolicy = "default-src 'none'; script-src " + hashOf("script") + "; style-src " + hashOf("style") +
	"; connect-src 'self' ws: wss:; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func hashOf(element string) string {
	_, rest, _ := strings.Cut(page, "<"+element+">")
	text, _, _ := strings.Cut(rest, "</"+element+">")
	sum := sha256.Sum256([]byte(text))
	// A browser that knows hashes ignores 'unsafe-inline' beside one; a WebKit of
	// 2013 knows only 'unsafe-inline'.
	return "'unsafe-inline' 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// servePage serves the page on /, and nothing on other paths.
func servePage(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != "/":
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", noTime, strings.NewReader(page))
}

// pageHandshake is what the page shows of the connection that its browser has made.
type pageHandshake struct {
	Version  string           `json:"version"`
	Spec     string           `json:"spec"`
	Date     string           `json:"date"`
	Shipped  string           `json:"shipped"`
	Messages string           `json:"messages"`
	Closing  string           `json:"closing"`
	Rule     string           `json:"rule"` // what showed the version
	Mode     string           `json:"mode"`
	Console  bool             `json:"console"` // this browser may open /_console/
	Events   []*inspect.Event `json:"events"`  // the heads, annotated
	Tail     string           `json:"tail,omitempty"`
}

// closingWords say what the words of closingOf mean.
var closingWords = map[string]string{
	"code": "a frame, with a code and a reason", "frame": "a frame without a code", "tcp": "the connection ends, and no frame says so",
}

// greet tells the page what its browser cannot know: which version it speaks, and, if the page
// asks for it, what its handshake means. Others that connect to the page's path get the first.
func (s *service) greet(c *draftwire.Conn, query string) error {
	if err := c.Write(c.Context(), draftwire.OpText, []byte("version "+c.Version().String())); err != nil || query != "annotate" {
		return err
	}
	v := c.Version()
	h := pageHandshake{
		Version: v.String(), Spec: v.Info().Spec, Date: v.Info().Date, Shipped: v.Info().Shipped,
		Messages: messagesOf(v), Closing: closingWords[closingOf(v)], Rule: c.Handshake().Rule(), Mode: modeEcho, Events: annotated(c.Handshake()),
	}
	if from, err := netip.ParseAddrPort(c.Handshake().Remote()); err == nil {
		h.Console = s.console != nil && from.Addr().Unmap().IsLoopback()
	}
	if s.broadcast {
		h.Mode = modeBroadcast
	}
	if v == draftwire.Hixie76 || v == draftwire.Hybi02 {
		h.Tail = "Behind the request come eight more bytes, which no field announces, and behind the answer sixteen, which prove that the server has read them. The server does not keep them."
	}
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return c.Write(c.Context(), draftwire.OpText, append([]byte("handshake "), text...))
}

// annotated explains the heads of a handshake, as inspect does.
func annotated(h *draftwire.Handshake) (events []*inspect.Event) {
	explain := inspect.New(inspect.Options{Payload: -1, Secure: h.Secure()}, func(e *inspect.Event) {
		if e.Kind == inspect.KindRequest || e.Kind == inspect.KindResponse {
			e.Bytes = nil // the lines say it
			events = append(events, e)
		}
	})
	stream := explain.Open(capture.Conn{Number: 1})
	stream.Data(h.Began(), capture.FromClient, 0, []byte(h.Request()))
	stream.Data(h.Began().Add(h.Took()), capture.FromServer, 0, []byte(h.Response()))
	return events
}
