package drafts_test

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/drafts"
	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

func TestDocuments(t *testing.T) {
	all := drafts.Documents()
	if n := len(all); n != 71+18+1+3 { // hixie-00 to -76 without six, hybi-00 to -17, RFC 6455, and three
		t.Errorf("%d documents", n)
	}
	seen, last := map[string]bool{}, ""
	for i, d := range all {
		if seen[d.Name] || d.Full == "" || !strings.HasPrefix(d.URL, "https://") {
			t.Errorf("%+v", d)
		}
		seen[d.Name] = true
		if d.Date != "" && !d.Extends {
			if d.Date < last && !strings.HasPrefix(last, d.Date) {
				t.Errorf("%s of %s stands behind one of %s", d.Name, d.Date, last)
			}
			last = d.Date
		}
		if (d.Date == "") != (len(d.DateFrom) == 0) {
			t.Errorf("%s: date %q from %q", d.Name, d.Date, d.DateFrom)
		}
		if i > 0 && d.Version < all[i-1].Version {
			t.Errorf("%s is of %s, behind %s", d.Name, d.Version, all[i-1].Version)
		}
		for _, name := range []string{d.Name, d.Full, strings.ToLower(d.Name), strings.ReplaceAll(d.Name, " ", "-")} {
			if strings.Contains(name, ",") {
				continue // the title of an RFC
			}
			if v, _, err := drafts.Find(name); err != nil || v != d.Version {
				t.Errorf("%q is %v, %v", name, v, err)
			}
		}
	}
}

func TestFind(t *testing.T) {
	for name, want := range map[string]string{
		"hixie-47": "hixie-47", "hixie47": "hixie-47", "hybi-09": "hybi-09", "hybi9": "hybi-09", "HYBI-12": "hybi-12", "hybi-00": "hybi-00",
		"draft-ietf-hybi-thewebsocketprotocol-03": "hybi-03", "draft-hixie-thewebsocketprotocol-68.txt": "hixie-68", "draft-hybi-07": "hybi-07",
		"rfc7692": "RFC 7692", "RFC 8441": "RFC 8441", "8": "", "13": "", "76": "", "rfc-6455": "", "hybi-08": "", "hybi-02": "",
	} {
		v, d, err := drafts.Find(name)
		if got := ""; err != nil || v == wire.Unknown {
			t.Errorf("%s: %v, %v", name, v, err)
		} else if d != nil {
			got = d.Name
			if got != want {
				t.Errorf("%s is %q, not %q", name, got, want)
			}
		} else if want != "" {
			t.Errorf("%s is no document, but the version %s", name, v)
		}
	}
	if _, _, err := drafts.Find("hybi-18"); err == nil || !strings.Contains(err.Error(), "did you mean") {
		t.Errorf("hybi-18: %v", err)
	}
}

// Each version has documents, in the order of the table of package wire and with its numbers.
func TestVersions(t *testing.T) {
	for _, v := range wire.AllVersions.List() {
		a, err := drafts.Show(v.String())
		if err != nil {
			t.Fatal(err)
		}
		if a.Version != v || len(a.Documents) == 0 || a.Exhibit.Version != v || len(a.Exhibit.Shipped) < 3 || len(a.Exhibit.Wrong) < 2 || len(a.Rules) < 20 {
			t.Errorf("%s: %d documents, %d shippers, %d faults, %d rules", v, len(a.Documents), len(a.Exhibit.Shipped), len(a.Exhibit.Wrong), len(a.Rules))
		}
		i := v.Info()
		for _, d := range a.Documents {
			if d.Number != i.HeaderValue && v != wire.Hybi02 {
				t.Errorf("%s has the number %q, %s has %q", d.Name, d.Number, v, i.HeaderValue)
			}
		}
		if first := a.Documents[0].Date; v != wire.Hixie75 && !strings.HasPrefix(i.Date, first[:7]) {
			t.Errorf("%s begins on %s, in package wire on %s", v, first, i.Date)
		}
	}
}

var (
	section = regexp.MustCompile(`^\d{1,2}(\.\d{1,2})*( step \d+)?$`)
	dated   = regexp.MustCompile(`^\d{4}-\d{2}(-\d{2})?$`)
)

