//go:build faults

package pool

import "testing"

func TestGuard(t *testing.T) {
	panics := func(what string, f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", what)
			}
		}()
		f()
	}
	b := newBuf(10) // not from the pool, which is to get no such buffer
	b.B = append(b.B, "hello"...)
	p := b.B
	b.given(b.B)
	if p[0] != poison {
		t.Errorf("behind its end it reads %q", p)
	}
	panics("put twice", func() { Put(b) })
	p[0] = 'x'
	panics("written", func() { b.lent(b.B) })
}
