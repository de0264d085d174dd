// Command grid makes docs/peers.md of what "draftwire probe" has said of servers of others, and
// compares it with what is known of them. test/probe runs it.
//
//	grid [-write FILE] PEERS
//	grid -shown README OUTPUT
//
// The second form compares what README.md shows of a probe with what one has printed: each line that it
// shows has to be there, in its order, but for times, ports and how many there were.
//
// PEERS is a file with a line for each server: its name, what it is, and the files with the reports,
// divided by tabs; later reports add the versions that they open to those of the first. The exit
// status is 1 where a fault that is known was not found, or our own server has one.
package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire/browsers"
	"github.com/draftwire/draftwire/probe"
	"github.com/draftwire/draftwire/wire"
)

// peer is a server that was asked.
type peer struct {
	name, what string
	report     *probe.Report
}

// ours is the name of the server of this module.
const ours = "draftwire"

func main() {
	write := flag.String("write", "", "the file to write")
	shown := flag.String("shown", "", "the file that shows an output")
	flag.Parse()
	if *shown != "" {
		if err := compare(*shown, flag.Arg(0)); err != nil {
			fmt.Println("not ok - " + err.Error())
			os.Exit(1)
		}
		fmt.Println("ok - " + *shown + " shows what a probe prints")
		return
	}
	peers, err := read(flag.Arg(0))
	if err == nil && *write != "" {
		err = os.WriteFile(*write, []byte(page(peers)), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "grid:", err)
		os.Exit(2)
	}
	if !judge(peers) {
		os.Exit(1)
	}
}

// changing are the parts of an output that differ from run to run.
var changing = regexp.MustCompile(`:\d{4,5}\b|\b(\d+m)?[\d.]+(µs|ms|s)\b|\d+ of \d+ handshakes|\d+ connections|Date: .* GMT`)

// lines are the lines of an output, without what changes, and with single blanks.
func lines(text string) (out []string) {
	for l := range strings.Lines(text) {
		l = changing.ReplaceAllString(l, "N")
		l = strings.ReplaceAll(l, " after N", "") // how TCP ended, which takes longer on a machine that is busy
		out = append(out, strings.Join(strings.Fields(l), " "))
	}
	return out
}

// compare finds the lines that a file shows behind "$ draftwire probe " in an output.
func compare(shown, output string) error {
	a, err := os.ReadFile(shown)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(output)
	if err != nil {
		return err
	}
	_, block, ok := strings.Cut(string(a), "\n$ draftwire probe ")
	block, _, _ = strings.Cut(block, "\n```")
	_, block, _ = strings.Cut(block, "\n")
	if !ok || block == "" {
		return fmt.Errorf("%s shows no probe", shown)
	}
	printed := lines(string(b))
	for _, l := range lines(block) {
		if l == "..." {
			continue
		}
		i := slices.Index(printed, l)
		if i < 0 {
			return fmt.Errorf("in\n%s\nis not, or not there, what %s shows: %q", b, shown, l)
		}
		printed = printed[i+1:]
	}
	return nil
}

func read(file string) (peers []peer, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) < 3 {
			return nil, fmt.Errorf("%q is no peer", line)
		}
		p := peer{name: f[0], what: f[1]}
		for _, name := range f[2:] {
			b, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			r := new(probe.Report)
			if err := json.Unmarshal(b, r); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if p.report == nil {
				p.report = r
			} else {
				p.add(r)
			}
		}
		peers = append(peers, p)
	}
	return peers, nil
}

// add takes the versions of another report, which were left out of the first.
func (p *peer) add(r *probe.Report) {
	for _, v := range r.Versions {
		if !slices.ContainsFunc(p.report.Versions, func(o probe.Version) bool { return o.Version == v.Version }) {
			p.report.Versions = append(p.report.Versions, v)
		}
	}
	slices.SortFunc(p.report.Versions, func(a, b probe.Version) int { return cmp.Compare(a.Version, b.Version) })
}

// version returns what was found of a version; nil where it was not asked for.
func (p *peer) version(v wire.Version) *probe.Version {
	for i := range p.report.Versions {
		if p.report.Versions[i].Version == v {
			return &p.report.Versions[i]
		}
	}
	return nil
}

