package wire

import (
	"fmt"
	"strconv"
)

// CloseCode is a status code of the closing handshake, in the numbering of RFC 6455 7.4.1.
// Versions hybi-06 to hybi-08 use 1004 for a message that is too big. Their codecs
// translate it, so the code above them sees CodeTooBig.
type CloseCode uint16

// The codes (RFC 6455 7.4.1, 1012 to 1014 from the registry that followed it).
const (
	CodeNormal      CloseCode = 1000
	CodeGoingAway   CloseCode = 1001
	CodeProtocol    CloseCode = 1002
	CodeUnsupported CloseCode = 1003
	CodeReserved    CloseCode = 1004
	CodeNoStatus    CloseCode = 1005 // never on the wire: the close frame had no code
	CodeAbnormal    CloseCode = 1006 // never on the wire: no close frame came
	CodeInvalidData CloseCode = 1007
	CodePolicy      CloseCode = 1008
	CodeTooBig      CloseCode = 1009
	CodeExtension   CloseCode = 1010
	CodeInternal    CloseCode = 1011
	CodeRestart     CloseCode = 1012
	CodeTryLater    CloseCode = 1013
	CodeBadGateway  CloseCode = 1014
	CodeTLS         CloseCode = 1015 // never on the wire
)

var codeNames = map[CloseCode]string{
	CodeNormal: "normal", CodeGoingAway: "going away", CodeProtocol: "protocol error",
	CodeUnsupported: "unsupported data", CodeReserved: "reserved", CodeNoStatus: "no status",
	CodeAbnormal: "abnormal", CodeInvalidData: "invalid data", CodePolicy: "policy violation",
	CodeTooBig: "message too big", CodeExtension: "extension missing", CodeInternal: "internal error",
	CodeRestart: "service restart", CodeTryLater: "try again later", CodeBadGateway: "bad gateway",
	CodeTLS: "TLS failure",
}

// String returns the number and, where the code has one, its name: "1000 (normal)".
func (c CloseCode) String() string {
	if n := codeNames[c]; n != "" {
		return strconv.Itoa(int(c)) + " (" + n + ")"
	}
	return strconv.Itoa(int(c))
}

// OnWire reports whether the code may be sent in a close frame (RFC 6455 7.4.1,
// 7.4.2): 1000 to 1003, 1007 to 1014, 3000 to 4999.
func (c CloseCode) OnWire() bool {
	return c >= 1000 && c <= 1003 || c >= 1007 && c <= 1014 || c >= 3000 && c <= 4999
}

// MaxReason is the largest number of bytes of a reason that fit in a close frame beside the
// code: a control frame carries at most 125 bytes (RFC 6455 5.5).
const MaxReason = 123

// CloseError is the error of a connection that was closed: by a closing handshake, or
// without one, which is CodeAbnormal. Read returns it as *CloseError.
type CloseError struct {
	Code   CloseCode // CodeNoStatus where the version or the peer gave none
	Reason string    // at most MaxReason bytes; chosen by the peer
}

// Error names the code and the reason.
func (e *CloseError) Error() string {
	if e.Reason == "" {
		return "draftwire: closed: " + e.Code.String()
	}
	return fmt.Sprintf("draftwire: closed: %s %q", e.Code, e.Reason)
}
