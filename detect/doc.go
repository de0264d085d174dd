// Package detect says which version of the protocol a client speaks: Preface
// from the first bytes of a connection, Request from a request head.
//
// Both are functions on bytes that are there; neither reads, waits or links a
// codec. Detection is strict: what mixes two families, repeats a key or lacks
// its partner is refused with a status and a reason, never guessed.
package detect
