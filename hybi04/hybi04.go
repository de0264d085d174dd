package hybi04

import (
	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/wire"
)

// Draft is this version, complete.
var Draft = hybi.NewDraft(
	wire.Draft{
		Version: wire.Hybi04,
		// A client replaces invalid text. The draft does not say what a server does.
		InvalidText: [2]wire.TextPolicy{wire.Server: wire.FailText, wire.Client: wire.ReplaceText},
	},
	hybi.HandshakeProfile{
		Origins: []string{"Sec-WebSocket-Origin", "Origin"},
		Nonce:   true,
		MaskKey: true,
	},
	hybi.FrameProfile{
		Chapter: "4", Opcodes: &hybi.Opcodes02,
		Masking: hybi.MaskHash,
		Close:   hybi.Close{}, // a close frame has no body
	},
)
