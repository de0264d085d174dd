package hybi

import (
	"io"

	"github.com/draftwire/draftwire/wire"
)

// NewDraft returns base with the handshake and the frames of this package. The profiles
// get the version of base.
func NewDraft(base wire.Draft, h HandshakeProfile, f FrameProfile) wire.Draft {
	h.Version = base.Version
	base.NewServer = func(rand io.Reader) wire.ServerHandshake { return &Server{Profile: &h, Rand: rand} }
	base.NewClient = func(rand io.Reader) wire.ClientHandshake { return &Client{Profile: &h, Rand: rand} }
	return WithFrames(base, f)
}

// WithFrames returns base with the frames of this package, for a draft with another
// handshake.
func WithFrames(base wire.Draft, f FrameProfile) wire.Draft {
	f.Version = base.Version
	base.NewCodec = func(cfg wire.CodecConfig) wire.Codec { return NewCodec(&f, cfg) }
	return base
}
