package main

import (
	"fmt"
	"regexp"

	"github.com/draftwire/draftwire/internal/suggest"
	"github.com/urfave/cli/v2"
)

// What package cli, and package flag below it, find wrong with flags.
var (
	undefinedFlag = regexp.MustCompile(`^flag provided but not defined: -+(.*)$`)
	missingValue  = regexp.MustCompile(`^flag needs an argument: -+(.+)$`)
	wrongValue    = regexp.MustCompile(`^invalid (?:boolean )?value (".*") for (?:flag )?-+([a-z0-9-]+): `)
	wrongVariable = regexp.MustCompile(`^could not parse (".*") as \w+ value from environment variable "(\w+)" for flag ([a-z0-9-]+): `)
)

// flagFault says such a fault in the words of this program.
func flagFault(text string, flags []cli.Flag) string {
	if m := undefinedFlag.FindStringSubmatch(text); m != nil {
		text = "unknown flag --" + m[1]
		if len(m[1]) == 1 {
			return "unknown flag -" + m[1]
		}
		var names []string
		for _, f := range flags {
			names = append(names, f.Names()[0])
		}
		if best := suggest.Nearest(m[1], names); best != "" {
			text += " (did you mean --" + best + "?)"
		}
		return text
	}
	if m := missingValue.FindStringSubmatch(text); m != nil {
		return "--" + m[1] + " needs a value"
	}
	if m := wrongValue.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("--%s: %s is not %s", m[2], m[1], kindOf(findFlag(flags, m[2])))
	}
	if m := wrongVariable.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("%s: %s is not %s", m[2], m[1], kindOf(findFlag(flags, m[3])))
	}
	return text
}

// kindOf is what the value of a flag has to be.
func kindOf(f cli.Flag) string {
	switch f.(type) {
	case *cli.BoolFlag:
		return "true or false"
	case *cli.IntFlag:
		return "a whole number"
	case *cli.DurationFlag:
		return "a time like 500ms, 30s or 2m"
	}
	return "a value for it"
}
