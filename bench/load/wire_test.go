package load

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
)

// The frames of RFC 6455, section 5.7, and those of hixie.
func TestFrames(t *testing.T) {
	hello := []byte("Hello")
	for _, tt := range []struct {
		name string
		got  []byte
		want string
	}{
		{"unmasked", serverFrame(V13, finText, hello), "810548656c6c6f"},
		{"masked", clientFrame(V13, finText, hello), "818537fa213d7f9f4d5158"},
		{"masked in hybi-07", clientFrame(V07, finText, hello), "818537fa213d7f9f4d5158"},
		{"256 bytes", serverFrame(V13, finBinary, make([]byte, 256))[:4], "827e0100"},
		{"64 KiB", serverFrame(V08, finBinary, make([]byte, 1<<16))[:10], "827f0000000000010000"},
		{"64 KiB masked", clientFrame(V08, finBinary, make([]byte, 1<<16))[:14], "82ff000000000001000037fa213d"},
		{"hixie-75", clientFrame(V75, finText, hello), "0048656c6c6fff"},
		{"hixie-76", serverFrame(V76, finText, hello), "0048656c6c6fff"},
	} {
		if got := hex.EncodeToString(tt.got); got != tt.want {
			t.Errorf("%s: %s, not %s", tt.name, got, tt.want)
		}
	}
}

// The right answers are computed here as the documents say.
func TestSampleAnswers(t *testing.T) {
	sum := sha1.Sum([]byte(sampleKey + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	if got := base64.StdEncoding.EncodeToString(sum[:]); got != sampleAccept {
		t.Errorf("the accept is %q", got)
	}
	// hixie-76: the digits of a key as a number, divided by its blanks.
	challenge := binary.BigEndian.AppendUint32(nil, 4146546015/5)
	challenge = binary.BigEndian.AppendUint32(challenge, 1299853100/5)
	tail := md5.Sum(append(challenge, sampleKey3...))
	if string(tail[:]) != sampleTail {
		t.Errorf("the tail is %q", tail)
	}
}

func TestOpening(t *testing.T) {
	const head = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: " + sampleAccept + "\r\n\r\n"
	o13, err := newOpening(V13, "127.0.0.1:80", "/echo", false)
	if err != nil {
		t.Fatal(err)
	}
	o76, err := newOpening(V76, "127.0.0.1:80", "/echo", false)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(o76.request, []byte("\r\n\r\n"+sampleKey3)) {
		t.Errorf("hixie-76 asks %q", o76.request)
	}
	for _, tt := range []struct {
		name   string
		o      *opening
		answer string
		done   bool
		fault  string
	}{
		{"whole", o13, head, true, ""},
		{"a part", o13, head[:50], false, ""},
		{"the first byte", o13, head[:1], false, ""},
		{"refused", o13, "HTTP/1.1 400 Bad Request\r\n\r\n", false, "begins"},
		{"another accept", o13, strings.Replace(head, "s3p", "s3q", 1), false, "lacks"},
		{"bytes behind", o13, head + "x", false, "behind"},
		{"the eight bytes' answer", o76, head + sampleTail, true, ""},
		{"a part of it", o76, head + sampleTail[:15], false, ""},
		{"another one", o76, head + sampleTail[:15] + "x", false, "behind"},
	} {
		done, err := tt.o.check([]byte(tt.answer), tt.o.accept)
		if done != tt.done || (err != nil) != (tt.fault != "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%s: %v, %v", tt.name, done, err)
		}
	}
}

func TestSamples(t *testing.T) {
	for _, n := range []int{1, 125, 1024} {
		a, b := sampleText(n, 0), sampleText(n, 1)
		if len(a) != n || n > 1 && bytes.Equal(a, b) || bytes.IndexByte(a, 0xFF) >= 0 {
			t.Errorf("texts of %d bytes: %q, %q", n, a, b)
		}
		if a, b := sampleBytes(n, 0), sampleBytes(n, 1); len(a) != n || n > 1 && bytes.Equal(a, b) {
			t.Errorf("bytes of %d: %x, %x", n, a, b)
		}
	}
}
