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
