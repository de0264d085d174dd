package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/draftwire/draftwire/browsers"
	"github.com/draftwire/draftwire/explain"
	"github.com/draftwire/draftwire/inspect/input"
	"github.com/urfave/cli/v2"
)

// explainOptions are what the explain command needs to know.
type explainOptions struct {
	in   inspectOptions
	with explain.Options
	all  bool
	json bool
}

func (p *program) explainCommand() command {
	return command{
		name: "explain", usage: "say why a handshake or a connection has failed", args: "FILE|- [FILE]", least: 1, most: 2,
		about: "Reads what 'draftwire inspect' reads, a log of the gateway or of 'draftwire serve', or what a browser has written to its console, and says of each connection why it failed: " +
			"the first rule that was broken and its section, what has probably broken it (device, proxy, TLS, configuration, backend, network), the setting that mends or admits it, and how sure that is: " +
			"certain follows from the bytes, probable is what usually stands behind them, possible is one of several things.\n" +
			"--as judges the answer as a browser does: " + strings.Join(browserNames(), ", ") + ".\n" +
			"Connections of which nothing can be told are left out where others are there, and of those that fail in the same way the first is shown, unless --all is given.",
		examples: []example{
			{"draftwire explain capture.pcapng", "each connection of a capture"},
			{"pbpaste | draftwire explain -", "a head, a dump or a line of a log from the clipboard"},
			{"draftwire explain --as safari5.1 --secure answer.txt", "would Safari 5.1 open wss with this answer?"},
			{"journalctl -u draftwire -n 200 | draftwire explain -", "what was refused lately, and what would admit it"},
			{"draftwire explain --json report.txt | jq -r .cause", "for scripts"},
		},
		flags: explainFlags(),
		run: func(c *cli.Context) error {
			if _, err := p.logger(c); err != nil {
				return err // its flags are wrong
			}
			o, err := explainOptionsOf(c)
			if err != nil {
				return err
			}
			return runExplain(c.Context, o, p.stdio, p.signals)
		},
	}
}

// browserNames are the names that --as knows; others mean one of them.
func browserNames() (names []string) {
	for _, b := range browsers.All() {
		names = append(names, b.Name)
	}
	return names
}

func explainFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "as", DefaultText: "found", Usage: "judge the answer as the browser `NAME` does"},
		&cli.BoolFlag{Name: "secure", Usage: "the client's URL was wss, though there is no TLS in the input"},
		&cli.StringFlag{Name: "format", Value: "auto", Usage: "the input is in the format `NAME`: " + strings.Join(formatWords(), ", ")},
		&cli.StringFlag{Name: "from", Value: "auto", Usage: "who has sent what does not say it: `auto|client|server`"},
		&cli.StringSliceFlag{Name: "keylog", DefaultText: "none", Usage: "open TLS with the keys in `FILE`, as browsers write them for SSLKEYLOGFILE"},
		&cli.StringSliceFlag{Name: "rsa-key", DefaultText: "none", Usage: "open TLS of old devices with the server's private key in `FILE`"},
		&cli.StringSliceFlag{Name: "stream", DefaultText: "all", Usage: "explain the connection with the number `N`"},
		&cli.BoolFlag{Name: "all", Usage: "show connections and lines too of which nothing can be told, that work, or that fail as others do"},
		&cli.BoolFlag{Name: "json", Usage: "print a line of JSON for each explanation"},
	}
}

// explainOptionsOf reads the flags; what is wrong with them is a usage error.
func explainOptionsOf(c *cli.Context) (o explainOptions, err error) {
	o.in = inspectOptions{files: c.Args().Slice(), keyLogs: c.StringSlice("keylog"), rsaKeys: c.StringSlice("rsa-key"), quiet: c.Bool("quiet"), format: c.String("format")}
	o.all, o.json, o.with.Secure = c.Bool("all"), c.Bool("json"), c.Bool("secure")
	if !slices.Contains(formatWords(), o.in.format) {
		return o, usagef("--format: %q is not one of %s", o.in.format, strings.Join(formatWords(), ", "))
	}
	if o.in.format == "auto" {
		o.in.format = ""
	}
	o.in.from = map[string]input.Side{"client": input.Client, "server": input.Server}[c.String("from")]
	if name := c.String("as"); name != "" {
		b, err := browsers.Find(name)
		if err != nil {
			return o, usagef("--as: %q is none of %s", name, strings.Join(browserNames(), ", "))
		}
		o.with.As = &b
	}
	if o.in.streams, err = streamsOf(c); err != nil {
		return o, err
	}
	if len(o.in.files) == 2 && o.in.files[0] == "-" && o.in.files[1] == "-" {
		return o, usagef("stdin can be one of the two files, not both")
	}
	return o, nil
}

