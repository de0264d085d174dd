//go:build !linux

package sock

// Keepalive is nil: what other systems inherit differs.
var Keepalive func(fd uintptr) error
