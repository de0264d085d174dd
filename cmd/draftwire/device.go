package main

import (
	"context"
	"io"
	"net"
	"os"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/drafts"
	"github.com/draftwire/draftwire/internal/suggest"
	"github.com/draftwire/draftwire/wire"
	"github.com/urfave/cli/v2"
)

// deviceNames are the clients of the time whose requests can be sent, the oldest version first.
func deviceNames() (names []string) {
	for _, c := range drafts.Clients(wire.Unknown) {
		names = append(names, c.Name)
	}
	return names
}

// deviceNamed returns the client of the time that a flag names.
func deviceNamed(name string) (*drafts.Client, error) {
	d, ok := drafts.ClientNamed(name)
	if !ok {
		hint := ""
		if best := suggest.Nearest(name, deviceNames()); best != "" {
			hint = " (did you mean \"" + best + "\"?)"
		}
		return nil, usagef("--as: no device %q%s; 'draftwire client --help' lists them", name, hint)
	}
	return &d, nil
}

// readDevice reads --as.
func readDevice(c *cli.Context, o *clientOptions) (err error) {
	for _, other := range []string{"version", "fallback", "compression"} {
		if c.IsSet(other) {
			return usagef("--as and --%s exclude each other: the request is the device's", other)
		}
	}
	if o.device, err = deviceNamed(c.String("as")); err != nil {
		return err
	}
	o.closeSet = c.IsSet("close-code") || c.IsSet("close-reason")
	o.dial.Version = o.device.Version
	o.dial.Compose = composer(o.device)
	return nil
}

// composer lets a connection be opened with the device's request.
func composer(d *drafts.Client) func(*draftwire.Offer) ([][]byte, error) {
	return func(offer *draftwire.Offer) ([][]byte, error) { return d.Ask(offer, nil) }
}

// ownAnswers reports whether the device answers a close in another way than its version has.
func (o *clientOptions) ownAnswers() bool {
	return o.device != nil && o.device.Version.Supports(wire.CapCloseFrame) && o.device.Sending.Answers != drafts.EndsLike
}

// endAs ends the connection, or answers the server's end, as the device does.
func (c *client) endAs(how drafts.Ending, code draftwire.CloseCode, reason string, signals <-chan os.Signal) {
	switch how {
	case drafts.EndsTCP:
		c.conn.CloseNow()
	case drafts.EndsNothing:
		c.awaitGone(signals)
		c.conn.CloseNow()
	case drafts.EndsAtOnce:
		c.conn.CloseWrite(draftwire.CodeNoStatus, "") // its outcome is the cause of the connection's context
		c.conn.CloseNow()
	case drafts.EndsEmpty:
		c.close(draftwire.CodeNoStatus, "", signals)
	default:
		c.close(code, reason, signals)
	}
}

// awaitGone waits until the server has ended TCP, nearly as long as the connection waits with an
// answer of its own. Nobody else reads: the server has closed.
func (c *client) awaitGone(signals <-chan os.Signal) {
	c.socket.SetReadDeadline(time.Now().Add(c.o.dial.Limits.CloseTimeout * 9 / 10))
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		io.Copy(io.Discard, c.socket)
	}()
	select {
	case <-gone:
	case <-signals:
		c.socket.SetReadDeadline(time.Now())
		<-gone
	}
}

// keepSocket lets the client have the socket that its connection is on.
func (c *client) keepSocket() {
	c.o.dial.NetDial = func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, address)
		c.socket = nc
		return nc, err
	}
}