// explaining is a run of the explain command.
type explaining struct {
	o     explainOptions
	std   stdio
	out   *bufio.Writer
	err   error
	held  []explained // of which nothing can be told
	left  int         // of them, those that are not held
	fails int
	total int
	alike []*alike // in their order
	byKey map[string]*alike
}

// alike are explanations that say the same.
type alike struct {
	first string // of which it is
	cause string
	more  int
}

// explained is an explanation, and the line of the input that it is of.
type explained struct {
	Line int `json:"line,omitempty"`
	*explain.Explanation
}

// runExplain explains an input.
func runExplain(ctx context.Context, o explainOptions, std stdio, signals <-chan os.Signal) error {
	ctx, stop := interruptible(ctx, signals)
	defer stop()
	e := &explaining{o: o, std: std, out: bufio.NewWriterSize(std.out, 64<<10)}
	r := &inspection{o: o.in, std: std, out: e.out, name: "explain", text: e.text}
	r.sink = explain.New(o.with, func(x *explain.Explanation) { e.tell(explained{0, x}) })
	err := r.run(ctx)
	if context.Cause(ctx) == errInterrupted {
		e.out.Flush()
		return &exitError{code: exitInterrupted}
	}
	if err == nil {
		err = e.finish()
	}
	if err2 := e.out.Flush(); err2 != nil && (err == nil || asExit(err).code == exitExplained) {
		err = err2
	}
	return err
}

// heldExplanations is how many explanations are kept back that tell nothing.
const heldExplanations = 100

// tell takes an explanation.
func (e *explaining) tell(x explained) {
	e.total++
	if x.Result == explain.Fails {
		e.fails++
	}
	quiet := x.Result == explain.Unclear || x.Result == explain.Works && x.Line > 0
	switch {
	case e.o.all:
		e.write(x)
	case !quiet && e.said(x):
	case !quiet:
		e.write(x)
	case len(e.held) < heldExplanations:
		e.held = append(e.held, x)
	default:
		e.left++
	}
}

// saidMost is how many explanations are compared with others.
const saidMost = 1000

// said reports whether the same was written of another line or connection: it counts them.
func (e *explaining) said(x explained) bool {
	if e.o.json || x.Result != explain.Fails {
		return false
	}
	key := x.Cause + "\n" + x.Draft + "\n" + x.Says
	if a := e.byKey[key]; a != nil {
		a.more++
		return true
	}
	if e.byKey == nil {
		e.byKey = map[string]*alike{}
	}
	if len(e.alike) < saidMost {
		a := &alike{first: nameOf(x), cause: x.Cause}
		e.alike, e.byKey[key] = append(e.alike, a), a
	}
	return false
}

// nameOf is what an explanation is of.
func nameOf(x explained) string {
	if x.Line > 0 {
		return fmt.Sprintf("line %d", x.Line)
	}
	return fmt.Sprintf("connection %d", x.Conn)
}

// write writes an explanation.
func (e *explaining) write(x explained) {
	if e.err != nil {
		return
	}
	if !e.o.json {
		_, e.err = io.WriteString(e.out, explainText(x))
		return
	}
	line, err := json.Marshal(x)
	if err == nil {
		_, err = e.out.Write(append(visibleJSON(line), '\n'))
	}
	e.err = err
}