// checkCitations holds the sources of a fact to the tables.
func checkCitations(t *testing.T, where string, f drafts.Fact) {
	t.Helper()
	document := false
	for _, c := range f.From {
		key, rest, _ := strings.Cut(c, " ")
		if key == "RFC" {
			n, more, _ := strings.Cut(rest, " ")
			key, rest = "RFC "+n, more
		}
		known := slices.ContainsFunc(drafts.Sources(), func(s drafts.Source) bool { return s.Key == key })
		if _, d, err := drafts.Find(key); !known {
			document = true
			if err != nil && d == nil || rest != "" && !section.MatchString(rest) {
				t.Errorf("%s: citation %q", where, c)
			}
		}
		known = known || document
		if !known {
			t.Errorf("%s: nothing is known of the source %q", where, c)
		}
	}
	read := []string{"WHATWG", "TOOLS", "WDIFF", "R5409", "ERRATA"}
	if f.Mark == drafts.Text && !document && !slices.ContainsFunc(f.From, func(c string) bool {
		key, _, _ := strings.Cut(c, " ")
		return slices.Contains(read, key)
	}) {
		t.Errorf("%s: marked as text, from %q", where, f.From)
	}
	if len(f.From) == 0 && f.Mark != drafts.Unverified {
		t.Errorf("%s: no source, and marked %s", where, f.Mark)
	}
}

func TestRules(t *testing.T) {
	names, documents := map[string]bool{}, drafts.Documents()
	place := func(name string) int {
		return slices.IndexFunc(documents, func(d drafts.Document) bool { return d.Name == name })
	}
	for _, r := range drafts.Rules() {
		if names[r.Name] || r.Title == "" || len(r.Steps) < 2 || !slices.Contains([]string{"handshake", "frames", "closing"}, r.Part) {
			t.Errorf("rule %q, %q of %q", r.Name, r.Title, r.Part)
		}
		names[r.Name] = true
		last := -1
		for _, s := range r.Steps {
			where := r.Name + ", " + s.Since
			if at := place(s.Since); at <= last {
				t.Errorf("%s is out of order", where)
			} else {
				last = at
			}
			if s.Says == "" || strings.HasSuffix(s.Says, ".") || strings.HasPrefix(s.Says, "the same") {
				t.Errorf("%s: %q", where, s.Says)
			}
			checkCitations(t, where, s.Fact)
		}
	}
	for _, d := range documents {
		if d.Date != "" && !dated.MatchString(d.Date) {
			t.Errorf("%s: date %q", d.Name, d.Date)
		}
		checkCitations(t, d.Name, drafts.Fact{From: d.DateFrom, Mark: max(d.DateMark, map[bool]drafts.Mark{true: drafts.Unverified}[d.Date == ""])})
		for _, n := range d.Notes {
			checkCitations(t, d.Name, n)
		}
	}
	for _, e := range drafts.Exhibits() {
		for _, s := range e.Shipped {
			checkCitations(t, e.Version.String()+", "+s.Who, s.Fact)
			if !slices.Contains([]string{"browser", "device", "library", "server"}, s.Kind) {
				t.Errorf("%s is a %q", s.Who, s.Kind)
			}
		}
		for _, f := range e.Wrong {
			checkCitations(t, e.Version.String()+", "+f.Says, f)
		}
	}
	for _, c := range drafts.Clients(wire.Unknown) {
		checkCitations(t, c.Name, c.Fact)
	}
}

// The requests of clients of the time are what package detect takes them for, without a
// tolerance; the keys of hixie-76 give whole numbers, and eight bytes follow them.
func TestClients(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range drafts.Clients(wire.Unknown) {
		head, tail, ok := strings.Cut(string(c.Request()), "\r\n\r\n")
		var req wire.Request
		if err := httphead.ParseRequest(head+"\r\n\r\n", &req); err != nil || !ok || seen[c.Name] {
			t.Errorf("%s: %v, head ends: %v, seen: %v", c.Name, err, ok, seen[c.Name])
			continue
		}
		seen[c.Name] = true
		res, err := detect.Request(&req, wire.AllVersions, 0)
		if err != nil || res.Version != c.Version || res.Body != len(tail) {
			t.Errorf("%s: %s with %d bytes behind it, not %s with %d; %v", c.Name, res.Version, res.Body, c.Version, len(tail), err)
		}
		for _, name := range []string{"Sec-WebSocket-Key1", "Sec-WebSocket-Key2"} {
			if n := req.Fields.Count(name); n == 1 != (c.Version == wire.Hixie76) {
				t.Errorf("%s: %d %s", c.Name, n, name)
			} else if _, uneven, err := hixie.Part(c.Version, name, req.Fields.Get(name)); n == 1 && (uneven || err != nil) {
				t.Errorf("%s: %s is uneven: %v; %v", c.Name, name, uneven, err)
			}
		}
	}
	for _, name := range strings.Fields("ios5 safari5.0 safari5.1 phantomjs1.9 phantomjs2.1 chrome4 chrome14 firefox6 firefox8 ie10 lgtv2012 flash arduino ws0.4") {
		if !seen[name] {
			t.Errorf("no client %s", name)
		}
	}
}

