// Package draftwire speaks every wire-incompatible version of the WebSocket
// protocol, from hixie-75 of 2010 to RFC 6455, on one port.
//
// A server looks at each upgrade request, finds the version, and answers in
// it. What the program sees is one Conn, whatever the client speaks:
//
//	http.Handle("/chat", draftwire.Handler(func(ctx context.Context, c *draftwire.Conn) error {
//		for m, err := range c.Messages(ctx) {
//			if err != nil {
//				return err
//			}
//			if err := c.Write(ctx, m.Op, m.Data); err != nil {
//				return err
//			}
//		}
//		return nil
//	}, &draftwire.AcceptOptions{Versions: draftwire.AllVersions}))
//
// # Start here
//
// Handler is an http.Handler for any net/http server and router: a function owns each
// connection until it returns, and then the connection closes. Accept, and an Upgrader
// for many calls, is the same for a program that wants to keep the connection.
//
// A Server owns a listener and serves WebSocket, TLS, ordinary HTTP and Flash policy
// requests on one port. It reads the heads of requests itself, so it knows their very
// bytes, and serves clients that net/http refuses. Its WebSocket field gets every
// connection that asks for an upgrade, without any routing; or its Events, functions that are
// called when something happens, for very many connections. Its Handler field gets what
// remains, or where WebSocket is nil, everything: a router whose routes are Handlers. It
// counts both kinds of connections, and Shutdown says farewell to them.
//
// Dial is the client, for any version.
//
// A Conn has Read, Messages and Write for whole messages, Close for a clean close, and
// Context, which ends when the connection does. NetConn makes it a net.Conn. What a version
// cannot say is an error that errors.Is finds as ErrUnsupported; Version.Supports asks
// beforehand.
//
// AcceptOptions.Authorize decides on a client before it gets its answer. It sees the
// Handshake, as the handler does later; package draftwiretest makes one for its tests.
//
// The package does not log: an Observer is told what happens.
//
// # When it must be faster
//
// ReadBorrowed lends a message instead of copying it, ReadLoop hands each to a function,
// and Reader and ReadPart give a message before it is whole. Cork and Flush let small
// messages go out together. A PreparedMessage is encoded once for many connections, Post
// sends it without waiting for the peer, and Broadcast does so for a room. Writer and
// WritePart send a message whose length nobody knows. Listen saves system calls for each
// connection, and Limits bound what a connection may hold.
//
// # Inside
//
// Bytes flow through the folders in this order: detect names the version, a draft package
// (hixie75, hixie76, hybi02, hybi04, hybi05, hybi07, rfc6455) answers the handshake and
// the frames, internal/session keeps the closing handshake and UTF-8, and Conn does the
// I/O. ARCHITECTURE.md has the rest.
package draftwire
