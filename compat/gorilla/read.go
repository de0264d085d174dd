package websocket

import (
	"context"
	"encoding/json"
	"io"
	"strings"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// ReadMessage reads the next message whole. The error at the end of the connection is that of
// all later reads, and the thousandth of these panics, as the program would read for ever.
func (c *Conn) ReadMessage() (messageType int, p []byte, err error) {
	c.reader = nil
	if c.readErr != nil {
		return -1, nil, c.failAgain()
	}
	op, p, err := c.dw.Read(context.Background())
	if err != nil {
		return -1, nil, c.failRead(err)
	}
	return typeOf(op), p, nil
}

// NextReader waits for the next message and returns a reader of it. What remains of the one before
// is dropped. Errors are those of ReadMessage.
func (c *Conn) NextReader() (messageType int, r io.Reader, err error) {
	c.reader = nil
	if c.readErr != nil {
		return -1, nil, c.failAgain()
	}
	for {
		part, err := c.dw.ReadPart(context.Background())
		if err != nil {
			return -1, nil, c.failRead(err)
		}
		if part.First {
			c.reader = &messageReader{c: c, data: part.Data, last: part.Last}
			return typeOf(part.Op), c.reader, nil
		}
	}
}

// messageReader reads a message: io.EOF is its end.
type messageReader struct {
	c    *Conn
	data []byte // lent
	last bool
}

// Read implements io.Reader.
func (r *messageReader) Read(p []byte) (int, error) {
	c := r.c
	if c.reader != r {
		return 0, io.EOF
	}
	if c.readErr != nil {
		return 0, c.readErr
	}
	for len(r.data) == 0 {
		if r.last {
			c.reader = nil
			return 0, io.EOF
		}
		part, err := c.dw.ReadPart(context.Background())
		if err != nil {
			return 0, c.failRead(err)
		}
		r.data, r.last = part.Data, part.Last
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

// failRead makes err that of all reads, and asks the close handler where it is the peer's close.
func (c *Conn) failRead(err error) error {
	c.readErr = c.readError(err)
	if ce, ok := c.readErr.(*CloseError); ok && ce != errUnexpectedEOF {
		if h := c.onClose.Load(); h == nil {
			c.answerClose(ce.Code)
		} else if err := (*h)(ce.Code, ce.Text); err != nil {
			c.readErr = err
		}
	}
	return c.readErr
}

func (c *Conn) failAgain() error {
	if c.failedReads++; c.failedReads >= maxFailedReads {
		panic("repeated read on failed websocket connection")
	}
	return c.readErr
}

func typeOf(op draftwire.Op) int {
	if op == wire.OpText {
		return TextMessage
	}
	return BinaryMessage
}

// ReadJSON reads the next message and decodes the JSON value in it into v.
func (c *Conn) ReadJSON(v any) error {
	_, r, err := c.NextReader()
	if err != nil {
		return err
	}
	err = json.NewDecoder(r).Decode(v)
	if err == io.EOF { // a message has a value
		err = io.ErrUnexpectedEOF
	}
	return err
}

// ReadJSON is c.ReadJSON.
//
// Deprecated: Use c.ReadJSON.
func ReadJSON(c *Conn, v any) error { return c.ReadJSON(v) }

// JoinMessages returns a reader of the messages that come, one behind the other, each
// followed by term.
func JoinMessages(c *Conn, term string) io.Reader { return &joined{c: c, term: term} }

type joined struct {
	c    *Conn
	term string
	now  io.Reader // nil between messages
}

// Read implements io.Reader.
func (j *joined) Read(p []byte) (int, error) {
	if j.now == nil {
		_, r, err := j.c.NextReader()
		if err != nil {
			return 0, err
		}
		j.now = io.MultiReader(r, strings.NewReader(j.term))
	}
	n, err := j.now.Read(p)
	if err == io.EOF {
		j.now, err = nil, nil
	}
	return n, err
}
