package main

import (
	"io"

	"github.com/draftwire/draftwire/gateway"
	"github.com/urfave/cli/v2"
)

func (p *program) configCommand() command {
	return command{
		name: "config", usage: "write, check or print a gateway's configuration", args: "init|check|print [FILE]", least: 1, most: 2,
		about: "init writes a configuration with comments, to stdout. check says all that is wrong with FILE, with lines, and exits " +
			"with 2. print shows FILE, or none, with all defaults. FILE is gateway.yaml if it is not given, and - is stdin.",
		examples: []example{
			{"draftwire config init > gateway.yaml", "to begin with"},
			{"draftwire config check gateway.yaml", "before a reload"},
			{"draftwire config print gateway.yaml", "what holds"},
		},
		run: func(c *cli.Context) error {
			file := c.Args().Get(1)
			if file == "" {
				file = "gateway.yaml"
			}
			return p.config(c.Args().First(), file)
		},
	}
}

func (p *program) config(what, file string) error {
	if what == "init" {
		_, err := io.WriteString(p.out, gateway.Example)
		return err
	}
	if what != "check" && what != "print" {
		return usagef("%q is none of init, check, print", what)
	}
	var cfg *gateway.Config
	var err error
	if file == "-" {
		if cfg, err = gateway.Load(p.in); err != nil {
			err = usagef("%w", err)
		}
	} else {
		cfg, err = loadConfig(file)
	}
	if err != nil || what == "check" {
		return err
	}
	return cfg.Print(p.out)
}
