package detect_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/hixie76"
	"github.com/draftwire/draftwire/hybi02"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/vectest"
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

func TestVectors(t *testing.T) {
	f, err := vectors.Load("detect")
	if err != nil {
		t.Fatal(err)
	}
	drafts := map[wire.Version]*wire.Draft{wire.Hixie76: &hixie76.Draft, wire.Hybi02: &hybi02.Draft}
	for _, v := range f.Vectors {
		t.Run(v.ID, func(t *testing.T) { vectest.Detect(t, &v, drafts) })
	}
}

func TestPreface(t *testing.T) {
	for in, want := range map[string]detect.Kind{
		"": detect.More, "G": detect.More, "GET": detect.More, "GET ": detect.HTTP1, "GET / HTTP/1.1": detect.HTTP1,
		"OPTIONS *": detect.HTTP1, "PROPFIND /": detect.HTTP1, "M-SEARCH *": detect.HTTP1,
		"P": detect.More, "PR": detect.More, "PRI ": detect.More, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": detect.HTTP2, "PRI x": detect.HTTP1,
		"PROXY": detect.More, "PROXY TCP4": detect.Proxy, "\r\n\r\n\x00\r\nQUIT\n": detect.Proxy, "\r\n": detect.More,
		"\x16": detect.More, "\x16\x03\x01": detect.TLS, "\x80": detect.More, "\x80\x2e": detect.More, "\x80\x2e\x01": detect.SSLv2, "\x80\x2e\x02": detect.Unknown,
		"<": detect.More, "<policy-file-request/>": detect.More, "<policy-file-request/>\x00": detect.FlashPolicy, "<p>": detect.Unknown,
		" ": detect.Unknown, "\x00": detect.Unknown, strings.Repeat("G", 19): detect.More, strings.Repeat("G", 21): detect.Unknown,
	} {
		if got := detect.Preface([]byte(in)); got != want {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}

// Preface decides once: bytes that follow never change its mind.
func FuzzPreface(f *testing.F) {
	for _, s := range []string{"GET / HTTP/1.1", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PROXY TCP4 ", "\x16\x03\x01", "<policy-file-request/>\x00", "\r\n\r\n\x00\r\nQUIT\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		decided := detect.More
		for n := range len(p) + 1 {
			k := detect.Preface(p[:n])
			if decided != detect.More && k != decided {
				t.Fatalf("%q: %v after %d bytes, %v before", p, k, n, decided)
			}
			decided = k
		}
		if len(p) > 64 && decided == detect.More {
			t.Fatalf("%q: undecided after %d bytes", p, len(p))
		}
	})
}

// Whatever the head, detection gives a version that is enabled, or a refusal
// with a status and a reason; and the order of fields does not matter.
func FuzzRequest(f *testing.F) {
	file, err := vectors.Load("detect")
	if err != nil {
		f.Fatal(err)
	}
	for _, v := range file.Vectors {
		f.Add(vectors.Latin1(v.Request), uint16(wire.Every), uint16(0))
	}
	f.Fuzz(func(t *testing.T, head []byte, set, tolerate uint16) {
		var req wire.Request
		if httphead.ParseRequest(string(head), &req) != nil {
			return
		}
		enabled := wire.Versions(set) & wire.Every
		res, err := detect.Request(&req, enabled, wire.Tolerances(tolerate))
		if err == nil {
			if !enabled.Has(res.Version) || res.Rule == "" || !detect.IsAttempt(&req) {
				t.Fatalf("%q: %+v", head, res)
			}
		} else {
			var he *wire.HandshakeError
			if !errors.As(err, &he) || he.Status < 400 || he.Reason.Info().Rule == "" {
				t.Fatalf("%q: %v", head, err)
			}
		}
		for i, j := 0, len(req.Fields)-1; i < j; i, j = i+1, j-1 {
			req.Fields[i], req.Fields[j] = req.Fields[j], req.Fields[i]
		}
		again, err2 := detect.Request(&req, enabled, wire.Tolerances(tolerate))
		if (err == nil) != (err2 == nil) || err == nil && again.Version != res.Version {
			t.Fatalf("%q: %+v, %v; with the fields reversed %+v, %v", head, res, err, again, err2)
		}
	})
}

// A legal stream of a hixie-76 client is never taken for hybi-01, whatever it
// says: it begins with a text frame or the close.
func FuzzIsHybi01(f *testing.F) {
	f.Add([]byte("Hello"), true)
	f.Add([]byte(""), false)
	f.Fuzz(func(t *testing.T, text []byte, close bool) {
		stream, err := []byte{0xFF, 0x00}, error(nil)
		if !close {
			stream, err = hixie76.Draft.NewCodec(wire.CodecConfig{Role: wire.Client}).AppendFrame(nil, wire.OpText, true, text)
		}
		if err == nil && detect.IsHybi01(stream[0]) {
			t.Fatalf("%x is taken for hybi-01", stream)
		}
	})
}