func page(peers []peer) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# What servers speak\n")
	p("Made by `test/probe` on %s: each server was asked by `draftwire probe --faults --vectors`, with an echo behind it. What the", time.Now().UTC().Format("2006-01-02"))
	p("columns mean stands in [probe.md](probe.md). A server that stands here with faults is good at what it was made for: most of")
	p("these rules are of versions that it never promised, or are left to the program that uses it.\n")
	p("| server | what |\n| --- | --- |")
	for _, x := range peers {
		p("| %s | %s |", x.name, x.what)
	}
	versions(&b, peers)
	handshakes(&b, peers)
	played(&b, peers)
	accepted(&b, peers)
	p("\n## Known before, and found\n")
	p("| server | fault | found |\n| --- | --- | --- |")
	for _, k := range known {
		if x := find(peers, k.peer); x != nil {
			p("| %s | %s | %s |", k.peer, k.fault, map[bool]string{true: "yes", false: "**no**"}[k.found(x)])
		}
	}
	return b.String()
}

func find(peers []peer, name string) *peer {
	for i := range peers {
		if peers[i].name == name {
			return &peers[i]
		}
	}
	return nil
}

// grid writes a table with a column for each server.
func grid(b *strings.Builder, title, corner string, peers []peer, rows []string, cell func(row string, p *peer) string) {
	fmt.Fprintf(b, "\n## %s\n\n| %s |", title, corner)
	for _, x := range peers {
		fmt.Fprintf(b, " %s |", x.name)
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(peers)) + "\n")
	for _, row := range rows {
		fmt.Fprintf(b, "| %s |", row)
		for i := range peers {
			fmt.Fprintf(b, " %s |", cmp.Or(cell(row, &peers[i]), "-"))
		}
		b.WriteString("\n")
	}
}

func names() (out []string) {
	for _, v := range wire.AllVersions.List() {
		out = append(out, v.String())
	}
	return out
}

func versionOf(name string) wire.Version {
	v, _ := wire.ParseVersion(name)
	return v
}

// versions says which open, and carry messages.
func versions(b *strings.Builder, peers []peer) {
	grid(b, "Versions", "version", peers, names(), func(row string, p *peer) string {
		v := p.version(versionOf(row))
		switch {
		case v == nil:
			return ""
		case v.Opens() && !v.Echoes:
			return "opens, no echo"
		case v.Outcome == probe.Excused:
			return "with " + v.Tolerance
		case v.Outcome == probe.Opens:
			return "yes"
		case v.Outcome == probe.Refused:
			return fmt.Sprint(v.Answer.Status)
		}
		return string(v.Outcome)
	})
	b.WriteString("\n`broken` is a 101 that no client of the version takes; `opens, no echo` a handshake of that version with frames of another one, mostly.\n")
}

// handshakes has what belongs to the handshake.
func handshakes(b *strings.Builder, peers []peer) {
	rows := []string{"hixie-76: the head comes", "browsers that would open", "browsers that would not", "version 99", "it names versions", "an ordinary GET", "close 4001 in rfc6455", "permessage-deflate", "largest message in rfc6455", "longest head"}
	grid(b, "Handshakes, closing, limits", "", peers, rows, func(row string, p *peer) string {
		r, now, old := p.report, p.version(wire.RFC6455), p.version(wire.Hixie76)
		switch {
		case row == rows[0] && old != nil && old.OnePiece:
			return "with bytes in one piece"
		case row == rows[0] && old != nil && old.Opens() && old.HeadFirst != nil:
			return map[bool]string{true: "first", false: "behind the bytes"}[*old.HeadFirst]
		case row == rows[1]:
			opens, all := browsersOf(r)
			return fmt.Sprintf("%d of %d", len(opens), all)
		case row == rows[2]:
			return failing(r)
		case row == rows[3]:
			return answered(r.Unknown)
		case row == rows[4] && r.Unknown != nil:
			return strings.Join(r.Unknown.Named, ", ")
		case row == rows[5]:
			return answered(r.Plain)
		case row == rows[6] && now != nil && now.Closing != nil && now.Closing.Own != nil:
			return now.Closing.Own.String()
		case row == rows[7]:
			return map[bool]string{true: "yes", false: "no"}[r.Accepts("permessage-deflate")]
		case row == rows[8] && now != nil:
			return size(now.Message)
		case row == rows[9]:
			return size(r.Head)
		}
		return ""
	})
}

