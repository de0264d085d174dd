// Package inspect explains what went over the wire: of the bytes of both directions of a
// connection, in any pieces, it makes events with their meaning. Each line of the handshake has
// the rule that it obeys or breaks, with the section of the draft; the arithmetic of the keys is
// worked out; each frame has its head, its payload without mask and its place in a message;
// messages are expanded; and at the end it says who closed, and how.
//
// It finds the version as a server does (package detect), and reads frames with the codecs with
// which connections are served, so what it says is what this software does.
//
// An Inspector is a capture.Sink, so that captures of networks and the texts of package
// inspect/input come to it in the same way. It holds a bounded part of a connection, however
// long that is.
package inspect
