package hybi05

import (
	"io"

	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/wire"
)

// Draft is hybi-05, complete.
var Draft = draft(
	&hybi.Opening{
		Version: wire.Hybi05, Origins: origins,
		Nonce: true, // libwebsockets of February 2011 waits for it
	},
	&hybi.Profile{
		Version: wire.Hybi05, Chapter: "4", Opcodes: &hybi.Opcodes02,
		Masking: hybi.MaskFrame,
		Close:   hybi.Close{Letters: "SC"},
	},
)

// Draft06 is hybi-06, complete.
var Draft06 = draft(
	&hybi.Opening{Version: wire.Hybi06, Origins: origins},
	&hybi.Profile{
		Version: wire.Hybi06, Chapter: "4", Opcodes: &hybi.Opcodes02,
		Masking: hybi.MaskFrame,
		Close:   hybi.Close{Says: hybi.Says06(wire.CodeProtocol), Means: hybi.Means06},
	},
)

var origins = []string{"Sec-WebSocket-Origin", "Origin"}

func draft(o *hybi.Opening, p *hybi.Profile) wire.Draft {
	return wire.Draft{
		Version: p.Version,
		// A client replaces; nothing is said of a server.
		InvalidText: [2]wire.TextPolicy{wire.Server: wire.FailText, wire.Client: wire.ReplaceText},
		NewServer:   func(r io.Reader) wire.ServerHandshake { return &hybi.Server{O: o, Rand: r} },
		NewClient:   func(r io.Reader) wire.ClientHandshake { return &hybi.Client{O: o, Rand: r} },
		NewCodec:    func(cfg wire.CodecConfig) wire.Codec { return hybi.NewCodec(p, cfg) },
	}
}
