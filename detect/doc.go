// Package detect decides which version of the protocol a client speaks: Preface from the
// first bytes of a connection, Request from a request head.
//
// Both are functions of bytes that were read; neither reads, waits or needs a codec.
// Detection is strict: a request that mixes fields of two families, repeats a key or lacks
// one of two keys is refused with a status and a reason. Nothing is guessed.
package detect
