package intern

import (
	"fmt"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/internal/seed"
	"github.com/draftwire/draftwire/wire"
)

// browser is the request of a browser, to a path and with a key.
func browser(path, key string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: example.com\r\nUser-Agent: Mozilla/5.0 (SMART-TV; Linux) AppleWebKit/537\r\n" +
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + key + "\r\nOrigin: http://example.com\r\n\r\n"
}

// FuzzHeads: whatever came before, a head reads as it was, and so do its parts.
func FuzzHeads(f *testing.F) {
	seed.Add(f, browser("/", "a"), browser("/", "b"), "example.com")
	seed.Add(f, browser("/?token=1", "a"), browser("/?token=2", "b"), "/?token=2")
	seed.Add(f, "", "\n", "")
	seed.Add(f, "a\nb\nc", "a\nx\nc", "x")
	seed.Add(f, "a\nb\nc\n", "a\nb\nc", "c")
	seed.Add(f, "GET / HTTP/1.1\nlong: x\nb: 1\n", "GET / HTTP/1.1\nlong: x\nb: ", "b: ")
	seed.Add(f, "GET / HTTP/1.1\nlong: x\nb: 1\n", "GET / HTTP/1.1\nlong: x\nc: 2\n", "c: 2")
	seed.Add(f, strings.Repeat("a\n", 70), strings.Repeat("a\n", 69)+"b\n", "b")
	f.Fuzz(func(t *testing.T, a, b, part string) {
		var known Table
		for _, whole := range []string{a, b, a, b + a, b} {
			var h Head
			known.Intern(7, whole, &h)
			if got := h.String(); got != whole {
				t.Fatalf("%q came back as %q", whole, got)
			}
			if strings.Contains(whole, part) && h.Slice(part) != part {
				t.Fatalf("%q came back as %q", part, h.Slice(part))
			}
			if h.base != nil && len(*h.base) > 2*len(whole) {
				t.Fatalf("%d bytes hold %d of another", len(whole), len(*h.base))
			}
		}
	})
}

// A connection holds the values in which its head differs, and nothing of a base with other names.
func TestHeadsHoldWhatDiffers(t *testing.T) {
	var known Table
	for i, tt := range []struct{ whole, own string }{
		{browser("/", "key 1"), ""},
		{browser("/", "key 2"), "key 2\r\n"},
		{browser("/?token=3", "key 3"), "GET /?token=3 HTTP/1.1\r\nkey 3\r\n"},
		{browser("/", "key 1"), ""},
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", ""}, // of another make, but with the same fingerprint
		{"GET / HTTP/1.1\r\nHost: b\r\n\r\n", "b\r\n"},
		{"GET / HTTP/1.1\r\nEtag: b\r\n\r\n", ""},
	} {
		var h Head
		known.Intern(1, tt.whole, &h)
		if h.own != tt.own || h.String() != tt.whole {
			t.Errorf("%d: own is %q, not %q; whole %q", i, h.own, tt.own, h.String())
		}
	}
}

// A client that sends a long head cannot make others hold it.
func TestShortHeadsHoldNoLongOne(t *testing.T) {
	var known Table
	long := strings.Replace(browser("/", "key"), "\r\n\r\n", "\r\nCookie: "+strings.Repeat("x", 8<<10)+"\r\n\r\n", 1)
	var h Head
	known.Intern(1, long, &h)
	for i := range 2 {
		short := strings.Replace(browser("/", fmt.Sprint(i)), "\r\n\r\n", "\r\nCookie: x\r\n\r\n", 1)
		known.Intern(1, short, &h)
		if len(*h.base) > 2*len(short) {
			t.Errorf("%d bytes hold %d", len(short), len(*h.base))
		}
	}
}

// A fingerprint follows from the names of the fields, not from their values.
func TestFingerprint(t *testing.T) {
	fingerprint := func(head string) uint {
		var f wire.Fields
		for _, line := range strings.Split(head, "\r\n") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				f = append(f, wire.Field{Name: name, Value: value})
			}
		}
		return Fingerprint(f)
	}
	a := fingerprint(browser("/", "a"))
	if fingerprint(browser("/b", "b")) != a {
		t.Error("one make has two fingerprints")
	}
	if fingerprint(strings.Replace(browser("/", "a"), "User-Agent", "X-Agent", 1)) == a {
		t.Error("two makes have one fingerprint")
	}
}
