package hybi02

import (
	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/wire"
)

// Draft is this version, complete: the handshake of hixie-76, and frames with a length.
var Draft = hybi.WithFrames(hixie.WithHandshake(
	wire.Draft{
		Version: wire.Hybi02,
		// A client replaces invalid text. The draft does not say what a server does.
		InvalidText: [2]wire.TextPolicy{wire.Server: wire.FailText, wire.Client: wire.ReplaceText},
	},
	hixie.HandshakeProfile{
		Draft: "2", // in hybi-02 and, unchanged, in hybi-03
	}),
	hybi.FrameProfile{
		Chapter: "4", Opcodes: &hybi.Opcodes02,
		MoreBit: true, // FIN came with hybi-04
		Masking: hybi.MaskNone, HixieFrames: true,
		Close: hybi.Close{Opaque: true}, // hybi-03: the answer repeats the body
	},
)
