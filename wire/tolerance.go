package wire

import (
	"fmt"
	"strings"
)

// Tolerances is a set of known faults of devices, programs and middleboxes that are accepted:
// by a server those of clients, by a client those of servers. The zero value accepts none.
// Each use is reported, so that an operator sees which are needed. ToleranceTable says of
// each what it accepts.
type Tolerances uint32

// The tolerances. Each has a row in the table below.
const (
	TolerateInjectedKey Tolerances = 1 << iota
	TolerateNoConnection
	TolerateNoOrigin
	TolerateUnmasked
	TolerateEmptyUnmasked
	TolerateHybi01
	TolerateHixieFrames
	TolerateLineEnds
	TolerateRequestLine
	TolerateHTTP10
	TolerateLooseHost
	TolerateAnyKey
	TolerateUnevenKey
	TolerateDraftNumber
	TolerateLongLength
	TolerateMasked
	TolerateUpgradeCase
	TolerateFirstLines
	TolerateOtherLocation
	TolerateSpaceBeforeColon
	TolerateFoldedFields
	TolerateStrayCRLF
	numTolerances = iota
)

// ToleranceInfo explains a tolerance. The texts are parts of sentences, for tables.
type ToleranceInfo struct {
	Tolerance Tolerances
	Name      string // as ParseTolerances reads it
	Clients   bool   // it is for faults of clients: AcceptOptions.Tolerate
	Servers   bool   // it is for faults of servers: DialOptions.Tolerate
	Accepts   string // what is accepted, and how it is read
	Devices   string // who does it
	Section   string // the rule that is relaxed
	Safe      string // why nobody can smuggle a request or a frame past another program with it
}

// toleranceTable has the row of each tolerance at the place of its bit. Help texts, hints
// and the table in docs/gateway.md follow from it.
var toleranceTable = [numTolerances]ToleranceInfo{
	{
		TolerateInjectedKey, "injected-key", true, false,
		"a `Sec-WebSocket-Key` without `Sec-WebSocket-Version`; it is ignored",
		"HAProxy 3 in its relaxed mode, which adds the key to requests of the hixie versions",
		"RFC 6455 4.2.1",
		"the other fields decide as if it were not there",
	},
	{
		TolerateNoConnection, "no-connection", true, false,
		"an upgrade without a `Connection` field",
		"proxies that remove `Connection` and leave `Upgrade`",
		"RFC 6455 4.2.1",
		"`Upgrade` and the fields of the version say what it is; after the 101 nothing on the connection is read as HTTP",
	},
	{
		TolerateNoOrigin, "no-origin", true, false,
		"a hixie-75 request without `Origin`; any HTTP client can send such a request",
		"programs that speak hixie-75 and are no browsers",
		"hixie-75 4.1",
		"the head is read in the same way",
	},
	{
		TolerateUnmasked, "unmasked", true, false,
		"frames of a client that are not masked",
		"simple clients of devices",
		"RFC 6455 5.1",
		"a frame ends where its length says; no browser sends one unmasked, so no page chooses its bytes",
	},
	{
		TolerateEmptyUnmasked, "empty-unmasked", true, false,
		"empty frames of a client that are not masked",
		"npm ws 0.3, for an empty message",
		"RFC 6455 5.1",
		"there is no payload that a mask could hide",
	},
	{
		TolerateHybi01, "hybi-01", true, false,
		"frames of hybi-01 behind a handshake of hixie-76: the server waits up to a second for the first byte, and one from 01 to 05 or 81 to 85 makes the connection hybi-02",
		"test clients of 2010",
		"hixie-76 5.3",
		"no frame of hixie-76 begins so; both read the rest of the connection as frames",
	},
	{
		TolerateHixieFrames, "hixie-frames", true, false,
		"frames of hixie-76 behind a handshake with `Sec-WebSocket-Draft: 1`, `2` or `3`: the server waits up to a second for the first byte, and 00 or FF makes the connection hixie-76",
		"a Python library of 2011",
		"hybi-02 4.2",
		"no frame of hybi-02 begins so; both read the rest of the connection as frames",
	},
	{
		TolerateLineEnds, "line-ends", true, true,
		"lines of a head that end in LF alone, or in more than one CR and LF",
		"AutobahnAndroid of 2011, AndroidAsync up to 2014, sketches for microcontrollers, .NET on Mono; servers in PHP",
		"RFC 9112 2.2",
		"for upgrades alone, and answers to them; what follows the head is frames, and a backend gets CR LF. A CR within a line is refused. An HTTP proxy in front writes CR LF itself, so behind one it is not needed",
	},
	{
		TolerateRequestLine, "request-line", true, false,
		"a request line with other blanks than two: the method ends at the first, the version begins behind the last, and between them stands the target, of which blanks become `%20` and `#` becomes `%23`. No target is `/`, and a path without its slash gets it",
		"UnittWebSocketClient (iOS), faye for Ruby, jWebSocket, OCPP chargers",
		"RFC 9112 3",
		"for upgrades alone; routes and backends get the target that was put right, and every reading of it has to belong to the same route",
	},
	{
		TolerateHTTP10, "http-1.0", true, false,
		"an upgrade in HTTP/1.0",
		"nginx without `proxy_http_version 1.1`",
		"RFC 6455 4.1",
		"a body is refused, as in HTTP/1.1; after the 101 nothing on the connection is read as HTTP",
	},
	{
		TolerateLooseHost, "loose-host", true, false,
		"an IPv6 address in `Host` without its brackets, or with a zone, which is cut off",
		"clients in local networks that put an address into `Host` as the system writes it",
		"RFC 9112 3.2",
		"an address of hexadecimal digits, colons and points is all that is left of it",
	},
	{
		TolerateAnyKey, "any-key", true, false,
		"a `Sec-WebSocket-Key` of version 13 that is not 16 bytes in base64: any text of 1 to 80 characters, as in versions 4 to 8",
		"OCPP chargers; libraries for Android, Dart and ESP8266",
		"RFC 6455 4.2.1",
		"the key is only hashed into the answer",
	},
	{
		TolerateUnevenKey, "uneven-key", true, false,
		"a key of hixie-76 whose digits are no multiple of its spaces: the quotient is rounded down, as by the servers of the time",
		"php-websocket, Chrome 6 before its release",
		"hixie-76 5.2",
		"the number only goes into the answer",
	},
	{
		TolerateDraftNumber, "draft-number", true, false,
		"the number of a draft as `Sec-WebSocket-Version`: 9 to 12 are read as 8, 14 to 17 as 13",
		"UnittWebSocketClient (iOS)",
		"RFC 6455 4.4",
		"these drafts have the frames of the version that they are read as",
	},
	{
		TolerateLongLength, "long-length", true, true,
		"the length of a frame of version 13 in more bytes than it needs",
		"simple stacks of devices",
		"RFC 6455 5.2",
		"the length is the same however it is written; what is passed on gets a head of its own",
	},
	{
		TolerateMasked, "masked", false, true,
		"frames of a server that are masked, in version 13",
		"webbit and other servers that mask what they send as clients do",
		"RFC 6455 5.1",
		"the mask is taken off, and what is passed on gets a head of its own; a mask of the server's keeps nothing from anybody",
	},
	{
		TolerateUpgradeCase, "upgrade-case", false, true,
		"`Upgrade: websocket`, in any case, in an answer of hixie-76 or hybi-02, which says `WebSocket`",
		"Netty 4",
		"hixie-76 4.1",
		"the 16 bytes prove all the same that the server has read the challenge",
	},
	{
		TolerateFirstLines, "first-lines", false, true,
		"an answer of hixie-75 that does not begin with the three lines of the draft, byte for byte, but is a 101 with `Upgrade: websocket` and `Connection: Upgrade`, in any case and place",
		"Perl's Protocol::WebSocket, Netty 4",
		"hixie-75 4.1",
		"origin and URL have to come back as they were sent all the same",
	},
	{
		TolerateOtherLocation, "other-location", false, true,
		"a hixie answer that repeats another URL than that of the request",
		"Netty and mochiweb, which leave out the query; servers that have their URL from a file",
		"hixie-76 4.1",
		"which server is asked is said by whoever dials; the answer's URL is passed on to nobody",
	},
	{
		TolerateSpaceBeforeColon, "space-before-colon", false, true,
		"white space between the name of a field and its colon, in an answer; it is left out",
		"servers of devices that write their answers by hand",
		"RFC 9112 5.1",
		"the answer to an upgrade ends at its blank line, whatever its fields say; a client gets them in a head that is made anew",
	},
	{
		TolerateFoldedFields, "folded-fields", false, true,
		"a field of an answer that goes on in a line that begins with white space; the fold is read as one space",
		"servers of the time of RFC 2616",
		"RFC 9112 5.2",
		"the answer to an upgrade ends at its blank line, whatever its fields say; a client gets them in a head that is made anew",
	},
	{
		TolerateStrayCRLF, "stray-crlf", false, true,
		"CR LF before the first frame of a hixie server; the two bytes are skipped",
		"Grizzly, which sends them behind the 16 bytes of hixie-76",
		"hixie-76 4.2",
		"exactly two bytes are skipped, and once; no frame of text begins with them",
	},
}

