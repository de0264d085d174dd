package httphead

import (
	"strings"
	"testing"

	"github.com/draftwire/draftwire/wire"
)

// judge holds is against a table of what it takes.
func judge(t *testing.T, name string, is func(string) bool, table map[string]bool) {
	t.Helper()
	for s, want := range table {
		if is(s) != want {
			t.Errorf("%s(%q): %v", name, s, !want)
		}
	}
}

// What may stand in a head, with its borders.
func TestWords(t *testing.T) {
	judge(t, "IsToken", IsToken, map[string]bool{
		"a": true, "!": true, "~": true, "X-Key": true,
		"": false, "a b": false, " ": false, "\x7f": false, "a:": false, "a/b": false, "\xe9": false,
	})
	judge(t, "IsTarget", IsTarget, map[string]bool{
		"/": true, "!": true, "/\x80": true, "/~": true,
		"": false, "/ ": false, " /": false, "/\x7f": false, "/\x1f": false, "/#": false, "#": false,
	})
	judge(t, "IsFieldValue", IsFieldValue, map[string]bool{
		"": true, "a\tb": true, "\xff": true, "a\rb": false, "\n": false, "a\x00": false,
	})
	judge(t, "isProto", isProto, map[string]bool{
		"HTTP/0.0": true, "HTTP/9.9": true, "HTTP/1.1": true,
		"HTTP/1.10": false, "HTTP/1.": false, "HTTP/1,1": false, "http/1.1": false,
		"HTTP//.1": false, "HTTP/:.1": false, "HTTP/1./": false, "HTTP/1.:": false,
	})
}

func TestIsAuthority(t *testing.T) {
	longest := strings.Repeat("a", maxAuthority)
	judge(t, "IsAuthority", IsAuthority, map[string]bool{
		"example.com": true, "example.com:80": true, "example.com:": true, "a:65535": true, "192.0.2.1:8080": true,
		"[::1]": true, "[::1]:80": true, "[::1]:": true, "[2001:DB8::192.0.2.1]": true, "a_b~c-d": true, longest: true,
		"": false, ":80": false, "a:123456": false, "a:8o": false, "a:80:80": false, "::1": false, "a,b": false, "a/b": false, "a%20b": false, "u@a": false,
		"[::1": false, "[]": false, "[a]": false, "[1234]": false, "[::1]80": false, "[::1]x": false, "[::g]": false, "[::1%eth0]": false, "[::1]:x": false, "[]:80": false,
		longest + "a": false,
	})
}

// A response keeps its status line and its head as they came.
func TestResponseKeeps(t *testing.T) {
	for _, tt := range []struct {
		line   string
		status int
	}{{"HTTP/1.1 909 x", 909}, {"HTTP/1.0 000", 0}, {"HTTP/1.1 199 ", 199}} {
		head := tt.line + "\r\nA: b\r\n\r\n"
		var r wire.Response
		if err := ParseResponse(head, &r); err != nil || r.Status != tt.status || r.Line != tt.line || r.Raw != head || len(r.Fields) != 1 {
			t.Errorf("%q: %+v, %v", head, r, err)
		}
	}
	for _, line := range []string{"HTTP/1.1 :00", "HTTP/1.1 0/0", "HTTP/1.1-200", "HTTP/1.1 200x", "HTTP/1.1 20", "XTTP/1.1 200"} {
		if ParseResponse(line+"\r\n\r\n", new(wire.Response)) == nil {
			t.Errorf("%q is taken", line)
		}
	}
}

// A field with a NUL anywhere is refused.
func TestNUL(t *testing.T) {
	for _, value := range []string{"\x00", "\x00a", " a\x00", "a\x00b"} {
		if ParseRequest("GET / HTTP/1.1\r\nA:"+value+"\r\n\r\n", new(wire.Request)) == nil {
			t.Errorf("%q is taken", value)
		}
	}
}
