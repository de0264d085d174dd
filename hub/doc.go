// Package hub has rooms: what is published in a room goes to its members, of any versions at once.
//
// A message is encoded once for each version. It goes to all members of a room in the same order; what
// a member's version cannot say, a member that lags has not taken, or a broker has lost, is counted and
// told, and nothing is lost silently: of what was published while it was a member, each member has got
// every message once, or was counted as having missed it, unless it has left before its turn.
//
// A Hub has the rooms of one process. A Broker carries messages between hubs; the one in the process,
// Memory, also keeps the last messages of each room, with which a member that comes back goes on
// where it was (JoinOptions.After).
package hub
