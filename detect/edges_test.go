package detect_test

import (
	"errors"
	"testing"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/wire"
)

// The first byte of a hybi-01 client is an opcode from 1 to 5, with or without MORE.
func TestIsHybi01(t *testing.T) {
	for b := range 256 {
		want := b >= 0x01 && b <= 0x05 || b >= 0x81 && b <= 0x85
		if detect.IsHybi01(byte(b)) != want {
			t.Errorf("%#x: %v", b, !want)
		}
	}
}

// The first byte of a hixie-76 client is 00 or FF.
func TestIsHixie76(t *testing.T) {
	for b := range 256 {
		if want := b == 0 || b == 0xFF; detect.IsHixie76(byte(b)) != want {
			t.Errorf("%#x: %v", b, !want)
		}
	}
}

// HTTP/1.1 it has to be, or a later one before HTTP/2.
func TestHTTPVersion(t *testing.T) {
	for proto, served := range map[string]bool{"HTTP/1.0": false, "HTTP/1.1": true, "HTTP/1.2": true, "HTTP/2": false, "HTTP/2.0": false, "HTTP/0.9": false, "": false} {
		r := &wire.Request{Method: "GET", Target: "/", Proto: proto, Fields: wire.Fields{{Name: "Host", Value: "h"}, {Name: "Origin", Value: "http://h"},
			{Name: "Upgrade", Value: "WebSocket"}, {Name: "Connection", Value: "Upgrade"}}}
		_, err := detect.Request(r, wire.AllVersions, 0)
		if he, ok := errors.AsType[*wire.HandshakeError](err); served != (err == nil) || ok && he.Reason != wire.ReasonHTTPVersion {
			t.Errorf("%q: %v", proto, err)
		}
	}
}

// The characters at the edges of what is allowed: in a method, in a key of RFC 6455, in a
// version, in a value that an answer repeats.
func TestEdges(t *testing.T) {
	for p, want := range map[string]detect.Kind{"AZaz-_ /": detect.HTTP1, "A@ /": detect.Unknown, "A[ /": detect.Unknown, "A` /": detect.Unknown, "A{ /": detect.Unknown} {
		if got := detect.Preface([]byte(p)); got != want {
			t.Errorf("%q: %s, want %s", p, got, want)
		}
	}
	for _, tc := range []struct {
		version, key, origin string
		want                 wire.Reason // "" for none
	}{
		{"13", "AZaz09+/AZaz09+/AZaz09==", "a b\t\x7e\x80", ""},
		{"13", "AZaz09+/AZaz09+/AZaz0@==", "", wire.ReasonBadKey},
		{"13", "AZaz09+/AZaz09+/AZaz0[==", "", wire.ReasonBadKey},
		{"13", "AZaz09+/AZaz09+/AZaz0`==", "", wire.ReasonBadKey},
		{"13", "AZaz09+/AZaz09+/AZaz0{==", "", wire.ReasonBadKey},
		{"13", "AZaz09+/AZaz09+/AZaz0:==", "", wire.ReasonBadKey},
		{"1:", "AZaz09+/AZaz09+/AZaz09==", "", wire.ReasonBadVersion},
		{"1/", "AZaz09+/AZaz09+/AZaz09==", "", wire.ReasonBadVersion},
		{"13", "AZaz09+/AZaz09+/AZaz09==", "a\x1f", wire.ReasonHeadMalformed},
		{"13", "AZaz09+/AZaz09+/AZaz09==", "a\x7f", wire.ReasonHeadMalformed},
	} {
		r := &wire.Request{Method: "GET", Target: "/", Proto: "HTTP/1.1", Fields: wire.Fields{{Name: "Host", Value: "h"}, {Name: "Upgrade", Value: "websocket"},
			{Name: "Connection", Value: "Upgrade"}, {Name: "Sec-WebSocket-Version", Value: tc.version}, {Name: "Sec-WebSocket-Key", Value: tc.key}, {Name: "Origin", Value: tc.origin}}}
		_, err := detect.Request(r, wire.AllVersions, 0)
		he, _ := err.(*wire.HandshakeError)
		if (err == nil) != (tc.want == "") || err != nil && he.Reason != tc.want {
			t.Errorf("version %q, key %q, origin %q: %v, want %q", tc.version, tc.key, tc.origin, err, tc.want)
		}
	}
}

