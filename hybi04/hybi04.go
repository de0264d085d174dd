package hybi04

import (
	"io"

	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/wire"
)

// Draft is this version, complete.
var Draft = wire.Draft{
	Version: wire.Hybi04,
	// A client replaces; nothing is said of a server.
	InvalidText: [2]wire.TextPolicy{wire.Server: wire.FailText, wire.Client: wire.ReplaceText},
	NewServer:   func(r io.Reader) wire.ServerHandshake { return &hybi.Server{O: &opening, Rand: r} },
	NewClient:   func(r io.Reader) wire.ClientHandshake { return &hybi.Client{O: &opening, Rand: r} },
	NewCodec:    func(cfg wire.CodecConfig) wire.Codec { return hybi.NewCodec(&profile, cfg) },
}

var opening = hybi.Opening{
	Version: wire.Hybi04,
	Origins: []string{"Sec-WebSocket-Origin", "Origin"},
	Nonce:   true,
	MaskKey: true,
}

var profile = hybi.Profile{
	Version: wire.Hybi04, Chapter: "4", Opcodes: &hybi.Opcodes02,
	Masking: hybi.MaskHash,
	Close:   hybi.Close{}, // no body
}
