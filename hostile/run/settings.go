package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire/hostile"
)

// settings are what the command line says.
type settings struct {
	side, url, tlsURL, command, backendListen, file string
	pid                                             int
	patterns, versions, has, needs                  []string
	clientVersion, probeVersion                     string
	short, list, json, figures, fresh, once, mine   bool
	repeat, jobs, maxClients, maxRate               int
	scale                                           float64
	maxTime                                         time.Duration
	crash                                           *regexp.Regexp
}

const usageText = `usage: hostile/run --side server|client|front|behind|pages TARGET [flags] [PATTERN...]

Plays the attacks of one side at a target and prints a line for each. A PATTERN is the
beginning of a case's ID, or has * in it: server/frame, 'server/*/rfc6455'.

TARGET is one of
  --url ws://127.0.0.1:8080/ [--tls-url wss://...] [--pid N]    a program that runs
  --command 'PROGRAM {listen} ...'                              one that the player starts
In the command {listen} is HOST:PORT to listen on, {url} what a client connects to,
{backend} HOST:PORT of the player's own end behind a proxy and {backend-url} the same with
ws:// or wss://, {version} the version of the case, {cert} and {key} files with a
certificate for 127.0.0.1, and {ca} the one to trust.

`

// parse reads the command line. What it returns as an error is the user's fault; the
// flag package has told it on stderr already where it is its own.
func parse(args []string, stderr io.Writer) (*settings, error) {
	s := &settings{}
	f := flag.NewFlagSet("hostile/run", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, usageText)
		f.PrintDefaults()
	}
	s.flags(f)
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	s.patterns = f.Args()
	if err := s.check(); err != nil {
		fmt.Fprintf(stderr, "hostile/run: %v\n", err)
		return nil, err
	}
	return s, nil
}

func (s *settings) flags(f *flag.FlagSet) {
	f.StringVar(&s.side, "side", hostile.Server, "what the target is: server, client, or of a proxy front, behind or pages")
	f.StringVar(&s.url, "url", "", "`URL` of the target: ws://HOST:PORT/PATH, or unix:PATH")
	f.StringVar(&s.tlsURL, "tls-url", "", "`URL` for cases within TLS (default: the same port)")
	f.IntVar(&s.pid, "pid", 0, "process `ID` of the target, to watch what it uses")
	f.StringVar(&s.command, "command", "", "`COMMAND` that starts the target; it is ended by SIGTERM")
	f.StringVar(&s.backendListen, "backend-listen", "127.0.0.1:0", "`HOST:PORT` of the player's own end behind a proxy, and for clients")
	f.StringVar(&s.file, "cases", "", "play the cases of this JSON `FILE` in the place of the side's own")
	list(f, &s.has, "has", "what the target can do, `LIST` of: "+strings.Join(hostile.Needs, ", "))
	list(f, &s.needs, "needs", "play only cases that need one of this `LIST`")
	list(f, &s.versions, "versions", "play only cases of these versions, a `LIST` (default all)")
	f.StringVar(&s.clientVersion, "client-version", "", "`VERSION` of the honest clients of the side behind (default: the case's)")
	f.StringVar(&s.probeVersion, "probe-version", "rfc6455", "`VERSION` that the probe speaks")
	f.BoolVar(&s.short, "short", false, "leave out cases that take their time, and most versions of some kinds")
	f.BoolVar(&s.list, "list", false, "print the cases, play none")
	f.BoolVar(&s.json, "json", false, "print a line of JSON for each case")
	f.BoolVar(&s.figures, "figures", false, "play the cases with /cost/ in their ID and print bytes for each connection, in Markdown")
	f.BoolVar(&s.fresh, "fresh", false, "start the command anew for each case; --figures does")
	f.BoolVar(&s.once, "once", false, "do not play again alone what has failed beside other cases")
	f.BoolVar(&s.mine, "this-target-is-mine", false, "attack an address that is not on this machine's loopback")
	f.IntVar(&s.repeat, "repeat", 1, "play each case `N` times")
	f.IntVar(&s.jobs, "jobs", 4, "play cases at `N` targets side by side, where the player starts them; what needs the machine for itself comes behind")
	f.IntVar(&s.maxClients, "max-clients", 10000, "at most `N` clients at a time; the limit of open files may allow fewer")
	f.IntVar(&s.maxRate, "max-rate", 10000, "at most `N` new connections a second")
	f.Float64Var(&s.scale, "scale", 1, "multiply the budgets of time, for a slow machine")
	f.DurationVar(&s.maxTime, "max-time", 30*time.Minute, "end the run after this `TIME`")
	s.crash = regexp.MustCompile(crashLine)
	f.Func("crash", "`REGEXP` of a line of the target's log that is a crash (default "+s.crash.String()+")", func(text string) (err error) {
		s.crash, err = regexp.Compile(text)
		return err
	})
}

