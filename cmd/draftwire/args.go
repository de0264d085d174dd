package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// reorder brings the flags of a command before its arguments. Package cli
// stops at the first argument and would silently take every flag after it for
// an argument. Flags also get their long name, so that -x and --execute may
// stand in one line. What follows "--" stays as it is.
func reorder(app *cli.App, args []string) []string {
	at := 1
	for at < len(args) && strings.HasPrefix(args[at], "-") {
		at++ // the program's own flags take no values
	}
	if at >= len(args) {
		return args
	}
	cmd := app.Command(args[at])
	if cmd == nil {
		return args
	}
	flags, rest := splitFlags(cmd.Flags, args[at+1:])
	if slices.Contains(flags, "--help") { // package cli would take an argument for a command whose help is wanted
		rest = nil
	}
	out := append([]string(nil), args[:at+1]...)
	out = append(out, flags...)
	if len(rest) > 0 {
		out = append(append(out, "--"), rest...)
	}
	return out
}

// splitFlags separates the flags, each in one word with its value, from the other
// arguments.
func splitFlags(known []cli.Flag, args []string) (flags, rest []string) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return flags, append(rest, args[i+1:]...)
		}
		if len(arg) < 2 || arg[0] != '-' {
			rest = append(rest, arg)
			continue
		}
		name, value, hasValue := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		f := findFlag(known, name)
		if f == nil {
			flags = append(flags, arg) // cli says that it is unknown
			continue
		}
		name = f.Names()[0]
		if !hasValue && takesValue(f) && i+1 < len(args) {
			i++
			value, hasValue = args[i], true
		}
		if hasValue {
			name += "=" + value
		}
		flags = append(flags, "--"+name)
	}
	return flags, rest
}

func findFlag(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		for _, n := range f.Names() {
			if n == name {
				return f
			}
		}
	}
	return nil
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}
