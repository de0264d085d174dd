package origin

import (
	"strings"
	"testing"
)

// "*" alone has a meaning in a pattern of origins: a class, as path.Match knows it, would
// let addresses in that nobody listed.
func TestPatterns(t *testing.T) {
	cases := []struct {
		pattern, origin string
		want            bool
	}{
		{"http://[::1]:8080", "http://[::1]:8080", true},
		{"http://[::1]:8080", "http://1:8080", false},
		{"http://[::1]:8080", "http://::8080", false},
		{"[::1]", "http://[::1]:99", true},
		{"https://*.example.com", "https://a.b.example.com", true},
		{"https://*.example.com", "https://example.com", false},
		{"https://*.example.com", "https://evil.com/.example.com", false},
		{"*.example.com", "https://a.example.com:8443", true},
		{"*.example.com", "https://a.example.com.evil.org", false},
		{"*.example.com", "https://aexample.com", false},
		{"*a*b*", "http://xxaxxbxx", true},
		{"*a*b*", "http://xxbxxaxx", false},
		{"http://*:*", "http://example.com:8080", true},
		{"192.168.1.*", "http://192.168.1.7:8080", true},
		{"192.168.1.*", "http://192.168.1.evil.example", false},
		{"http://192.168.*", "http://192.168.1.7:8080", true},
		{"http://192.168.*", "http://192.168.evil.example", false},
		{"http://192.168.*:*", "http://192.168.evil.example:81", false},
		{"10.*:8080", "http://10.evil.example:8080", false},
		{"10.*:8080", "http://10.1.2.3:8080", true},
		{"*.7", "http://10.1.2.7", true},
		{"cam-1*", "http://cam-12.example", true},
		{"file://", "file://", true},
		{"null", "null", true},
	}
	for _, tc := range cases {
		if got := Allowed([]string{tc.pattern}, tc.origin, "example.com"); got != tc.want {
			t.Errorf("%q, origin %q: %v", tc.pattern, tc.origin, got)
		}
	}
	// An origin may be as long as a head: a matcher that tries all ways would not come back.
	if Allowed([]string{strings.Repeat("*a", 20) + "b"}, "http://"+strings.Repeat("a", 15<<10), "") {
		t.Error("an origin without a b matches")
	}
}

// Without a list the pages of the host itself may connect, and nothing else that has its
// name in a URL.
func TestOriginOfTheHost(t *testing.T) {
	for origin, want := range map[string]bool{
		"http://example.com": true, "https://example.com": true, "HTTP://EXAMPLE.com": true, "http://example.com:80": true,
		"ftp://example.com": false, "chrome-extension://example.com": false, "file://example.com": false, "null": false,
		"http://example.com:81": false, "http://example.com.evil.org": false, "http://evil@example.com": false, "": false,
	} {
		if got := Allowed(nil, origin, "example.com"); got != want {
			t.Errorf("%q: %v", origin, got)
		}
	}
}

func TestAllowed(t *testing.T) {
	for _, tt := range []struct {
		patterns, origin, host string
		want                   bool
	}{
		{"", "http://example.com", "example.com", true},
		{"", "http://EXAMPLE.com", "Example.com:80", true},
		{"", "https://example.com", "example.com:443", true},
		{"", "http://example.com:8080", "example.com", false},
		{"", "http://evil.example", "example.com", false},
		{"", "null", "null", false},
		{"", "", "", false},
		{"*", "anything at all", "example.com", true},
		{"example.com", "https://example.com:8443", "other", true},
		{"*.example.com", "http://a.example.com", "other", true},
		{"*.example.com", "http://example.com", "other", false},
		{"*.example.com", "http://a.example.com.evil.example", "other", false},
		{"https://example.com", "http://example.com", "other", false},
		{"https://example.com", "https://example.com", "other", true},
		{"null", "null", "other", true},
		{"file://", "file://", "other", true},
		{"example.com", "http://example.com@evil.example", "other", false},
	} {
		var patterns []string
		if tt.patterns != "" {
			patterns = strings.Split(tt.patterns, " ")
		}
		if got := Allowed(patterns, tt.origin, tt.host); got != tt.want {
			t.Errorf("%q of %q at %q: %v", tt.origin, patterns, tt.host, got)
		}
	}
}

// A pattern that no origin can match is a mistake of the program's.
func TestCheckPattern(t *testing.T) {
	for _, p := range []string{"*", "null", "file://", "example.com", "*.example.com", "example.com:8080", "example.com:*", "[::1]", "[::1]:8080",
		"http://example.com", "https://*.example.com:8443", "https://example.com:80", "http://example.com:443", "http://*:*", "app://*"} {
		if err := CheckPattern(p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	for p, want := range map[string]string{
		"": "matches no", "a b": "matches no", "?.example.com": "matches no", "[a-z].example.com": "matches no", `a\*`: "matches no", "[1]": "matches no",
		"://a": "matches no", "example.com/": "matches no", ":80": "matches no", "example.com:": "matches no", "https://example.com:": "matches no",
		"https://example.com/": "no slash", "https://example.com/path": "no path", "https://example.com?q": "no path",
		"http://example.com:80": "own port", "HTTPS://example.com:443": "own port", "example.com:80": "own port", "[::1]:443": "own port",
	} {
		if err := CheckPattern(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, not %q", p, err, want)
		}
	}
}
