package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/draftwire/draftwire/gateway"
	"github.com/urfave/cli/v2"
)

func (p *program) configCommand() command {
	return command{
		name: "config", usage: "write, check or print a gateway's configuration", args: "init|check|print|schema [FILE]", least: 1, most: 2,
		about: "init writes a configuration with comments, to stdout. check says all that is wrong with FILE, with lines, and with the files that it names, and exits " +
			"with 2. print shows FILE with all defaults. schema writes the JSON Schema of configurations, for editors. FILE is gateway.yaml if it is not given, and - is stdin.",
		examples: []example{
			{"draftwire config init > gateway.yaml", "to begin with"},
			{"draftwire config check gateway.yaml", "before a reload"},
			{"draftwire config check --no-files gateway.yaml", "on another machine"},
			{"draftwire config print gateway.yaml", "the effective configuration"},
			{"draftwire config schema > gateway.schema.json", "for an editor"},
		},
		flags: []cli.Flag{&cli.BoolFlag{Name: "no-files", Usage: "check: leave out the files that FILE names, as certificates"}},
		run: func(c *cli.Context) error {
			file := c.Args().Get(1)
			if file == "" {
				file = "gateway.yaml"
			}
			if what := c.Args().First(); c.Args().Len() > 1 && (what == "init" || what == "schema") {
				return usagef("%s writes to stdout: draftwire config %s >%s", what, what, file)
			}
			return p.config(c.Args().First(), file, c.Bool("no-files"))
		},
	}
}

func (p *program) config(what, file string, noFiles bool) error {
	switch what {
	case "init":
		_, err := io.WriteString(p.out, gateway.Example)
		return err
	case "schema":
		_, err := io.WriteString(p.out, gateway.Schema)
		return err
	case "check", "print":
	default:
		return usagef("%q is not one of init, check, print, schema", what)
	}
	r := io.NopCloser(p.in)
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return configf("%w", err)
		}
		r = f
	}
	defer r.Close()
	cfg, err := gateway.Load(r)
	if what == "print" && err == nil {
		return cfg.Print(p.out)
	}
	if what == "check" && cfg != nil && !noFiles {
		err = errors.Join(err, cfg.CheckFiles())
	}
	return p.faults(file, err)
}

// faults says what is wrong with a file, each fault in a line of its own.
func (p *program) faults(file string, err error) error {
	if err == nil {
		return nil
	}
	lines := strings.Split(err.Error(), "\n")
	slices.SortStableFunc(lines, func(a, b string) int { return cmp.Compare(lineOf(a), lineOf(b)) })
	for _, line := range lines {
		fmt.Fprintf(p.err, "%s: %s\n", file, visible(strings.TrimPrefix(line, "draftwire: ")))
	}
	return &exitError{code: exitUsage}
}

// lineOf is the line that a fault begins with, 0 if it has none.
func lineOf(fault string) (n int) {
	fmt.Sscanf(fault, "line %d:", &n)
	return n
}