// browsersOf returns the browsers that would open, and how many there are.
func browsersOf(r *probe.Report) (opens []string, all int) {
	for _, v := range r.Versions {
		all += len(browsers.Of(v.Version))
		for _, b := range v.Browsers {
			if b.Opens {
				opens = append(opens, b.Name)
			}
		}
	}
	return opens, all
}

// failing are the browsers that get a 101 and do not open, with the comparison that fails.
func failing(r *probe.Report) string {
	var rules []string
	by := map[string][]string{}
	for _, v := range r.Versions {
		for _, b := range v.Browsers {
			if b.Opens {
				continue
			}
			if by[b.Rule] == nil {
				rules = append(rules, b.Rule)
			}
			by[b.Rule] = append(by[b.Rule], b.Name)
		}
	}
	for i, rule := range rules {
		rules[i] = strings.Join(by[rule], " ") + ": " + rule
	}
	return strings.Join(rules, "; ")
}

func answered(a *probe.Answer) string {
	switch {
	case a == nil:
		return ""
	case a.Status > 0:
		return fmt.Sprint(a.Status)
	case strings.Contains(a.Problem, "ended"):
		return "ends TCP"
	}
	return "nothing"
}

func size(l *probe.Limit) string {
	switch {
	case l == nil:
		return ""
	case l.Refused == 0:
		return fmt.Sprintf("&ge; %d KiB", l.Taken>>10)
	}
	return fmt.Sprintf("%d KiB", l.Taken>>10)
}

// played says how many vectors pass.
func played(b *strings.Builder, peers []peer) {
	grid(b, "Vectors that pass, of those that were played", "version", peers, append([]string{"any: heads that are refused"}, names()...), func(row string, p *peer) string {
		if p.report.Vectors == nil {
			return ""
		}
		name, _, any := strings.Cut(row, ": ")
		if any {
			name = "detect"
		}
		n, ok := p.report.Vectors.By[name]
		if !ok || n[0] == 0 {
			return ""
		}
		return fmt.Sprintf("%d of %d", n[1], n[0])
	})
}

// accepted has the faults that are accepted, with the versions.
func accepted(b *strings.Builder, peers []peer) {
	rows := map[string]bool{}
	for _, p := range peers {
		for _, v := range p.report.Versions {
			for _, f := range v.Faults {
				if f.Verdict == probe.Laxer {
					rows[f.Name] = true
				}
			}
		}
	}
	grid(b, "Faults that are accepted", "fault", peers, slices.Sorted(maps.Keys(rows)), func(row string, p *peer) string {
		var lax, all []string
		for _, v := range p.report.Versions {
			for _, f := range v.Faults {
				if f.Name != row {
					continue
				}
				all = append(all, short(v.Version))
				if f.Verdict == probe.Laxer {
					lax = append(lax, short(v.Version))
				}
			}
		}
		if len(lax) == len(all) && len(lax) > 1 {
			return "all"
		}
		return strings.Join(lax, " ")
	})
	b.WriteString("\nThe numbers are versions: 75 and 76 are hixie, 2 to 8 hybi, 13 is RFC 6455; `all` are all that it opens and that have such a fault.\n")
}

func short(v wire.Version) string {
	if v == wire.RFC6455 {
		return "13"
	}
	_, number, _ := strings.Cut(v.String(), "-")
	return strings.TrimPrefix(number, "0")
}

// fault is one that is known of a server.
type fault struct {
	peer, fault string
	found       func(*peer) bool
}

// outcome reports what came of a version.
func outcome(v wire.Version, want ...probe.Outcome) func(*peer) bool {
	return func(p *peer) bool {
		x := p.version(v)
		return x != nil && slices.Contains(want, x.Outcome)
	}
}

