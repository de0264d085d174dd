// Package websocket is compat/gorilla of draftwire under the name of gorilla's module: for a program
// whose dependencies import gorilla too, which gets them all by one line in its go.mod.
//
//	go mod edit -replace github.com/gorilla/websocket=github.com/draftwire/draftwire/compat/gorilla/replace@latest
//
// Everything in it is that of github.com/draftwire/draftwire/compat/gorilla, which documents it.
package websocket

import (
	"io"
	"net"
	"net/http"
	"net/url"

	websocket "github.com/draftwire/draftwire/compat/gorilla"
)

// The constants of gorilla.
const (
	CloseNormalClosure           = websocket.CloseNormalClosure
	CloseGoingAway               = websocket.CloseGoingAway
	CloseProtocolError           = websocket.CloseProtocolError
	CloseUnsupportedData         = websocket.CloseUnsupportedData
	CloseNoStatusReceived        = websocket.CloseNoStatusReceived
	CloseAbnormalClosure         = websocket.CloseAbnormalClosure
	CloseInvalidFramePayloadData = websocket.CloseInvalidFramePayloadData
	ClosePolicyViolation         = websocket.ClosePolicyViolation
	CloseMessageTooBig           = websocket.CloseMessageTooBig
	CloseMandatoryExtension      = websocket.CloseMandatoryExtension
	CloseInternalServerErr       = websocket.CloseInternalServerErr
	CloseServiceRestart          = websocket.CloseServiceRestart
	CloseTryAgainLater           = websocket.CloseTryAgainLater
	CloseTLSHandshake            = websocket.CloseTLSHandshake

	TextMessage   = websocket.TextMessage
	BinaryMessage = websocket.BinaryMessage
	CloseMessage  = websocket.CloseMessage
	PingMessage   = websocket.PingMessage
	PongMessage   = websocket.PongMessage
)

// The types of gorilla.
type (
	BufferPool      = websocket.BufferPool
	CloseError      = websocket.CloseError
	Conn            = websocket.Conn
	Dialer          = websocket.Dialer
	HandshakeError  = websocket.HandshakeError
	PreparedMessage = websocket.PreparedMessage
	Upgrader        = websocket.Upgrader
)

// The variables of gorilla.
var (
	DefaultDialer   = websocket.DefaultDialer
	ErrBadHandshake = websocket.ErrBadHandshake
	ErrCloseSent    = websocket.ErrCloseSent
	ErrReadLimit    = websocket.ErrReadLimit
)

// FormatCloseMessage is that of compat/gorilla.
func FormatCloseMessage(closeCode int, text string) []byte {
	return websocket.FormatCloseMessage(closeCode, text)
}

// IsCloseError is that of compat/gorilla.
func IsCloseError(err error, codes ...int) bool { return websocket.IsCloseError(err, codes...) }

// IsUnexpectedCloseError is that of compat/gorilla.
func IsUnexpectedCloseError(err error, expectedCodes ...int) bool {
	return websocket.IsUnexpectedCloseError(err, expectedCodes...)
}

// IsWebSocketUpgrade is that of compat/gorilla.
func IsWebSocketUpgrade(r *http.Request) bool { return websocket.IsWebSocketUpgrade(r) }

// JoinMessages is that of compat/gorilla.
func JoinMessages(c *Conn, term string) io.Reader { return websocket.JoinMessages(c, term) }

// NewClient is that of compat/gorilla.
//
// Deprecated: Use a Dialer with a NetDial.
func NewClient(netConn net.Conn, u *url.URL, requestHeader http.Header, readBufSize, writeBufSize int) (c *Conn, response *http.Response, err error) {
	return websocket.NewClient(netConn, u, requestHeader, readBufSize, writeBufSize)
}

// NewPreparedMessage is that of compat/gorilla.
func NewPreparedMessage(messageType int, data []byte) (*PreparedMessage, error) {
	return websocket.NewPreparedMessage(messageType, data)
}

// ReadJSON is c.ReadJSON.
//
// Deprecated: Use c.ReadJSON.
func ReadJSON(c *Conn, v any) error { return c.ReadJSON(v) }

// Subprotocols is that of compat/gorilla.
func Subprotocols(r *http.Request) []string { return websocket.Subprotocols(r) }

// Upgrade is that of compat/gorilla.
//
// Deprecated: Use an Upgrader.
func Upgrade(w http.ResponseWriter, r *http.Request, responseHeader http.Header, readBufSize, writeBufSize int) (*Conn, error) {
	return websocket.Upgrade(w, r, responseHeader, readBufSize, writeBufSize)
}

// WriteJSON is c.WriteJSON.
//
// Deprecated: Use c.WriteJSON.
func WriteJSON(c *Conn, v any) error { return c.WriteJSON(v) }
