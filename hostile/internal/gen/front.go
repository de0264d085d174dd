package gen

import "github.com/draftwire/draftwire/hostile"

// frontCases returns the attacks of the side front.
func frontCases() []hostile.Case { return nil }
