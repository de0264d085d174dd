package draftwire

import (
	"errors"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/hixie75"
	"github.com/draftwire/draftwire/hixie76"
	"github.com/draftwire/draftwire/hybi02"
	"github.com/draftwire/draftwire/hybi04"
	"github.com/draftwire/draftwire/hybi05"
	"github.com/draftwire/draftwire/hybi07"
	"github.com/draftwire/draftwire/internal/wsconn"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
)

// The words of package wire that users of this package need.
type (
	// Version names one version of the protocol, for example Hixie76.
	Version = wire.Version
	// Versions is a set of versions.
	Versions = wire.Versions
	// Op is what a message is: OpText or OpBinary.
	Op = wire.Op
	// Frame describes a frame for Conn.TraceFrames.
	Frame = wire.Frame
	// CloseCode is a status code of the closing handshake.
	CloseCode = wire.CloseCode
	// CloseError is how the peer ended the connection.
	CloseError = wire.CloseError
	// ProtocolError is the peer's fault in a frame.
	ProtocolError = wire.ProtocolError
	// HandshakeError is an opening handshake that did not succeed.
	HandshakeError = wire.HandshakeError
	// Tolerances is a set of known faults of peers that may be accepted.
	Tolerances = wire.Tolerances
	// Caps is a set of things that a version can say.
	Caps = wire.Caps
	// Fields are the header lines of a request or an answer, in their order.
	Fields = wire.Fields
	// Field is one header line.
	Field = wire.Field
	// Offer is what a client asks for in its opening handshake, as DialOptions.Compose gets it.
	Offer = wire.Offer
	// Reason is the code of a refusal: package wire lists them.
	Reason = wire.Reason
	// TextPolicy says what happens to text that is not UTF-8.
	TextPolicy = wire.TextPolicy
)

// Versions, oldest first, and sets of them.
const (
	Unknown        = wire.Unknown
	Hixie75        = wire.Hixie75
	Hixie76        = wire.Hixie76
	Hybi02         = wire.Hybi02
	Hybi04         = wire.Hybi04
	Hybi05         = wire.Hybi05
	Hybi06         = wire.Hybi06
	Hybi07         = wire.Hybi07
	Hybi08         = wire.Hybi08
	RFC6455        = wire.RFC6455
	AllVersions    = wire.AllVersions
	ModernVersions = wire.ModernVersions
)

// What Version.Supports may be asked for.
const (
	CapBinary     = wire.CapBinary
	CapFragments  = wire.CapFragments
	CapPing       = wire.CapPing
	CapCloseFrame = wire.CapCloseFrame
	CapCloseCode  = wire.CapCloseCode
	CapDeflate    = wire.CapDeflate
)

// The faults that may be tolerated.
const (
	TolerateInjectedKey   = wire.TolerateInjectedKey
	TolerateNoConnection  = wire.TolerateNoConnection
	TolerateNoOrigin      = wire.TolerateNoOrigin
	TolerateUnmasked      = wire.TolerateUnmasked
	TolerateEmptyUnmasked = wire.TolerateEmptyUnmasked
	TolerateHybi01        = wire.TolerateHybi01
	TolerateHixieFrames   = wire.TolerateHixieFrames
	TolerateLineEnds      = wire.TolerateLineEnds
	TolerateRequestLine   = wire.TolerateRequestLine
	TolerateHTTP10        = wire.TolerateHTTP10
	TolerateLooseHost     = wire.TolerateLooseHost
	TolerateAnyKey        = wire.TolerateAnyKey
	TolerateUnevenKey     = wire.TolerateUnevenKey
	TolerateDraftNumber   = wire.TolerateDraftNumber
	TolerateLongLength    = wire.TolerateLongLength
)

// What happens to text that is not UTF-8.
const (
	TextByVersion = wire.TextByVersion // what the version's document says
	FailText      = wire.FailText      // the connection fails
	ReplaceText   = wire.ReplaceText   // U+FFFD in its place
)

// Kinds of messages.
const (
	OpText   = wire.OpText
	OpBinary = wire.OpBinary
)

