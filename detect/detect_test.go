package detect_test

import (
	"strings"
	"testing"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/hixie76"
	"github.com/draftwire/draftwire/hybi02"
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
