// Package replay plays recorded WebSocket connections again: as their client against a server, or
// as their server for a client, in the version of the recording or in another one, and says where
// the other side now says something else.
//
// A message is sent when its time has come and everything that the other side had said before it
// has come again. What another version cannot say is no difference: it is a loss, and has the name
// that package gateway gives it.
package replay
