package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/draftwire/draftwire/internal/suggest"
	"github.com/sirupsen/logrus"
	"github.com/urfave/cli/v2"
)

// program is one run. Commands turn the flags into a typed struct of options
// and hand that to a function that knows nothing of package cli.
type program struct {
	stdio
	args     []string
	signals  <-chan os.Signal
	command  string // the command that runs, for usage errors
	notFound error
}

// command describes a command; all that package cli needs follows from it.
type command struct {
	name, usage string
	args        string // of the usage line; "" for none
	least, most int    // number of arguments
	about       string
	examples    []example
	flags       []cli.Flag
	run         func(*cli.Context) error
}

type example struct{ line, why string }

func (p *program) commands() []command {
	return []command{
		p.serveCommand(), p.gatewayCommand(), p.clientCommand(), p.probeCommand(), p.benchCommand(), p.statusCommand(), p.drainCommand(),
		p.reloadCommand(), p.upgradeCommand(), p.fleetCommand(), p.traceCommand(), p.inspectCommand(), p.explainCommand(), p.recordCommand(), p.replayCommand(), p.reportCommand(), p.configCommand(), p.certCommand(), p.versionsCommand(), p.draftsCommand(),
		p.completionCommand(), p.manCommand(), p.versionCommand(), p.helpCommand(),
	}
}

// app builds the application. EnableBashCompletion stays off: with it the tab
// key would run commands.
func (p *program) app() *cli.App {
	app := &cli.App{
		Name:      "draftwire",
		HelpName:  "draftwire",
		Usage:     "WebSocket in every version, from hixie-75 of 2010 to RFC 6455, on one port",
		HideHelp:  true,
		Writer:    p.out,
		ErrWriter: p.err,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show this help"},
			&cli.BoolFlag{Name: "version", Usage: "print the program's version"},
		},
		HideVersion:               true,
		DisableSliceFlagSeparator: true, // a comma in -H belongs to the header
		OnUsageError:              p.usageError,
		ExitErrHandler:            func(*cli.Context, error) {}, // run reports and chooses the code
	}
	app.CommandNotFound = func(c *cli.Context, name string) {
		p.command = ""
		p.notFound = unknownCommand(app, name)
	}
	app.Action = func(c *cli.Context) error {
		switch {
		case c.Bool("version"):
			return writeBuild(p.out, buildOptions{})
		case c.Args().Present():
			app.CommandNotFound(c, c.Args().First())
			return nil
		}
		return usagef("no command is given; the commands are %s", strings.Join(commandNames(app), ", "))
	}
	for _, c := range p.commands() {
		app.Commands = append(app.Commands, p.build(c))
	}
	app.CustomAppHelpTemplate = asTemplate(appHelp(app))
	return app
}

// build makes the command of package cli.
func (p *program) build(c command) *cli.Command {
	cmd := &cli.Command{
		Name: c.name, Usage: c.usage, ArgsUsage: c.args, Description: c.about,
		Flags:    withEnv(append(c.flags, common(c.flags)...)),
		HideHelp: true, HideHelpCommand: true, // "help" may be an argument of a command
		OnUsageError: p.usageError,
	}
	cmd.UsageText = exampleText(c.examples) // the man page looks for it here
	cmd.CustomHelpTemplate = asTemplate(commandHelp(cmd))
	cmd.Before = func(*cli.Context) error {
		p.command = c.name
		return nil
	}
	cmd.Action = func(ctx *cli.Context) error {
		switch n := ctx.NArg(); {
		case n < c.least:
			return usagef("argument %s is missing", c.args)
		case n > c.most:
			return usagef("unexpected argument %q", ctx.Args().Get(c.most))
		}
		if err := checkWords(ctx, cmd.Flags); err != nil {
			return err
		}
		return c.run(ctx)
	}
	return cmd
}

// usageError turns what package cli found wrong with the flags into one line.
// Package cli itself would print the whole help on stdout.
func (p *program) usageError(c *cli.Context, err error, _ bool) error {
	p.command = ""
	flags := c.App.Flags
	if c.Command != nil && c.Command.Name != c.App.Name {
		p.command, flags = c.Command.Name, c.Command.Flags
	}
	return usagef("%s", flagFault(err.Error(), flags))
}

func unknownCommand(app *cli.App, name string) error {
	text := fmt.Sprintf("unknown command %q", name)
	if best := suggest.Nearest(name, commandNames(app)); best != "" {
		text += fmt.Sprintf(" (did you mean %q?)", best)
	}
	return usagef("%s", text)
}

func commandNames(app *cli.App) []string {
	var names []string
	for _, c := range app.Commands {
		names = append(names, c.Name)
	}
	return names
}

// logger builds the log that the common flags ask for.
func (p *program) logger(c *cli.Context) (*logrus.Logger, error) {
	return newLogger(p.err, logOptions{
		level: c.String("log-level"), format: c.String("log-format"),
		quiet: c.Bool("quiet"), verbose: c.Bool("verbose"),
	})
}
