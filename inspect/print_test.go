package inspect_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/internal/vectest"
)

func ExampleWriteText() {
	explain(inspect.Options{}, func(e *inspect.Event) {
		if e.Kind == inspect.KindFrame || e.Kind == inspect.KindProof {
			inspect.WriteText(os.Stdout, e, inspect.TextOptions{Width: 70})
		}
	})
	// Output:
	// <      175 the sixteen bytes that prove that the server has read the
	//            challenge
	//            38 6a 4b 53 27 79 3a 47 2a 43 6f 2c 57 78 61 2d
	//            ok they are what the challenge comes to (hixie-76 4.1)
	// >      200 text, type 00, 5 bytes: "Hello"
	//            00 48 65 6c 6c 6f ff
	// >      207 close, type FF, 0 bytes
	//            ff 00
	//            -- a close: this side sends nothing more (hixie-76 5.3)
	// <      191 close, type FF, 0 bytes
	//            ff 00
	//            -- the answer to the other side's close (hixie-76 5.3)
}

func ExampleEvent_Redact() {
	explain(inspect.Options{}, func(e *inspect.Event) {
		if e.Redact(); e.Frame != nil && e.Frame.Op == "text" {
			fmt.Printf("%d bytes, of which % x is shown, payload %q\n", e.Length, []byte(e.Bytes), e.Frame.Payload)
		}
	})
	// Output: 7 bytes, of which 00 is shown, payload ""
}

func ExamplePage() {
	page := inspect.Page{Title: "a demo"}
	explain(inspect.Options{}, page.Add)
	var b strings.Builder
	if err := page.Write(&b); err != nil {
		panic(err)
	}
	fmt.Println(strings.Count(b.String(), "<article"), "events", strings.Contains(b.String(), "<title>a demo</title>"))
	// Output: 11 events true
}

// Lines are not longer than asked for, colours come only where they are asked for, and no
// control character of the wire gets through.
func TestWriteText(t *testing.T) {
	color := regexp.MustCompile("\x1b\\[[0-9]+m")
	for i, r := range vectest.Recordings(t) {
		if i%9 != 0 {
			continue
		}
		for _, e := range play(optionsOf(r.Vector), r.Pieces, 0) {
			var b [2]strings.Builder
			for k := range b {
				if err := inspect.WriteText(&b[k], e, inspect.TextOptions{Width: 72, Color: k == 1}); err != nil {
					t.Fatal(err)
				}
			}
			if plain := color.ReplaceAllString(b[1].String(), ""); plain != b[0].String() {
				t.Fatalf("%s: with colours\n%q\nwithout\n%q", r.Vector.ID, b[1].String(), b[0].String())
			}
			for line := range strings.Lines(b[0].String()) {
				line = strings.TrimSuffix(line, "\n")
				if n := len([]rune(line)); n > 72 {
					t.Fatalf("%s: %d characters: %q", r.Vector.ID, n, line)
				}
				if at := strings.IndexFunc(line, func(r rune) bool { return r < ' ' || r >= 0x7F && r < 0xA0 }); at >= 0 {
					t.Fatalf("%s: a control character in %q", r.Vector.ID, line)
				}
			}
		}
	}
}

