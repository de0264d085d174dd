package wstest

import "runtime"

// Usage is memory in use, in bytes: objects of the heap, and stacks.
type Usage struct{ Heap, Stacks int64 }

// Sum is both.
func (u Usage) Sum() int64 { return u.Heap + u.Stacks }

// InUse is what the program holds after that many garbage collections. Pools keep what they
// have over one, and lose it in the second. Each halves stacks that are nearly empty.
func InUse(collections int) Usage {
	for range collections {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Usage{Heap: int64(m.HeapAlloc), Stacks: int64(m.StackInuse)}
}
