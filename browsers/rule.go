package browsers

// Rule is a comparison that browsers make.
type Rule struct {
	Name string `json:"name"`
	Says string `json:"says"` // what is compared
}

// The names of the rules.
const (
	ruleNothing          = "no-answer"
	ruleIncomplete       = "incomplete"
	ruleStatusLine       = "status-line"
	ruleStatusCode       = "status-code"
	ruleHTTPVersion      = "http-version"
	ruleHeadLong         = "head-too-long"
	ruleFieldSyntax      = "field-syntax"
	ruleFieldConflict    = "field-conflict"
	ruleFirstLines       = "first-lines"
	ruleUpgradeMissing   = "upgrade-missing"
	ruleUpgradeValue     = "upgrade-value"
	ruleConnMissing      = "connection-missing"
	ruleConnValue        = "connection-value"
	ruleFieldTwice       = "field-twice"
	ruleOriginMissing    = "origin-missing"
	ruleOrigin           = "origin-mismatch"
	ruleLocationMissing  = "location-missing"
	ruleLocation         = "location-mismatch"
	ruleProtocol         = "protocol-mismatch"
	ruleProtocolMissing  = "protocol-missing"
	ruleProtocolUnasked  = "protocol-unasked"
	ruleAcceptMissing    = "accept-missing"
	ruleAccept           = "accept-mismatch"
	ruleExtensionUnasked = "extension-unasked"
	ruleExtension        = "extension-invalid"
	ruleDigest           = "digest-mismatch"
	ruleEndsAtOnce       = "ends-at-once"
)

var rules = []Rule{
	{ruleNothing, "the server has to answer"},
	{ruleIncomplete, "the answer goes on until its end has come"},
	{ruleStatusLine, "the answer begins with a line of HTTP"},
	{ruleStatusCode, "the status is 101"},
	{ruleHTTPVersion, "the answer is one of HTTP/1.1 at least"},
	{ruleHeadLong, "the head, or its first line, is not too long"},
	{ruleFieldSyntax, "each line of the head is a field, as the browser reads them"},
	{ruleFieldConflict, "a field that says where a message ends or leads to stands once, or with equal values"},
	{ruleFirstLines, "the first three lines are those of hixie-75, byte by byte"},
	{ruleUpgradeMissing, "there is an Upgrade field"},
	{ruleUpgradeValue, "Upgrade names WebSocket, as the browser wants it"},
	{ruleConnMissing, "there is a Connection field"},
	{ruleConnValue, "Connection says Upgrade, as the browser wants it"},
	{ruleFieldTwice, "a field of the handshake stands once"},
	{ruleOriginMissing, "the answer names the origin"},
	{ruleOrigin, "the origin in the answer is that of the page"},
	{ruleLocationMissing, "the answer names the URL"},
	{ruleLocation, "the URL in the answer is that of the page's WebSocket, letter by letter"},
	{ruleProtocol, "the subprotocol in the answer is what was asked for"},
	{ruleProtocolMissing, "a subprotocol that was asked for is answered"},
	{ruleProtocolUnasked, "a subprotocol that was not asked for is not answered"},
	{ruleAcceptMissing, "there is the proof that the server has read the key"},
	{ruleAccept, "the proof fits the key"},
	{ruleExtensionUnasked, "the answer names no extension that was not offered"},
	{ruleExtension, "the extension in the answer can be read, and its parameters are right"},
	{ruleDigest, "the sixteen bytes are what the challenge comes to"},
	{ruleEndsAtOnce, "the stream does not end with the last byte of the head"},
}

// Rules returns all comparisons that any of the browsers makes, about in the order in which they
// come.
func Rules() []Rule { return append([]Rule(nil), rules...) }

func sayingOf(rule string) string {
	for _, r := range rules {
		if r.Name == rule {
			return r.Says
		}
	}
	return rule
}