// finish writes what is left, and finds the exit code.
func (e *explaining) finish() error {
	unclear := 0
	for _, x := range e.held {
		if x.Result == explain.Unclear {
			unclear++
		}
	}
	for _, a := range e.alike {
		if a.more > 0 && e.err == nil {
			_, e.err = fmt.Fprintf(e.out, "%d more are as %s: %s\n", a.more, a.first, a.cause)
		}
	}
	shown := e.total - len(e.held) - e.left
	if shown == 0 {
		for _, x := range e.held {
			e.write(x)
		}
	} else if n := len(e.held) + e.left; n > 0 && !e.o.in.quiet {
		fmt.Fprintf(e.std.err, "draftwire explain: %d others of which nothing can be told, or that work, are left out; --all shows them\n", n)
	}
	switch {
	case e.err != nil:
		return e.err
	case e.total == 0:
		return exitf(exitFailure, "there is no connection in it")
	case e.fails > 0:
		return &exitError{code: exitExplained}
	case shown == 0 && unclear > 0:
		return &exitError{code: exitUnclear}
	}
	return nil
}

// messageLines is how many lines a message of a browser has at most, with what stands around it.
const messageLines = 50

// text reads lines of a log, or a message of a browser; false: it is neither.
func (e *explaining) text(p []byte) (bool, error) {
	lines := bytes.Split(p, []byte("\n"))
	logged := 0
	for i, line := range lines {
		if x, ok := explain.Line(string(line)); ok {
			logged++
			e.tell(explained{i + 1, x})
		} else if logged == 0 && len(bytes.TrimSpace(line)) > 0 && i >= messageLines {
			break // a log does not begin so late
		}
	}
	if logged == 0 && !bytes.Contains(p, []byte("HTTP/1.")) && len(lines) <= messageLines {
		for i, line := range lines {
			if x, ok := explain.Message(string(line)); ok {
				logged++
				e.tell(explained{i + 1, x})
			}
		}
	}
	if logged > 0 && e.o.with.As != nil {
		return true, usagef("--as is for connections, and this is a text about them")
	}
	return logged > 0, nil
}

// explainText is an explanation for people.
func explainText(x explained) string {
	var s sheet
	what := nameOf(x)
	if x.Client != "" && x.Server != "" {
		what += ", " + visible(x.Client) + " to " + visible(x.Server)
	}
	s.line("%s: %s", strings.Join(nonEmpty(what, visible(x.Draft)), ", "), strings.TrimSpace(string(x.Result)+" "+x.Cause))
	const column = 12
	row := func(name, text string) {
		if text != "" {
			s.line("  %-*s%s", column-2, name, wrap(visible(text), column))
		}
	}
	row("what", x.Says)
	rule := x.Rule
	if !strings.Contains(rule, "("+x.Section+")") {
		rule = strings.TrimSpace(rule + " " + bracketed(x.Section))
	}
	row("rule", rule)
	for _, v := range x.Evidence {
		mark := map[string]string{"client": "> ", "server": "< "}[v.From]
		if mark != "" {
			mark += fmt.Sprint(v.Offset, " ")
		}
		s.line("  %-*s%s%s", column-2, "seen", mark, visible(v.Text))
	}
	if x.Result == explain.Fails {
		row("sure", x.Sure.String())
		row("look at", strings.TrimSpace(cmp.Or(string(x.Culprit), "nothing tells")+" "+bracketed(sureOf(x))))
		row("known of", x.Who)
	}
	for _, c := range x.Cures {
		row("mend", strings.Join(nonEmpty(c.Where, c.Set), ": "))
		row("", c.Says)
	}
	row("browsers", verdictsText(x.Browsers))
	for _, also := range x.Also {
		row("also", also)
	}
	s.WriteByte('\n')
	return s.String()
}

// sureOf says how sure the culprit is.
func sureOf(x explained) string {
	if x.Culprit == "" {
		return ""
	}
	return x.CulpritSure.String()
}

func bracketed(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}

// verdictsText says which browsers would open.
func verdictsText(all []browsers.Verdict) string {
	var order []string
	names := map[string][]string{}
	for i := range all {
		v := &all[i]
		what := v.Outcome.String()
		if v.Outcome != browsers.Opens {
			what += " with " + v.Rule
		}
		if names[what] == nil {
			order = append(order, what)
		}
		names[what] = append(names[what], v.Browser)
	}
	for i, what := range order {
		order[i] = what + " in " + strings.Join(names[what], ", ")
	}
	return strings.Join(order, "; ")
}
