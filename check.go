package draftwire

import (
	"fmt"
	"path"
)

// Check returns what is wrong with the options, nil where they can be served: a
// set of versions of which none is served here, or a pattern of an origin that
// cannot be read. Serve and SetOptions return the same error. Handler and Accept
// have nobody to return it to but the client, who gets a 500 with
// wire.ReasonOptions: a program that reads its options from a file calls Check
// first.
func (o *AcceptOptions) Check() error {
	if o.Versions != 0 && o.Versions&Served() == 0 {
		return fmt.Errorf("draftwire: options: none of the versions %q is served here; served are %s", o.Versions, Served())
	}
	for _, p := range o.Origins {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("draftwire: options: origin pattern %q: %w", p, err)
		}
	}
	return nil
}
