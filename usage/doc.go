// Package usage keeps the retirement ledger: which clients still use which version of the
// protocol, how much, with which trend, and what breaks if a version is switched off.
//
// A Ledger counts handshakes and traffic by version and client. It is kept in memory, has a
// bound, and is written to a file in the background. A Snapshot is a copy of it, which can
// be exported, merged with those of other gateways, and made into a Report with a Verdict on
// each version. A Plan says from when on the handshakes of a version are logged, refused in
// part, or refused. A DryRun says what a plan would have refused of the traffic that was
// seen.
//
// The program chooses the key by which a client is known: an address prefix, or the number
// of a device from a header. Keys, user agents and paths are personal data in many
// countries. The record of a client is deleted when newer ones need its place, or with the
// file.
package usage
