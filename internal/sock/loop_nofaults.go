//go:build !faults && linux && (amd64 || arm64) && !msan && !asan

package sock

// made is for tests: see loop_faults.go.
func made(*Socket) {}

// newsIsSure says that what a short read has left is news.
const newsIsSure = true