func lax(v wire.Version, name string) func(*peer) bool {
	return func(p *peer) bool {
		x := p.version(v)
		return x != nil && slices.ContainsFunc(x.Faults, func(f probe.FaultTest) bool { return f.Name == name && f.Verdict == probe.Laxer })
	}
}

func noEcho(v wire.Version) func(*peer) bool {
	return func(p *peer) bool {
		x := p.version(v)
		return x != nil && x.Opens() && !x.Echoes
	}
}

// known are faults of these servers that stood in public threads, or in their sources, before they
// were asked.
var known = []fault{
	{"websocket-driver", "the subprotocol of hixie-75 is not repeated, on which a client fails", func(p *peer) bool {
		v := p.version(wire.Hixie75)
		return v != nil && len(v.Protocols) > 0 && strings.Contains(v.Protocols[0].Problem, "WebSocket-Protocol")
	}},
	{"websocket-driver", "an unknown version is refused without a list", func(p *peer) bool { return p.report.Unknown != nil && len(p.report.Unknown.Named) == 0 }},
	{"ws-1", "the proof of hixie-76 is wrong on a current Node", outcome(wire.Hixie76, probe.Broken)},
	{"em-websocket", "hybi-04 is not spoken, though its README has all versions from 1 on", outcome(wire.Hybi04, probe.NoAnswer, probe.Refused, probe.Broken)},
	{"em-websocket", "the head of hixie-76 waits for the eight bytes", func(p *peer) bool {
		v := p.version(wire.Hixie76)
		return v != nil && v.HeadFirst != nil && !*v.HeadFirst
	}},
	{"em-websocket", "a frame without a mask is accepted", lax(wire.RFC6455, "a frame without a mask")},
	{"websocket-gem", "hybi-04 lacks its nonce", outcome(wire.Hybi04, probe.Broken)},
	{"websocket-gem", "hybi-05 has its mask in the place of hybi-07", noEcho(wire.Hybi05)},
	{"websocket-gem", "hybi-02 has the frames of hixie", noEcho(wire.Hybi02)},
	{"perl", "any version is taken for one of the last: 99 gets a 101", func(p *peer) bool { return p.report.Unknown != nil && p.report.Unknown.Status == 101 }},
	{"netty", "hixie-76 is answered with Upgrade in lower case", func(p *peer) bool {
		v := p.version(wire.Hixie76)
		return v != nil && strings.Contains(v.Tolerance, "upgrade-case")
	}},
	{"netty", "a key of hixie-76 whose digits its spaces do not divide is accepted", lax(wire.Hixie76, "a key whose digits its spaces do not divide")},
	{"netty", "an unknown version is refused with a list", func(p *peer) bool { return p.report.Unknown != nil && len(p.report.Unknown.Named) > 0 }},
}

// judge compares what was found with what is known, and says so.
func judge(peers []peer) bool {
	good := true
	say := func(ok bool, format string, args ...any) {
		good = good && ok
		fmt.Printf("%s - %s\n", map[bool]string{true: "ok", false: "not ok"}[ok], fmt.Sprintf(format, args...))
	}
	for _, p := range peers {
		say(p.report.Stopped == "", "%s was asked to the end %s", p.name, p.report.Stopped)
	}
	for _, k := range known {
		if p := find(peers, k.peer); p != nil {
			say(k.found(p), "%s: %s", k.peer, k.fault)
		}
	}
	p := find(peers, ours)
	if p == nil {
		return good
	}
	opens, all := browsersOf(p.report)
	say(len(opens) == all, "%s: %d of %d browsers open", ours, len(opens), all)
	say(p.report.Opens() == wire.AllVersions, "%s opens %s", ours, p.report.Opens())
	if v := p.report.Vectors; v != nil {
		say(len(v.Failed) == 0 && v.Played > 500, "%s passes %d of %d vectors: %v", ours, v.Passed, v.Played, v.Failed)
	}
	for _, v := range p.report.Versions {
		for _, f := range v.Faults {
			if f.Verdict != probe.AsWritten {
				say(false, "%s: %s: %s: %s, %s", ours, v.Version, f.Name, f.Verdict, &f.Got)
			}
		}
		if v.Notes != nil {
			say(false, "%s: %s: %q", ours, v.Version, v.Notes)
		}
	}
	return good
}
