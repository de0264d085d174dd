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
		Version: wire.Hybi07, Chapter: "4", Closing: "7.4",
		MaskedServer: true, // Firefox 6 takes them
		Says:         says(wire.CodeProtocol), Means: means,
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
		Version: wire.Hybi08, Chapter: "4", Closing: "7.4",
		Says: says(wire.CodeInvalidData), Means: means, // 1007 since draft 10
	},
)

func draft(d wire.Draft, o *hybi.Opening, p *hybi.Profile) wire.Draft {
	d.TextSection = "6"
	d.NewServer = func() wire.ServerHandshake { return &hybi.Server{O: o} }
	d.NewClient = func(r io.Reader) wire.ClientHandshake { return &hybi.Client{O: o, Rand: r} }
	d.NewCodec = func(cfg wire.CodecConfig) wire.Codec { return hybi.NewCodec(p, cfg) }
	return d
}

// tooBig is the code of these drafts for a message that is too big; from
// draft 13 on it is reserved.
const tooBig wire.CloseCode = 1004

// says gives the code that a draft of this family has for a code of RFC 6455:
// 1000 to 1003, 1004 for too big, 3000 and above; badData for 1007, and
// protocol error for what came later.
func says(badData wire.CloseCode) func(wire.CloseCode) wire.CloseCode {
	return func(c wire.CloseCode) wire.CloseCode {
		switch {
		case c == wire.CodeTooBig:
			return tooBig
		case c == wire.CodeInvalidData:
			return badData
		case c >= wire.CodePolicy && c < 3000:
			return wire.CodeProtocol
		}
		return c
	}
}

func means(c wire.CloseCode) (wire.CloseCode, bool) {
	if c == tooBig {
		return wire.CodeTooBig, true
	}
	return c, c.OnWire()
}
