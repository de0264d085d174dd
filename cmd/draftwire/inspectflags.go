package main

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/input"
	"github.com/draftwire/draftwire/wire"
	"github.com/urfave/cli/v2"
)

// inspectOptions are what the inspect command needs to know.
type inspectOptions struct {
	files   []string // "-" is stdin
	format  string   // "" finds it
	from    input.Side
	explain inspect.Options
	keyLogs []string
	rsaKeys []string
	streams []int           // their numbers; nil for all
	only    map[string]bool // words of --only; nil for all
	all     bool            // connections without WebSocket too
	as      string          // text, json, html, hex, vectors or pcap
	redact  bool
	check   bool
	quiet   bool
	width   int
	color   string
	live    *liveOptions // nil: files are read
}

// onlyWords are what --only may name, and the kinds of events that each shows.
var onlyWords = []struct {
	word  string
	kinds []inspect.Kind
}{
	{"handshake", []inspect.Kind{inspect.KindPreface, inspect.KindRequest, inspect.KindResponse, inspect.KindBody, inspect.KindChallenge, inspect.KindProof, inspect.KindKeys}},
	{"frames", []inspect.Kind{inspect.KindFrame}},
	{"messages", []inspect.Kind{inspect.KindMessage}},
	{"closing", []inspect.Kind{inspect.KindEnd, inspect.KindClosing}},
	{"lost", []inspect.Kind{inspect.KindGap, inspect.KindUnknown}},
}

// brokenWord is the word of --only for what breaks a rule.
const brokenWord = "broken"

// formatWords are the words of --format.
func formatWords() []string {
	words := []string{"auto", "pcap"}
	for _, f := range input.Formats() {
		words = append(words, f.Name)
	}
	return words
}

func (p *program) inspectCommand() command {
	return command{
		name: "inspect", usage: "explain what went over the wire, in any version", args: "FILE|- [FILE]", most: 2,
		about: "Reads a capture or a text that somebody has attached to a report, and explains it: each line of the handshake with the rule that it obeys (ok) or breaks (!!), " +
			"the arithmetic of the keys, each frame without its mask, messages expanded, who closed and how. '>' is the client's, '<' the server's; the number is the offset of the first byte in its direction.\n" +
			"The format is found by looking: " + formatTexts() + ". Two files are the two sides of one connection.\n" +
			"Connections of a capture that have nothing to do with WebSocket are left out, unless --all is given. " +
			"--check makes the exit code tell what was found: 5 if a rule is broken, 4 if a handshake is refused, 6 if a connection ends without a close.",
		examples: []example{
			{"draftwire inspect capture.pcapng", "a file of Wireshark or tcpdump"},
			{"draftwire inspect --keylog keys.txt --stream 3 capture.pcap", "one connection of it, over TLS"},
			{"pbpaste | draftwire inspect -", "a dump, a log or a head from the clipboard"},
			{"draftwire inspect client.bin server.bin", "the bytes of both sides"},
			{"draftwire inspect --only broken --check report.txt", "for scripts: what breaks a rule"},
			{"draftwire inspect --live --to ws://127.0.0.1:9000", "what passes between a client and a server, as it comes"},
			{"draftwire inspect --html --redact capture.pcap > page.html", "a page to show to others"},
		},
		flags: append(inspectFlags(), liveFlags()...),
		run: func(c *cli.Context) error {
			if !c.Args().Present() && !c.Bool("live") {
				return usagef("argument FILE|- [FILE] is missing")
			}
			if _, err := p.logger(c); err != nil {
				return err // its flags are wrong
			}
			o, err := inspectOptionsOf(c)
			if err != nil {
				return err
			}
			return runInspect(c.Context, o, p.stdio, p.signals)
		},
	}
}

func formatTexts() string {
	texts := []string{"pcap and pcapng"}
	for _, f := range input.Formats() {
		texts = append(texts, f.About)
	}
	return strings.Join(texts, "; ")
}

