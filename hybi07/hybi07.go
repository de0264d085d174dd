package hybi07

import (
	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/wire"
)

// Draft is hybi-07, complete.
var Draft = hybi.NewDraft(
	wire.Draft{
		Version: wire.Hybi07,
		// A client replaces invalid text. The draft does not say what a server does.
		InvalidText: [2]wire.TextPolicy{wire.Server: wire.FailText, wire.Client: wire.ReplaceText},
		TextSection: "6",
	},
	hybi.HandshakeProfile{Origins: origins},
	hybi.FrameProfile{
		Chapter: "4", Opcodes: &hybi.Opcodes07, Masking: hybi.MaskPayload,
		MaskedServer: true, // Firefox 6 takes them
		Close:        hybi.Close{Section: "7.4", ToWire: hybi.CodeToWire06(wire.CodeProtocol), FromWire: hybi.CodeFromWire06},
	},
)

// Draft08 is hybi-08, the version number 8 of drafts 08 to 12, complete.
var Draft08 = hybi.NewDraft(
	wire.Draft{
		Version:     wire.Hybi08,
		InvalidText: [2]wire.TextPolicy{wire.Server: wire.FailText, wire.Client: wire.FailText}, // since draft 10
		TextSection: "6",
	},
	hybi.HandshakeProfile{Origins: origins}, // draft 11 renamed the field, under the same version number
	hybi.FrameProfile{
		Chapter: "4", Opcodes: &hybi.Opcodes07, Masking: hybi.MaskPayload,
		Close: hybi.Close{Section: "7.4", ToWire: hybi.CodeToWire06(wire.CodeInvalidData), FromWire: hybi.CodeFromWire06}, // 1007 since draft 10
	},
)

var origins = []string{"Sec-WebSocket-Origin", "Origin"}
