package gen

import "github.com/draftwire/draftwire/hostile"

// behindCases returns the attacks of the side behind.
func behindCases() []hostile.Case { return nil }