func inspectFlags() []cli.Flag {
	in := []cli.Flag{
		&cli.StringFlag{Name: "format", Value: "auto", Usage: "the input is in the format `NAME`: " + strings.Join(formatWords(), ", ")},
		&cli.StringFlag{Name: "from", Value: "auto", Usage: "who has sent what does not say it: `auto|client|server`"},
		&cli.StringFlag{Name: "version", DefaultText: "found", Usage: "`VERSION` of connections whose handshake is not there"},
		&cli.StringFlag{Name: "extensions", DefaultText: "none", Usage: "what the server has answered in Sec-WebSocket-Extensions there, as `VALUE`"},
		&cli.StringFlag{Name: "mask-key", DefaultText: "none", Usage: "what the masks of hybi-04 are made of there: 20 bytes in `HEX`"},
		&cli.BoolFlag{Name: "secure", Usage: "the client's URL was wss, though there is no TLS in the input"},
		&cli.StringSliceFlag{Name: "keylog", DefaultText: "none", Usage: "open TLS with the keys in `FILE`, as browsers write them for SSLKEYLOGFILE"},
		&cli.StringSliceFlag{Name: "rsa-key", DefaultText: "none", Usage: "open TLS of old devices with the server's private key in `FILE`"},
		&cli.StringFlag{Name: "max-message", DefaultText: "16MiB if compressed", Usage: "expand messages up to `SIZE`"},
	}
	what := []cli.Flag{
		&cli.StringSliceFlag{Name: "stream", DefaultText: "all", Usage: "show the connection with the number `N`"},
		&cli.StringFlag{Name: "only", DefaultText: "everything", Usage: "show only `KINDS`: of handshake, frames, messages, closing, lost and broken, joined by commas"},
		&cli.IntFlag{Name: "payload", Value: 256, Usage: "show the first `N` bytes of each payload, at most 65536"},
		&cli.BoolFlag{Name: "all", Usage: "show connections too that have nothing to do with WebSocket"},
		&cli.BoolFlag{Name: "redact", Usage: "leave out cookies, fields that authorise, queries of URLs and all payload"},
	}
	out := []cli.Flag{
		&cli.BoolFlag{Name: "json", Usage: "print a line of JSON for each event"},
		&cli.BoolFlag{Name: "html", Usage: "print a page that needs no other file"},
		&cli.StringFlag{Name: "write", Value: "text", Usage: "print `text|hex|vectors|pcap`: hex is a dump of both sides, vectors are test vectors"},
		&cli.StringFlag{Name: "color", Value: "auto", Usage: "`auto|always|never`; auto is on a terminal, unless NO_COLOR is set"},
		&cli.IntFlag{Name: "width", DefaultText: "the terminal's, or 100", Usage: "lines of `N` characters, at least 40"},
		&cli.BoolFlag{Name: "check", Usage: "exit with 5 if a rule is broken, 4 if a handshake is refused, 6 if there is no close"},
	}
	return slices.Concat(in, what, out)
}

// inspectOptionsOf reads the flags; what is wrong with them is a usage error.
func inspectOptionsOf(c *cli.Context) (inspectOptions, error) {
	o := inspectOptions{files: c.Args().Slice(), keyLogs: c.StringSlice("keylog"), rsaKeys: c.StringSlice("rsa-key"), all: c.Bool("all"),
		redact: c.Bool("redact"), check: c.Bool("check"), quiet: c.Bool("quiet"), color: c.String("color"), width: c.Int("width")}
	o.format = c.String("format")
	if !slices.Contains(formatWords(), o.format) {
		return o, usagef("--format: %q is not one of %s", o.format, strings.Join(formatWords(), ", "))
	}
	if o.format == "auto" {
		o.format = ""
	}
	o.from = map[string]input.Side{"client": input.Client, "server": input.Server}[c.String("from")]
	for _, read := range []func(*cli.Context, *inspectOptions) error{readExplain, readFilters, readOutput} {
		if err := read(c, &o); err != nil {
			return o, err
		}
	}
	var err error
	if o.live, err = readLive(c); err != nil || o.live != nil {
		return o, err
	}
	if slices.Contains(o.files[1:], "-") && o.files[0] == "-" {
		return o, usagef("stdin can be one of the two files, not both")
	}
	return o, nil
}

