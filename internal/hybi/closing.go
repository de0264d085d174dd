package hybi

import "github.com/draftwire/draftwire/wire"

// tooBig is the code of hybi-06 to hybi-12 for a message that is too big; from
// draft 13 on it is reserved.
const tooBig wire.CloseCode = 1004

// Says06 gives the code that a draft from hybi-06 to hybi-12 has for a code of RFC 6455:
// 1000 to 1003, 1004 for too big, 3000 and above; badData for 1007, and
// protocol error for what came later.
func Says06(badData wire.CloseCode) func(wire.CloseCode) wire.CloseCode {
	return func(c wire.CloseCode) wire.CloseCode {
		switch {
		case c == wire.CodeTooBig:
			return tooBig
		case c == wire.CodeInvalidData:
			return badData
		case c >= wire.CodePolicy && c < 3000:
			return wire.CodeProtocol
		}
		return c
	}
}

// Means06 is the inverse of Says06.
func Means06(c wire.CloseCode) (wire.CloseCode, bool) {
	if c == tooBig {
		return wire.CodeTooBig, true
	}
	return c, c.OnWire()
}
