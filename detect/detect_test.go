package detect_test

import (
	"strings"
	"testing"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/hixie76"
	"github.com/draftwire/draftwire/hybi02"
	"github.com/draftwire/draftwire/hybi04"
	"github.com/draftwire/draftwire/hybi05"
	"github.com/draftwire/draftwire/hybi07"
	"github.com/draftwire/draftwire/internal/vectest"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

func TestVectors(t *testing.T) {
	f, err := vectors.Load("detect")
	if err != nil {
		t.Fatal(err)
	}
	drafts := map[wire.Version]*wire.Draft{wire.Hixie76: &hixie76.Draft, wire.Hybi02: &hybi02.Draft, wire.Hybi04: &hybi04.Draft,
		wire.Hybi05: &hybi05.Draft, wire.Hybi06: &hybi05.Draft06, wire.Hybi07: &hybi07.Draft, wire.Hybi08: &hybi07.Draft08, wire.RFC6455: &rfc6455.Draft}
	for _, v := range f.Vectors {
		t.Run(v.ID, func(t *testing.T) { vectest.Detect(t, &v, drafts) })
	}
}

func TestPreface(t *testing.T) {
	for in, want := range map[string]detect.Kind{
		"": detect.NeedMore, "G": detect.NeedMore, "GET": detect.NeedMore, "GET ": detect.HTTP1, "GET / HTTP/1.1": detect.HTTP1,
		"OPTIONS *": detect.HTTP1, "PROPFIND /": detect.HTTP1, "M-SEARCH *": detect.HTTP1,
		"P": detect.NeedMore, "PR": detect.NeedMore, "PRI ": detect.NeedMore, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": detect.HTTP2, "PRI x": detect.HTTP1,
		"PROXY": detect.NeedMore, "PROXY TCP4": detect.Proxy, "\r\n\r\n\x00\r\nQUIT\n": detect.Proxy, "\r\n": detect.NeedMore,
		"\r": detect.NeedMore, "\r\n\r": detect.NeedMore, "\r\nG": detect.BlankLine, "\r\n\r\nG": detect.BlankLine, "\n": detect.BlankLine, "\rG": detect.Unknown, "GET\t": detect.HTTP1,
		"\x16": detect.NeedMore, "\x16\x03\x01": detect.TLS, "\x80": detect.NeedMore, "\x80\x2e": detect.NeedMore, "\x80\x2e\x01": detect.SSLv2, "\x80\x2e\x02": detect.Unknown,
		"<": detect.NeedMore, "<policy-file-request/>": detect.NeedMore, "<policy-file-request/>\x00": detect.FlashPolicy, "<p>": detect.Unknown,
		" ": detect.Unknown, "\x00": detect.Unknown, strings.Repeat("G", 19): detect.NeedMore, strings.Repeat("G", 21): detect.Unknown,
	} {
		if got := detect.Preface([]byte(in)); got != want {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}
