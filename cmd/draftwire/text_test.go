package main

import (
	"encoding/json"
	"errors"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
)

func TestHelp(t *testing.T) {
	for _, name := range commandNames((&program{}).app()) {
		if name == "help" {
			continue // alone it shows the program's
		}
		code, long, err := call(t, "", name, "--help")
		_, short, _ := call(t, "", name, "-h")
		_, asked, _ := call(t, "", "help", name)
		_, above, _ := call(t, "", "--help", name)
		if code != 0 || err != "" || short != long || asked != long || above != long {
			t.Errorf("%s: exit %d, stderr %q; the four ways to the help differ: %q", name, code, err, []string{long, short, asked, above})
		}
		examples, flags := strings.Index(long, "Examples:"), strings.Index(long, "Flags:")
		if examples < 0 || flags < examples {
			t.Errorf("%s: examples do not come first:\n%s", name, long)
		}
		for line := range strings.Lines(long) {
			if len(line) > helpWidth+2 || strings.ContainsAny(line, "\t`") {
				t.Errorf("%s: bad line %q", name, line)
			}
		}
	}
}

// Each code is told wherever codes are told.
func TestExitCodesAreDocumented(t *testing.T) {
	_, app, _ := call(t, "", "--help")
	_, client, _ := call(t, "", "client", "--help")
	_, man, _ := call(t, "", "man")
	for _, name := range []string{"status", "report", "bench"} { // which end with 7
		if _, help, _ := call(t, "", name, "--help"); !strings.Contains(help, "\n  7    a condition is not met (") || !strings.Contains(help, name) {
			t.Errorf("%s: exit code 7 is not in its help", name)
		}
	}
	if len(exitCodes) != 11 {
		t.Errorf("%d codes", len(exitCodes))
	}
	for _, e := range exitCodes {
		line := regexp.MustCompile(`(?m)^  ` + strconv.Itoa(e.code) + ` +` + regexp.QuoteMeta(e.text) + `$`)
		if !line.MatchString(app) || !line.MatchString(client) {
			t.Errorf("exit code %d is not in the help", e.code)
		}
		if !strings.Contains(man, ".B "+strconv.Itoa(e.code)+"\n"+roffText(e.text)) {
			t.Errorf("exit code %d is not in the manual page", e.code)
		}
	}
}

func TestMan(t *testing.T) {
	code, page, _ := call(t, "", "man")
	if code != 0 || !strings.HasPrefix(page, ".TH DRAFTWIRE 1") {
		t.Fatalf("exit %d: %.100q", code, page)
	}
	for _, want := range []string{".SH NAME", ".SH EXAMPLES", ".SH EXIT STATUS", `\fB\-\-max\-message\fR \fISIZE\fR`, `\fB\-\-execute\fR, \fB\-x\fR`,
		`\fB\-\-compression\fR \fIWORD\fR`, `\fB\-\-compression\-threshold\fR \fISIZE\fR`, `\fB\-\-compression\-takeover\fR`, `\fB\-\-echo\fR`, `\fB\-\-long\fR, \fB\-l\fR`,
		`\fB\-\-rate\fR, \fB\-q\fR \fIN\fR`, `\fB\-\-max\-p99\fR \fITIME\fR`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("groff is not here")
	}
	cmd := exec.Command(groff, "-man", "-Tutf8", "-ww", "-z")
	cmd.Stdin = strings.NewReader(page)
	if said, err := cmd.CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("groff: %v: %s", err, said)
	}
}

func TestVersions(t *testing.T) {
	for _, args := range [][]string{{"versions"}, {"versions", "--long"}, {"versions", "-l"}} {
		code, out, _ := call(t, "", args...)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if code != 0 || len(lines) != 1+draftwire.AllVersions.Len() {
			t.Fatalf("exit %d:\n%s", code, out)
		}
		column := strings.Index(lines[0], "SHIPPED")
		if column > 70 {
			t.Errorf("SHIPPED BY begins at column %d", column)
		}
		for i, v := range draftwire.AllVersions.List() {
			if !strings.HasPrefix(lines[1+i], v.String()+" ") || !strings.HasPrefix(lines[1+i][column:], v.Info().Shipped) {
				t.Errorf("line %q", lines[1+i])
			}
			rest := regexp.QuoteMeta(strings.Join(v.Info().Caps.Names(), ",")) + ` +` + regexp.QuoteMeta(v.Info().Spec) + `$`
			long := regexp.MustCompile(rest).MatchString(lines[1+i])
			if short := strings.HasSuffix(lines[1+i], v.Info().Shipped); short != (len(args) == 1) || long == short {
				t.Errorf("%q: line %q", args, lines[1+i])
			}
		}
	}
	_, out, _ := call(t, "", "versions", "--json")
	var rows []versionRow
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		t.Fatal(err)
	}
	var served draftwire.Versions
	for _, r := range rows {
		if v, err := draftwire.ParseVersion(r.Version); err != nil {
			t.Error(err)
		} else if r.Served {
			served = served.With(v)
		}
	}
	if served != draftwire.ServedVersions() {
		t.Errorf("served are %s", served)
	}
}

func TestVersionsColumns(t *testing.T) {
	_, out, _ := call(t, "", "versions")
	fields := regexp.MustCompile(` {2,}`)
	rows := map[string][]string{}
	for line := range strings.Lines(out) {
		cells := fields.Split(strings.TrimSpace(line), -1)
		rows[cells[0]] = cells[:len(cells)-1]
	}
	for version, want := range map[string]string{
		"VERSION": "VERSION|HEADER|DATE|SERVED|MESSAGES|CLOSING", "hixie-75": "hixie-75|-|2010-02|yes|text|tcp", "hixie-76": "hixie-76|-|2010-05|yes|text|frame",
		"hybi-04": "hybi-04|4|2011-01|yes|text, binary|frame", "rfc6455": "rfc6455|13|2011-08 to 2011-12|yes|text, binary|code",
	} {
		if got := strings.Join(rows[version], "|"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}} {
		if code, out, _ := call(t, "", args...); code != 0 || !strings.HasPrefix(out, "draftwire ") || !strings.Contains(out, "go1.") {
			t.Errorf("%q: exit %d, %q", args, code, out)
		}
	}
	_, out, _ := call(t, "", "version", "--json")
	var b buildInfo
	if err := json.Unmarshal([]byte(out), &b); err != nil || b.Go == "" || b.Version == "" {
		t.Errorf("%q: %v", out, err)
	}
}

func TestSize(t *testing.T) {
	for in, want := range map[string]int64{
		"1048576": 1 << 20, "1MiB": 1 << 20, "64KiB": 64 << 10, "64 kib": 64 << 10, "2MB": 2e6, "3k": 3 << 10, "1GiB": 1 << 30, "7B": 7,
		"": 0, "0": 0, "-1": 0, "x": 0, "1.5MiB": 0, "KiB": 0, "9223372036854775807": 1<<63 - 1, "9223372036854775807K": 0,
	} {
		if got, err := parseSize(in); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v", in, got, err)
		}
	}
}

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 漢": "plain é 漢", "\x1b[2J": `\x1b[2J`, "a\r\nb\tc": `a\r\nb\tc`, "\u202e\u009b": `\u202e\u009b`, "\xff": `\xff`, "": "", "a\x00": `a\x00`,
	} {
		if got := visible(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	if got := visibleText("a\tb\nc\x07"); got != "a\tb\nc\\a" {
		t.Errorf("%q", got)
	}
	if got := errorText(errors.New("draftwire: one: draftwire: two\n\x1bthree")); got != `one: two; \x1bthree` {
		t.Errorf("%q", got)
	}
}
