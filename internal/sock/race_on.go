//go:build race && !faults

package sock

import (
	"runtime"
	"unsafe"
)

const raceEnabled = true

// raceReads tells the race detector that the kernel reads p.
func raceReads(p []byte) {
	if len(p) > 0 {
		runtime.RaceReadRange(unsafe.Pointer(unsafe.SliceData(p)), len(p))
	}
}

// raceWrites tells the race detector that the kernel has written p.
func raceWrites(p []byte) {
	if len(p) > 0 {
		runtime.RaceWriteRange(unsafe.Pointer(unsafe.SliceData(p)), len(p))
	}
}