// Every source is cited somewhere.
func TestSources(t *testing.T) {
	cited := map[string]bool{"COMPUTED": true}
	for _, d := range drafts.Documents() {
		a, err := drafts.Show(d.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range a.Sources {
			cited[s.Key] = true
		}
	}
	seen := map[string]bool{}
	for _, s := range drafts.Sources() {
		if seen[s.Key] || s.What == "" || s.Key != strings.ToUpper(s.Key) {
			t.Errorf("source %+v", s)
		}
		seen[s.Key] = true
		if !cited[s.Key] {
			t.Errorf("nobody cites %s", s.Key)
		}
	}
}

// Every error of the vectors, and every reason for which they refuse, belongs to one rule, and
// the rules have no others.
func TestCodes(t *testing.T) {
	owner := map[string]string{}
	for _, r := range drafts.Rules() {
		for _, c := range r.Codes {
			if owner[c] != "" {
				t.Errorf("%s belongs to %s and %s", c, owner[c], r.Name)
			}
			owner[c] = r.Name
		}
	}
	files, err := vectors.All()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{"no_key3": true} // which only time finds
	for _, f := range files {
		for _, v := range f.Vectors {
			codes := []string{v.Error}
			if v.Kind != vectors.KindClose {
				codes = append(codes, v.Reason)
			}
			for _, c := range codes {
				if used[c] = true; c != "" && owner[c] == "" {
					t.Errorf("%s (%s) belongs to no rule", c, v.ID)
				}
			}
		}
	}
	for c, rule := range owner {
		if !used[c] {
			t.Errorf("no vector has %s of %s", c, rule)
		}
	}
}

// What RFC 6455 says stands where the vectors say that it stands.
func TestSections(t *testing.T) {
	for _, r := range drafts.Rules() {
		i := slices.IndexFunc(r.Steps, func(s drafts.Step) bool { return s.Since == "RFC 6455" })
		if i < 0 {
			continue
		}
		tests, err := r.Tests()
		if err != nil {
			t.Fatal(err)
		}
		var sections []string
		for _, x := range tests {
			for _, s := range x.Sections {
				if x.Version == wire.RFC6455 && strings.HasPrefix(s, "RFC 6455") {
					sections = append(sections, s)
				}
			}
		}
		if sections != nil && !slices.ContainsFunc(r.Steps[i].From, func(c string) bool { return slices.Contains(sections, c) }) {
			t.Errorf("%s cites %q, its vectors %q", r.Name, r.Steps[i].From, sections)
		}
	}
}

// The example of each version is what its code answers, and the constants of the arithmetic are
// the right ones.
func TestExchanges(t *testing.T) {
	for _, v := range wire.AllVersions.List() {
		e, err := drafts.NewExchange(v)
		if err != nil {
			t.Error(err)
			continue
		}
		kinds, masked := map[string]int{}, false
		for _, m := range e.Moves {
			kinds[m.Kind]++
			var all []byte
			for _, p := range m.Parts {
				all = append(all, p.Bytes...)
				masked = masked || p.Clear != nil
			}
			if m.Kind == drafts.MoveFrame && string(all) != string(m.Bytes) {
				t.Errorf("%s: the parts of %x are %x", v, []byte(m.Bytes), all)
			}
		}
		if kinds[drafts.MoveRequest] != 1 || kinds[drafts.MoveAnswer] != 1 || kinds[drafts.MoveFrame] < 2 || kinds[drafts.MoveEnd] != 1 {
			t.Errorf("%s: %v", v, kinds)
		}
		if masked != v.Supports(wire.CapMasking) {
			t.Errorf("%s: something was masked: %v", v, masked)
		}
		text := e.Text()
		if v >= wire.Hybi04 {
			key := regexp.MustCompile(`SHA-1 of "(.*)" and "(.*)"\n`).FindStringSubmatch(text)
			if key == nil {
				t.Fatalf("%s: no arithmetic in\n%s", v, text)
			}
			sum := sha1.Sum([]byte(key[1] + key[2]))
			if want := "Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]); !strings.Contains(text, want) {
				t.Errorf("%s: no %s in\n%s", v, want, text)
			}
		}
		if v == wire.Hybi04 {
			parts := regexp.MustCompile(`SHA-1 of "(.*)", "(.*)" and "(.*)"\n`).FindStringSubmatch(text)
			sum := sha1.Sum([]byte(parts[1] + parts[2] + parts[3]))
			if want := fmt.Sprintf("is % x: the connection's key", sum); !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
	}
	e, err := drafts.NewCompressed()
	if err != nil || !strings.Contains(e.Text(), `"Hello"`) {
		t.Errorf("%v, %v", e, err)
	}
}

// What is told of a version agrees with what the library knows of it.
func TestFactsAgreeWithCode(t *testing.T) {
	for _, v := range wire.AllVersions.List() {
		a, err := drafts.Show(v.String())
		if err != nil {
			t.Fatal(err)
		}
		says := map[string]string{}
		for _, h := range a.Rules {
			says[h.Rule] = h.Says
		}
		for _, x := range []struct {
			caps wire.Caps
			rule string
			not  string // what the rule begins with where the version cannot
		}{
			{wire.CapBinary, "binary", "there are none"}, {wire.CapFragments, "fragments", "there are none"}, {wire.CapPing, "ping", "there are none"},
			{wire.CapMasking, "masking", "not at all"}, {wire.CapCloseFrame, "closing-handshake", "TCP ends"}, {wire.CapCloseCode, "close-codes", ""},
		} {
			s, ok := says[x.rule]
			if has := ok && (x.not == "" || !strings.HasPrefix(s, x.not)); has != v.Supports(x.caps) {
				t.Errorf("%s: %v is %v, but the rule %s says %q", v, x.caps.Names(), v.Supports(x.caps), x.rule, s)
			}
		}
		if location := !strings.HasPrefix(says["location"], "it does not"); location != v.Supports(wire.CapLocation) {
			t.Errorf("%s: location is %q", v, says["location"])
		}
		if number := v.Info().HeaderValue; number != "" && !strings.HasPrefix(says["version"], "Sec-WebSocket-Version: "+number) {
			t.Errorf("%s: version is %q", v, says["version"])
		}
	}
}

// The opcodes, the fields and the first line that a rule names are those that the code writes.
func TestRulesAgreeWithBytes(t *testing.T) {
	for _, v := range wire.AllVersions.List() {
		e, err := drafts.NewExchange(v)
		if err != nil {
			t.Fatal(err)
		}
		a, err := drafts.Show(v.String())
		if err != nil {
			t.Fatal(err)
		}
		says := func(rule string) string {
			i := slices.IndexFunc(a.Rules, func(h drafts.Held) bool { return h.Rule == rule })
			return a.Rules[i].Says
		}
		for _, m := range e.Moves {
			switch m.Kind {
			case drafts.MoveFrame:
				for _, op := range regexp.MustCompile(`opcode (\w): (\w+)`).FindAllStringSubmatch(drafts.Exchange{Moves: []drafts.Move{m}}.Text(), -1) {
					if want := op[1] + " " + op[2]; !strings.Contains(says("opcodes"), want) {
						t.Errorf("%s: %q is not in %q", v, want, says("opcodes"))
					}
				}
			case drafts.MoveRequest:
				name := regexp.MustCompile(`(?m)^(\S*Origin): `).FindStringSubmatch(m.Text)
				if v != wire.Hybi08 && !strings.HasPrefix(says("origin"), name[1]) { // both fields in hybi-08
					t.Errorf("%s: the request has %s, the rule says %q", v, name[1], says("origin"))
				}
			case drafts.MoveAnswer:
				phrase := regexp.MustCompile(`^HTTP/1.1 101 (.*)\r\n`).FindStringSubmatch(m.Text)
				if v < wire.RFC6455 && !strings.Contains(says("status-line"), phrase[1]) {
					t.Errorf("%s: the answer is %q, the rule says %q", v, phrase[1], says("status-line"))
				}
			}
		}
	}
}

func TestDiff(t *testing.T) {
	names := func(a, b string) (out []string) {
		changes, err := drafts.Diff(a, b)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			out = append(out, c.Rule)
		}
		return out
	}
	if got := names("hybi-10", "hybi-11"); !slices.Equal(got, []string{"origin", "version-list"}) {
		t.Errorf("hybi-11 changed %q", got)
	}
	for _, same := range [][2]string{{"hybi-11", "hybi-12"}, {"hybi-15", "hybi-17"}, {"hixie-76", "hybi-00"}, {"8", "hybi-12"}} {
		if got := names(same[0], same[1]); got != nil {
			t.Errorf("%s and %s differ in %q", same[0], same[1], got)
		}
	}
	if a, b := names("hybi-06", "hybi-07"), names("hybi-07", "hybi-06"); !slices.Equal(a, b) || !slices.Contains(a, "opcodes") {
		t.Errorf("%q, and back %q", a, b)
	}
	if _, err := drafts.Diff("hybi-06", "hybi-60"); err == nil {
		t.Error("hybi-60")
	}
}

