// Package wire defines the types that the other packages of draftwire share: the table of
// protocol versions, the events of a codec, the interfaces of a draft, close codes and
// errors.
//
// It does no I/O and knows no clock. A draft package (hixie75, hixie76, hybi07, rfc6455)
// implements ServerHandshake, ClientHandshake and Codec and exports them as a Draft.
// Everything above the drafts uses these interfaces alone.
package wire
