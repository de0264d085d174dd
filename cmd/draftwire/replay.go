package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/recording"
	"github.com/draftwire/draftwire/replay"
)

// replayOptions are what the replay command needs to know.
type replayOptions struct {
	file     string
	url      string // "" with listen
	listen   string // of --serve; "" without
	dial     draftwire.DialOptions
	play     replay.Options
	streams  []uint64 // nil for all
	clients  int
	parallel int
	json     bool
	junit    string
	quiet    bool
}

// runReplay plays a recording.
func runReplay(ctx context.Context, o replayOptions, std stdio, signals <-chan os.Signal) error {
	ctx, stop := interruptible(ctx, signals)
	defer stop()
	r := &replayRun{o: o, std: std}
	sessions, err := r.load(ctx)
	if err != nil {
		return err
	}
	if o.listen != "" {
		err = r.serve(ctx, sessions)
	} else {
		r.connect(ctx, sessions)
	}
	if err == nil && context.Cause(ctx) == errInterrupted && o.listen == "" {
		return &exitError{code: exitInterrupted}
	}
	if err != nil {
		return err
	}
	return r.finish()
}

// replayRun is a run of the replay command.
type replayRun struct {
	o       replayOptions
	std     stdio
	mu      sync.Mutex
	results []*replay.Result // for --junit
	sums    replaySums
}

// replaySums are what is counted of the sessions that were played.
type replaySums struct {
	same, differ, skipped, failed int
	late, most                    time.Duration
}

// add counts a session.
func (s *replaySums) add(x *replay.Result) {
	s.late, s.most = max(s.late, x.Late99), max(s.most, x.Late)
	switch {
	case x.Skipped != "":
		s.skipped++
	case x.Err != nil:
		s.failed++
	case x.Same():
		s.same++
	default:
		s.differ++
	}
}

// servedResults is how many results of --serve are kept for --junit: who connects there, and how
// often, is not this program's to say.
const servedResults = 10_000

// keep counts a result, and keeps it where a file is made of it.
func (r *replayRun) keep(x *replay.Result) {
	r.sums.add(x)
	if r.o.junit != "" && (r.o.listen == "" || len(r.results) < servedResults) {
		r.results = append(r.results, x)
	}
}

func (r *replayRun) say(format string, args ...any) {
	if !r.o.quiet {
		fmt.Fprintf(r.std.err, "draftwire replay: %s\n", visible(fmt.Sprintf(format, args...)))
	}
}

// load reads the recording.
func (r *replayRun) load(ctx context.Context) ([]*replay.Session, error) {
	f, err := openFile(ctx, r.o.file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in, err := recording.NewReader(f)
	if err != nil {
		return nil, exitf(exitFailure, "%s: %w", r.o.file, err)
	}
	r.o.play.Redacted = in.Header().Redacted
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, exitf(exitFailure, "%s: %w: a recording is read from a file", r.o.file, err)
	}
	sessions, err := replay.Load(f, r.o.streams...)
	if err == io.ErrUnexpectedEOF {
		r.say("%s ends within a record: its writer was killed", r.o.file)
		err = nil
	}
	if err != nil {
		return nil, exitf(exitFailure, "%s: %w", r.o.file, err)
	}
	if len(sessions) == 0 {
		return nil, exitf(exitFailure, "%s: there is no connection in it, or none with the number of --stream", r.o.file)
	}
	return sessions, nil
}

// connect plays the clients of all sessions. With the timing of the recording each begins when it
// began; otherwise some are played at a time.
func (r *replayRun) connect(ctx context.Context, sessions []*replay.Session) {
	places := make(chan struct{}, r.o.parallel)
	var playing sync.WaitGroup
	began, starts := time.Now(), startsOf(sessions)
	for i, s := range sessions {
		if r.o.play.Speed > 0 {
			due := began.Add(time.Duration(float64(starts[i]) / r.o.play.Speed))
			select {
			case <-time.After(time.Until(due)):
			case <-ctx.Done():
			}
		}
		for range r.o.clients {
			if r.o.play.Speed <= 0 {
				select {
				case places <- struct{}{}:
				case <-ctx.Done():
				}
			}
			if ctx.Err() != nil {
				playing.Wait()
				return
			}
			playing.Go(func() {
				if r.o.play.Speed <= 0 {
					defer func() { <-places }()
				}
				x := replay.Client(ctx, s, r.o.url, r.o.dial, r.o.play)
				if ctx.Err() == nil {
					r.tell(x)
				}
			})
		}
	}
	playing.Wait()
}

