package vectors_test

import (
	"fmt"

	"github.com/draftwire/draftwire/vectors"
)

// Walk over the frames of one version.
func Example() {
	f, err := vectors.Load("hixie-76")
	if err != nil {
		panic(err)
	}
	for _, v := range f.Vectors {
		if v.Kind == vectors.KindFrames && v.ID == "h76-fr-01" {
			fmt.Printf("%s reads % x: %s %q\n", v.Role, v.Payload(), v.Events[0].Op, v.Events[0].Data)
		}
	}
	// Output: server reads 00 48 65 6c 6c 6f ff: text "Hello"
}
