// Package oldtls configures TLS for devices of every generation on one port.
//
// A device of 2011 speaks TLS 1.0, exchanges keys by RSA, has never heard of
// ECDSA and trusts none of today's public roots. To let it in, a server has to
// offer what no browser of today should ever get. So the settings follow from
// the client's hello:
//
//   - A hello that Go's own defaults can answer is answered with these: TLS 1.3,
//     or TLS 1.2 with ECDHE. It gets nothing else, whatever the profile.
//   - Other hellos get the settings of the profile Legacy or Museum, where the
//     server has that profile, and the weaker of the two only if need be.
//   - A hello that shares nothing with the server ends in a *HelloError, which
//     says what the client offered and which profile would take it.
//
// Who stands between a modern client and the server cannot make it look old: the
// handshake ends with a checksum of both hellos, and the old settings still
// contain the server's "I could do better" mark (RFC 8446 4.1.3) and refuse a
// client that says it fell back (RFC 7507).
//
// What cannot be served: SSL 3.0, clients that only know DHE, and hellos in the
// format of SSLv2, which SSLv2Hello recognises.
//
// CA makes the certificates that such a device can be told to trust.
package oldtls
