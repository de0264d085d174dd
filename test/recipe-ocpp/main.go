// Recipe-ocpp is both ends of the recipe for chargers, on the OCPP library
// github.com/lorenzodonini/ocpp-go, which has its WebSocket from gorilla: central
// systems behind the gateway, and chargers in front of it.
//
//	recipe-ocpp central PORT NAME FILE
//	recipe-ocpp charger [FLAGS] URL ID
//
// FILE gets a line for each thing that the central system sees. A charger prints `1..N`,
// and then `ok CASE` or `not ok CASE # detail` a line.
package main

import (
	"fmt"
	"log"
	"os"
)

// password is that of all chargers.
const password = "correct horse 7"

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "central":
			if len(os.Args) == 5 {
				log.Fatal(central(os.Args[2], os.Args[3], os.Args[4]))
			}
		case "charger":
			charger(os.Args[2:])
			return
		}
	}
	fmt.Fprintln(os.Stderr, "usage: recipe-ocpp central PORT NAME FILE | charger [FLAGS] URL ID")
	os.Exit(2)
}
