// Package nats carries the rooms of package hub between machines, over servers of NATS: those of the user, or
// some that run in the programs themselves (StartServer).
//
// # How it works
//
// All rooms are one stream of JetStream, in which each room is a subject. A program that publishes
// says behind which message of the room its own ones follow; the server takes them only if that is still so. Thus the
// messages of a room have numbers without holes, from whichever program they come, and what
// several callers publish in a room at a time goes as one message of NATS. The server sends what it has stored on
// as plain messages, at the speed of core NATS and without a consumer for each listener. Who sees a hole in
// the numbers reads from the stream what is missing; who hears nothing asks every ten seconds, and when its connection is
// there again, for the last message of each of its rooms. What the stream no longer has stays a hole,
// which the hub tells its members.
//
// A room that nobody has said anything in for a week is forgotten, and so is one whose messages all had to go
// as the stream was full, and each when servers that keep the stream in memory have all ended: a new epoch
// begins with its next message.
package nats
