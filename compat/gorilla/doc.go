// Package websocket has the API of github.com/gorilla/websocket v1.5.3 on top of draftwire: a
// program changes one import and keeps its code.
//
//	import websocket "github.com/draftwire/draftwire/compat/gorilla"
//
// Names, types, zero values, errors and their identity are those of gorilla. One more line each
// gives what gorilla does not have:
//
//   - Upgrader.Versions serves clients of every version, from hixie-75 of 2010 on. By default it is
//     RFC 6455 alone, as in gorilla. Conn.Version tells what a client speaks.
//   - Upgrader.Observer and Dialer.Observer are told of each connection and refusal.
//   - Below the Handler field of a draftwire.Server, its Shutdown says farewell to each
//     connection, and waits until it has ended.
//
// # What differs
//
//   - WriteMessage, WriteJSON, WritePreparedMessage and WriteControl may be called by any
//     number of goroutines at a time; gorilla panics or mixes frames. A message that NextWriter has
//     begun is ended by the next message, as in gorilla, so such messages still need a lock of the
//     program's.
//   - What a client sends together with its handshake is read (RFC 6455 4.1 lets a client send as
//     soon as it has the answer, and a proxy may deliver both at once); gorilla drops the connection.
//   - Text is UTF-8, as RFC 6455 8.1 demands: other text is not sent, and the error is
//     draftwire.ErrInvalidText; text that comes and is not UTF-8 ends the connection with code 1007, which is
//     for the reason of a close too; gorilla says 1002 there.
//   - A failed read or write closes the network connection, where gorilla leaves that to Close. So
//     does an error of a ping or pong handler. The error of the read is the same.
//   - A peer that does not answer a close, and a close that a handler of the program's does not
//     answer, end after draftwire.DefaultCloseTimeout; in gorilla they last until Close.
//   - A close code that must not be sent (RFC 6455 7.4.1) is an error that errors.Is finds as
//     draftwire.ErrUnsupported; gorilla sends it.
//   - What RFC 6455 forbids a peer, and gorilla lets pass, ends the connection with code 1002: a close
//     with one byte (5.5.1), a control frame or the continuation of a message that says it is compressed (RFC 7692 6). Code 1014, which was registered later, is known.
//   - NextReader returns when there is something of the message, not already when its first head has come.
//   - A value that WriteJSON cannot encode sends nothing; gorilla sends an empty message.
//   - A stream that ends in a message of which the program has skipped a part is a CloseError with
//     CloseAbnormalClosure, as elsewhere; in gorilla it is io.EOF.
//   - EnableCompression agrees to x-webkit-deflate-frame and other parameters too.
//   - SetReadLimit bounds a compressed message as the program gets it; in gorilla as it comes, so that
//     1 MB may become 1 GB.
//   - A message that cannot be expanded ends the connection, in gorilla the message alone.
//   - Beside an error ReadMessage returns no data; gorilla returns what had come of the message.
//   - The error of a frame that is against the document has draftwire's words, and errors.As finds the
//     *draftwire.ProtocolError.
//   - Handshakes are read as strictly as draftwire reads them: an upgrade with a body, a list of versions, a field that
//     stands twice, a subprotocol or an extension that was not offered, or an answer with two tokens in Upgrade (RFC 6455 4.1) is refused. A
//     handshake without HandshakeTimeout has draftwire.DefaultHandshakeTimeout on a server.
//   - ReadBufferSize and WriteBufferPool have no effect: buffers are borrowed while there is something
//     in them, from pools that all connections share. WriteBufferSize bounds a frame of NextWriter.
//     SetCompressionLevel only checks its argument: there is one level.
//
// # What old versions cannot say
//
// hixie-75 and hixie-76 have text alone: WriteMessage of a BinaryMessage, and a ping or a pong, is
// an error that errors.Is finds as draftwire.ErrUnsupported, and the connection goes on. A program that
// tells a dead peer by its pongs asks c.Version().Supports(draftwire.CapPing) before it sets a deadline. A
// close has no code before hybi-06: the peer's is a CloseError with CloseNoStatusReceived,
// and of ours the peer hears only that it is one. On hixie-75, where closing is the end of the stream,
// so is the end of it. See docs/from-gorilla.md for a table of all calls.
package websocket