// crashLine is a line that tells of a crash: it begins so, behind a date and the name of
// who says it at most, or an error of a structured log speaks of a panic. What else a line
// quotes is an attacker's text.
const crashLine = `^([0-9/]+ [0-9:.]+ )?([a-z0-9]+: )?panic(:| serving )|^(time=\S+ )?level=(error|ERROR) .*panic` +
	`|^\{(.*,)?"level":"(error|ERROR)".*panic|^\{.*panic.*,"level":"(error|ERROR)"` +
	`|^fatal error: |^\[signal |^Segmentation fault|^==[0-9]+==ERROR: |^WARNING: DATA RACE`

// list is a flag with members joined by commas.
func list(f *flag.FlagSet, p *[]string, name, usage string) {
	f.Func(name, usage, func(text string) error {
		for _, m := range strings.Split(text, ",") {
			if m = strings.TrimSpace(m); m != "" {
				*p = append(*p, m)
			}
		}
		return nil
	})
}

// check looks whether the flags go together, and fits what depends on another flag.
func (s *settings) check() error {
	switch {
	case !slices.Contains(hostile.Sides, s.side):
		return fmt.Errorf("there is no side %q", s.side)
	case s.list:
	case s.side == hostile.Client && (s.command == "" || s.url != ""):
		return errors.New("a client is started by --command")
	case (s.url == "") == (s.command == ""):
		return errors.New("the target is --url or --command, and one of them")
	case s.command != "" && s.pid != 0:
		return errors.New("the player knows the process of a command: no --pid")
	case s.side != hostile.Client && s.command != "" && !strings.Contains(s.command, "{listen}"):
		return errors.New("the command has no {listen}, where the player could find it")
	}
	for _, n := range slices.Concat(s.has, s.needs) {
		if !slices.Contains(hostile.Needs, n) {
			return fmt.Errorf("no case needs %q", n)
		}
	}
	for _, v := range slices.Concat(s.versions, []string{s.clientVersion, s.probeVersion}) {
		if v != "" && !isVersion(v) {
			return fmt.Errorf("there is no version %q", v)
		}
	}
	if s.repeat < 1 || s.jobs < 1 || s.scale <= 0 || s.maxClients < 1 || s.maxRate < 1 || s.maxTime <= 0 {
		return errors.New("--repeat, --jobs, --scale, --max-clients, --max-rate and --max-time are more than 0")
	}
	if s.command != "" {
		s.has = append(s.has, "stderr")
	}
	s.fresh = s.fresh || s.figures
	if s.command == "" || s.figures || !strings.HasSuffix(s.backendListen, ":0") {
		s.jobs = 1
	}
	// Twice: a proxy between two ends of the player. The rest is for the probe and files.
	s.maxClients = min(s.maxClients, (mostDescriptors()-100)/2)
	return s.checkAddresses()
}

// checkAddresses refuses what is not on this machine.
func (s *settings) checkAddresses() error {
	for _, u := range []string{s.url, s.tlsURL} {
		if u == "" || s.list {
			continue
		}
		if _, _, _, err := parseURL(u, s.mine); err != nil {
			return err
		}
	}
	host, _, err := net.SplitHostPort(s.backendListen)
	if err == nil && !s.list {
		_, err = resolve(host, s.mine)
	}
	return err
}

var errForeign = errors.New("the player attacks only 127.0.0.0/8, ::1 and unix sockets, unless --this-target-is-mine says otherwise")

