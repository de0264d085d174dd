package main

import (
	"errors"
	"fmt"
	"strings"
)

// The exit codes. Scripts depend on them: a number never changes its meaning.
const (
	exitDone        = 0
	exitFailure     = 1
	exitUsage       = 2
	exitConnect     = 3
	exitRefused     = 4
	exitProtocol    = 5
	exitAbnormal    = 6
	exitCondition   = 7
	exitExplained   = 8
	exitUnclear     = 9
	exitInterrupted = 130
)

// exitCodes explains the codes for help and the man page.
var exitCodes = []struct {
	code int
	text string
}{
	{exitDone, "done"},
	{exitFailure, "runtime failure"},
	{exitUsage, "wrong usage or configuration"},
	{exitConnect, "no connection (name, TCP or TLS)"},
	{exitRefused, "the handshake was refused"},
	{exitProtocol, "the peer broke the protocol"},
	{exitAbnormal, "the connection ended abnormally (1006)"},
	{exitCondition, "a condition is not met (bench --max-p99, report and probe --require, status, --fleet)"},
	{exitExplained, "a connection fails, and the cause is told (explain)"},
	{exitUnclear, "whether it fails, or why, cannot be told (explain)"},
	{exitInterrupted, "interrupted"},
}

// exitError is an error that chooses the exit code. An err of nil ends the program
// silently: what was to be said has been said.
type exitError struct {
	code int
	err  error
	help bool // the command's help tells how it is called
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exitf returns an exitError.
func exitf(code int, format string, args ...any) error {
	return &exitError{code: code, err: fmt.Errorf(format, args...)}
}

// usagef is a fault in how the program was called.
func usagef(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...), help: true}
}

// configf is a fault in a file, or in the environment, which the help does not explain.
func configf(format string, args ...any) error { return exitf(exitUsage, format, args...) }

// asExit returns err as an exitError.
func asExit(err error) *exitError {
	if e, ok := errors.AsType[*exitError](err); ok {
		return e
	}
	return &exitError{code: exitFailure, err: err}
}

// report prints err as one line on stderr and returns the exit code.
func (p *program) report(err error) int {
	if err == nil {
		return exitDone
	}
	e := asExit(err)
	if e.err == nil {
		return e.code
	}
	who, hint := "draftwire", ""
	if e.help {
		who = strings.TrimSpace("draftwire " + p.command)
		hint = "; see '" + who + " --help'"
	}
	fmt.Fprintf(p.err, "%s: %s%s\n", who, errorText(err), hint)
	return e.code
}

// errorText is an error as one line that is safe to print: parts of it were
// chosen by the peer. That of nil is empty.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if !strings.Contains(text, "\n") {
		return errorLine(text)
	}
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, errorLine(line))
	}
	return strings.Join(lines, "; ")
}

func errorLine(line string) string {
	line = strings.ReplaceAll(strings.TrimPrefix(line, "draftwire: "), ": draftwire: ", ": ")
	return visible(withoutEchoes(line))
}

// withoutEchoes leaves out each prefix that the next one repeats: packages that wrap each
// other's errors write "dial: dial tcp" and "tls: tls:".
func withoutEchoes(line string) string {
	parts := strings.Split(line, ": ")
	kept := parts[:0]
	for i, part := range parts {
		if i+1 == len(parts) || part != parts[i+1] && !strings.HasPrefix(parts[i+1], part+" ") {
			kept = append(kept, part)
		}
	}
	if len(kept) == len(parts) {
		return line
	}
	return strings.Join(kept, ": ")
}
