package rfc6455

import (
	"io"

	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/wire"
)

// Draft is this version, complete.
var Draft = wire.Draft{
	Version:     wire.RFC6455,
	InvalidText: [2]wire.TextPolicy{wire.Server: wire.FailText, wire.Client: wire.FailText},
	TextSection: "8.1",
	NewServer:   func(r io.Reader) wire.ServerHandshake { return &hybi.Server{O: &opening, Rand: r} },
	NewClient:   func(r io.Reader) wire.ClientHandshake { return &hybi.Client{O: &opening, Rand: r} },
	NewCodec:    func(cfg wire.CodecConfig) wire.Codec { return hybi.NewCodec(&profile, cfg) },
}

var opening = hybi.Opening{
	Version: wire.RFC6455,
	Origins: []string{"Origin"}, // RFC 6455 4.1
}

var profile = hybi.Profile{
	Version: wire.RFC6455, Chapter: "5", Opcodes: &hybi.Opcodes07, Masking: hybi.MaskPayload,
	Minimal: true, // RFC 6455 5.2: the minimal number of bytes must be used
	Close: hybi.Close{
		Section: "7.4.1",
		Says:    func(c wire.CloseCode) wire.CloseCode { return c },
		Means:   func(c wire.CloseCode) (wire.CloseCode, bool) { return c, c.OnWire() }, // 7.4.1, 7.4.2
	},
}
