package draftwire

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

// Whatever came before: a head is what it was, and so are its parts.
func FuzzHeads(f *testing.F) {
	seed.Add(f, browser("/", "a"), browser("/", "b"), "example.com")
	seed.Add(f, browser("/?token=1", "a"), browser("/?token=2", "b"), "/?token=2")
	seed.Add(f, "", "\n", "")
	seed.Add(f, "a\nb\nc", "a\nx\nc", "x")
	seed.Add(f, "a\nb\nc\n", "a\nb\nc", "c")
	seed.Add(f, strings.Repeat("a\n", 70), strings.Repeat("a\n", 69)+"b\n", "b")
	f.Fuzz(func(t *testing.T, a, b, part string) {
		var known heads
		for _, whole := range []string{a, b, a, b + a, b} {
			var h head
			known.share(7, whole, &h)
			if got := h.String(); got != whole {
				t.Fatalf("%q came back as %q", whole, got)
			}
			if strings.Contains(whole, part) && h.part(part) != part {
				t.Fatalf("%q came back as %q", part, h.part(part))
			}
			if h.like != nil && len(*h.like) > 2*len(whole) {
				t.Fatalf("%d bytes hold %d of another", len(whole), len(*h.like))
			}
		}
	})
}

// A connection holds what is its own.
func TestHeadsHold(t *testing.T) {
	var known heads
	for i, tt := range []struct{ whole, own string }{
		{browser("/", "key 1"), ""},
		{browser("/", "key 2"), "Sec-WebSocket-Key: key 2\r\n"},
		{browser("/?token=3", "key 3"), "GET /?token=3 HTTP/1.1\r\nSec-WebSocket-Key: key 3\r\n"},
		{browser("/", "key 1"), ""},
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", ""}, // of another kind, but in the same place
		{"GET / HTTP/1.1\r\nHost: b\r\n\r\n", "Host: b\r\n"},
	} {
		var h head
		known.share(1, tt.whole, &h)
		if h.own != tt.own || h.String() != tt.whole {
			t.Errorf("%d: own is %q, not %q; whole %q", i, h.own, tt.own, h.String())
		}
	}
}

// Who sends a long head cannot have others hold it.
func TestHeadsHoldLittle(t *testing.T) {
	var known heads
	long := strings.Replace(browser("/", "key"), "\r\n\r\n", "\r\nCookie: "+strings.Repeat("x", 8<<10)+"\r\n\r\n", 1)
	var h head
	known.share(1, long, &h)
	for i := range 2 {
		short := strings.Replace(browser("/", fmt.Sprint(i)), "\r\n\r\n", "\r\nCookie: x\r\n\r\n", 1)
		known.share(1, short, &h)
		if len(*h.like) > 2*len(short) {
			t.Errorf("%d bytes hold %d", len(short), len(*h.like))
		}
	}
}

// Kinds are told apart by the names of fields, not by what they say.
func TestKindOf(t *testing.T) {
	kind := func(head string) uint {
		var f wire.Fields
		for _, line := range strings.Split(head, "\r\n") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				f = append(f, wire.Field{Name: name, Value: value})
			}
		}
		return kindOf(f)
	}
	a := kind(browser("/", "a"))
	if kind(browser("/b", "b")) != a {
		t.Error("one kind is two")
	}
	if kind(strings.Replace(browser("/", "a"), "User-Agent", "X-Agent", 1)) == a {
		t.Error("two kinds are one")
	}
}
