package ascii

import "testing"

func TestEqualFold(t *testing.T) {
	for _, tc := range []struct {
		s, t string
		want bool
	}{
		{"websocket", "WebSocket", true}, {"", "", true}, {"a", "b", false}, {"a", "ab", false},
		{"web\u017Focket", "websocket", false}, {"websoc\u212Aet", "websocket", false}, {"[", "{", false}, {"@", "`", false},
		{"caf\xe9", "CAF\xe9", true}, {"\xe9", "\xc9", false},
	} {
		if got := EqualFold(tc.s, tc.t); got != tc.want {
			t.Errorf("%q, %q: %v", tc.s, tc.t, got)
		}
	}
}

func TestToLower(t *testing.T) {
	for s, want := range map[string]string{
		"":            "",
		"HTTP://A.Z/": "http://a.z/",
		"@[`{":        "@[`{",       // the neighbours of the letters
		"\u212A\xC9":  "\u212A\xC9", // beyond ASCII nothing has case
		"abc-0_9\x00": "abc-0_9\x00",
	} {
		if got := ToLower(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

func TestAppendField(t *testing.T) {
	if got := string(AppendField([]byte("A: b\r\n"), "Host", "example.com")); got != "A: b\r\nHost: example.com\r\n" {
		t.Errorf("%q", got)
	}
}

func TestTrim(t *testing.T) {
	for s, want := range map[string]string{"": "", " \t ": "", "a": "a", "\ta b \t": "a b", "\u00a0a\n ": "\u00a0a\n"} {
		if got := Trim(s); got != want {
			t.Errorf("%q: %q", s, got)
		}
	}
}