// What is to be left out is nowhere, in no form.
func TestRedact(t *testing.T) {
	const secret = "S3cret"
	hand := handshake(t, "rfc6455")
	request := strings.Replace(string(hand[0].Bytes), "\r\n", "\r\nCookie: a="+secret+"\r\nAuthorization: Bearer "+secret+"\r\n", 1)
	request = strings.Replace(request, "GET /chat", "GET /chat?token="+secret, 1)
	answer := strings.Replace(string(hand[1].Bytes), "\r\n", "\r\nSet-Cookie: "+secret+"\r\n", 1)
	pieces := []vectest.Recorded{{Client: true, Bytes: []byte(request)}, {Client: false, Bytes: []byte(answer)},
		{Client: true, Bytes: []byte("\x81\x86\x00\x00\x00\x00" + secret)}, {Client: false, Bytes: []byte("\x89\x06" + secret + "\x01\x06" + secret + "\x80\x00")},
		{Client: true, Bytes: []byte("\x88\x88\x00\x00\x00\x00\x03\xe8" + secret)}, {Client: true, Bytes: []byte(secret)}}
	var page inspect.Page
	var text strings.Builder
	events := play(inspect.Options{}, pieces, 0)
	for _, e := range events {
		e.Redact()
		page.Add(e)
		if err := inspect.WriteText(&text, e, inspect.TextOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	var html strings.Builder
	if err := page.Write(&html); err != nil {
		t.Fatal(err)
	}
	for form, s := range map[string]string{"JSON": dump(t, events), "text": text.String(), "HTML": html.String()} {
		for _, bad := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("% x", secret)} {
			if strings.Contains(s, bad) {
				t.Errorf("%s has %q: %s", form, bad, s)
			}
		}
	}
	if !strings.Contains(text.String(), "GET /chat?[redacted] HTTP/1.1") || !strings.Contains(text.String(), "1000 (normal)") {
		t.Errorf("too much is left out: %s", text.String())
	}
}

// A page needs nothing else, runs nothing of the wire, and is bounded.
func TestPage(t *testing.T) {
	hand := handshake(t, "rfc6455")
	pieces := append([]vectest.Recorded(nil), hand...)
	for range 2600 {
		pieces = append(pieces, vectest.Recorded{Client: false, Bytes: []byte("\x81\x09<script>x")}, vectest.Recorded{Client: false, Bytes: []byte("\x01\x01a\x80\x01b")})
	}
	var page inspect.Page
	for _, e := range play(inspect.Options{}, pieces, 0) {
		page.Add(e)
	}
	var b strings.Builder
	if err := page.Write(&b); err != nil {
		t.Fatal(err)
	}
	s := b.String()
	if n := strings.Count(s, "<article"); n != inspect.MaxPage {
		t.Errorf("%d events", n)
	}
	if strings.Count(s, "<script>") != 1 || !strings.Contains(s, "&lt;script&gt;x") || strings.Contains(s, "://") && strings.Contains(s, "src=") {
		t.Error("the page runs or loads something else")
	}
	if !strings.Contains(s, "more events are not on this page") || !strings.Contains(s, "RSV 000, opcode 1") {
		t.Error("something is missing")
	}
}

// A page has no more connections than events, however many there are, and finds each at once.
func TestPageOfManyConnections(t *testing.T) {
	var page inspect.Page
	for range 2 {
		for n := range 200_000 {
			page.Add(&inspect.Event{Kind: inspect.KindConnection, Conn: n + 1})
			page.Add(&inspect.Event{Kind: inspect.KindRemark, Conn: n + 1, From: "client", Text: "x"})
		}
	}
	var b strings.Builder
	if err := page.Write(&b); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "<h2>"); n != inspect.MaxPage {
		t.Errorf("%d connections", n)
	}
}

// A page shows what a terminal would obey, and what turns text around, as escapes.
func TestPageIsVisible(t *testing.T) {
	const odd = "\x1b[2J\x07\u202e\u009b"
	hand := handshake(t, "rfc6455")
	pieces := []vectest.Recorded{
		{Client: true, Bytes: []byte(strings.Replace(string(hand[0].Bytes), "\r\n", "\r\nX-Odd: "+odd+"\r\n", 1))},
		{Client: false, Bytes: []byte(strings.Replace(string(hand[1].Bytes), "Switching", odd, 1))},
		{Client: false, Bytes: []byte("\x81\x0a" + odd)},
		{Client: false, Bytes: []byte("\x88\x0c\x0f\xa1" + odd)},
	}
	var page inspect.Page
	for _, e := range play(inspect.Options{}, pieces, 0) {
		page.Add(e)
	}
	var b strings.Builder
	if err := page.Write(&b); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), odd[:1]+odd[4:]) || strings.Count(b.String(), `\u202e`) < 4 {
		t.Errorf("in the page are characters that cannot be seen: %q", b.String()[strings.Index(b.String(), "<section"):])
	}
}
