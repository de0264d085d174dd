package main

import (
	"strconv"

	"github.com/draftwire/draftwire"
	"github.com/urfave/cli/v2"
)

// compressionModes are the words of --compression: which messages are compressed.
var compressionModes = map[string]draftwire.CompressionMode{
	"off": draftwire.CompressNothing, "large": draftwire.CompressLarge, "all": draftwire.CompressAll,
}

// compressionFlags are the flags about compression, the same for servers and clients.
func compressionFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "compression", Value: "off", Usage: "which messages to compress, if the peer can too: `off|large|all`; large are those of --compression-threshold or more"},
		&cli.StringFlag{Name: "compression-threshold", Value: strconv.Itoa(draftwire.DefaultCompressionThreshold), Usage: "the `SIZE` from which --compression large compresses"},
		&cli.BoolFlag{Name: "compression-takeover", Usage: "keep the windows from message to message: smaller messages, more memory"},
	}
}

// readCompression reads these flags. One that would have no effect is a usage
// error.
func readCompression(c *cli.Context) (draftwire.Compression, error) {
	var o draftwire.Compression
	mode := compressionModes[c.String("compression")]
	o.Mode = mode
	o.Takeover = c.Bool("compression-takeover")
	if o.Takeover && mode == draftwire.CompressNothing {
		return o, usagef("--compression-takeover needs --compression large or all")
	}
	if c.IsSet("compression-threshold") && mode != draftwire.CompressLarge {
		return o, usagef("--compression-threshold needs --compression large")
	}
	n, err := sizeFlag(c, "compression-threshold")
	if err != nil {
		return o, err
	}
	if n > 1<<30 {
		return o, usagef("--compression-threshold: %s is too much", c.String("compression-threshold"))
	}
	o.Threshold = int(n)
	return o, nil
}

// compressionFor is the compression of a request: a path of its own has it
// whatever was chosen, so that a client can try it on any server.
func compressionFor(chosen draftwire.Compression) func(*draftwire.Handshake) draftwire.Compression {
	return func(h *draftwire.Handshake) draftwire.Compression {
		if path, _ := splitTarget(h); path == deflatePath {
			return draftwire.Compression{Mode: draftwire.CompressAll, Takeover: true}
		}
		return chosen
	}
}
