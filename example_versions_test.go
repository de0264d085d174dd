package draftwire_test

import (
	"fmt"
	"log"

	"github.com/draftwire/draftwire"
)

// A version by any of its names.
func ExampleParseVersion() {
	for _, name := range []string{"hixie-76", "hybi-00", "13"} {
		fmt.Println(draftwire.ParseVersion(name))
	}
	// Output:
	// hixie-76 <nil>
	// hixie-76 <nil>
	// rfc6455 <nil>
}

// A set as a flag names it.
func ExampleParseVersions() {
	set, err := draftwire.ParseVersions("all,-hixie-75")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(set.Has(draftwire.Hixie76), set.Has(draftwire.Hixie75))
	// Output: true false
}

// A server for two kinds of clients.
func ExampleVersionsOf() {
	o := draftwire.AcceptOptions{Versions: draftwire.VersionsOf(draftwire.Hixie76, draftwire.RFC6455)}
	fmt.Println(o.Versions, o.Check())
	// Output: hixie-76,rfc6455 <nil>
}

// All that can be spoken, oldest first.
func ExampleServedVersions() {
	all := draftwire.ServedVersions().List()
	fmt.Println(len(all), all[0], all[len(all)-1])
	// Output: 9 hixie-75 rfc6455
}

// What a peer of an older version learns of a code that it does not have.
func ExampleHeardCode() {
	for _, v := range []draftwire.Version{draftwire.Hixie76, draftwire.Hybi07, draftwire.RFC6455} {
		fmt.Println(v, uint16(draftwire.HeardCode(v, draftwire.CodeInternal)))
	}
	// Output:
	// hixie-76 1005
	// hybi-07 1002
	// rfc6455 1011
}

// A client's options are checked before there is anything to connect to.
func ExampleDialOptions_Check() {
	fmt.Println((&draftwire.DialOptions{Protocols: []string{"a b"}}).Check())
	// Output: draftwire: dial: subprotocol "a b": it is one word, without spaces and commas
}

func ExampleProxyProtocol_Check() {
	fmt.Println((&draftwire.ProxyProtocol{Required: true}).Check())
	// Output: draftwire: options: ProxyProtocol without Read
}
