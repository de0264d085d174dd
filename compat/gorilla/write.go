package websocket

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// deadline is a context that ends at a time. Its timer is made when somebody waits for it, as
// most writes wait for nothing.
type deadline struct {
	at   time.Time
	once sync.Once
	full atomic.Pointer[fullDeadline]
}

type fullDeadline struct {
	context.Context
	cancel context.CancelFunc
}

func (d *deadline) make() *fullDeadline {
	d.once.Do(func() {
		ctx, cancel := context.WithDeadline(context.Background(), d.at)
		d.full.Store(&fullDeadline{ctx, cancel})
	})
	return d.full.Load()
}

// Deadline implements context.Context.
func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

// Done implements context.Context.
func (d *deadline) Done() <-chan struct{} { return d.make().Done() }

// Value implements context.Context. Package context finds its own one through it.
func (d *deadline) Value(key any) any { return d.make().Value(key) }

// Err implements context.Context.
func (d *deadline) Err() error {
	if full := d.full.Load(); full != nil {
		return full.Err()
	}
	if !time.Now().Before(d.at) {
		return context.DeadlineExceeded
	}
	return nil
}

// end lets go of the timer, if there is one.
func (d *deadline) end() {
	if full := d.full.Load(); full != nil {
		full.cancel()
	}
}

// write calls do with the context of the write deadline.
func (c *Conn) write(do func(ctx context.Context) error) error {
	if err := c.writeErr.Load(); err != nil {
		return *err
	}
	at := c.writeDeadline.Load()
	if at == nil {
		return c.writeError(do(context.Background()))
	}
	d := &deadline{at: *at}
	defer d.end()
	if err := d.Err(); err != nil {
		return c.writeError(err)
	}
	return c.writeError(do(d))
}

// WriteMessage sends one message, of any type.
func (c *Conn) WriteMessage(messageType int, data []byte) error {
	c.endWriter()
	switch {
	case isControl(messageType):
		if err := c.cannotWrite(); err != nil {
			return err
		}
		return c.control(messageType, data)
	case !isData(messageType):
		return errBadWriteOpCode
	}
	return c.send(messageType, data)
}

// cannotWrite returns the error of every write from now on, nil where there is none.
func (c *Conn) cannotWrite() error {
	if err := c.writeErr.Load(); err != nil {
		return *err
	}
	if c.closeSent.Load() {
		return c.writeError(draftwire.ErrClosed)
	}
	return nil
}

func (c *Conn) send(messageType int, data []byte) error {
	if err := c.writeErr.Load(); err != nil {
		return *err
	}
	if c.writeDeadline.Load() == nil {
		return c.writeError(c.dw.Write(context.Background(), opOf(messageType), data))
	}
	return c.write(func(ctx context.Context) error { return c.dw.Write(ctx, opOf(messageType), data) })
}

// WriteJSON sends the JSON of v, and a line end, as a text message.
func (c *Conn) WriteJSON(v any) error {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		return err
	}
	return c.WriteMessage(TextMessage, b.Bytes())
}

// WriteJSON is c.WriteJSON.
//
// Deprecated: Use c.WriteJSON.
func WriteJSON(c *Conn, v any) error { return c.WriteJSON(v) }

// WriteControl sends a close, a ping or a pong with up to 125 bytes, until by; the zero time is
// no deadline. Behind a close nothing can be sent, which is ErrCloseSent; what the peer says before
// its own close can be read, for draftwire.DefaultCloseTimeout.
func (c *Conn) WriteControl(messageType int, data []byte, by time.Time) error {
	switch {
	case !isControl(messageType):
		return errBadWriteOpCode
	case len(data) > maxControlFramePayloadSize:
		return errInvalidControlFrame
	}
	d := &deadline{at: by}
	defer d.end()
	if !by.IsZero() && d.Err() != nil {
		return errWriteTimeout
	}
	if err := c.writeErr.Load(); err != nil {
		return *err
	}
	if by.IsZero() {
		return c.writeError(c.sendControl(context.Background(), messageType, data))
	}
	err := c.sendControl(d, messageType, data)
	if errors.Is(err, context.DeadlineExceeded) {
		return errWriteTimeout
	}
	return c.writeError(err)
}

// control is WriteControl with the deadline of SetWriteDeadline.
func (c *Conn) control(messageType int, data []byte) error {
	if len(data) > maxControlFramePayloadSize {
		return errInvalidControlFrame
	}
	return c.write(func(ctx context.Context) error { return c.sendControl(ctx, messageType, data) })
}

