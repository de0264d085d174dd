package hixie76

import (
	"io"

	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/wire"
)

// Draft is this version, complete.
var Draft = wire.Draft{
	Version: wire.Hixie76,
	// hixie-76 4.3: a client replaces; 5.4 leaves the server undefined.
	InvalidText: [2]wire.TextPolicy{wire.Server: wire.FailText, wire.Client: wire.ReplaceText},
	TextSection: "5.4",
	NewServer:   func(io.Reader) wire.ServerHandshake { return &hixie.Server{O: &opening} },
	NewClient:   func(r io.Reader) wire.ClientHandshake { return &hixie.Client{O: &opening, Rand: r} },
	NewCodec:    func(cfg wire.CodecConfig) wire.Codec { return hixie.NewCodec(&profile, cfg) },
}

var opening = hixie.Opening{
	Version: wire.Hixie76,
	Whole:   true, // hixie-76 4.1: clients compare the whole string
}

var profile = hixie.Profile{
	Version: wire.Hixie76,
	Close:   true, // hixie-76 5.3, 4.2: FF 00 either way
	Section: "5.3",
}
