package main

import (
	"strconv"

	"github.com/draftwire/draftwire"
	"github.com/urfave/cli/v2"
)

// compressionModes are the words of --compression.
var compressionModes = map[string]draftwire.CompressionMode{
	"off": draftwire.CompressNothing, "on": draftwire.CompressAll, "large": draftwire.CompressLarge,
}

// compressionFlags are the flags about compression, the same for both sides.
func compressionFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "compression", Value: "off", Usage: "compress messages, if the peer can too: `off|on|large`; large is from a size on, where it pays"},
		&cli.StringFlag{Name: "compression-threshold", Value: strconv.Itoa(draftwire.DefaultCompressionThreshold), Usage: "the `SIZE` from which --compression large compresses"},
		&cli.BoolFlag{Name: "compression-takeover", Usage: "keep the windows from message to message: smaller messages, more memory"},
	}
}

// readCompression reads these flags. One that would have no effect is a usage
// error.
func readCompression(c *cli.Context) (draftwire.Compression, error) {
	var o draftwire.Compression
	mode, ok := compressionModes[c.String("compression")]
	if !ok {
		return o, usagef("--compression: %q is none of off, on, large", c.String("compression"))
	}
	o.Mode, o.Takeover = mode, c.Bool("compression-takeover")
	if o.Takeover && mode == draftwire.CompressNothing {
		return o, usagef("--compression-takeover needs --compression on or large")
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
