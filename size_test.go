//go:build amd64 || arm64

package draftwire

import (
	"testing"
	"unsafe"
)

// What every connection holds fits a class of the allocator: one byte more would cost
// 64, or 32.
func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(Conn{}); n > 512 {
		t.Errorf("a Conn has %d bytes", n)
	}
	if n := unsafe.Sizeof(Handshake{}); n > 288 {
		t.Errorf("a Handshake has %d bytes", n)
	}
}
