package hybi07

import (
	"io"

	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/wire"
)

// Draft is hybi-07, complete.
var Draft = draft(
	wire.Draft{
		Version: wire.Hybi07,
		// hybi-07 says nothing of a server's duty; its clients replace.
		InvalidText: [2]wire.TextPolicy{wire.Server: wire.FailText, wire.Client: wire.ReplaceText},
	},
	&hybi.Opening{
		Version: wire.Hybi07,
		Origins: []string{"Sec-WebSocket-Origin", "Origin"},
	},
	&hybi.Profile{
		Version: wire.Hybi07, Chapter: "4", Opcodes: &hybi.Opcodes07, Masking: hybi.MaskPayload,
		MaskedServer: true, // Firefox 6 takes them
		Close:        hybi.Close{Section: "7.4", Says: hybi.Says06(wire.CodeProtocol), Means: hybi.Means06},
	},
)

// Draft08 is hybi-08, the version number 8 of drafts 08 to 12, complete.
var Draft08 = draft(
	wire.Draft{
		Version:     wire.Hybi08,
		InvalidText: [2]wire.TextPolicy{wire.Server: wire.FailText, wire.Client: wire.FailText}, // since draft 10
	},
	&hybi.Opening{
		Version: wire.Hybi08,
		Origins: []string{"Sec-WebSocket-Origin", "Origin"}, // draft 11 renamed it, number unchanged
	},
	&hybi.Profile{
		Version: wire.Hybi08, Chapter: "4", Opcodes: &hybi.Opcodes07, Masking: hybi.MaskPayload,
		Close: hybi.Close{Section: "7.4", Says: hybi.Says06(wire.CodeInvalidData), Means: hybi.Means06}, // 1007 since draft 10
	},
)

func draft(d wire.Draft, o *hybi.Opening, p *hybi.Profile) wire.Draft {
	d.TextSection = "6"
	d.NewServer = func(r io.Reader) wire.ServerHandshake { return &hybi.Server{O: o, Rand: r} }
	d.NewClient = func(r io.Reader) wire.ClientHandshake { return &hybi.Client{O: o, Rand: r} }
	d.NewCodec = func(cfg wire.CodecConfig) wire.Codec { return hybi.NewCodec(p, cfg) }
	return d
}
