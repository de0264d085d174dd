//go:build !unix

package sock

// canPoll is false where sockets are not read by file descriptor.
const canPoll = false

func (r *Reader) tryRead(uintptr) bool { return true }

func (w *Writer) tryWrite(uintptr) bool { return true }

func readNow(uintptr, []byte) (int, error) { return 0, nil }

// WriteSome is not called, as there are no raw sockets.
func WriteSome(uintptr, []byte) int { return 0 }

type sysVector struct{}