// People find a rule by what they would call it.
func TestSearch(t *testing.T) {
	for words, rule := range map[string]string{
		"mask": "masking", "unmasked client frame": "unmasked", "opcode": "opcodes", "fin": "last-frame", "MORE bit": "last-frame",
		"Sec-WebSocket-Key1": "key", "spaces digits": "key", "sec-websocket-accept": "proof", "nonce": "proof", "key3": "eight-bytes",
		"426": "version-list", "subprotocol": "subprotocol", "utf-8": "text", "too big": "close-codes", "1009": "close-codes", "FF 00": "closing-handshake",
		"deflate-stream": "compression", "x-webkit-deflate-frame": "compression", "rsv": "reserved-bits", "mask_missing": "unmasked", "RFC 6455 5.4": "fragments",
		"Sec-WebSocket-Origin": "origin", "location": "location", "web socket protocol handshake": "status-line", "backoff": "reconnect", "unsolicited pong": "ping",
	} {
		found, err := drafts.Search(words)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(found, func(m drafts.Match) bool { return m.Name == rule }) {
			t.Errorf("%q does not find %s, but %d others", words, rule, len(found))
		}
	}
	if all, err := drafts.Search(""); err != nil || len(all) != len(drafts.Rules()) {
		t.Errorf("%d rules, %v", len(all), err)
	}
	if found, n, err := drafts.SearchVectors("lone surrogate", 2); err != nil || len(found) > 2 || n < len(found) {
		t.Errorf("%v, %d, %v", found, n, err)
	}
	if found, err := drafts.Search("no such words anywhere"); err != nil || found != nil {
		t.Errorf("%v, %v", found, err)
	}
}

