package hybi05

import (
	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/wire"
)

// Draft is hybi-05, complete.
var Draft = hybi.NewDraft(
	wire.Draft{Version: wire.Hybi05, InvalidText: invalidText},
	hybi.HandshakeProfile{
		Origins: origins,
		Nonce:   true, // libwebsockets of February 2011 waits for it
	},
	hybi.FrameProfile{
		Chapter: "4", Opcodes: &hybi.Opcodes02,
		Masking: hybi.MaskFrame,
		Close:   hybi.Close{Letters: "SC"},
	},
)

// Draft06 is hybi-06, complete.
var Draft06 = hybi.NewDraft(
	wire.Draft{Version: wire.Hybi06, InvalidText: invalidText},
	hybi.HandshakeProfile{Origins: origins},
	hybi.FrameProfile{
		Chapter: "4", Opcodes: &hybi.Opcodes02,
		Masking: hybi.MaskFrame,
		Close:   hybi.Close{ToWire: hybi.CodeToWire06(wire.CodeProtocol), FromWire: hybi.CodeFromWire06},
	},
)

// A client replaces invalid text. The drafts do not say what a server does.
var invalidText = [2]wire.TextPolicy{wire.Server: wire.FailText, wire.Client: wire.ReplaceText}

var origins = []string{"Sec-WebSocket-Origin", "Origin"}
