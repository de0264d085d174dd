package hixie76

import (
	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/wire"
)

// Draft is this version, complete.
var Draft = hixie.WithFrames(hixie.WithHandshake(
	wire.Draft{
		Version: wire.Hixie76,
		// A client replaces invalid text (hixie-76 4.3). What a server does is left
		// undefined (5.4), so ours fails.
		InvalidText: [2]wire.TextPolicy{wire.Server: wire.FailText, wire.Client: wire.ReplaceText},
		TextSection: "5.4",
	},
	hixie.HandshakeProfile{
		WholeProtocol: true, // hixie-76 4.1: clients compare the whole string
	}),
	hixie.FrameProfile{
		Close:   true, // hixie-76 5.3, 4.2: FF 00 in both directions
		Section: "5.3",
	},
)
