// Package probe asks a server what it speaks: which versions of the WebSocket protocol, how it
// answers and spells, how it closes, how much it takes, what it does with faults, and what a
// proxy on the way to it changes.
//
// A probe speaks from the bytes up, as no client library may: it measures when each part of an
// answer comes, and sends what no library would send. It is bounded in connections, in their rate,
// in the time of each wait and in what it reads; by default it does only what a client may do
// that keeps to the documents. What a server sends can make it wrong, but not make it hang, grow
// or panic.
package probe
