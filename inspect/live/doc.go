// Package live carries the bytes of connections between clients and a server, and gives them to
// a capture.Sink while they pass, so that package inspect explains them as they happen.
//
// Both sides get each byte as the other one has sent it, and its end or reset. A Sink that is
// slow holds nobody up: what it cannot follow is a gap.
package live
