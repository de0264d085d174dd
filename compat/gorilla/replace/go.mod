// What takes the place of gorilla's module in the go.mod of a program: see websocket.go. A release of
// it names a release of draftwire here.
module github.com/gorilla/websocket

go 1.26.0

require github.com/draftwire/draftwire v0.0.0

replace github.com/draftwire/draftwire => ../../..
