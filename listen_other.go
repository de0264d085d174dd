//go:build !linux

package draftwire

// keepalive: what other systems inherit differs.
var keepalive func(fd uintptr) error
