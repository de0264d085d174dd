package gen

import "github.com/draftwire/draftwire/hostile"

// clientCases returns the attacks of the side client.
func clientCases() []hostile.Case { return nil }
