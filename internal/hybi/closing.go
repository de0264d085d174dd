package hybi

import "github.com/draftwire/draftwire/wire"

// tooBig is the code for a message that is too big in hybi-06 to hybi-12. Since draft 13
// the number is reserved.
const tooBig wire.CloseCode = 1004

// CodeToWire06 returns a ToWire for a draft from hybi-06 to hybi-12. These have the codes
// 1000 to 1003, 1004 for a message that is too big, and 3000 to 4999; badData is the code
// of the draft for 1007, and all codes that came later become 1002.
func CodeToWire06(badData wire.CloseCode) func(wire.CloseCode) wire.CloseCode {
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

// CodeFromWire06 is the FromWire of these drafts.
func CodeFromWire06(c wire.CloseCode) (wire.CloseCode, bool) {
	if c == tooBig {
		return wire.CodeTooBig, true
	}
	return c, c.OnWire()
}