// The committed pages are those that this package makes; go generate ./drafts writes them.
func TestPages(t *testing.T) {
	pages, err := drafts.Pages()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join("..", "docs", "drafts")
	for name, want := range pages {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if string(got) != want {
			t.Errorf("%s is not up to date: go generate ./drafts", name)
		}
		switch filepath.Ext(name) {
		case ".svg":
			wellFormed(t, name, want)
		case ".md":
			checkLinks(t, name, want, pages)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if pages[e.Name()] == "" {
			t.Errorf("docs/drafts/%s is made by nobody", e.Name())
		}
	}
}

func wellFormed(t *testing.T, name, text string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
	}
}

// checkLinks follows the links of a page to other pages and files, and to what stands at its
// end.
func checkLinks(t *testing.T, name, text string, pages map[string]string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join("..", "docs", "drafts", m[1])); err != nil && pages[m[1]] == "" {
			t.Errorf("%s points to %s", name, m[1])
		}
	}
	for _, m := range regexp.MustCompile(`\]\[([^\]]+)\]`).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(text, "\n["+m[1]+"]: ") {
			t.Errorf("%s refers to %s, and says not where that is", name, m[1])
		}
	}
}

func TestJSON(t *testing.T) {
	for _, d := range drafts.Documents() {
		a, err := drafts.Show(d.Name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var back drafts.Account
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(&back)
		if err != nil || string(again) != string(b) {
			t.Errorf("%s is not the same when it was read, %v", d.Name, err)
		}
	}
	var m drafts.Mark
	if err := m.UnmarshalText([]byte("sure")); err == nil {
		t.Error("a mark that is none")
	}
	if s := drafts.Mark(9); s.String() != "invalid" || s.Meaning() != "" {
		t.Error(s, s.Meaning())
	}
}
