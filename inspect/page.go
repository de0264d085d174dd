package inspect

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"visible": visible}).Parse(pageText))

// MaxPage is how many events a page shows.
const MaxPage = 5000

// Page gathers events for one page of HTML, which needs no other file and nothing from a network:
// a timeline with the client on the left and the server on the right, and the bytes of each
// frame, which say what they are when the pointer is over them.
type Page struct {
	Title string            // of the page; "" is "draftwire inspect"
	conns map[int]*pageConn // by number
	shown int
	more  int
}

// pageConn is a connection of a page.
type pageConn struct {
	Number         int
	Client, Server string
	Draft          string
	Result, Text   string
	Broken         int
	Events         []pageEvent
	begun          time.Time
}

// pageEvent is an event of a page.
type pageEvent struct {
	*Event
	Side    string // client, server or both
	When    string
	Title   string
	Shown   string // payload or text, as people read it
	Breaks  bool
	Cells   []pageCell
	Cut     bool // there are more bytes
	HasHead bool
}

// pageCell are bytes that mean one thing.
type pageCell struct {
	Hex, Meaning, Class string
}

// Add adds an event. A page shows MaxPage of them, and says how many more there were.
func (p *Page) Add(e *Event) {
	c := p.conn(e.Conn)
	if c == nil {
		p.more++
		return
	}
	if e.Draft != "" {
		c.Draft = e.Draft
	}
	c.Broken += len(e.Broken())
	switch e.Kind {
	case KindConnection:
		c.Client, c.Server = e.Client, e.Server
		return
	case KindClosing:
		c.Result, c.Text = e.Closing.Result, e.Text
	case KindMessage:
		if e.Message.Frames == 1 && !e.Message.Packed && len(e.Notes) == 0 {
			return
		}
	}
	if p.shown == MaxPage {
		p.more++
		return
	}
	p.shown++
	c.Events = append(c.Events, c.pageEvent(e))
}

// conn returns the connection with that number; nil for a new one of which nothing would be shown.
func (p *Page) conn(number int) *pageConn {
	c := p.conns[number]
	if c == nil && p.shown < MaxPage && len(p.conns) < MaxPage {
		if p.conns == nil {
			p.conns = map[int]*pageConn{}
		}
		c = &pageConn{Number: number}
		p.conns[number] = c
	}
	return c
}

func (c *pageConn) pageEvent(e *Event) pageEvent {
	x := pageEvent{Event: e, Side: e.From, Title: string(e.Kind), Breaks: len(e.Broken()) > 0 || e.Kind == KindFault, HasHead: len(e.Lines) > 0}
	if x.Side == "" || e.Kind == KindKeys { // arithmetic needs long lines
		x.Side = "both"
	}
	if e.At != nil {
		if c.begun.IsZero() {
			c.begun = *e.At
		}
		x.When = "+" + e.At.Sub(c.begun).Round(10*time.Microsecond).String()
	}
	switch {
	case e.Frame != nil:
		x.Title = "frame: " + e.Frame.Op
		if len(e.Frame.Payload) > 0 && !e.Frame.Packed && e.Frame.Op != "close" {
			x.Shown = visible(payloadText(e.Frame.Op, e.Frame.Payload, e.Frame.Size))
		}
	case e.Message != nil:
		op := e.Message.Op
		if e.Message.Opaque {
			op = "binary"
		}
		x.Title = fmt.Sprintf("message %d: %s, %s, %d bytes", e.Message.Number, e.Message.Op, count(e.Message.Frames, "frame"), e.Message.Size)
		x.Shown = visible(payloadText(op, e.Message.Payload, e.Message.Size))
	}
	if !x.HasHead {
		x.Cells, x.Cut = cellsOf(e)
	}
	return x
}

// pageBytes is how many bytes of an event a page shows.
const pageBytes = 128

// cellsOf returns the bytes of an event with what they mean.
func cellsOf(e *Event) (cells []pageCell, cut bool) {
	b := e.Bytes[:min(len(e.Bytes), pageBytes)]
	parts := e.Parts
	if len(parts) == 0 && len(b) > 0 {
		parts = []Part{{0, int64(len(b)), e.Text}}
	}
	for i, p := range parts {
		from, to := min(p.Offset, len(b)), min(p.Offset+int(p.Length), len(b))
		if from == to {
			continue
		}
		cells = append(cells, pageCell{strings.ToLower(fmt.Sprintf("% x", b[from:to])), visible(p.Meaning), fmt.Sprintf("p%d", i%6)})
	}
	return cells, e.Length > int64(len(b))
}

// Write writes the page.
func (p *Page) Write(w io.Writer) error {
	title := p.Title
	if title == "" {
		title = "draftwire inspect"
	}
	byNumber := slices.SortedFunc(maps.Values(p.conns), func(a, b *pageConn) int { return a.Number - b.Number })
	return pageTemplate.Execute(w, struct {
		Title string
		Conns []*pageConn
		More  int
	}{title, byNumber, p.more})
}
