// Package wire holds the words that every other package of draftwire shares:
// the table of protocol versions, the events a codec yields, the interfaces a
// draft implements, close codes and errors.
//
// It does no I/O and knows no clock. A draft package (hixie75, hixie76,
// hybi07, rfc6455) implements ServerHandshake, ClientHandshake and Codec and
// offers them as a Draft; everything above works on these interfaces alone.
package wire
