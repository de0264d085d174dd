// Package console is the server of the operator's console: a page for a browser that shows the open
// connections of a gateway, or of serve, and what goes over them, and the answers in JSON that
// the page asks for. docs/console.md has them all.
//
// The page pulls: it asks for one page of a sorted list every two seconds. So a console that is
// open costs the program a pass over its connections now and then, and one that is closed
// nothing but some counters.
//
// What is asked is judged before it is answered (rights.go): the page's own origin alone may ask,
// orders have the token of the admin port, and there is no WebSocket endpoint.
package console
