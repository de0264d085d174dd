package wire

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/internal/seed"
)

// FuzzNames fuzzes what people write: versions, sets of them, tolerances. What is read is
// written and read again as the same.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"all", "modern", "rfc6455,hixie-76", "-hixie-75", "modern,-hybi-07", "", ",", "-", "all,-all", "13,,8", " 76 ", "x", "HYBI-00",
		"injected-key,no-connection", "UNMASKED, hybi-01", "7,-7"} {
		for _, served := range []Versions{AllVersions, ModernVersions, 0} {
			seed.Add(f, s, uint16(served))
		}
	}
	f.Fuzz(func(t *testing.T, s string, set uint16) {
		served := Versions(set) & AllVersions
		if v, err := ParseVersion(s); err == nil {
			var again Version
			text, _ := v.MarshalText()
			if err := again.UnmarshalText(text); err != nil || again != v || !AllVersions.Has(v) || v.Info().Version != v {
				t.Fatalf("%q is %v, and that is %v, %v", s, v, again, err)
			}
		} else if v != Unknown || !strings.Contains(err.Error(), RFC6455.String()) {
			t.Fatalf("%q is %v, %v", s, v, err)
		}
		if x, err := ParseVersions(s, served); err == nil {
			again, err := ParseVersions(x.String(), served)
			if err != nil || again != x || x&^served != 0 || x.Len() != len(x.List()) || VersionsOf(x.List()...) != x {
				t.Fatalf("%q is %v of %v, and that is %v, %v", s, x, served, again, err)
			}
		} else if x != 0 {
			t.Fatalf("%q is %v, %v", s, x, err)
		}
		if x, err := ParseTolerances(s, AllTolerances); err == nil {
			if again, err := ParseTolerances(x.String(), AllTolerances); err != nil || again != x {
				t.Fatalf("%q is %v, and that is %v, %v", s, x, again, err)
			}
		} else if x != 0 {
			t.Fatalf("%q is %v, %v", s, x, err)
		}
		if v := VersionByHeader(s); v != Unknown && (v.Info().HeaderValue != s || !strings.Contains(", "+AllVersions.HeaderValue()+",", ", "+s+",")) {
			t.Fatalf("%q is the number of %v", s, v)
		}
	})
}

// listOf is a slow List: the members of a comma list, of which quotes hide commas.
func listOf(values []string) (list []string) {
	for _, v := range values {
		member, quoted := "", false
		for _, c := range []byte(v + ",") {
			if c == ',' && !quoted {
				if member = strings.Trim(member, " \t"); member != "" {
					list = append(list, member)
				}
				member = ""
				continue
			}
			member += string([]byte{c})
			quoted = quoted != (c == '"')
		}
		if member = strings.Trim(strings.TrimSuffix(member, ","), " \t"); quoted && member != "" {
			list = append(list, member)
		}
	}
	return list
}

// FuzzFields fuzzes what is asked of header lines, beside a slow way to find out.
func FuzzFields(f *testing.F) {
	for _, s := range []string{"a, b", ` "a,b" , c`, ",,", "", "\t", `"open, x`, "upgrade", "Keep-Alive, Upgrade", `a;b="\",c`, `""`} {
		for _, other := range []string{"", "UPGRADE", `", "`} {
			seed.Add(f, s, other, "upgrade", true)
			seed.Add(f, other, s, s, false)
		}
	}
	f.Fuzz(func(t *testing.T, a, b, token string, spelled bool) {
		fields := Fields{{"Other", token}, {"conNECTION", a}, {"Connection2", token}, {"Connection", b}}
		values := []string{a, b}
		if !spelled {
			fields, values = fields[:3], values[:1]
		}
		if got := fields.Get("CONNECTION"); got != a || fields.Count("connection") != len(values) || !fields.Has("Connection") || fields.Has("Nothing") || fields.Get("Nothing") != "" {
			t.Fatalf("%q: %q, %d", fields, got, fields.Count("connection"))
		}
		if got, want := fields.List("Connection"), listOf(values); !slices.Equal(got, want) {
			t.Fatalf("%q: list %q, want %q", values, got, want)
		}
		plain := strings.Split(strings.Join(values, ","), ",")
		want := slices.ContainsFunc(plain, func(s string) bool { return ascii.ToLower(strings.Trim(s, " \t")) == ascii.ToLower(token) })
		if fields.HasToken("connection", token) != want {
			t.Fatalf("%q has the token %q: %v", values, token, !want)
		}
		if n := len(fields.Append(nil)); n != len(a)+len(token)*2+len("Other: \r\nconNECTION: \r\nConnection2: \r\n")+(len(values)-1)*(len(b)+len("Connection: \r\n")) {
			t.Fatalf("%q takes %d bytes", fields, n)
		}
	})
}

