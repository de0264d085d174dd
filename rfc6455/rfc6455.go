package rfc6455

import (
	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/wire"
)

// Draft is this version, complete.
var Draft = hybi.NewDraft(
	wire.Draft{
		Version:     wire.RFC6455,
		InvalidText: [2]wire.TextPolicy{wire.Server: wire.FailText, wire.Client: wire.FailText},
		TextSection: "8.1",
	},
	hybi.HandshakeProfile{
		Origins: []string{"Origin", "Sec-WebSocket-Origin"}, // RFC 6455 4.1; some clients kept the name of hybi-04 to hybi-10
	},
	hybi.FrameProfile{
		Chapter: "5", Opcodes: &hybi.Opcodes07, Masking: hybi.MaskPayload,
		MinimalLength: true, // RFC 6455 5.2: the minimal number of bytes must be used
		Close: hybi.Close{
			Section:  "7.4.1",
			ToWire:   func(c wire.CloseCode) wire.CloseCode { return c },
			FromWire: func(c wire.CloseCode) (wire.CloseCode, bool) { return c, c.OnWire() }, // 7.4.1, 7.4.2
		},
	},
)
