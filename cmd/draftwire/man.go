package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/draftwire/draftwire/wire"
	"github.com/urfave/cli/v2"
)

// roff escapes text for a manual page.
var roff = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, `"`, `\(dq`, "`", `\(ga`, `^`, `\(ha`, `~`, `\(ti`)

// roffText escapes a paragraph; a line must not begin like a request.
func roffText(s string) string {
	lines := strings.Split(roff.Replace(s), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n.PP\n")
}

// writeMan writes the manual page. That of package cli has neither examples nor exit
// codes.
func writeMan(w io.Writer, app *cli.App) {
	fmt.Fprintf(w, ".TH DRAFTWIRE 1 \"\" \"%s\" \"User Commands\"\n", roff.Replace("draftwire "+readBuild().Version))
	fmt.Fprintf(w, ".SH NAME\ndraftwire \\- %s\n", roffText(app.Usage))
	fmt.Fprint(w, ".SH SYNOPSIS\n.B draftwire\n.I COMMAND\n[flags] [arguments]\n")
	fmt.Fprint(w, ".SH EXAMPLES\n")
	writeManExamples(w, exampleText(appExamples))
	fmt.Fprint(w, ".SH COMMANDS\nFlags may stand before or after arguments. \\fB\\-\\-\\fR ends them.\n")
	for _, c := range app.Commands {
		fmt.Fprintf(w, ".SS %s\n%s.\n", roff.Replace(strings.TrimSpace(c.Name+" [flags] "+c.ArgsUsage)), roffText(c.Usage))
		if c.Description != "" {
			fmt.Fprintf(w, ".PP\n%s\n", roffText(c.Description))
		}
		if c.UsageText != "" {
			fmt.Fprint(w, ".PP\nExamples:\n")
			writeManExamples(w, c.UsageText)
		}
		fmt.Fprint(w, ".PP\nFlags:\n")
		for _, d := range docs(c.Flags) {
			writeManFlag(w, d)
		}
	}
	fmt.Fprint(w, ".SH TOLERANCES\nKnown faults that \\fB\\-\\-tolerate\\fR accepts.\n")
	for _, i := range wire.ToleranceTable() {
		fmt.Fprintf(w, ".TP\n.B %s\n%s\n", roff.Replace(i.Name), roffText(toleranceText(i)))
	}
	fmt.Fprint(w, ".SH EXIT STATUS\n")
	for _, e := range exitCodes {
		fmt.Fprintf(w, ".TP\n.B %d\n%s\n", e.code, roffText(e.text))
	}
	fmt.Fprint(w, ".SH ENVIRONMENT\nEach flag can be set by a variable, DRAFTWIRE_ and its name in capitals with _ for \\-, "+
		"for example DRAFTWIRE_LOG_LEVEL. The command line wins over it.\n"+
		".TP\n.B NO_COLOR\nno colours in the log\n")
}

func writeManExamples(w io.Writer, text string) {
	fmt.Fprint(w, ".PP\n.nf\n.RS\n")
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		fmt.Fprintf(w, "\\&%s\n", roff.Replace(strings.TrimPrefix(line, "  ")))
	}
	fmt.Fprint(w, ".RE\n.fi\n")
}

func writeManFlag(w io.Writer, d flagDoc) {
	var names []string
	for _, n := range d.spellings() {
		names = append(names, `\fB`+roff.Replace(n)+`\fR`)
	}
	head := strings.Join(names, ", ")
	if d.value != "" {
		head += ` \fI` + roff.Replace(shortValue(d.value)) + `\fR`
	}
	text := d.usage
	if d.many {
		text += "; may be repeated"
	}
	if d.def != "" {
		text += " (default " + d.def + ")"
	}
	fmt.Fprintf(w, ".TP\n%s\n%s\n", head, roffText(text))
}

func (p *program) manCommand() command {
	return command{
		name: "man", usage: "print the manual page",
		examples: []example{
			{"draftwire man | man -l -", "read it"},
			{"draftwire man > /usr/local/share/man/man1/draftwire.1", "install it"},
		},
		run: func(c *cli.Context) error {
			var b strings.Builder
			writeMan(&b, c.App)
			_, err := io.WriteString(p.out, b.String())
			return err
		},
	}
}
