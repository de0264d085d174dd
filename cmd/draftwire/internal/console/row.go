package console

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/recording"
)

// Row is what the list shows of a connection.
type Row struct {
	ID             string         `json:"id"`
	Version        string         `json:"version"`
	Client         string         `json:"client"` // address and port
	Listener       string         `json:"listener"`
	Route          string         `json:"route"`
	Backend        string         `json:"backend"`
	BackendVersion string         `json:"backend_version"` // "" of a stream of bytes
	Path           string         `json:"path"`            // the query is left out, as it may hold secrets
	Host           string         `json:"host"`
	Origin         string         `json:"origin"`
	UserAgent      string         `json:"user_agent"`
	TLS            string         `json:"tls"` // "TLS 1.2"; "" for none
	Tolerated      []string       `json:"tolerated"`
	Losses         map[string]int `json:"losses"`
	Opened         int64          `json:"opened_ms"`
	Last           int64          `json:"last_ms"` // of the last message, to two seconds
	In             uint64         `json:"in"`      // payload from the client, in bytes
	Out            uint64         `json:"out"`
	MessagesIn     uint64         `json:"messages_in"`
	MessagesOut    uint64         `json:"messages_out"`
}

// maxField bounds what a peer can put into a field of a row.
const maxField = 500

func bounded(s string) string {
	if len(s) > maxField {
		return strings.ToValidUTF8(s[:maxField], "") + "..."
	}
	return s
}

// row puts a connection into words.
func (c *Console) row(x *Live) Row {
	h, stats := x.Conn.Handshake(), x.Conn.Stats()
	path, _, query := strings.Cut(h.Target(), "?")
	path = bounded(path)
	if query {
		path += "?..."
	}
	row := Row{
		ID: idText(x.ID), Version: h.Version().String(), Client: h.Remote(), Path: path, Host: bounded(h.Host()), Origin: bounded(h.Origin()),
		UserAgent: bounded(h.Field("User-Agent")), Tolerated: names(h.Tolerated()), Losses: map[string]int{},
		Opened: h.Began().UnixMilli(), Last: c.last(x).UnixMilli(),
		In: stats.BytesIn, Out: stats.BytesOut, MessagesIn: stats.MessagesIn, MessagesOut: stats.MessagesOut,
	}
	if t := h.TLS(); t != nil {
		row.TLS = tls.VersionName(t.Version)
	}
	if s := x.Session; s != nil {
		row.Listener, row.Route, row.Backend = s.Listener, s.Route, s.Backend
		for l, n := range s.Losses() {
			row.Losses[string(l)] = n
		}
		if back := s.BackendConn(); back != nil {
			row.BackendVersion = back.Version().String()
		}
	}
	return row
}

// shown is the answer with one connection.
type shown struct {
	Row
	Ended            bool             `json:"ended"`
	Why              string           `json:"why,omitempty"` // of a connection that has ended
	Now              int64            `json:"now_ms"`
	Handshake        []*inspect.Event `json:"handshake"`         // null where the heads are not kept
	BackendHandshake []*inspect.Event `json:"backend_handshake"` // null where the heads are not kept
}

var gone = &problem{http.StatusNotFound, "There is no such connection, or not any more.", ""}

func (c *Console) connection(w http.ResponseWriter, r *http.Request, id string) {
	x, ok := c.open(id)
	ended := false
	if !ok {
		if x, ended = c.remembered(id); !ended {
			gone.answer(w)
			return
		}
	}
	s := shown{Row: c.row(&x), Ended: ended, Now: time.Now().UnixMilli(), Handshake: annotate(x.Conn.Handshake(), c.mayRead(r))}
	if ended {
		s.Why = whyEnded(&x, c.mayRead(r))
	}
	if x.Session != nil {
		if back := x.Session.BackendConn(); back != nil {
			s.BackendHandshake = annotate(back.Handshake(), c.mayRead(r))
		}
	}
	send(w, http.StatusOK, s)
}

// open returns the open connection with an id.
func (c *Console) open(id string) (Live, bool) {
	n, ok := readID(id)
	if !ok {
		return Live{}, false
	}
	return c.find(n)
}

// remembered returns a connection that has ended, and was watched a moment ago.
func (c *Console) remembered(id string) (Live, bool) {
	n, _ := readID(id)
	if w := c.ringOf(n); w != nil {
		return w.live, true
	}
	return Live{}, false
}

// secrets are what is taken out of heads, as recordings do by default.
var secrets = recording.Redaction{Fields: recording.DefaultFields, Names: recording.DefaultNames}

// annotate says what a handshake means, as `inspect --json` does. Who may not see what users say
// gets no query of a URL either.
func annotate(h *draftwire.Handshake, mayRead bool) []*inspect.Event {
	request, response := h.Request(), h.Response()
	if request == "" {
		return nil
	}
	var events []*inspect.Event
	explain := inspect.New(inspect.Options{Payload: -1, Secure: h.Secure()}, func(e *inspect.Event) {
		if !mayRead {
			e.Redact()
		}
		events = append(events, e)
	})
	at := h.Began()
	stream := explain.Open(capture.Conn{Number: 1, Client: address(h.Remote())})
	stream.Data(at, capture.FromClient, 0, secrets.Head([]byte(request)))
	stream.Data(at.Add(h.Took()), capture.FromServer, 0, secrets.Head([]byte(response)))
	return events
}

// address reads an address; the zero one where it is none, as of peers on a unix socket.
func address(s string) netip.AddrPort {
	a, _ := netip.ParseAddrPort(s)
	return a
}
