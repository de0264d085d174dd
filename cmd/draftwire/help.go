package main

import (
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/wire"
	"github.com/urfave/cli/v2"
)

// exampleText writes examples as they stand in help.
func exampleText(examples []example) string {
	var b strings.Builder
	for _, e := range examples {
		fmt.Fprintf(&b, "  # %s\n  %s\n", e.why, e.line)
	}
	return b.String()
}

// appExamples are the first things to try.
var appExamples = []example{
	{"draftwire serve", "an echo server; open http://127.0.0.1:8080/ in any browser"},
	{"draftwire client ws://127.0.0.1:8080/", "talk to it; Ctrl-D closes"},
	{"draftwire client --version hixie-76 -x hi ws://127.0.0.1:8080/", "talk to it as an iPad of 2011 would"},
	{"draftwire bench --mix hixie-76=1,rfc6455=3 -z 5s ws://127.0.0.1:8080/", "load it and measure its answers"},
	{"draftwire versions", "which software spoke which version, and when"},
}

// asTemplate makes a finished text into a template for package cli.
func asTemplate(text string) string { return strings.ReplaceAll(text, "{{", `{{"{{"}}`) }

// appHelp is the program's help. Examples come first, for people who just want to start.
func appHelp(app *cli.App) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\nExamples:\n", app.Name, app.Usage)
	b.WriteString(exampleText(appExamples))
	b.WriteString("\nCommands:\n")
	for _, c := range app.Commands {
		fmt.Fprintf(&b, "  %-12s%s\n", c.Name, c.Usage)
	}
	b.WriteString("\n'draftwire COMMAND --help' shows examples and flags of a command. Flags may stand\n" +
		"before or after arguments; each can be set by an environment variable.\n")
	writeExitCodes(&b)
	return b.String()
}

// commandHelp is a command's help.
func commandHelp(c *cli.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "draftwire %s: %s\n", c.Name, c.Usage)
	if c.UsageText != "" {
		fmt.Fprintf(&b, "\nExamples:\n%s", c.UsageText)
	}
	fmt.Fprintf(&b, "\nUsage:\n  %s\n", synopsis(c))
	if c.Description != "" {
		fmt.Fprintf(&b, "\n%s\n", wrap(c.Description, 0))
	}
	b.WriteString("\nFlags:\n")
	for _, d := range docs(c.Flags) {
		writeFlag(&b, d)
	}
	writeTolerances(&b, c)
	switch c.Name {
	case "serve", "gateway", "client", "bench", "status", "drain", "reload", "upgrade", "trace", "inspect", "explain", "report": // the others end with 0, 1 or 2
		writeExitCodes(&b)
	}
	return b.String()
}

func synopsis(c *cli.Command) string {
	return strings.TrimSpace("draftwire " + c.Name + " [flags] " + c.ArgsUsage)
}

const flagColumn = 30

func writeFlag(b *strings.Builder, d flagDoc) {
	left := "      --" + d.name
	if d.short != "" {
		left = "  -" + d.short + ", --" + d.name
	}
	if d.value != "" {
		left += " " + shortValue(d.value)
	}
	if len(left) > flagColumn-2 {
		fmt.Fprintf(b, "%s\n%*s", left, flagColumn, "")
	} else {
		fmt.Fprintf(b, "%-*s", flagColumn, left)
	}
	text := d.usage
	if d.many {
		text += "; may be repeated"
	}
	if d.def != "" {
		text += " (default " + d.def + ")"
	}
	if d.env != "" {
		text += " [" + d.env + "]"
	}
	fmt.Fprintln(b, wrap(text, flagColumn))
}

// shortValue is the name of a value beside the flag; the words to choose from are in
// the text.
func shortValue(v string) string {
	if strings.Contains(v, "|") {
		return "WORD"
	}
	return v
}

// helpWidth is the width of help texts.
const helpWidth = 96

// wrap breaks text into lines; those after the first are indented.
func wrap(text string, indent int) string {
	var b strings.Builder
	for i, para := range strings.Split(text, "\n") {
		if i > 0 {
			b.WriteString("\n" + strings.Repeat(" ", indent))
		}
		at := indent
		for j, word := range strings.Fields(para) {
			switch {
			case j == 0:
			case at+1+len(word) > helpWidth:
				b.WriteString("\n" + strings.Repeat(" ", indent))
				at = indent
			default:
				b.WriteByte(' ')
				at++
			}
			b.WriteString(word)
			at += len(word)
		}
	}
	return b.String()
}

// writeTolerances writes the faults that the flags of a command may name.
func writeTolerances(b *strings.Builder, c *cli.Command) {
	connects := c.Name == "client" || c.Name == "bench"
	for _, f := range c.Flags {
		switch f.Names()[0] {
		case "tolerate":
			writeToleranceList(b, "Tolerances", func(i *wire.ToleranceInfo) bool { return connects && i.Servers || !connects && i.Clients })
		case "tolerate-backend":
			writeToleranceList(b, "Tolerances of backends", func(i *wire.ToleranceInfo) bool { return i.Servers })
		}
	}
}

func writeToleranceList(b *strings.Builder, title string, in func(*wire.ToleranceInfo) bool) {
	fmt.Fprintf(b, "\n%s:\n", title)
	for _, i := range wire.ToleranceTable() {
		if in(&i) {
			fmt.Fprintf(b, "  %-*s%s\n", toleranceColumn-2, i.Name, wrap(toleranceText(i), toleranceColumn))
		}
	}
}

const toleranceColumn = 24

// toleranceText says what a tolerance accepts, and from whom.
func toleranceText(i wire.ToleranceInfo) string {
	return strings.ReplaceAll(i.Accepts+" ("+i.Devices+"; "+i.Section+")", "`", "")
}

func writeExitCodes(b *strings.Builder) {
	b.WriteString("\nExit codes:\n")
	for _, e := range exitCodes {
		fmt.Fprintf(b, "  %-5d%s\n", e.code, e.text)
	}
}

// helpCommand is "draftwire help serve" for "draftwire serve --help".
func (p *program) helpCommand() command {
	return command{
		name: "help", usage: "show the help of the program or of a command", args: "[COMMAND]", most: 1,
		examples: []example{{"draftwire help serve", "the same as draftwire serve --help"}},
		run: func(c *cli.Context) error {
			text := appHelp(c.App)
			if name := c.Args().First(); name != "" {
				cmd := c.App.Command(name)
				if cmd == nil {
					c.App.CommandNotFound(c, name)
					return nil
				}
				text = commandHelp(cmd)
			}
			_, err := fmt.Fprint(p.out, text)
			return err
		},
	}
}
