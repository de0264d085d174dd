package hybi02

import (
	"io"

	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/wire"
)

// Draft is this version, complete.
var Draft = wire.Draft{
	Version: wire.Hybi02,
	// A client replaces; nothing is said of a server.
	InvalidText: [2]wire.TextPolicy{wire.Server: wire.FailText, wire.Client: wire.ReplaceText},
	NewServer:   func(io.Reader) wire.ServerHandshake { return &hixie.Server{O: &opening} },
	NewClient:   func(r io.Reader) wire.ClientHandshake { return &hixie.Client{O: &opening, Rand: r} },
	NewCodec:    func(cfg wire.CodecConfig) wire.Codec { return hybi.NewCodec(&profile, cfg) },
}

var opening = hixie.Opening{
	Version: wire.Hybi02,
	Draft:   "2", // in hybi-02 and, unchanged, in hybi-03
}

var profile = hybi.Profile{
	Version: wire.Hybi02, Chapter: "4", Opcodes: &hybi.Opcodes02,
	More:    true, // FIN came with hybi-04
	Masking: hybi.MaskNone,
	Close:   hybi.Close{Opaque: true}, // hybi-03: the answer repeats the body
}
