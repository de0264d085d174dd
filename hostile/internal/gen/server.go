package gen

import "github.com/draftwire/draftwire/hostile"

// serverCases returns the attacks of the side server.
func serverCases() []hostile.Case { return nil }
