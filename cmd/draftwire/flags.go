package main

import (
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// common are the flags that every command has: cli/v2 has no flags that are
// passed down. They are made anew for each command, as cli writes into them. A
// command may use -q for itself, as other tools of its kind do.
func common(own []cli.Flag) []cli.Flag {
	quiet := &cli.BoolFlag{Name: "quiet", Usage: "log only errors"}
	if findFlag(own, "q") == nil {
		quiet.Aliases = []string{"q"}
	}
	return []cli.Flag{
		&cli.StringFlag{Name: "log-level", Value: "info", Usage: "log to stderr what is at least `error|warn|info|debug|trace`"},
		&cli.StringFlag{Name: "log-format", Value: "auto", Usage: "`auto|text|json`; auto is text on a terminal, otherwise JSON"},
		quiet,
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "log more"},
		&cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show this help"},
	}
}

// envName is the environment variable of a flag.
func envName(flag string) string {
	return "DRAFTWIRE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// withEnv gives each flag its environment variable, and keeps the space around
// the values of lists: cli would trim messages.
func withEnv(flags []cli.Flag) []cli.Flag {
	for _, f := range flags {
		switch f := f.(type) {
		case *cli.StringFlag:
			f.EnvVars = []string{envName(f.Name)}
		case *cli.StringSliceFlag:
			f.KeepSpace = true
			f.EnvVars = []string{envName(f.Name)}
		case *cli.BoolFlag:
			if f.Name != "help" {
				f.EnvVars = []string{envName(f.Name)}
			}
		case *cli.IntFlag:
			f.EnvVars = []string{envName(f.Name)}
		case *cli.Float64Flag:
			f.EnvVars = []string{envName(f.Name)}
		case *cli.DurationFlag:
			f.EnvVars = []string{envName(f.Name)}
		}
	}
	return flags
}

// flagDoc is what help, man page and completion say about a flag.
type flagDoc struct {
	name, short string
	value       string // the name of its value; "" for a bool
	usage, def  string
	env         string
	many        bool
}

// choices are the words of a value like "auto|text|json".
func (d flagDoc) choices() []string { return choicesOf(d.value) }

func choicesOf(value string) []string {
	switch {
	case value == "VERSION" || value == "VERSIONS":
		return versionWords(value == "VERSIONS")
	case value == "DEVICE":
		return deviceNames()
	case strings.Contains(value, "|"):
		return strings.Split(value, "|")
	}
	return nil
}

// docs describes the flags of a command.
func docs(flags []cli.Flag) []flagDoc {
	var out []flagDoc
	for _, f := range flags {
		g, ok := f.(cli.DocGenerationFlag)
		if !ok {
			continue
		}
		d := flagDoc{name: f.Names()[0]}
		for _, n := range f.Names()[1:] {
			if len(n) == 1 {
				d.short = n
			}
		}
		d.value, d.usage = quotedWord(g.GetUsage())
		if !g.TakesValue() {
			d.value = ""
		} else {
			d.def = strings.Trim(g.GetDefaultText(), `"`)
			if d.value == "" {
				d.value = "VALUE"
			}
		}
		if env := g.GetEnvVars(); len(env) > 0 {
			d.env = env[0]
		}
		_, d.many = f.(*cli.StringSliceFlag)
		out = append(out, d)
	}
	return out
}

// quotedWord finds the word in backquotes in a usage text.
func quotedWord(usage string) (word, text string) {
	before, rest, ok := strings.Cut(usage, "`")
	if !ok {
		return "", usage
	}
	word, after, _ := strings.Cut(rest, "`")
	return word, before + word + after
}

// sizeFlag reads a flag that holds a size.
func sizeFlag(c *cli.Context, name string) (int64, error) {
	n, err := parseSize(c.String(name))
	if err != nil {
		return 0, usagef("--%s: %w", name, err)
	}
	return n, nil
}

// timeFlag reads a flag that holds a time above 0, which to the library is its default.
func timeFlag(c *cli.Context, name string) (time.Duration, error) {
	d := c.Duration(name)
	if d <= 0 {
		return 0, usagef("--%s: %s is not above 0", name, d)
	}
	return d, nil
}

// checkWords checks the flags whose value is one of some words.
func checkWords(c *cli.Context, flags []cli.Flag) error {
	for _, d := range docs(flags) {
		if !strings.Contains(d.value, "|") {
			continue
		}
		if value := c.String(d.name); !slices.Contains(d.choices(), value) {
			return usagef("--%s: %q is not one of %s", d.name, value, strings.Join(d.choices(), ", "))
		}
	}
	return nil
}