// readExplain reads what is not in the input.
func readExplain(c *cli.Context, o *inspectOptions) (err error) {
	x := &o.explain
	x.Secure, x.Extensions = c.Bool("secure"), c.String("extensions")
	if x.Payload = c.Int("payload"); x.Payload < 0 || x.Payload > 1<<16 {
		return usagef("--payload: %d is not from 0 to %d", x.Payload, 1<<16)
	}
	if x.Payload == 0 {
		x.Payload = -1
	}
	if name := c.String("version"); name != "" {
		if x.Version, err = wire.ParseVersion(name); err != nil {
			return usagef("--version: %w", err)
		}
	}
	if digits := c.String("mask-key"); digits != "" {
		if x.MaskKey, err = hex.DecodeString(digits); err != nil || len(x.MaskKey) != 20 {
			return usagef("--mask-key: %q is not 20 bytes in hexadecimal", digits)
		}
	}
	if c.IsSet("max-message") {
		x.Limit, err = sizeFlag(c, "max-message")
	}
	return err
}

// readFilters reads what is to be shown.
func readFilters(c *cli.Context, o *inspectOptions) error {
	var err error
	if o.streams, err = streamsOf(c); err != nil {
		return err
	}
	if !c.IsSet("only") {
		return nil
	}
	o.only = map[string]bool{}
	for word := range strings.SplitSeq(c.String("only"), ",") {
		word = strings.TrimSpace(word)
		known := word == brokenWord
		var words []string
		for _, w := range onlyWords {
			known = known || w.word == word
			words = append(words, w.word)
		}
		if !known {
			return usagef("--only: %q is not one of %s, %s", word, strings.Join(words, ", "), brokenWord)
		}
		o.only[word] = true
	}
	return nil
}

// streamsOf reads the numbers of --stream.
func streamsOf(c *cli.Context) (streams []int, err error) {
	for _, s := range c.StringSlice("stream") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return nil, usagef("--stream: %q is not a number from 1 on", s)
		}
		streams = append(streams, n)
	}
	return streams, nil
}

// readOutput reads the form of the output.
func readOutput(c *cli.Context, o *inspectOptions) error {
	var asked []string
	o.as = c.String("write")
	if o.as != "text" {
		asked = append(asked, "--write "+o.as)
	}
	for _, name := range []string{"json", "html"} {
		if c.Bool(name) {
			asked, o.as = append(asked, "--"+name), name
		}
	}
	if len(asked) > 1 {
		return usagef("%s exclude each other", strings.Join(asked, " and "))
	}
	switch o.as {
	case "hex", "vectors", "pcap":
		if o.redact {
			return usagef("--redact does not go with --write %s, which writes the bytes as they are", o.as)
		}
		if o.only != nil {
			return usagef("--only does not go with --write %s, which writes whole connections", o.as)
		}
	}
	if c.IsSet("width") && o.width < 40 {
		return usagef("--width: %d is below 40", o.width)
	}
	return nil
}

// wants reports whether --only lets an event through.
func (o *inspectOptions) wants(e *inspect.Event) bool {
	if o.only == nil || e.Kind == inspect.KindConnection {
		return true
	}
	if o.only[brokenWord] && (e.Kind == inspect.KindFault || len(e.Broken()) > 0) {
		return true
	}
	for _, w := range onlyWords {
		if o.only[w.word] && slices.Contains(w.kinds, e.Kind) {
			return true
		}
	}
	return false
}

// wantsStream reports whether --stream lets a connection through.
func (o *inspectOptions) wantsStream(n int) bool {
	return o.streams == nil || slices.Contains(o.streams, n)
}

// countOf returns a number of things: "1 connection", "3 connections".
func countOf(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
