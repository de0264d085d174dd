package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hostile"
)

// draftwireServer echoes in every version, until the test ends.
func draftwireServer(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &draftwire.Server{
		Options: draftwire.AcceptOptions{Versions: draftwire.AllVersions},
		WebSocket: func(ctx context.Context, c *draftwire.Conn) error {
			for m, err := range c.Messages(ctx) {
				if err != nil {
					return err
				}
				if err := c.Write(ctx, m.Op, m.Data); err != nil {
					return err
				}
			}
			return nil
		},
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return l.Addr().String()
}

// helloOf is the text Hello as a client of the version sends it in a case.
func helloOf(d *dialect) hostile.Part {
	if d.masking == maskHash {
		return hostile.Part{Hex: []byte("\x84\x05Hello"), Mask: true}
	}
	return hostile.Part{Hex: d.clientText("Hello", "")}
}

func TestEveryVersionIsSpokenToAServer(t *testing.T) {
	addr := draftwireServer(t)
	for _, d := range dialects {
		c := one(hostile.Server, hostile.Served, opens, hostile.Step{Do: hostile.Send, Times: 3, Parts: []hostile.Part{helloOf(d)}}, echo, echo, echo)
		c.Version = d.name
		status, r := played(t, hostile.Server, []hostile.Case{c}, "--url", "ws://"+addr+"/", "--probe-version", d.name)
		wants(t, status, r[0], "")
	}
}

func TestEveryVersionIsSpokenToAClient(t *testing.T) {
	o, err := startOwn("127.0.0.1:0", hostile.Front, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer o.end()
	for _, d := range dialects {
		v, err := draftwire.ParseVersion(d.name)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		c, _, err := draftwire.Dial(ctx, "ws://"+o.addr()+"/", &draftwire.DialOptions{Version: v})
		if err != nil {
			t.Errorf("%s: %v", d.name, err)
			continue
		}
		if err := c.Write(ctx, draftwire.OpText, []byte("hello")); err != nil {
			t.Errorf("%s: %v", d.name, err)
		}
		if _, data, err := c.Read(ctx); err != nil || string(data) != "hello" {
			t.Errorf("%s: %q, %v", d.name, data, err)
		}
		c.Close(draftwire.CodeNormal, "")
	}
}

// That the masks are right is shown by TestEveryVersionIsSpokenToAServer.
func TestAMaskedPartIsAFrame(t *testing.T) {
	v := values{key: sampleKey, nonce: sampleNonce}
	segs := v.compile([]hostile.Part{{Hex: []byte("\x84\x05Hello"), Mask: true, Times: 2}})
	sum := hashMask(v.key, v.nonce, []byte{0, 0, 0, 1})
	if len(segs) != 1 || segs[0].times != 2 || !bytes.Equal(segs[0].data[:4], []byte{0, 0, 0, 1}) ||
		string(xored(segs[0].data[4:], sum[:])) != "\x84\x05Hello" {
		t.Errorf("%+v", segs)
	}
}

func TestChallengeOfHixie76(t *testing.T) {
	if got, err := challenge(sampleKey1, sampleKey2, sampleKey3); got != "8jKS'y:G*Co,Wxa-" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := challenge("12345", sampleKey2, sampleKey3); err == nil {
		t.Error("a key without a space is taken")
	}
}

// feeds gives a stream whole, and cut in two at every byte.
func feeds(stream string, feed func(name string, pieces ...string)) {
	feed("whole", stream)
	for i := 1; i < len(stream); i++ {
		feed(fmt.Sprintf("cut at %d", i), stream[:i], stream[i:])
	}
}

func TestCloseCodesAreFound(t *testing.T) {
	for _, c := range []struct {
		version string
		client  bool
		hex     string
		code    int
		closed  bool
	}{
		{"rfc6455", false, "810548656c6c6f" + "880203ea", 1002, true},
		{"rfc6455", false, "827e0100" + hex.EncodeToString(make([]byte, 256)) + "880403e86f6b", 1000, true},
		{"rfc6455", false, "8800", 0, true},
		{"rfc6455", false, "880100", 0, true},
		{"rfc6455", true, "818537fa213d7f9f4d5158" + "888237fa213d3412", 1000, true},
		{"rfc6455", false, "810548656c6c6f", 0, false},
		{"hybi-06", false, "840548656c6c6f" + "810203ec", 1004, true},
		{"hybi-06", true, hex.EncodeToString(dialectOf("hybi-06").clientText("Hello", "")) + hex.EncodeToString(dialectOf("hybi-06").clientFrame(1, []byte("\x03\xea"), "", "")), 1002, true},
		{"hybi-04", true, hex.EncodeToString(dialectOf("hybi-04").clientText("Hello", sampleNonce)) + hex.EncodeToString(dialectOf("hybi-04").clientFrame(1, nil, sampleKey, sampleNonce)), 0, true},
		{"hixie-76", false, "0048656c6c6fff" + "ff00", 0, true},
		{"hixie-76", false, "0048656c6c6fff", 0, false},
		{"hixie-75", false, "ff00", 0, false},
	} {
		stream, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		feeds(string(stream), func(name string, pieces ...string) {
			w := walker{d: dialectOf(c.version), v: &values{key: sampleKey, nonce: sampleNonce}, client: c.client}
			for _, p := range pieces {
				w.feed([]byte(p))
			}
			if w.code != c.code || w.closed != c.closed {
				t.Errorf("%s %s, %s: code %d, closed %v", c.version, c.hex, name, w.code, w.closed)
			}
		})
	}
}

func TestBytesAreFoundWhereverTheyAreCut(t *testing.T) {
	feeds("one two two three", func(name string, pieces ...string) {
		in := newSequence([][]byte{[]byte("two"), []byte("two"), []byte("three")})
		out := newSequence([][]byte{[]byte("two"), []byte("one")})
		never := newAnyOf([]string{"four", "o t"}, &values{})
		for _, p := range pieces {
			in.feed([]byte(p))
			out.feed([]byte(p))
			never.feed([]byte(p))
		}
		if in.found != 3 || out.found != 1 || string(never.hit) != "o t" {
			t.Errorf("%s: %d, %d, %q", name, in.found, out.found, never.hit)
		}
	})
}

func TestHeadsAreFoundWhereverTheyAreCut(t *testing.T) {
	c := one(hostile.Server, hostile.Served, opens, echo)
	feeds("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 X\r\nHello: Hello\r\n\r\n\x81\x05Hello\x88\x02\x03\xe8", func(name string, pieces ...string) {
		in := newInbound(&c, &values{}, false)
		for _, p := range pieces {
			in.feed([]byte(p))
		}
		if in.status != 101 || !in.opened || !in.handshakeDone() || !in.isFound(0) || in.frames.code != 1000 || in.behind != 11 {
			t.Errorf("%s: %+v", name, in)
		}
	})
	feeds("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nHello", func(name string, pieces ...string) {
		in := newInbound(&c, &values{}, false)
		for _, p := range pieces {
			in.feed([]byte(p))
		}
		if in.status != 404 || in.opened {
			t.Errorf("%s: %+v", name, in)
		}
	})
}

func TestSendsAreReadInPiecesOfAnySize(t *testing.T) {
	v := values{host: "127.0.0.1:80", port: "80"}
	segs := v.compile([]hostile.Part{{Text: "<{host} {port}>"}, {Hex: []byte("ab"), Times: 3}})
	want := "<127.0.0.1:80 80>ababab<127.0.0.1:80 80>ababab"
	if n := lengthOf(segs, 2); n != int64(len(want)) {
		t.Errorf("%d bytes", n)
	}
	for size := 1; size <= len(want)+1; size++ {
		c := newCursor(segs, 2)
		var got []byte
		for p := make([]byte, size); ; {
			n := c.fill(p)
			if n == 0 {
				break
			}
			got = append(got, p[:n]...)
		}
		if string(got) != want {
			t.Errorf("in pieces of %d: %q", size, got)
		}
	}
}

func TestEveryByteOfACaseIsACut(t *testing.T) {
	addr := draftwireServer(t)
	reset := one(hostile.Server, hostile.Any, opens, hello)
	reset.Cut = "reset"
	ended := one(hostile.Server, hostile.Ended, opens, hello)
	ended.Cut = "end"
	status, r := played(t, hostile.Server, []hostile.Case{reset, ended}, "--url", "ws://"+addr+"/")
	d := dialectOf("rfc6455")
	want := len(d.request(addr, "/", nil)) + len(hello.Parts[0].Hex)
	for _, r := range r {
		wants(t, status, r, "")
		var n, total int
		for text := r.Outcomes; text != ""; {
			var word string
			if k, err := fmt.Sscanf(text, "%d %s", &n, &word); k != 2 {
				t.Fatal(err)
			}
			total += n
			i := bytes.IndexByte([]byte(text), ',')
			text = text[i+1:]
			if i < 0 {
				text = ""
			}
		}
		if total != want {
			t.Errorf("%d connections for %d bytes: %s", total, want, r.Outcomes)
		}
	}
}
