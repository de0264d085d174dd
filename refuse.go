package draftwire

import "github.com/draftwire/draftwire/wire"

// RefuseVersion is what Authorize returns to refuse a version by a policy of the
// program's own, for example on some paths only: the refusal that a version gets
// which is not enabled. Its status is 426, its reason wire.ReasonDisabled, and it
// lists the numbers of the versions in served, best first. v itself is left out,
// or the client would come back with it; so are the hixie versions and hybi-02,
// which have no number.
func RefuseVersion(v Version, served Versions) *HandshakeError {
	he := wire.Refuse(v, wire.ReasonDisabled, v.String()+" is not enabled")
	if list := (served & Served()).Without(v).Header(); list != "" {
		he.Fields = wire.Fields{{Name: "Sec-WebSocket-Version", Value: list}}
	}
	return he
}
