// Package usage keeps the retirement ledger: who still uses which version of
// the protocol, how much, since when less, and what breaks if a version is
// switched off.
//
// A Ledger counts handshakes and traffic by version and client. It lives in
// memory, is bounded, and is written to a file in the background. A Snapshot is
// a copy of it, to be exported, merged with those of other gateways, and made
// into a Report with a Verdict for each version. A Plan says from when on a
// version is warned about, refused in part, or refused; DryRun tells what a plan
// would have done to the traffic that was seen.
//
// A client is known by a key that the program chooses: an address prefix, or a
// device's number from a header. Keys, user agents and paths are personal data
// in many places; a client's record goes when the bound drives it out, or with
// the file.
package usage