// FuzzPlace fuzzes the target of a request: what a client asks for is a path, and the path
// of that path is the same.
func FuzzPlace(f *testing.F) {
	for _, target := range []string{"/", "/a?b", "", "?a", "http://h/a", "ws://h", "ws://h?x", "://", "a", "/a://b", "*", "a?b=http://h/p", "1a://h", "a1+.-://h/x"} {
		seed.Add(f, target, "Example.com:80", true)
		seed.Add(f, target, "example.com:443", false)
	}
	f.Fuzz(func(t *testing.T, target, host string, secure bool) {
		r := Request{Target: target, Secure: secure, Fields: Fields{{"Host", host}}}
		path := r.Path()
		if a, ok := r.Authority(); ok {
			if !strings.HasPrefix(target[strings.Index(target, "://")+3:], a) || strings.ContainsAny(a, "/?") {
				t.Fatalf("%q has the authority %q", target, a)
			}
			host = a // it goes before the field (RFC 9112 3.2.2)
		}
		if r.Host() != host || len(path) > len(target)+1 || path == "" || path[0] == '?' {
			t.Fatalf("%q at %q: %q", target, r.Host(), path)
		}
		again := Request{Target: path}
		if path[0] == '/' && again.Path() != path {
			t.Fatalf("%q is %q and that %q", target, path, again.Path())
		}
	})
}

// FuzzErrors fuzzes what is said of failures: a close, a refusal, a fault. None of it is
// empty.
func FuzzErrors(f *testing.F) {
	for i, r := range Reasons() {
		seed.Add(f, uint16(990+i), strings.Repeat("é", 3*i), string(r.Reason), "13, 8", byte(i))
	}
	seed.Add(f, uint16(1000), "", "", "", byte(0))
	seed.Add(f, uint16(4999), strings.Repeat("\U0001F600", 31), "no such", "", byte(200))
	seed.Add(f, uint16(5), strings.Repeat("\x80", 200), "refused", "", byte(255))
	f.Fuzz(func(t *testing.T, number uint16, text, reason, list string, version byte) {
		code, v := CloseCode(number), Version(version)
		if s := (&CloseError{Code: code, Reason: text}).Error(); !strings.Contains(s, code.String()) {
			t.Fatalf("%d: %q", code, s)
		}
		resp := Response{Line: "HTTP/1.1 400 " + text, Status: 400, Fields: Fields{{"Draftwire-Reason", reason}, {"Sec-WebSocket-Version", list}}}
		he, ok := errors.AsType[*HandshakeError](NewRefusedError(v, &resp))
		if !ok || he.Status != 400 || he.Hint() != ReasonRefused.Info().Cure || !strings.Contains(he.Error(), text) || reason != "" && !strings.Contains(he.Error(), reason) {
			t.Fatalf("%+v", he)
		}
		he = NewHandshakeError(v, Reason(reason), text)
		if he.Err = errors.New(list); he.Error() == "" || !strings.HasSuffix(he.Error(), list) || he.Status != Reason(reason).Info().Status || errors.Unwrap(he) != he.Err {
			t.Fatalf("%v", he)
		}
		pe := &ProtocolError{Version: v, Fault: FaultTooBig, Section: text, Code: code, Msg: "m"}
		if s := pe.Error(); text == "" && strings.Contains(s, "(") || !strings.Contains(s, text) || !errors.Is(pe, ErrTooBig) || errors.Is(pe, ErrClosed) {
			t.Fatalf("%q", s)
		}
		if op := Op(version); op.String() == "" || op.IsData() && op.IsControl() || Role(version).String() == "" || len(Caps(number).Names()) > 12 {
			t.Fatalf("%d: %v", version, op)
		}
		if v.Supports(CapCloseCode) && (!v.Supports(CapCloseFrame) || !AllVersions.Has(v)) || AllVersions.Without(v).Has(v) || AllVersions.With(v) != AllVersions {
			t.Fatalf("%v", v)
		}
	})
}
