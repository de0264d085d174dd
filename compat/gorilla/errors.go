package websocket

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// Close codes (RFC 6455 7.4.1, and the registry that followed it).
const (
	CloseNormalClosure           = 1000
	CloseGoingAway               = 1001
	CloseProtocolError           = 1002
	CloseUnsupportedData         = 1003
	CloseNoStatusReceived        = 1005
	CloseAbnormalClosure         = 1006
	CloseInvalidFramePayloadData = 1007
	ClosePolicyViolation         = 1008
	CloseMessageTooBig           = 1009
	CloseMandatoryExtension      = 1010
	CloseInternalServerErr       = 1011
	CloseServiceRestart          = 1012
	CloseTryAgainLater           = 1013
	CloseTLSHandshake            = 1015
)

var closeNames = map[int]string{
	CloseNormalClosure:           "normal",
	CloseGoingAway:               "going away",
	CloseProtocolError:           "protocol error",
	CloseUnsupportedData:         "unsupported data",
	CloseNoStatusReceived:        "no status",
	CloseAbnormalClosure:         "abnormal closure",
	CloseInvalidFramePayloadData: "invalid payload data",
	ClosePolicyViolation:         "policy violation",
	CloseMessageTooBig:           "message too big",
	CloseMandatoryExtension:      "mandatory extension missing",
	CloseInternalServerErr:       "internal server error",
	CloseTLSHandshake:            "TLS handshake error",
}

// Message types: the opcodes of RFC 6455 11.8, in every version.
const (
	TextMessage   = 1  // text, UTF-8
	BinaryMessage = 2  // bytes
	CloseMessage  = 8  // a close, with what FormatCloseMessage returns
	PingMessage   = 9  // a ping, with up to 125 bytes
	PongMessage   = 10 // a pong, with up to 125 bytes
)

// The errors that programs compare with.
var (
	// ErrCloseSent is for a write behind a close of this side.
	ErrCloseSent = errors.New("websocket: close sent")
	// ErrReadLimit is for a message above the limit of SetReadLimit.
	ErrReadLimit = errors.New("websocket: read limit exceeded")
	// ErrBadHandshake is for an answer of a server that is no handshake. The response of Dial then
	// has status, fields and up to 1024 bytes of the body.
	ErrBadHandshake = errors.New("websocket: bad handshake")
)

// timeoutError is a net.Error of a deadline.
type timeoutError string

func (e timeoutError) Error() string   { return string(e) }
func (e timeoutError) Timeout() bool   { return true }
func (e timeoutError) Temporary() bool { return true }

var (
	errWriteTimeout        = timeoutError("websocket: write timeout")
	errUnexpectedEOF       = &CloseError{Code: CloseAbnormalClosure, Text: io.ErrUnexpectedEOF.Error()}
	errBadWriteOpCode      = errors.New("websocket: bad write message type")
	errWriteClosed         = errors.New("websocket: write closed")
	errInvalidControlFrame = errors.New("websocket: invalid control frame")
)

// CloseError is how the peer has closed: the error of the call that reads.
type CloseError struct {
	Code int    // CloseNoStatusReceived where it gave none, CloseAbnormalClosure where it just left
	Text string // of its choice
}

// Error names the code and the text.
func (e *CloseError) Error() string {
	s := "websocket: close " + strconv.Itoa(e.Code)
	if name := closeNames[e.Code]; name != "" {
		s += " (" + name + ")"
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// IsCloseError reports whether err is a *CloseError with one of codes.
func IsCloseError(err error, codes ...int) bool {
	e, ok := err.(*CloseError)
	return ok && slices.Contains(codes, e.Code)
}

// IsUnexpectedCloseError reports whether err is a *CloseError with none of expectedCodes.
func IsUnexpectedCloseError(err error, expectedCodes ...int) bool {
	e, ok := err.(*CloseError)
	return ok && !slices.Contains(expectedCodes, e.Code)
}

// FormatCloseMessage returns the payload of a close message. For CloseNoStatusReceived it is
// empty.
func FormatCloseMessage(closeCode int, text string) []byte {
	if closeCode == CloseNoStatusReceived {
		return []byte{}
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(closeCode)), text...)
}

// HandshakeError is why Upgrade has refused a client.
type HandshakeError struct{ message string }

// Error says what was wrong with the request.
func (e HandshakeError) Error() string { return e.message }

// readError returns what a program of gorilla's gets for an error of the engine.
func (c *Conn) readError(err error) error {
	if ce, ok := err.(*wire.CloseError); ok {
		if ce.Code == wire.CodeAbnormal && c.eng.CutOff() {
			return io.ErrUnexpectedEOF
		}
		return closeError(ce)
	}
	if errors.Is(err, draftwire.ErrClosed) {
		if ce, ok := errors.AsType[*wire.CloseError](err); ok && ce.Code != wire.CodeAbnormal {
			return closeError(ce) // the peer's answer to a close of this side
		}
		return c.opError("read", net.ErrClosed)
	}
	if errors.Is(err, draftwire.ErrTooBig) {
		return ErrReadLimit
	}
	if pe, ok := errors.AsType[*wire.ProtocolError](err); ok {
		if pe.Fault == wire.FaultLengthMSB {
			return ErrReadLimit // a length that is above every limit
		}
		return fmt.Errorf("websocket: %w", pe)
	}
	if cause := errors.Unwrap(err); cause != nil {
		err = cause // of an abnormal end
	}
	return c.timedOut("read", err)
}

func closeError(ce *wire.CloseError) error {
	if ce.Code == wire.CodeAbnormal {
		return errUnexpectedEOF
	}
	return &CloseError{Code: int(ce.Code), Text: ce.Reason}
}

// timedOut gives the error of a deadline the form that package net gives it.
func (c *Conn) timedOut(what string, err error) error {
	if ne, ok := err.(net.Error); ok && !ne.Timeout() {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return c.opError(what, os.ErrDeadlineExceeded)
	}
	return err
}

func (c *Conn) opError(what string, err error) error {
	return &net.OpError{Op: what, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// writeError returns what a program of gorilla's gets for an error of a write. One that ends
// the connection is that of all later writes.
func (c *Conn) writeError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, draftwire.ErrUnsupported), errors.Is(err, draftwire.ErrInvalidText):
		return err
	case errors.Is(err, draftwire.ErrClosed) && c.closed.Load() && !c.closeSent.Load():
		return c.lastWrite(c.opError("write", net.ErrClosed))
	case errors.Is(err, draftwire.ErrClosed):
		return ErrCloseSent
	}
	if _, ok := err.(*wire.CloseError); ok && c.closeSent.Load() {
		return ErrCloseSent
	}
	if _, ok := errors.AsType[*wire.ProtocolError](err); ok || errors.Is(err, draftwire.ErrTooBig) {
		return ErrCloseSent // with the code of what a read has found
	}
	if ce, ok := err.(*wire.CloseError); ok {
		return closeError(ce)
	}
	if cause := errors.Unwrap(err); cause != nil && !errors.Is(err, context.DeadlineExceeded) {
		err = cause
	}
	return c.lastWrite(c.timedOut("write", err))
}

// lastWrite makes err that of all later writes.
func (c *Conn) lastWrite(err error) error {
	c.writeErr.CompareAndSwap(nil, &err)
	return err
}
