package explain

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/browsers"
	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/internal/browsercases"
	"github.com/draftwire/draftwire/wire"
)

// requestFor is a request for a case, in the version of its browsers.
func requestFor(b *browsers.Browser, c *browsercases.Case) []byte {
	path, offer := c.Path, "permessage-deflate; client_max_window_bits"
	if b.Name == "phantomjs2.1" || b.Name == "qtwebkit5.212" {
		offer = "x-webkit-deflate-frame"
	}
	end := "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: " + offer + "\r\n\r\n"
	if b.Version == wire.Hixie76 { // PhantomJS 1.9 decodes the path, and compares it so
		before, query, asks := strings.Cut(path, "?")
		if path, _ = url.PathUnescape(before); asks {
			path += "?" + query
		}
		end = "\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n^n:ds[4U"
	}
	head := "GET " + path + " HTTP/1.1\r\nHost: 127.0.1.1:8000\r\nOrigin: http://127.0.0.1:8001\r\nUpgrade: WebSocket\r\nConnection: Upgrade"
	if c.Ask != "" {
		head += "\r\nSec-WebSocket-Protocol: " + c.Ask
	}
	return []byte(head + end)
}

// TestSeen explains what browsers were seen to do with wrong answers: those that failed fail, and what they
// wrote to their consoles has the same cause as the bytes.
func TestSeen(t *testing.T) {
	cases := map[string]browsercases.Case{}
	for _, c := range browsercases.Cases() {
		cases[c.Name] = c
	}
	explained, told := 0, 0
	for name, seen := range browsercases.AllSeen() {
		b, err := browsers.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		for of, outcome := range seen.Outcomes {
			c := cases[of]
			request := requestFor(&b, &c)
			answer, err := c.Expand(request)
			if err != nil {
				t.Fatal(err)
			}
			x := explainSeen(&b, request, answer, c.End)
			checkExplanation(t, x)
			explained++
			frames := strings.Contains(of, "behind") && x.Result == Fails // it opens, and what follows is no frame
			if (x.Result == Works) != (outcome == "opens") && !frames {
				t.Errorf("%s: %s (%s): it %s, and the explanation is %s %s", name, of, c.What, outcome, x.Result, x.Says)
			}
			m, ok := Message(seen.Said[of])
			if !ok {
				if seen.Said[of] != "" {
					t.Errorf("%s: %s: %q is not known", name, of, seen.Said[of])
				}
				continue
			}
			told++
			if strings.Contains(seen.Said[of], "HOST") {
				continue // which host it was is left out there
			}
			if m.Cause != x.Cause && m.Sure == Certain && !slices.Contains(exacter[m.Cause], x.Cause) {
				t.Errorf("%s: %s: %q is %s, and the bytes are %s", name, of, seen.Said[of], m.Cause, x.Cause)
			}
		}
	}
	t.Logf("%d explained, %d of them by messages too", explained, told)
}

// explainSeen explains an answer to a browser, which leaves if it does not like it.
func explainSeen(b *browsers.Browser, request, answer []byte, end string) (x *Explanation) {
	e := New(Options{As: b}, func(got *Explanation) { x = got })
	s := e.Open(capture.Conn{Number: 1})
	s.Data(time.Time{}, capture.FromClient, 0, request)
	s.Data(time.Time{}, capture.FromServer, 0, answer)
	how := map[string]capture.End{"": capture.Cut, "fin": capture.Fin, "rst": capture.Reset}[end]
	s.End(time.Time{}, capture.FromServer, how)
	s.End(time.Time{}, capture.FromClient, capture.Cut)
	return x
}
