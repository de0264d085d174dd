package sock

import "unsafe"

// StackMark is where a local variable of a function stands. A goroutine's stack moves when
// it grows, so the same variable stands elsewhere behind a call that took more stack than
// there was.
type StackMark uintptr

// MarkStack returns the place of a local variable of the caller.
func MarkStack(local *byte) StackMark { return StackMark(uintptr(unsafe.Pointer(local))) }

// Moved reports whether the stack has moved since the mark was made of the same variable.
// It may also have moved because the garbage collector made it smaller.
func (m StackMark) Moved(local *byte) bool { return MarkStack(local) != m }
