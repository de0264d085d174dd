// Package fleet joins the gateways of several machines: they know of each other, one answers for
// all, and what holds for one client or one version holds in all of them.
//
// What goes between them is carried by a Bus; Local is the one within a process. Nothing of it stands
// in the way of a client: a gateway whose bus is away serves on with what it knows.
//
// A Node is a gateway's place in the fleet. It has five things to do, each by itself:
//
//   - it announces itself every few seconds, and notices who is not heard any more (Members);
//   - it asks others, and answers them (Ask, AskAll);
//   - it tells how many connections each client has at it, so that the others can count them (Elsewhere);
//   - it follows the plan of versions of the fleet, and changes it (Plan, SetPlan);
//   - it stores its ledger for reports of the whole fleet (Put, Books, Sum).
//
// There is no leader and no election. A value that several may change is exchanged by
// compare and swap (Bus.Store), and all else is one node's own: each is the only one to write its book.
//
// Whoever can reach the bus can say anything in the name of any gateway, and give orders to all: the bus is
// to be guarded like the token of the admin port. What comes from it is bounded and checked nevertheless: a peer
// that is out of order can neither fill the memory of another one nor stop it.
package fleet
