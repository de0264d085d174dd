// Package compare says whether two servers say the same: message by message, without what changes
// with each run, and where one of them has left a message out or said one more. It does no I/O and
// knows no clock. Package replay compares a server with a recording by it, and the gateway the
// mirror of a route with its backend.
package compare
