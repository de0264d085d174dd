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
	exitInterrupted = 130
)

// exitCodes explains the codes, for help and the man page.
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
	{exitCondition, "a required condition failed (bench --max-p99, report --require)"},
	{exitInterrupted, "interrupted"},
}

// exitError is an error that chooses the exit code. An err of nil ends the
// program without a word: what was to be said has been said.
type exitError struct {
	code int
	err  error
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
	return &exitError{code, fmt.Errorf(format, args...)}
}

// usagef is a fault in how the program was called.
func usagef(format string, args ...any) error { return exitf(exitUsage, format, args...) }

// report says err in one line on stderr and returns the exit code.
func (p *program) report(err error) int {
	if err == nil {
		return exitDone
	}
	code, say := exitFailure, true
	var e *exitError
	if errors.As(err, &e) {
		code, say = e.code, e.err != nil
	}
	if say {
		who := "draftwire"
		if code == exitUsage && p.command != "" {
			who += " " + p.command
		}
		line := who + ": " + errorText(err)
		if code == exitUsage {
			line += "; see '" + who + " --help'"
		}
		fmt.Fprintln(p.err, line)
	}
	return code
}

// errorText is an error in one line that is safe to print: parts of it were
// chosen by the peer. nil is no text.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	var lines []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		line = strings.ReplaceAll(strings.TrimPrefix(line, "draftwire: "), ": draftwire: ", ": ")
		lines = append(lines, visible(line))
	}
	return strings.Join(lines, "; ")
}
