package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/draftwire/draftwire/drafts"
)

// told is what "draftwire drafts" prints.
func told(t *testing.T, args ...string) string {
	t.Helper()
	code, out, err := call(t, "", append([]string{"drafts"}, args...)...)
	if code != exitDone || err != "" {
		t.Fatalf("drafts %q ends with %d and says %q", args, code, err)
	}
	return out
}

func TestDraftsText(t *testing.T) {
	for _, c := range []struct {
		args string
		want []string
	}{
		{"list", []string{"VERSION", "hybi-08   hybi-08 to hybi-12", "hybi-13 to hybi-17 = RFC 6455"}},
		{"list --long", []string{"DOCUMENT", "hixie-00", "2011-01-11", "RFC 9220", "https://datatracker.ietf.org/doc/html/draft-ietf-hybi-thewebsocketprotocol-07"}},
		{"show 4", []string{"hybi-04\n", "WHAT CHANGED", "b4 62 72 39 xor 30 60 1a 50 = 84 02 68 69", "WHO SHIPPED IT", "[PW 653e4dc, hybi-04 4.2; program]", "SOURCES"}},
		{"show hixie-76", []string{"4146546015 / 5 = 829309203", "HAProxy has answered 400", "hixie-76 5.3"}},
		{"show hybi-09", []string{"on the wire it is hybi-08", "a set bit fails the connection", "2011-06-13"}},
		{"show hybi-12", []string{"editorial changes only"}},
		{"show hixie-47", []string{"nothing that was found", "2009-10-13"}},
		{"show rfc6455", []string{"WHAT CAME AFTER", `DEFLATE makes "Hello"`, "RFC 8441"}},
		{"show RFC8441", []string{":protocol websocket"}},
		{"diff hybi-03 hybi-04", []string{"masking: how a client masks what it sends", "A MESSAGE OF A CLIENT", "opcode 4: text"}},
		{"diff hybi-10 hybi-11", []string{"2 rules differ", "Origin again"}},
		{"diff hybi-11 hybi-12", []string{"0 rules differ"}},
		{"rule", []string{"RULE", "close-codes"}},
		{"rule masked server", []string{"RFC 6455          a server must close", "~ tested          mask_unexpected: RFC 6455 5.1, hybi-08 4.1; 2 vectors", "hy07-fr-07"}},
		{"rule key --long", []string{"any-rej-07, any-key-missing-8", "~ refused         400 key_missing"}},
		{"rule CLOSE code", []string{"close-codes"}},
	} {
		out := told(t, strings.Fields(c.args)...)
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("drafts %s has no %q:\n%s", c.args, want, out)
			}
		}
		for line := range strings.SplitSeq(out, "\n") {
			if n := utf8.RuneCountInString(line); n > 120 && !strings.HasPrefix(c.args, "list") {
				t.Errorf("drafts %s: a line of %d characters: %s", c.args, n, line)
			}
			if line != strings.TrimRight(line, " ") {
				t.Errorf("drafts %s: blanks end the line %q", c.args, line)
			}
		}
	}
}

func TestDraftsJSON(t *testing.T) {
	var list []listedVersion
	var account drafts.Account
	var diff draftDiff
	var rules foundRules
	for args, into := range map[string]any{
		"list": &list, "show hybi-06": &account, "diff hybi-06 hybi-07": &diff, "rule mask": &rules,
	} {
		out := told(t, append(strings.Fields(args), "--json")...)
		d := json.NewDecoder(strings.NewReader(out))
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil {
			t.Errorf("drafts %s: %v\n%s", args, err, out)
		}
	}
	if len(list) != 9 || len(list[7].Documents) != 5 {
		t.Errorf("%d versions", len(list))
	}
	if account.Name != "hybi-06" || len(account.Exchange.Moves) == 0 || len(account.Sources) == 0 {
		t.Errorf("%+v", account)
	}
	if diff.From != "hybi-06" || len(diff.Changes) < 8 || len(diff.Frames) != 2 {
		t.Errorf("%+v", diff)
	}
	if len(rules.Rules) == 0 || rules.Total == 0 || len(rules.Vectors) > mostVectors {
		t.Errorf("%d rules, %d vectors", len(rules.Rules), rules.Total)
	}
}

func TestDraftsPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	if out := told(t, "pages", dir); !strings.Contains(out, "28 files in ") {
		t.Error(out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil || !strings.Contains(string(b), "[hybi-04](hybi-04.md)") {
		t.Errorf("%v, %s", err, b)
	}
	var made struct{ Files []string }
	if err := json.Unmarshal([]byte(told(t, "pages", dir, "--json")), &made); err != nil || len(made.Files) != 28 {
		t.Errorf("%v, %v", err, made)
	}
	code, _, errText := call(t, "", "drafts", "pages", filepath.Join(dir, "README.md"))
	if code != exitFailure || !strings.Contains(errText, "README.md") {
		t.Errorf("%d, %s", code, errText)
	}
}

// The output in README.md is that of the program.
func TestDraftsReadme(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)```\n\\$ draftwire drafts ([^\n]*)\n(.*?)```").FindSubmatch(b)
	if shown == nil {
		t.Fatal("README.md does not show the command")
	}
	if out := told(t, strings.Fields(string(shown[1]))...); out != string(shown[2]) {
		t.Errorf("README.md should show\n%s", out)
	}
}

func TestDraftsFaults(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"", exitUsage, "is missing"},
		{"shw hybi-04", exitUsage, `"shw" is not one of list, show, diff, rule, pages`},
		{"show", exitUsage, "show needs a draft"},
		{"diff 8", exitUsage, "diff needs two drafts"},
		{"pages", exitUsage, "pages needs a folder"},
		{"list all", exitUsage, `unexpected argument "all"`},
		{"show hybi-18", exitUsage, `no document or version "hybi-18" (did you mean "hybi-`},
		{"diff 8 hybi-40", exitUsage, `no document or version "hybi-40"`},
		{"rule qwertz", exitFailure, "'draftwire drafts rule' lists the rules"},
	} {
		code, out, err := call(t, "", append([]string{"drafts"}, strings.Fields(c.args)...)...)
		if code != c.code || out != "" || !strings.Contains(err, c.want) || strings.Count(err, "\n") != 1 {
			t.Errorf("drafts %s: %d, stdout %q, stderr %q", c.args, code, out, err)
		}
	}
}