// resolve returns the address of a host, and refuses one that is not this machine's
// loopback unless it is the user's own. A name is resolved here alone, so that it
// cannot mean another machine when the player connects.
func resolve(host string, mine bool) (string, error) {
	ip := net.ParseIP(host)
	if ip == nil {
		ips, err := net.DefaultResolver.LookupIP(context.Background(), "ip", host)
		if err != nil {
			return "", err
		}
		ip = ips[0]
	}
	if !ip.IsLoopback() && !mine {
		return "", fmt.Errorf("%s is not on this machine: %w", host, errForeign)
	}
	return ip.String(), nil
}

// choose returns the cases that the patterns name.
func (s *settings) choose() ([]hostile.Case, error) {
	f, err := s.load()
	if err != nil {
		return nil, err
	}
	var out []hostile.Case
	used := map[string]bool{}
	for _, c := range f.Cases {
		if s.figures && !strings.Contains(c.ID, "/cost/") || len(s.needs) > 0 && !slices.ContainsFunc(c.Needs, func(n string) bool { return slices.Contains(s.needs, n) }) {
			continue
		}
		for _, p := range s.patterns {
			if matches(p, c.ID) {
				used[p] = true
			}
		}
		if len(s.patterns) == 0 || slices.ContainsFunc(s.patterns, func(p string) bool { return matches(p, c.ID) }) {
			out = append(out, c)
		}
	}
	for _, p := range s.patterns {
		if !used[p] {
			return nil, fmt.Errorf("no case is named by %q", p)
		}
	}
	return out, nil
}

func (s *settings) load() (*hostile.File, error) {
	if s.file == "" {
		return hostile.Load(s.side)
	}
	text, err := os.ReadFile(s.file)
	if err != nil {
		return nil, err
	}
	f := &hostile.File{}
	if err := json.Unmarshal(text, f); err != nil {
		return nil, fmt.Errorf("%s: %w", s.file, err)
	}
	if f.Format != hostile.Format || f.Side != s.side {
		return nil, fmt.Errorf("%s has the format %q and the side %q", s.file, f.Format, f.Side)
	}
	return f, nil
}

// matches: a pattern is the beginning of an ID, at a slash or at its end, or a glob
// whose * stands for anything but a slash.
func matches(pattern, id string) bool {
	if strings.ContainsAny(pattern, "*?[") {
		ok, _ := path.Match(pattern, id)
		for i := strings.LastIndexByte(id, '/'); !ok && i > 0; i = strings.LastIndexByte(id[:i], '/') {
			ok, _ = path.Match(pattern, id[:i])
		}
		return ok
	}
	rest, ok := strings.CutPrefix(id, strings.TrimSuffix(pattern, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// skips returns why a case is not played, or nothing.
func (s *settings) skips(c *hostile.Case) string {
	for _, n := range c.Needs {
		if !slices.Contains(s.has, n) {
			return "the target has no " + n
		}
	}
	switch {
	case c.TLS && !slices.Contains(s.has, "tls"):
		return "the target has no tls"
	case len(s.versions) > 0 && c.Version != "" && !slices.Contains(s.versions, c.Version):
		return "not of the versions asked for"
	case s.short && c.Slow:
		return "slow"
	case s.short && len(s.versions) == 0 && !standsForOthers(c):
		return "other versions stand for it"
	}
	return ""
}

// standsForOthers: in a short run the kinds whose cases take time are played in one
// version for each form of frames, where their last part of the ID is a version.
func standsForOthers(c *hostile.Case) bool {
	switch c.Kind {
	case "flood", "slow", "reset", "tls", "http", "h2", "proxy", "log":
		return !strings.HasSuffix(c.ID, "/"+c.Version) || slices.Contains([]string{"hixie-76", "hybi-05", "rfc6455"}, c.Version)
	}
	return true
}

// budgetOf returns a case's budget, with its times scaled.
func (s *settings) budgetOf(c *hostile.Case) hostile.Budget {
	b := c.Budget.WithDefaults()
	for _, d := range []*hostile.Duration{&b.Time, &b.CPU, &b.Probe, &b.Recover} {
		*d = hostile.Duration(float64(*d) * s.scale)
	}
	return b
}

func (s *settings) clientVersionOf(c *hostile.Case) string {
	if s.clientVersion != "" {
		return s.clientVersion
	}
	return c.Version
}