// Result.Tolerated names the tolerances that a request needed, and no others.
func TestTolerated(t *testing.T) {
	const all = wire.TolerateNoConnection | wire.TolerateInjectedKey | wire.TolerateNoOrigin
	upgrade, connection := wire.Field{Name: "Upgrade", Value: "WebSocket"}, wire.Field{Name: "Connection", Value: "Upgrade"}
	host, origin, key := wire.Field{Name: "Host", Value: "h"}, wire.Field{Name: "Origin", Value: "http://h"}, wire.Field{Name: "Sec-WebSocket-Key", Value: "k"}
	for _, tc := range []struct {
		fields wire.Fields
		want   wire.Tolerances
	}{
		{wire.Fields{host, upgrade, connection, origin}, 0},
		{wire.Fields{host, upgrade, origin}, wire.TolerateNoConnection},
		{wire.Fields{host, upgrade, connection}, wire.TolerateNoOrigin},
		{wire.Fields{host, upgrade, connection, origin, key}, wire.TolerateInjectedKey},
		{wire.Fields{host, upgrade, key}, all},
	} {
		got, err := detect.Request(&wire.Request{Method: "GET", Target: "/", Proto: "HTTP/1.1", Fields: tc.fields}, wire.AllVersions, all)
		if err != nil || got.Version != wire.Hixie75 || got.Tolerated != tc.want {
			t.Errorf("%v: %+v, %v, want %s", tc.fields, got, err, tc.want)
		}
	}
}

// A Connection field that is there and does not say Upgrade is not tolerated, and only where
// it is missing beside a right Upgrade does the refusal name the tolerance.
func TestNoConnection(t *testing.T) {
	host, origin := wire.Field{Name: "Host", Value: "h"}, wire.Field{Name: "Origin", Value: "http://h"}
	upgrade, other := wire.Field{Name: "Upgrade", Value: "WebSocket"}, wire.Field{Name: "Upgrade", Value: "h2c"}
	keep := wire.Field{Name: "Connection", Value: "keep-alive"}
	for _, tc := range []struct {
		fields wire.Fields
		by     wire.Tolerances // what would admit it
	}{
		{wire.Fields{host, origin, upgrade}, wire.TolerateNoConnection},
		{wire.Fields{host, origin, upgrade, keep}, 0},
		{wire.Fields{host, origin, upgrade, keep, keep}, 0},
		{wire.Fields{host, origin, other}, 0},
		{wire.Fields{host, origin}, 0},
	} {
		for _, tolerated := range []wire.Tolerances{0, wire.TolerateNoConnection} {
			r := &wire.Request{Method: "GET", Target: "/", Proto: "HTTP/1.1", Fields: tc.fields}
			got, err := detect.Request(r, wire.AllVersions, tolerated)
			he, _ := err.(*wire.HandshakeError)
			if admitted := tc.by != 0 && tolerated == tc.by; admitted != (err == nil) || he != nil && he.Tolerance != tc.by || admitted != (got.Tolerated != 0) {
				t.Errorf("%v, tolerated %q: %+v, %+v", tc.fields, tolerated, got, err)
			}
		}
	}
}

func TestKindString(t *testing.T) {
	for k, want := range map[detect.Kind]string{detect.NeedMore: "need-more", detect.Unknown: "unknown", detect.Unknown + 1: "unknown"} {
		if got := k.String(); got != want {
			t.Errorf("%d: %q", k, got)
		}
	}
}
