package hixie

import (
	"io"

	"github.com/draftwire/draftwire/wire"
)

// WithHandshake returns base with the handshake of this package: two keys and eight bytes.
// The profile gets the version of base.
func WithHandshake(base wire.Draft, h HandshakeProfile) wire.Draft {
	h.Version = base.Version
	base.NewServer = func(io.Reader) wire.ServerHandshake { return &Server{Profile: &h} }
	base.NewClient = func(rand io.Reader) wire.ClientHandshake { return &Client{Profile: &h, Rand: rand} }
	return base
}

// WithFrames returns base with the frames of this package. The profile gets the version
// of base.
func WithFrames(base wire.Draft, f FrameProfile) wire.Draft {
	f.Version = base.Version
	base.NewCodec = func(cfg wire.CodecConfig) wire.Codec { return NewCodec(&f, cfg) }
	return base
}
