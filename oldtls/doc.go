// Package oldtls configures TLS for devices of every generation on one port.
//
// A device of 2011 speaks TLS 1.0, exchanges keys by RSA, does not know ECDSA, and trusts
// none of the current public roots. A server that accepts it has to offer settings that no
// current browser should ever get. So the settings depend on the client's hello:
//
//   - A hello that Go's own defaults can answer gets these: TLS 1.3, or TLS 1.2
//     with ECDHE. It gets nothing else, whatever the profile is.
//   - Another hello gets the settings of the profile Legacy or Museum, if the server
//     has that profile, and the weaker one of the two only if it needs them.
//   - A hello that shares nothing with the server ends in a *HelloError, which says
//     what the client offered and which profile would accept it.
//
// An attacker between a modern client and the server cannot make the client look old: the
// handshake ends with a checksum over both hellos. In addition, the server's answer with old
// settings has the mark that it could do better (RFC 8446 4.1.3), and a client that says that
// it fell back is refused (RFC 7507).
//
// Not served are SSL 3.0, clients that know only DHE, and hellos in the format of SSLv2, which
// SSLv2Hello recognises.
//
// CA makes certificates for a device that can be told to trust it.
package oldtls
