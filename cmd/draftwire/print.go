package main

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"unicode/utf8"

	"github.com/draftwire/draftwire"
)

// printer writes what a client receives. After its first error it writes nothing.
type printer struct {
	w        io.Writer
	json     bool
	terminal bool // w is a terminal: no message may reach it as a command
	err      error
}

func newPrinter(w io.Writer, asJSON bool) *printer {
	return &printer{w: w, json: asJSON, terminal: isTerminal(w)}
}

// message prints one message and a line end.
func (p *printer) message(m draftwire.Message) {
	switch {
	case p.json:
		e := map[string]any{"event": "message", "type": m.Op.String()}
		if m.Op == draftwire.OpText && utf8.Valid(m.Data) {
			e["data"] = string(m.Data)
		} else {
			e["base64"] = m.Data
		}
		p.event(e)
	case !p.terminal:
		p.write(append(m.Data, '\n'))
	case m.Op == draftwire.OpText:
		p.write([]byte(visibleText(string(m.Data)) + "\n"))
	default:
		p.write([]byte(hex.EncodeToString(m.Data) + "\n"))
	}
}

// event prints a line of JSON if p.json is set.
func (p *printer) event(e map[string]any) {
	if !p.json {
		return
	}
	line, err := json.Marshal(e)
	if err != nil { // cannot be: strings, numbers and names
		panic(err)
	}
	p.write(append(visibleJSON(line), '\n'))
}

func (p *printer) write(b []byte) {
	if p.err == nil {
		_, p.err = p.w.Write(b)
	}
}
