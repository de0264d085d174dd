//go:build !unix

package draftwire

// canPoll is false where sockets are not read by file descriptor.
const canPoll = false

func (s *source) tryRead(uintptr) bool { return true }

func (v *vector) tryWrite(uintptr) bool { return true }

func writeSome(uintptr, []byte) int { return 0 }

type sysPieces struct{}
