package load

import (
	"bytes"
	"strings"
	"testing"
)

// Replies to "Hello" as in RFC 7692, section 7.2.3.
func TestReply(t *testing.T) {
	for _, tt := range []struct {
		name, wire, fault string
	}{
		{"one frame", "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", ""},
		{"two frames", "\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00", ""},
		{"an empty last frame", "\x41\x07\xf2\x48\xcd\xc9\xc9\x07\x00\x80\x00", ""},
		{"not compressed", "\x81\x05Hello", ""},
		{"a block that is stored", "\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", ""},
		{"another text", "\x81\x05Hallo", "not"},
		{"another compressed text", "\xc1\x0b\x00\x05\x00\xfa\xff\x48\x61\x6c\x6c\x6f\x00", "inflates to"},
		{"rubbish", "\xc1\x02\xff\xff", "inflate"},
		{"a masked frame", "\x81\x85abcdHello", "begins"},
		{"a binary message", "\x82\x05Hello", "begins"},
		{"RSV1 on the second frame", "\x41\x03\xf2\x48\xcd\xc0\x04\xc9\xc9\x07\x00", "begins"},
	} {
		s := script{text: []byte("Hello")}
		for _, step := range []int{1, 3, len(tt.wire)} {
			if err := takeAll(tt.wire, step, &s); (err != nil) != (tt.fault != "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("%s, %d bytes at a time: %v", tt.name, step, err)
			}
		}
	}
}

// takeAll gives a reply the bytes, step at a time.
func takeAll(wire string, step int, s *script) error {
	var r reply
	for p := []byte(wire); len(p) > 0; p = p[min(step, len(p)):] {
		done, err := r.take(p[:min(step, len(p))])
		if err != nil {
			return err
		}
		if done {
			return r.check(s)
		}
	}
	return r.check(s)
}

func TestReplyThenMore(t *testing.T) {
	var r reply
	if _, err := r.take([]byte("\x81\x05Hello\x81")); err == nil {
		t.Error("a byte behind the reply was taken")
	}
}

func TestDeflate(t *testing.T) {
	text := sampleText(1000, 0)
	z, err := deflate(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(z) > len(text)/2 || bytes.HasSuffix(z, []byte(emptyBlock)) {
		t.Errorf("%d bytes, ending %x", len(z), z[len(z)-4:])
	}
	if got, err := inflate(z, len(text)); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestScripts(t *testing.T) {
	all, err := newScripts(&Spec{Kind: Echo, Version: V13, Size: 125, Batch: 32})
	if err != nil {
		t.Fatal(err)
	}
	if len(all[0].out) != 32*(125+6) || len(all[0].reply) != 32*(125+2) {
		t.Errorf("a batch of %d bytes, its reply of %d", len(all[0].out), len(all[0].reply))
	}
	if bytes.Equal(all[0].reply, all[1].reply) || bytes.Equal(all[0].reply[:127], all[0].reply[127:254]) {
		t.Error("messages are the same")
	}
	raw, err := newScripts(&Spec{Kind: Echo, Version: V13, Size: 125, Batch: 1, Raw: true})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(raw[0].out, raw[0].reply) {
		t.Error("raw is expected to send other bytes")
	}
}

// A gateway may pass a message on in fragments. Their bytes, ends and kinds have to be right.
func TestParts(t *testing.T) {
	want := [][]byte{[]byte("hello"), []byte("you")}
	for _, tt := range []struct {
		frames string
		done   bool
		fault  string
	}{
		{"\x82\x05hello\x82\x03you", true, ""},
		{"\x02\x02he\x00\x01l\x80\x02lo\x82\x03you", true, ""},
		{"\x02\x02he\x80\x03lo", false, ""},
		{"\x02\x02he\x80\x02lo", false, "has 6c6f at 2"},
		{"\x82\x05hello\x82\x03you\x82\x01!", false, "message 2"},
		{"\x82\x04hell", false, "has 4 bytes"},
		{"\x02\x02he\x82\x03llo", false, "at 2"},
		{"\x80\x05hello", false, "at 0"},
	} {
		var f parts
		var done bool
		var err error
		for i := range tt.frames { // byte by byte, as it may come
			if done, err = f.take([]byte{tt.frames[i]}, want); err != nil {
				break
			}
		}
		if done != tt.done || (err == nil) != (tt.fault == "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%q: %t, %v", tt.frames, done, err)
		}
	}
}