func (c *Conn) sendControl(ctx context.Context, messageType int, data []byte) error {
	switch messageType {
	case PingMessage:
		return c.eng.WriteControl(ctx, wire.OpPing, data)
	case PongMessage:
		return c.eng.WriteControl(ctx, wire.OpPong, data)
	}
	code, reason := wire.CodeNoStatus, ""
	switch {
	case len(data) == 1:
		return errInvalidControlFrame
	case len(data) >= 2:
		code, reason = wire.CloseCode(binary.BigEndian.Uint16(data)), string(data[2:])
	}
	err := c.eng.SendClose(code, reason)
	if err == nil {
		c.closeSent.Store(true)
	}
	return err
}

// NextWriter begins a message of any type and returns its writer, whose Close ends it. A message
// that was begun before and has not ended is ended first.
func (c *Conn) NextWriter(messageType int) (io.WriteCloser, error) {
	c.endWriter()
	if !isControl(messageType) && !isData(messageType) {
		return nil, errBadWriteOpCode
	}
	if err := c.cannotWrite(); err != nil {
		return nil, err
	}
	w := &messageWriter{c: c, messageType: messageType}
	if old := c.writer.Swap(w); old != nil {
		_ = old.Close()
	}
	return w, nil
}

// endWriter ends the message that NextWriter has begun.
func (c *Conn) endWriter() {
	if w := c.writer.Load(); w != nil {
		_ = w.Close()
	}
}

// messageWriter writes a message. It gathers WriteBufferSize bytes for a frame; a message that
// is no longer is sent as one.
type messageWriter struct {
	c           *Conn
	messageType int
	mu          sync.Mutex
	buf         []byte
	out         io.WriteCloser // the frames, nil before the first
	ctx         frameContext   // of the frame that is being written
	err         error
}

// frameContext is the context of a message in frames, which each have a deadline.
type frameContext struct{ context.Context }

// Write implements io.Writer.
func (w *messageWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := 0; ; {
		if w.err != nil {
			return n, w.err
		}
		free := w.c.writeSize - len(w.buf)
		if len(p)-n <= free {
			w.buf = append(w.buf, p[n:]...)
			return len(p), nil
		}
		w.buf = append(w.buf, p[n:n+free]...)
		n += free
		w.flush()
	}
}

// WriteString implements io.StringWriter.
func (w *messageWriter) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// begun reports whether a frame of the message has been sent.
func (w *messageWriter) begun() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out != nil
}

// flush sends a frame that is not the last.
func (w *messageWriter) flush() {
	if isControl(w.messageType) {
		w.end(errInvalidControlFrame)
		return
	}
	err := w.c.write(func(ctx context.Context) (err error) {
		w.ctx.Context = ctx
		if w.out == nil {
			w.out, err = w.c.dw.Writer(&w.ctx, opOf(w.messageType))
		}
		if err == nil {
			_, err = w.out.Write(w.buf)
		}
		return err
	})
	w.buf = w.buf[:0]
	if err != nil {
		w.end(err)
	}
}

// Close ends the message.
func (w *messageWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	var err error
	switch {
	case isControl(w.messageType):
		err = w.c.control(w.messageType, w.buf)
	case w.out == nil:
		err = w.c.send(w.messageType, w.buf)
	default:
		if len(w.buf) > 0 {
			w.flush()
		}
		if err = w.err; err == nil {
			err = w.c.write(func(ctx context.Context) error {
				w.ctx.Context = ctx
				return w.out.Close()
			})
		}
	}
	if err != nil {
		w.end(err)
	}
	w.end(errWriteClosed)
	return err
}

// end makes err that of all later calls.
func (w *messageWriter) end(err error) {
	if w.err == nil {
		w.err = err
	}
	w.c.writer.CompareAndSwap(w, nil)
}

// PreparedMessage is a message that is encoded once for many connections, for each version and
// compression once.
type PreparedMessage struct {
	messageType int
	data        []byte
	m           *draftwire.PreparedMessage // of data messages
}

// NewPreparedMessage prepares a message of any type. It copies data.
func NewPreparedMessage(messageType int, data []byte) (*PreparedMessage, error) {
	pm := &PreparedMessage{messageType: messageType, data: bytes.Clone(data)}
	switch {
	case isData(messageType):
		pm.m = draftwire.NewPreparedMessage(opOf(messageType), pm.data)
	case !isControl(messageType):
		return nil, errBadWriteOpCode
	case len(data) > maxControlFramePayloadSize:
		return nil, errInvalidControlFrame
	}
	return pm, nil
}

// WritePreparedMessage sends a prepared message. One that NextWriter has begun follows it, unless frames
// of that have been sent: then that is ended first.
func (c *Conn) WritePreparedMessage(pm *PreparedMessage) error {
	if pm.m == nil {
		return c.control(pm.messageType, pm.data)
	}
	if w := c.writer.Load(); w != nil && w.begun() {
		_ = w.Close()
	}
	return c.write(func(ctx context.Context) error { return c.dw.WritePrepared(ctx, pm.m) })
}
