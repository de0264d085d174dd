package gateway_test

import (
	"math/rand/v2"
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/draftwire/draftwire/gateway"
)

// The routes of these tests, by their index.
var pathRoutes = []string{"/secret", "/secret/*", "/open/*", "*"}

const (
	refused = iota - 1
	secret
	belowSecret
	belowOpen
	byDefault
)

// A path leads to a route only if every server would read the same route in it. An odd but
// harmless path leads to the same route as before.
func TestPathsLeadPastNoRoute(t *testing.T) {
	cases := map[string]int{
		"/secret": secret, "/secret?a=/x/../y;#": secret, "/%73ecret": secret, "/secret/": belowSecret, "/secret/a%20b": belowSecret,
		"/secret/a//b": belowSecret, "/secret/a;b=c": belowSecret, "/secret//": belowSecret, "/secret/%2f": belowSecret, "/secret/a%2Fb": belowSecret,
		"/open/~me/a:b@c,d!$&'()*+=_": belowOpen, "/open/x/%23room": belowOpen, "/open/%C3%A4": belowOpen, "/open/\xe4": belowOpen,
		"/open/%": belowOpen, "/open/%zz": belowOpen, "/open/100%": belowOpen, "/open/..a/b..c/.d": belowOpen, "/open/a.": belowOpen,
		"/": byDefault, "/?": byDefault, "//": byDefault, "/x//y": byDefault, "//x": byDefault, "/x;y=z": byDefault, "/x%2fy": byDefault,
		"/x%5cy": byDefault, "/x\\y": byDefault, "/SECRET": byDefault, "/secrets": byDefault, "/secret.json": byDefault, "/x%252e": byDefault,

		"//secret": refused, "/secret;a": refused, "/secret;a/b": refused, "/;/secret": refused, "/secret%3ba": refused, "/secret%00": refused,
		"/secret%0a": refused, "/open/%7f": refused, "/secret%2fx": refused, "/secret%252fx": refused, "/secret%5cx": refused, "/secret\\x": refused,
		"\\secret": refused, "/\\secret": refused, "/%2fsecret": refused, "/%5csecret": refused, "/%73%65cret%20": refused, "/secret.": refused,
		"/secret%3fx": refused, "/secret%23x": refused, "/%2573ecret": refused, "/%u0073ecret": refused, "/secret%c0%af": refused, "/secret%e0%80%afx": refused,
		"//host/secret": refused, "/\\host/secret": refused, "///host/secret": refused, "//host\\secret": refused, "//host": byDefault,
		"//a\\b/secret": refused, "/open;/secret": refused, "/open//secret": belowOpen, "/open;%2fsecret": refused,
		"/open/../secret": refused, "/x/..;/secret/x": refused, "/x/%2e%2e;a=b/secret/x": refused, "/x/.%2e/secret": refused,
		"/open/%252e%252e/secret": refused, "/open/..%2fsecret": refused, "/open/..%255csecret": refused, "/open\\..\\secret": refused,
		"/open/..%3b/secret": refused, "/open/%c0%ae%c0%ae/secret": refused, "/open/%u002e%u002e/secret": refused, "/open/%zz/%2e%2e/secret": refused,
		"/open/%2e%2e%3fx/secret": refused, "/open/x%3f/../secret": refused, "/open/.. /secret": refused, "/open/.": refused, "/..": refused,
		"/secret\x85": refused, "/secret\xa0": refused, "/secret\xa0\xa0": refused, "/secret\u00a0": refused, "/secret\ufeff": refused, "/secret\u2003x": refused,
		"/secret\xa0/x": refused, "//secret\x85": refused, "/%73ecret\xa0": refused, "/open/..\xa0": refused, "/open/..\xa0x": refused, "/secret\xa0?x": refused,
		"/open/\xa0": belowOpen, "/open/à": belowOpen, "/à": byDefault, "/secretà": byDefault, "/secret%A0": byDefault, "/x\xa0": byDefault,
		"": refused, "secret": refused, "*": refused, "?/secret": refused,
	}
	for target, want := range cases {
		if got := gateway.RouteOf(target, pathRoutes...); got != want {
			t.Errorf("%q leads to route %d, not %d", target, got, want)
		}
	}
}

// A route can be named by a path that servers tidy up, too.
func TestPatternsThatServersTidyUp(t *testing.T) {
	for pattern, target := range map[string]string{
		"/a;b": "/a;b", "/a//b": "/a//b", "/a.": "/a.", "/a b/*": "/a%20b/c", "/50%": "/50%25", "/ä": "/%C3%A4", "/a;/*": "/a;/b", "/à": "/à", "/a\u00a0b": "/a\u00a0b", "/*": "//;", "*": "/;a",
	} {
		if gateway.RouteOf(target, pattern) != 0 {
			t.Errorf("%q does not match %q", pattern, target)
		}
	}
}

