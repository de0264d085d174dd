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
//	}, &draftwire.AcceptOptions{Versions: draftwire.Every}))
//
// Three ways in: Accept and Handler sit behind any net/http server and router.
// Server owns a listener and serves WebSocket, TLS, ordinary HTTP and Flash
// policy requests on one port, with a head parser that keeps every byte. Dial
// is the client, for any version.
//
// What a version cannot say is an error that errors.Is finds as
// ErrUnsupported; Version.Supports asks beforehand.
//
// The package does not log and keeps no global state: an Observer is told what
// happens. Bytes flow through the folders in this order: detect names the
// version, a draft package (hixie75, hixie76, hybi07, rfc6455) answers the
// handshake and frames, internal/session keeps the closing handshake and
// UTF-8, and Conn does the I/O.
package draftwire
