//go:build unix

// Command browser-cases plays the answers of internal/browsercases to browsers, and compares
// what they do with what package browsers says that they do.
//
//	browser-cases NAME=FAMILY COMMAND...
//
// The command starts the browser; {} in it is the URL of a page. test/browsers says how.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/draftwire/draftwire/browsers"
	"github.com/draftwire/draftwire/internal/browsercases"
)

func main() {
	together := flag.Int("together", 1, "connections at a time")
	program := flag.String("program", "", "the browser and its version, for what is written down")
	write := flag.String("write", "", "put what was seen into this file")
	only := flag.String("only", "", "play the cases of which this is a part of the name")
	verbose := flag.Bool("v", false, "print what the browser says")
	flag.Parse()
	name, family, _ := strings.Cut(flag.Arg(0), "=")
	if err := run(name, family, flag.Args()[1:], *together, *only, *program, *write, *verbose); err != nil {
		fmt.Fprintf(os.Stderr, "browser-cases: %v\n", err)
		os.Exit(1)
	}
}

func run(name, family string, command []string, together int, only, program, write string, verbose bool) error {
	s, err := newStage(family, only, together)
	if err != nil {
		return err
	}
	defer s.close()
	b, err := browsers.Find(name)
	if err != nil {
		return err
	}
	s.judge = func(p *play) string { return p.differs(b) }
	began := time.Now()
	if err := s.show(command, verbose); err != nil {
		return err
	}
	fmt.Printf("# %s: %d connections in %.1f s\n", name, len(s.plays), time.Since(began).Seconds())
	if write != "" {
		return s.write(write, name, program)
	}
	return s.compare(name)
}

// show starts the browser, and ends it when its page has reported.
func (s *stage) show(command []string, verbose bool) error {
	url := "http://" + s.page.Addr().String() + "/"
	for i := range command {
		command[i] = strings.ReplaceAll(command[i], "{}", url)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // browsers have children
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		s.listen(bufio.NewScanner(out), verbose)
		close(ended)
	}()
	select {
	case <-s.done:
		time.Sleep(300 * time.Millisecond) // what it still writes
	case <-ended:
		select {
		case <-s.done:
		default:
			err = fmt.Errorf("%s has ended before its page had reported", command[0])
		}
	case <-time.After(2 * time.Minute):
		err = fmt.Errorf("%s: its page has not reported", command[0])
	}
	syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	go func() {
		time.Sleep(3 * time.Second)
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}()
	<-ended
	cmd.Wait()
	return err
}

// began is what the page says when it begins a case; failed is a message of Chromium, which
// names the URL.
var (
	began  = regexp.MustCompile(`>> case (\d+)`)
	failed = regexp.MustCompile(`WebSocket connection to 'ws://([0-9.:]+)/[^']*' failed: (.*?)(", source: |$)`)
)

// listen finds what the browser says about the cases.
func (s *stage) listen(lines *bufio.Scanner, verbose bool) {
	lines.Buffer(nil, 1<<20)
	var current *play
	for lines.Scan() {
		line := lines.Text()
		if verbose {
			fmt.Println("#", line)
		}
		p, text := current, ""
		if m := began.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			current = s.plays[n]
			continue
		} else if m := failed.FindStringSubmatch(line); m != nil {
			for _, x := range s.plays {
				if x.ln.Addr().String() == m[1] {
					p, text = x, m[2]
				}
			}
		} else if rest, ok := strings.CutPrefix(line, ">> said "); ok {
			text = rest
		}
		if p != nil && text != "" {
			p.mu.Lock()
			p.said = append(p.said, text)
			p.mu.Unlock()
		}
	}
}

func (s *stage) write(file, name, program string) error {
	all := map[string]*seen{}
	if b, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(b, &all); err != nil {
			return err
		}
	}
	x := &seen{Program: program, Outcomes: map[string]string{}, Said: map[string]string{}}
	for _, p := range s.plays {
		old, ok := x.Outcomes[p.c.Name]
		if ok && old != p.outcome {
			return fmt.Errorf("%s, cut at %d: %s, and %s elsewhere", p.c.Name, p.cut, p.outcome, old)
		}
		x.Outcomes[p.c.Name] = p.outcome
		for _, said := range p.said {
			if p.cut <= 1 && !isNoise(said) && p.outcome == "fails" {
				x.Said[p.c.Name] = portless(said)
			}
		}
	}
	all[name] = x
	b, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

type seen struct {
	Program  string            `json:"program"`
	Outcomes map[string]string `json:"outcomes"`
	Said     map[string]string `json:"said,omitempty"`
}

// portless replaces what differs between two runs.
func portless(s string) string {
	return regexp.MustCompile(`127\.0\.\d+\.\d+(:\d+)?|localhost:\d+`).ReplaceAllString(s, "HOST")
}

// compare holds what the browser did against what package browsers says of the same bytes.
func (s *stage) compare(name string) error {
	failed, at := 0, map[string]int{}
	for _, p := range s.plays {
		p.mu.Lock()
		problem := s.judge(p)
		p.mu.Unlock()
		if problem == "" {
			at[p.c.Name]++
			continue
		}
		failed++
		fmt.Printf("not ok - %s %s # cut at %d: %s\n", name, p.c.Name, p.cut, problem)
	}
	for _, c := range browsercases.Cases() {
		if n := at[c.Name]; n > 0 {
			fmt.Printf("ok - %s %s\n", name, c.Name)
		}
	}
	fmt.Printf("# %s: %d connections, %d differ\n", name, len(s.plays), failed)
	if failed > 0 {
		return fmt.Errorf("%s: %d of %d connections are not as package browsers says", name, failed, len(s.plays))
	}
	return nil
}

// differs says what is not as package browsers has it.
func (p *play) differs(b browsers.Browser) string {
	switch {
	case p.err != nil:
		return p.err.Error()
	case p.request == nil:
		return "no request came"
	}
	v, err := b.Check(&browsers.Exchange{Request: p.request, Response: p.response, Ended: p.c.End != ""})
	if err != nil {
		return err.Error()
	}
	if v.Outcome.String() != p.outcome {
		return fmt.Sprintf("it %s; the package says that %s; %q", p.outcome, v, p.said)
	}
	for _, said := range p.said {
		if v.Outcome == browsers.Fails && oneLine(said) != oneLine(v.Message) && !isNoise(said) {
			return fmt.Sprintf("it writes %q; the package says %q", said, v.Message)
		}
	}
	return ""
}

// isNoise reports whether a message is about the end of a connection, which may be that of the
// case before.
func isNoise(said string) bool {
	for _, s := range []string{"WebSocket network error", "WebSocket is closed before", "failed:", "ERR_CONNECTION_RESET"} {
		if strings.Contains(said, s) {
			return true
		}
	}
	return false
}

// oneLine is a message as the programs print it.
//
// What stands in a message of the bytes behind a CR is not the same text in any two of them.
func oneLine(s string) string {
	if before, _, ok := strings.Cut(s, "CR doesn't follow LF"); ok {
		return before + "CR doesn't follow LF"
	}
	return strings.Join(strings.Fields(s), " ")
}