// longestPause is how much is waited of a time in which no connection was open: a file that was
// continued a day later has a day without any.
const longestPause = 10 * time.Second

// startsOf returns when each session begins, from the beginning of the first one on.
func startsOf(sessions []*replay.Session) []time.Duration {
	out := make([]time.Duration, len(sessions))
	var busy, left time.Duration // until when one is open, and what is left out
	for i, s := range sessions {
		if i == 0 {
			left = s.Began
		} else if pause := s.Began - busy; pause > longestPause {
			left += pause - longestPause
		}
		out[i] = s.Began - left
		end := s.Began
		if n := len(s.Steps); n > 0 {
			end += s.Steps[n-1].At
		}
		busy = max(busy, end)
	}
	return out
}

// serve plays the servers of the sessions for whoever connects: each client gets the next session
// of its version and path, and where there is none with that path the next of its version, or of
// any; behind the last one the first follows. It ends with the context.
func (r *replayRun) serve(ctx context.Context, sessions []*replay.Session) error {
	l, err := gateway.Listen(r.o.listen)
	if err != nil {
		return listenError(err)
	}
	var mu sync.Mutex
	used := map[*replay.Session]int{}
	next := func(h *draftwire.Handshake) *replay.Session {
		mu.Lock()
		defer mu.Unlock()
		fits := func(s *replay.Session) int {
			n := 0
			if path(s.Target) == path(h.Target()) {
				n += 2
			}
			if s.Version == h.Version() {
				n++
			}
			return n
		}
		best := slices.MaxFunc(sessions, func(a, b *replay.Session) int { // the first of the best
			if fits(a) != fits(b) {
				return fits(a) - fits(b)
			}
			return used[b] - used[a]
		})
		used[best]++
		return best
	}
	var protocols []string
	for _, s := range sessions {
		for _, p := range s.Protocols {
			if !slices.Contains(protocols, p) {
				protocols = append(protocols, p)
			}
		}
	}
	srv := &draftwire.Server{
		Options: draftwire.AcceptOptions{Versions: draftwire.AllVersions, Origins: []string{"*"}, Protocols: protocols},
		WebSocket: func(_ context.Context, c *draftwire.Conn) error {
			r.tell(replay.Server(c, next(c.Handshake()), r.o.play))
			return nil
		},
	}
	r.say("playing the servers of %s on %s", countOf(len(sessions), "session"), urlOf(l, false))
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	err = srv.Serve(l)
	srv.Close()
	srv.Shutdown(context.Background()) // waits for the handlers, whose connections are closed
	if ctx.Err() != nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// path is the path of a target.
func path(target string) string {
	p, _, _ := strings.Cut(target, "?")
	return p
}

// tell prints a result as it comes.
func (r *replayRun) tell(x *replay.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep(x)
	if r.o.json {
		line, err := json.Marshal(replayLine{x, x.Same(), errorOf(x)})
		if err != nil { // cannot be: strings and numbers
			panic(err)
		}
		r.std.out.Write(append(visibleJSON(line), '\n'))
		return
	}
	fmt.Fprint(r.std.out, visibleText(replayText(x)))
}

// replayLine is a result as a line of JSON.
type replayLine struct {
	*replay.Result
	Same  bool   `json:"same"`
	Error string `json:"error,omitempty"`
}

func errorOf(x *replay.Result) string {
	if x.Err != nil {
		return x.Err.Error()
	}
	return ""
}

// replayText is a result for people.
func replayText(x *replay.Result) string {
	var b strings.Builder
	as := x.Recorded
	if x.Played != x.Recorded {
		as += " as " + x.Played
	}
	fmt.Fprintf(&b, "session %d, %s: ", x.Session, as)
	switch {
	case x.Skipped != "":
		fmt.Fprintf(&b, "not played: %s\n", x.Skipped)
	case x.Err != nil:
		fmt.Fprintf(&b, "no verdict: %v\n", x.Err)
	case x.Same():
		fmt.Fprintf(&b, "the same, %d sent, %d received%s\n", x.Sent, x.Got, lossesText(x))
	default:
		fmt.Fprintf(&b, "%s, %d sent, %d received%s\n", countOf(len(x.Differences), "difference"), x.Sent, x.Got, lossesText(x))
	}
	for _, d := range x.Differences {
		fmt.Fprintf(&b, "  %s", d.Kind)
		if d.Step > 0 {
			fmt.Fprintf(&b, ", message %d", d.Step)
		}
		b.WriteString("\n")
		if d.Want != "" {
			fmt.Fprintf(&b, "    was %s\n", oneLine(d.Want))
		}
		if d.Got != "" {
			fmt.Fprintf(&b, "    is  %s\n", oneLine(d.Got))
		}
	}
	return b.String()
}

func oneLine(s string) string { return strings.NewReplacer("\n", `\n`, "\r", `\r`).Replace(s) }

// lossesText says what the version could not say.
func lossesText(x *replay.Result) string {
	if len(x.Losses) == 0 {
		return ""
	}
	var all []string
	for _, l := range slices.Sorted(maps.Keys(x.Losses)) {
		all = append(all, fmt.Sprintf("%s %d", l, x.Losses[l]))
	}
	return "; lost to the version: " + strings.Join(all, ", ")
}

// finish sums up, and finds the exit code.
func (r *replayRun) finish() error {
	sums := &r.sums
	if r.o.junit != "" {
		if err := writeJUnit(r.o.junit, r.o.file, r.results); err != nil {
			return err
		}
	}
	text := fmt.Sprintf("%s the same, %d with differences", countOf(sums.same, "session"), sums.differ)
	if sums.skipped > 0 {
		text += fmt.Sprintf(", %d not played", sums.skipped)
	}
	if sums.failed > 0 {
		text += fmt.Sprintf(", %d without a verdict", sums.failed)
	}
	if r.o.play.Speed > 0 && sums.most > 0 {
		text += fmt.Sprintf("; 99 of 100 messages were sent at most %s late, and one %s", sums.late.Round(10*time.Microsecond), sums.most.Round(10*time.Microsecond))
	}
	r.say("%s", text)
	switch {
	case sums.differ > 0:
		return &exitError{code: exitCondition}
	case sums.failed > 0:
		return &exitError{code: exitConnect}
	case sums.same == 0 && r.o.listen == "":
		return exitf(exitFailure, "no session was played")
	}
	return nil
}

// junitSuite is a file of JUnit, as CI systems read it.
type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string     `xml:"name,attr"`
	Class   string     `xml:"classname,attr"`
	Time    string     `xml:"time,attr"`
	Failure *junitText `xml:"failure"`
	Error   *junitText `xml:"error"`
	Skipped *junitText `xml:"skipped"`
}

type junitText struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// writeJUnit writes the results as a file of JUnit.
func writeJUnit(name, suite string, results []*replay.Result) error {
	s := junitSuite{Name: suite, Tests: len(results)}
	for _, x := range results {
		c := junitCase{Name: fmt.Sprintf("session %d", x.Session), Class: x.Recorded + " as " + x.Played, Time: fmt.Sprintf("%.3f", x.Took.Seconds())}
		switch {
		case x.Skipped != "":
			s.Skipped++
			c.Skipped = &junitText{Message: visible(x.Skipped)}
		case x.Err != nil:
			s.Errors++
			c.Error = &junitText{Message: visible(x.Err.Error())}
		case !x.Same():
			s.Failures++
			c.Failure = &junitText{Message: countOf(len(x.Differences), "difference"), Text: visibleText(replayText(x))}
		}
		s.Cases = append(s.Cases, c)
	}
	p, err := xml.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append([]byte(xml.Header), append(p, '\n')...), 0o644)
}
