package main

import (
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// common are the flags that every command has: cli/v2 has no flags that are
// passed down. They are made anew for each command, as cli writes into them. A
// command may use -q for itself, as tools of its trade do.
func common(own []cli.Flag) []cli.Flag {
	quiet := &cli.BoolFlag{Name: "quiet", Usage: "say only errors"}
	if findFlag(own, "q") == nil {
		quiet.Aliases = []string{"q"}
	}
	return []cli.Flag{
		&cli.StringFlag{Name: "log-level", Value: "info", Usage: "say on stderr what is at least `error|warn|info|debug|trace`"},
		&cli.StringFlag{Name: "log-format", Value: "auto", Usage: "`auto|text|json`; auto is text on a terminal and JSON else"},
		quiet,
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "say more"},
		&cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show this help"},
	}
}

// envName is the environment variable of a flag.
func envName(flag string) string {
	return "DRAFTWIRE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// withEnv gives each flag its environment variable, and keeps the space around
// the values of lists: cli would take it off a message.
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
		case *cli.DurationFlag:
			f.EnvVars = []string{envName(f.Name)}
		}
	}
	return flags
}

// flagDoc is what help, man page and completion say of a flag.
type flagDoc struct {
	name, short string
	value       string // what stands for its value; "" for a bool
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

// quotedWord takes the word in backquotes out of a usage text.
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

// timeFlag reads a flag that holds a time; the library would take 0 for its
// default.
func timeFlag(c *cli.Context, name string) (time.Duration, error) {
	d := c.Duration(name)
	if d <= 0 {
		return 0, usagef("--%s: %s is not above 0", name, d)
	}
	return d, nil
}