// servers read a path; ok is false if they refuse it.
var servers = map[string]func(raw string) (p string, ok bool){
	"decodes": func(raw string) (string, bool) { p, err := url.PathUnescape(raw); return p, err == nil },
	"nginx": func(raw string) (string, bool) {
		p, err := url.PathUnescape(raw)
		return clean(p), err == nil && !strings.Contains(p, "\x00")
	},
	"nginx without merge_slashes": func(raw string) (string, bool) {
		p, err := url.PathUnescape(raw)
		return p, err == nil && !hasDots(p)
	},
	"Apache": func(raw string) (string, bool) {
		p, err := url.PathUnescape(raw)
		return clean(p), err == nil && !strings.Contains(strings.ToLower(raw), "%2f")
	},
	"Apache with AllowEncodedSlashes NoDecode": func(raw string) (string, bool) {
		p, err := url.PathUnescape(strings.NewReplacer("%2f", "%252f", "%2F", "%252F").Replace(raw))
		return clean(p), err == nil
	},
	"Tomcat": func(raw string) (string, bool) {
		p, err := url.PathUnescape(stripped(raw))
		return clean(p), err == nil && !strings.Contains(strings.ToLower(raw), "%2f") && !strings.Contains(p, `\`)
	},
	"Tomcat with encoded slashes and backslashes": func(raw string) (string, bool) {
		p, err := url.PathUnescape(stripped(raw))
		return clean(strings.ReplaceAll(p, `\`, "/")), err == nil
	},
	"strips behind the escapes": func(raw string) (string, bool) {
		p, err := url.PathUnescape(raw)
		return clean(stripped(p)), err == nil
	},
	"IIS": func(raw string) (string, bool) {
		p, err := url.PathUnescape(strings.NewReplacer("%u002e", ".", "%u002f", "/").Replace(raw))
		segs := strings.Split(strings.ReplaceAll(p, `\`, "/"), "/")
		for i, s := range segs {
			if segs[i] = strings.TrimRight(s, " "); !hasDots(segs[i]) {
				segs[i] = strings.TrimRight(s, " .")
			}
		}
		return clean(strings.Join(segs, "/")), err == nil
	},
	"behind a proxy that decodes": func(raw string) (string, bool) {
		once, err := url.PathUnescape(raw)
		once, _, _ = strings.Cut(once, "?")
		once, _, _ = strings.Cut(once, "#")
		p, err2 := url.PathUnescape(once)
		return clean(p), err == nil && err2 == nil
	},
	"JavaScript's URL": func(raw string) (string, bool) {
		rest := strings.TrimLeft(raw, `/\`)
		if raw = strings.ReplaceAll(raw, `\`, "/"); len(raw)-len(rest) >= 2 {
			raw = "/"
			if i := strings.IndexAny(rest, `/\`); i >= 0 {
				raw = strings.ReplaceAll(rest[i:], `\`, "/")
			}
		}
		p, err := url.PathUnescape(raw)
		return p, err == nil && !hasDots(p)
	},
	"Python's http.server": func(raw string) (string, bool) {
		words := strings.Fields(latin1(raw))
		if len(words) != 1 {
			return "", false
		}
		p, err := url.PathUnescape(raw[:utf8.RuneCountInString(words[0])])
		return p, err == nil
	},
	"JavaScript's url.parse": func(raw string) (string, bool) {
		trimmed := strings.TrimRight(latin1(raw), "\u00a0")
		p, err := url.PathUnescape(strings.ReplaceAll(raw[:utf8.RuneCountInString(trimmed)], `\`, "/"))
		return p, err == nil && !hasDots(p)
	},
	"Python's urlsplit": func(raw string) (string, bool) {
		if rest, ok := strings.CutPrefix(raw, "//"); ok {
			raw = "/"
			if i := strings.IndexByte(rest, '/'); i >= 0 {
				raw = rest[i:]
			}
		}
		p, err := url.PathUnescape(raw)
		return p, err == nil
	},
}

// latin1 is text of which each byte is a character.
func latin1(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

func hasDots(p string) bool {
	for seg := range strings.SplitSeq(p, "/") {
		if seg == "." || seg == ".." {
			return true
		}
	}
	return false
}

// clean resolves dots and joins slashes. A slash at the end stays.
func clean(p string) string {
	c := path.Clean(p)
	if strings.HasSuffix(p, "/") && c != "/" {
		c += "/"
	}
	return c
}

// stripped removes path parameters.
func stripped(p string) string {
	segs := strings.Split(p, "/")
	for i, s := range segs {
		segs[i], _, _ = strings.Cut(s, ";")
	}
	return strings.Join(segs, "/")
}

// servedAs returns the route of a path without any decoding.
func servedAs(p string) int {
	switch {
	case p == "/secret":
		return secret
	case strings.HasPrefix(p, "/secret/"):
		return belowSecret
	case strings.HasPrefix(p, "/open/"):
		return belowOpen
	}
	return byDefault
}

// checkTarget fails if a server finds another route in a target than the gateway.
func checkTarget(t *testing.T, target string) {
	t.Helper()
	got := gateway.RouteOf(target, pathRoutes...)
	if got == refused {
		return
	}
	raw, _, _ := strings.Cut(target, "?")
	for name, read := range servers {
		if p, ok := read(raw); ok && servedAs(p) != got {
			t.Errorf("%q leads to route %d, and %s makes %q of it", target, got, name, p)
		}
	}
}

// pieces are the parts of paths that servers read in different ways.
var pieces = append([]string{"\x85", "\xa0", "\u00a0", "\u2003"}, strings.Fields(`/ / / // \ . .. ; ;a=b %2f %2F %5c %2e %25 2e 2f 5c 3b % %3b %3f %23 %20 %00 %u002e %u002f %c0%ae %73 secret secret open x host ? é à %a0`)...)

// In whatever way a path is put together, no server finds another route in it than the
// gateway.
func TestServersReadTheSameRoute(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		target := "/"
		for range 1 + r.IntN(7) {
			target += pieces[r.IntN(len(pieces))]
		}
		checkTarget(t, target)
		if t.Failed() {
			return
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, target := range []string{"/x/..;/secret/x", "//host/secret", "/secret%252fx", "/open;%2fsecret", "/a%3b%3fx/../secret"} {
		f.Add(target)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if strings.HasPrefix(target, "/") && !strings.ContainsAny(target, " #") {
			checkTarget(t, target)
		}
	})
}

// A path that leads to one route in every reading reaches the backend byte for byte. Any
// other path gets a 404, and one with a fragment a 400.
func TestOddTargets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		inner, rest := w.script("inner:80", says("HTTP/1.1 409 Conflict\r\n\r\n")), w.script("rest:80", says("HTTP/1.1 410 Gone\r\n\r\n"))
		cfg := to(gateway.Policy{}, "ws://rest")
		guarded := gateway.Route{Name: "guarded", Match: gateway.Match{Paths: []string{"/Secret/*"}, IgnoreCase: true}, StripPrefix: "/secret", Backends: urls("ws://inner"), Health: gateway.Health{Check: "off"}}
		cfg.Routes = append([]gateway.Route{guarded}, cfg.Routes...)
		w.start(cfg)
		for _, tc := range []struct{ target, status, asked string }{
			{"/secret/a;b//%zz%2F?c;d=%23..", "409", "/a;b//%zz%2F?c;d=%23.."},
			{"/SECRET/%41", "409", "/%41"},
			{"/x;y//z\\%", "410", "/x;y//z\\%"},
			{"/x/..;/secret/x", "404", ""},
			{"//host/sEcret/x", "404", ""},
			{"/secret%2fx", "404", ""},
			{"/secret/x#y", "400", ""},
			{"/#/secret/x", "400", ""},
		} {
			before := inner.made.Load() + rest.made.Load()
			answer, nc := w.ask(head13(tc.target, ""))
			nc.Close()
			if !strings.HasPrefix(answer, "HTTP/1.1 "+tc.status) {
				t.Errorf("%q: answered %q", tc.target, answer)
			}
			s := inner
			if tc.status == "410" {
				s = rest
			}
			asked, _, _ := strings.Cut(s.head(int(s.made.Load())-1), "\r\n")
			if made := inner.made.Load() + rest.made.Load() - before; tc.asked == "" && made != 0 || tc.asked != "" && asked != "GET "+tc.asked+" HTTP/1.1" {
				t.Errorf("%q: a backend was asked %q", tc.target, asked)
			}
		}
		w.settled(inner, rest)
	})
}

func BenchmarkReadings(b *testing.B) {
	for name, target := range map[string]string{
		"plain": "/feed/of/things", "escapes": "/feed/" + strings.Repeat("%41", 5000), "deep": "/" + strings.Repeat("%", 5000) + strings.Repeat("25", 5000),
		"all": "/x/" + strings.Repeat(`;\%2fa%3f%3bb%5c`, 1000), "slashes": strings.Repeat("/", 16000),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				gateway.Readings(target)
			}
		})
	}
}
