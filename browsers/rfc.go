package browsers

import (
	"strings"

	"github.com/draftwire/draftwire/internal/ascii"
)

// rfc is a client as RFC 6455 4.1 wants it, for browsers whose source nobody can read.
type rfc struct{}

// check is the client.
func (rfc) check(r *reading) bool {
	fields, ok := gecko{versions: true}.head(r)
	if !ok {
		return false
	}
	if got, _ := joined(fields, "Upgrade"); !ascii.EqualFold(got, "websocket") {
		return r.missing(fields, "Upgrade", ruleUpgradeMissing, ruleUpgradeValue, "websocket", got)
	}
	if !has(blinkMembers(fields, "Connection"), "upgrade") {
		got, _ := joined(fields, "Connection")
		return r.missing(fields, "Connection", ruleConnMissing, ruleConnValue, "Upgrade", got)
	}
	if got, _ := joined(fields, "Sec-WebSocket-Accept"); r.key != "" && got != r.accept() {
		return r.missing(fields, "Sec-WebSocket-Accept", ruleAcceptMissing, ruleAccept, r.accept(), got)
	}
	for _, e := range blinkMembers(fields, "Sec-WebSocket-Extensions") {
		name, _, _ := strings.Cut(e, ";")
		if name = ascii.Trim(name); !strings.Contains(r.extensions, name) || name == "" {
			return r.mismatch(ruleExtensionUnasked, "Sec-WebSocket-Extensions", r.extensions, e, "")
		}
	}
	got, ok := joined(fields, "Sec-WebSocket-Protocol")
	switch {
	case !ok:
		return true
	case r.protocol == "":
		return r.mismatch(ruleProtocolUnasked, "Sec-WebSocket-Protocol", "", got, "")
	case !contains(geckoTokens(r.protocol), got):
		return r.mismatch(ruleProtocol, "Sec-WebSocket-Protocol", r.protocol, got, "")
	}
	return true
}
