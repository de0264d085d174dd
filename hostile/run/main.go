// Command run plays the attacks of package hostile at a server, a client or a proxy,
// of any make, and watches what they cost it. README.md in the folder above says how.
//
// It has no code of the implementations that it tests: it shakes hands, masks and
// searches by itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/draftwire/draftwire/hostile"
)

// The exit statuses.
const (
	exitPassed      = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitPassed
	}
	if err != nil {
		return exitUsage
	}
	cases, err := s.choose()
	if err != nil {
		fmt.Fprintf(stderr, "hostile/run: %v\n", err)
		return exitUsage
	}
	if s.list {
		printList(stdout, cases)
		return exitPassed
	}
	out := newReporter(stdout, stderr, s.json)
	if err := playCases(ctx, s, cases, out); err != nil {
		out.say("%v", err)
		return exitFailed
	}
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case out.counts[failed] > 0:
		return exitFailed
	}
	return exitPassed
}

// playCases plays the cases within the time of a run.
func playCases(ctx context.Context, s *settings, cases []hostile.Case, out *reporter) error {
	p, err := newPlayer(s, out)
	if err != nil {
		return err
	}
	if !s.json && !s.figures {
		fmt.Fprintln(out.out, heading())
	}
	limited, cancel := context.WithTimeout(ctx, s.maxTime)
	defer cancel()
	p.playAll(limited, cases)
	err = p.end()
	if s.figures {
		out.figures()
	}
	out.close()
	if limited.Err() != nil && ctx.Err() == nil {
		err = errors.Join(err, fmt.Errorf("the run was not over within %v", s.maxTime))
	}
	return err
}

func printList(w io.Writer, cases []hostile.Case) {
	for _, c := range cases {
		marks := c.Needs
		if c.Slow {
			marks = append(slices.Clone(marks), "slow")
		}
		text := strings.Join(marks, ",")
		if len(c.Holes) > 0 {
			text += " [" + strings.Join(c.Holes, " ") + "]"
		}
		fmt.Fprintf(w, "%-56s %-20s %s\n", c.ID, text, c.Comment)
	}
}

func sortedKeys(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }
