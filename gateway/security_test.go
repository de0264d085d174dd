package gateway_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/wire"
)

// The defaults that SECURITY.md promises are those of the code, and the tests that it names
// exist.
func TestSecurityFigures(t *testing.T) {
	page, err := os.ReadFile("../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	gw := &gateway.Config{Routes: []gateway.Route{{Backends: []gateway.Backend{{URL: "ws://back"}}, Rooms: &gateway.Rooms{}}}}
	var shown bytes.Buffer
	if err := gw.Print(&shown); err != nil {
		t.Fatal(err)
	}
	limit := func(key string) string {
		m := regexp.MustCompile(`(?m)^ +` + key + `: (.*)$`).FindStringSubmatch(shown.String())
		if m == nil {
			t.Fatalf("the configuration shows no %s", key)
		}
		return m[1]
	}
	// below returns the default of a key behind the beginning of its section.
	below := func(section, key string) string {
		_, rest, _ := strings.Cut(shown.String(), section+":\n")
		m := regexp.MustCompile(`(?m)^ +` + key + `: (.*)$`).FindStringSubmatch(rest)
		if m == nil {
			t.Fatalf("the configuration shows no %s: %s", section, key)
		}
		return m[1]
	}
	defaults := map[string]any{
		"rooms.max_rooms": below("rooms", "max_rooms"), "rooms.max_members": below("rooms", "max_members"), "rooms.name": below("rooms", "name"),
		"rooms.message": below("rooms", "message"), "rooms.held": below("rooms", "held"), "hub.bytes": below("hub", "bytes"), "hub.history": below("hub", "history"),
		"Server.MaxPending": draftwire.DefaultMaxPending, "limits.pending": limit("pending"), "Server.MaxPendingPerAddress": "half",
		"Limits.HandshakeTimeout": draftwire.DefaultHandshakeTimeout, "Limits.Key3Timeout": draftwire.DefaultKey3Timeout,
		"Limits.HeadLimit": draftwire.DefaultHeadLimit, "httphead.MaxFields": httphead.MaxFields, "wire.MaxOffers": wire.MaxOffers,
		"ProxyHeaderLimit": draftwire.ProxyHeaderLimit, "Limits.ReadLimit": draftwire.DefaultReadLimit, "limits.message": limit("message"),
		"Limits.WriteTimeout": draftwire.DefaultWriteTimeout, "limits.write_timeout": limit("write_timeout"), "Limits.PostLimit": draftwire.DefaultPostLimit, "Limits.CloseTimeout": draftwire.DefaultCloseTimeout,
		"Server.MaxHTTP": draftwire.DefaultMaxHTTP, "Server.ReadTimeout": draftwire.DefaultHTTPTimeout, "Server.WriteTimeout": draftwire.DefaultHTTPTimeout,
		"Server.IdleTimeout": draftwire.DefaultHTTPIdle,
	}
	tests := testNames(t, "..")
	for row := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(row), "|"), "|")
		if len(cells) != 5 || strings.Contains(row, "---") {
			continue
		}
		name, says := strings.Trim(cells[1], " `"), cells[2]
		if test := strings.Trim(cells[4], " `"); strings.HasPrefix(test, "Test") && !tests[test] {
			t.Errorf("there is no test %s", test)
		}
		if name == "" || name == "name" {
			continue
		}
		want, ok := defaults[name]
		delete(defaults, name)
		if d, is := want.(time.Duration); is {
			want = strings.TrimSuffix(d.String(), "0s")
			if d < time.Minute {
				want = d
			}
		}
		word := strings.ReplaceAll(strings.TrimSpace(strings.Split(strings.TrimSuffix(strings.TrimSpace(says), " bytes"), " bytes,")[0]), " MiB", "MiB")
		if !ok || word != fmt.Sprint(want) {
			t.Errorf("%s is %q, not %v", name, word, want)
		}
	}
	for name := range defaults {
		t.Errorf("%s is not in SECURITY.md", name)
	}
}

// testNames returns the names of the tests of all packages below dir.
func testNames(t *testing.T, dir string) map[string]bool {
	names := map[string]bool{}
	name := regexp.MustCompile(`(?m)^func (Test\w+)`)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		p, err := os.ReadFile(path)
		for _, m := range name.FindAllStringSubmatch(string(p), -1) {
			names[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
