//go:build faults && unix && !(linux && (amd64 || arm64) && !msan && !asan)

package sock

import "github.com/draftwire/draftwire/internal/faultnet"

// suffer is for the sockets of loops, of which there are none on this system.
func suffer(_ uintptr, _ faultnet.Op, room int) (most int, err error) { return room, nil }