// The close codes that programs send.
const (
	CodeNormal      = wire.CodeNormal
	CodeGoingAway   = wire.CodeGoingAway
	CodeProtocol    = wire.CodeProtocol
	CodeUnsupported = wire.CodeUnsupported
	CodeNoStatus    = wire.CodeNoStatus
	CodeAbnormal    = wire.CodeAbnormal
	CodeInvalidData = wire.CodeInvalidData
	CodePolicy      = wire.CodePolicy
	CodeTooBig      = wire.CodeTooBig
	CodeInternal    = wire.CodeInternal
	CodeTryLater    = wire.CodeTryLater
)

// Errors that errors.Is finds.
var (
	ErrUnsupported = wire.ErrUnsupported // the version cannot say this
	ErrClosed      = wire.ErrClosed      // this side has closed
	ErrTooBig      = wire.ErrTooBig      // a message above the limit
	ErrInvalidText = wire.ErrInvalidText // text to be sent is not UTF-8

	// ErrBusy is Post's, for a peer that has not taken what was sent before.
	ErrBusy = wsconn.ErrBusy
)

// row is a version that is served, and what only its connections need.
type row struct {
	*wire.Draft
	// hastyPeer says that the version's clients are known not to answer a close.
	hastyPeer bool
	mayBe     alternative
}

// alternative is another version that opens with the same handshake, where a tolerance is
// set: the client's first byte tells them apart.
type alternative struct {
	version   Version
	tolerated Tolerances
	begins    func(first byte) bool // a frame of the other version
	rule      string                // Handshake.Rule
}

// drafts is the table of the versions that are served.
var drafts = [...]row{
	{Draft: &hixie75.Draft},
	{Draft: &hixie76.Draft, hastyPeer: true, // WebKit's first builds never answer FF 00
		mayBe: alternative{Hybi02, TolerateHybi01, detect.IsHybi01, "Sec-WebSocket-Key1 and -Key2, then a frame of hybi-01"}},
	{Draft: &hybi02.Draft,
		mayBe: alternative{Hixie76, TolerateHixieFrames, detect.IsHixie76, "Sec-WebSocket-Key1, -Key2 and -Draft, then a frame of hixie-76"}},
	{Draft: &hybi04.Draft},
	{Draft: &hybi05.Draft},
	{Draft: &hybi05.Draft06},
	{Draft: &hybi07.Draft},
	{Draft: &hybi07.Draft08},
	{Draft: &rfc6455.Draft},
}

func draftOf(v Version) (*row, bool) {
	for i := range drafts {
		if drafts[i].Version == v {
			return &drafts[i], true
		}
	}
	return nil, false
}

// ServedVersions returns the versions that this package speaks.
func ServedVersions() Versions {
	var s Versions
	for _, d := range drafts {
		s = s.With(d.Version)
	}
	return s
}

// VersionsOf returns the set of vs.
func VersionsOf(vs ...Version) Versions { return wire.VersionsOf(vs...) }

// ParseVersion reads a name ("hixie-76", "rfc6455"), another spelling
// ("hybi-00") or the number of the Sec-WebSocket-Version field ("13").
func ParseVersion(s string) (Version, error) { return wire.ParseVersion(s) }

// ParseVersions reads a set: "all", "modern", names joined by commas, and
// "-name" to take one away.
func ParseVersions(s string) (Versions, error) { return wire.ParseVersions(s, ServedVersions()) }

// CloseStatus returns the close code that err carries, or 0 if it carries
// none.
func CloseStatus(err error) CloseCode {
	if ce, ok := errors.AsType[*CloseError](err); ok {
		return ce.Code
	}
	return 0
}

// isClean reports whether err is a clean close by the peer.
func isClean(err error) bool {
	switch CloseStatus(err) {
	case CodeNormal, CodeGoingAway, CodeNoStatus:
		return true
	}
	return false
}

// HeardCode returns what a peer that speaks v learns of a close with code: the
// code itself, another that its draft has for it, or CodeNoStatus where the
// version has no codes. A code that must not be sent is CodeNoStatus.
func HeardCode(v Version, code CloseCode) CloseCode {
	d, ok := draftOf(v)
	if !ok {
		return CodeNoStatus
	}
	p, err := d.NewCodec(wire.CodecConfig{Role: wire.Server}).AppendClose(nil, code, "")
	if err != nil || len(p) == 0 {
		return CodeNoStatus
	}
	var ev wire.Event
	if _, err := d.NewCodec(wire.CodecConfig{Role: wire.Client}).Decode(p, &ev); err != nil || ev.Op != wire.OpClose {
		return CodeNoStatus
	}
	return ev.Code
}