// ToleranceTable returns the table of tolerances.
func ToleranceTable() []ToleranceInfo { return append([]ToleranceInfo(nil), toleranceTable[:]...) }

// ClientFaults returns the tolerances that are for faults of clients.
func ClientFaults() Tolerances {
	return tolerancesWhere(func(i *ToleranceInfo) bool { return i.Clients })
}

// ServerFaults returns the tolerances that are for faults of servers.
func ServerFaults() Tolerances {
	return tolerancesWhere(func(i *ToleranceInfo) bool { return i.Servers })
}

func tolerancesWhere(is func(*ToleranceInfo) bool) (t Tolerances) {
	for i := range toleranceTable {
		if is(&toleranceTable[i]) {
			t |= 1 << i
		}
	}
	return t
}

// Has reports whether every tolerance of x is in t.
func (t Tolerances) Has(x Tolerances) bool { return t&x == x }

// String returns the names joined by commas.
func (t Tolerances) String() string {
	var out []string
	for i := range toleranceTable {
		if t&(1<<i) != 0 {
			out = append(out, toleranceTable[i].Name)
		}
	}
	return strings.Join(out, ",")
}

// hint returns cure and, where t would accept the fault, that it would.
func (t Tolerances) hint(cure string) string {
	switch {
	case t == 0:
		return cure
	case cure != "":
		cure += "; "
	}
	return cure + "tolerate " + t.String() + " admits it"
}

// AllTolerances is the set of all tolerances.
const AllTolerances Tolerances = 1<<numTolerances - 1

// ParseTolerances reads names joined by commas, which are those of the set among: ClientFaults,
// ServerFaults or AllTolerances. The empty string is the empty set.
func ParseTolerances(s string, among Tolerances) (Tolerances, error) {
	var t Tolerances
next:
	for f := range strings.SplitSeq(s, ",") {
		if f = strings.TrimSpace(f); f == "" {
			continue
		}
		for i := range toleranceTable {
			if among&(1<<i) != 0 && strings.EqualFold(toleranceTable[i].Name, f) {
				t |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("draftwire: unknown tolerance %.80q; known are %s", f, among)
	}
	return t, nil
}
