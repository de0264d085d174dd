package gorillafuzz

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzRead: what a peer says, and how a program reads it. The stream is made of frames, most of them as
// a peer should send them, or is the bytes of the input.
func FuzzRead(f *testing.F) {
	f.Add(true, false, []byte{0x81, 5}, []byte("\x00\x00\x00"))
	f.Add(true, true, []byte("\x03\x81\x05hello\x03\x89\x04ping\x03\x88\x02\x03\xe8"), []byte("\x00\x01\x07\x00"))
	f.Add(false, false, []byte("\x03\x01\x03hel\x03\x80\x02lo\x01\x05again\x04\x09"), []byte("\x02\x05\x06\x01\x01"))
	f.Add(false, true, []byte("\x02\x10again and again and\x02\x20and"), []byte("\x01\x07\x07\x00\x03\x03"))
	f.Add(true, false, []byte("\x00\x01\x00\x03one\x01\x00\x03two"), []byte("\x00\x00\x00\x00\x08"))
	// What has differed once.
	f.Add(true, true, []byte("\xff\x89\x82\x01\x02\x03\x04\xb2\xe5\x88\x80\x01\x02\x03\x04"), []byte("00L\x00"))
	f.Add(true, false, []byte("\xff\x81\xfe\x00\x01\x00\x00\x00\x00a"), []byte("\x00\x00\x00\x00"))
	f.Add(true, false, []byte("\xff\x81\x04mask"), []byte("\x00\x00\x00\x07\x08"))
	f.Add(false, false, []byte("\xff\x88\x05\x03\xe9by\x81"), []byte("\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, server, compression bool, stream, calls []byte) {
		s := tape(stream)
		in, sound := peerStream(&s, server, compression)
		var got [2][]string
		for i := range libraries {
			got[i] = readAll(t, &libraries[i], server, compression, in, calls)
		}
		if at := differ(got); at >= 0 && documented(in, got, at) {
			return
		} else if at >= 0 && compression && !sound && strings.Contains(line(got[0], at)+line(got[1], at), "other") {
			return // compressed data that has no end of its own, which gorilla finds behind it
		} else if at >= 0 && compression && !sound && strings.HasSuffix(line(got[1], at), `CloseError 1006 "unexpected EOF"`) {
			return // of a frame that is cut off gorilla expands what has come
		}
		compare(t, got, fmt.Sprintf("server %v, compression %v, stream %q, calls %q", server, compression, in, calls))
	})
}

// peerStream makes what the peer says. It is sound where all that is compressed was compressed.
func peerStream(t *tape, masked, compression bool) (b []byte, sound bool) {
	if t.byte() == 0xff {
		return *t, false // as it is
	}
	sound = true
	for range 40 {
		if len(*t) == 0 {
			break
		}
		switch t.byte() % 8 {
		case 0, 1: // a whole message
			b = frame(b, one(t, byte(0x81), 0x82), masked, []byte(valid(t.text(200))))
		case 2: // one that is compressed, in two frames
			p := deflated([]byte(valid(t.text(200))))
			if !compression {
				continue
			}
			cut := int(t.byte()) % (len(p) + 1)
			b = frame(b, one(t, byte(0x41), 0x42), masked, p[:cut])
			b = frame(b, 0x80, masked, p[cut:])
		case 3: // any frame
			sound = false
			b = frame(b, t.byte(), masked, []byte(t.text(200)))
		case 4: // a long message
			b = frame(b, 0x82, masked, bytes.Repeat([]byte("long"), int(t.byte())*100))
		case 5:
			b = frame(b, one(t, byte(0x89), 0x8a), masked, []byte(t.text(125)))
		case 6:
			b = frame(b, 0x88, masked, []byte(one(t, "", "\x03\xe8", "\x03\xe9bye", "\x03\xed", "\x03\xf6", "\x0f\xa0", "\x13\x88", "\x03\xe7")))
		case 7: // the other side's masking, or a head that is cut off
			if t.byte()%2 == 0 {
				b = frame(b, 0x81, !masked, []byte("mask"))
			} else if len(b) > 0 {
				b, sound = b[:len(b)-1], false
			}
		}
	}
	return b, sound
}

func valid(s string) string { return strings.ToValidUTF8(s, "?") }

// readAll reads as the calls say, and returns what has happened.
func readAll(t *testing.T, l *library, server, compression bool, in []byte, calls tape) (log []string) {
	w := newWire(in, one(&calls, 1<<20, 1, 3, 100))
	c := l.open(t, server, &settings{compression: compression}, w)
	note := func(format string, a ...any) { log = append(log, fmt.Sprintf(format, a...)) }
	// Of a compressed message gorilla counts what comes, compat/gorilla what the program gets.
	if n := one(&calls, 0, 0, 10, 100, -1); n != 0 && !compression {
		c.SetReadLimit(int64(n))
	}
	handlers(c, calls.byte(), note)
	var r io.Reader
	var old bool // r is that of a message before
	for n := 0; n < 60 && len(calls) > 0; n++ {
		var err error
		switch calls.byte() % 9 {
		case 8: // an answer, between two reads
			note("WriteMessage %s", l.kind(c.WriteMessage(2, []byte("answer"))))
		case 0, 1, 2:
			var kind int
			var p []byte
			old = true
			kind, p, err = c.ReadMessage()
			if err != nil {
				kind, p = 0, nil // gorilla has what came before the error, compat/gorilla nothing
			}
			note("ReadMessage %d %q %s", kind, p, l.kind(err))
		case 3:
			var kind int
			old = false
			if kind, r, err = c.NextReader(); err == nil {
				// compat/gorilla returns when there is something of the message, gorilla before.
				var first [1]byte
				n, readErr := r.Read(first[:])
				if readErr != nil && readErr != io.EOF {
					kind, r, err = -1, nil, readErr
				} else if r = io.MultiReader(bytes.NewReader(first[:n]), r); readErr == io.EOF {
					r = bytes.NewReader(first[:n]) // behind the end gorilla has another error where it is compressed
				}
			}
			note("NextReader %d %v %s", kind, r != nil, l.kind(err))
		case 4, 5: // a part
			if r == nil || old && compression {
				continue // gorilla has an error of its own for the reader of an old message
			}
			p := make([]byte, 1+int(calls.byte())%40)
			n, readErr := io.ReadFull(r, p)
			note("Read %q %s", p[:n], l.kind(readErr))
			if readErr == io.EOF || readErr == io.ErrUnexpectedEOF {
				r = nil
			} else {
				err = readErr
			}
		case 6:
			if r == nil || old && compression {
				continue // gorilla has an error of its own for the reader of an old message
			}
			p, readErr := io.ReadAll(r)
			note("ReadAll %q %s", p, l.kind(readErr))
			err, r = readErr, nil
		case 7:
			var v any
			old = true
			err = c.ReadJSON(&v)
			note("ReadJSON %v %s", v, l.kind(err))
			if err != nil && l.kind(err) == "other" || err == io.ErrUnexpectedEOF {
				err = nil // of the JSON; if it is the connection's, the next call says so
			}
		}
		if compression && l.kind(err) == "other" {
			c.Close()
			return log // what cannot be expanded ends the connection, in gorilla the message alone
		}
		if err != nil {
			break
		}
	}
	_, _, err := c.ReadMessage()
	note("at last %s", l.kind(err))
	if compression && l.kind(err) == "other" {
		c.Close()
		return log
	}
	c.Close()
	<-w.closed
	return append(log, said(w.written(), false)...)
}

// handlers sets those of the program.
func handlers(c conn, which byte, note func(string, ...any)) {
	pings := 0
	if which&1 != 0 {
		c.SetPingHandler(func(s string) error {
			note("ping %q", s)
			if pings++; which&8 != 0 && pings == 2 {
				return errHandler
			}
			return nil
		})
	}
	if which&2 != 0 {
		c.SetPongHandler(func(s string) error {
			note("pong %q", s)
			if which&16 != 0 {
				return errHandler
			}
			return nil
		})
	}
	if which&4 != 0 {
		c.SetCloseHandler(func(code int, text string) error {
			note("close %d %q", code, text)
			if which&32 != 0 {
				c.WriteControl(8, []byte("\x0f\xa1mine"), time.Now().Add(time.Minute))
			}
			if which&64 != 0 {
				return errHandler
			}
			return nil
		})
	}
}

// differ returns the first line that is not the same in both, negative where all are.
func differ(got [2][]string) int {
	for i := range max(len(got[0]), len(got[1])) {
		if line(got[0], i) != line(got[1], i) {
			return i
		}
	}
	return -1
}

func line(log []string, i int) string {
	if i < len(log) {
		return log[i]
	}
	return "nothing"
}

// compare fails where both logs are not the same.
func compare(t *testing.T, got [2][]string, of string) {
	t.Helper()
	if i := differ(got); i >= 0 {
		t.Fatalf("%s\n%s\n%s: %s\n%s: %s", of, strings.Join(got[0][:i], "\n"),
			libraries[0].name, line(got[0], i), libraries[1].name, line(got[1], i))
	}
}

// documented reports whether the line in which both differ is one of those that the documentation of
// compat/gorilla names: what gorilla lets pass is refused, or a code that was registered later is known.
func documented(in []byte, got [2][]string, at int) bool {
	if strings.HasSuffix(line(got[0], at), "other") && strings.Contains(line(got[1], at), "1014") {
		return true
	}
	if strings.HasSuffix(line(got[0], at), " io.EOF") && strings.HasSuffix(line(got[1], at), `CloseError 1006 "unexpected EOF"`) {
		return true // in what a program has skipped of a message
	}
	return (strings.HasSuffix(line(got[1], at), "other") || strings.HasSuffix(line(got[1], at), "ErrCloseSent")) && lax(in)
}

// lax reports whether there is a frame in the stream that gorilla takes and compat/gorilla does not: a
// close of one byte (RFC 6455 5.5.1), a mark of compression where none can be (RFC 7692 6), text that is not UTF-8 (8.1).
func lax(b []byte) bool {
	var text []byte
	var isText, compressed bool
	for len(b) >= 2 {
		head, n, masked, at := b[0], uint64(b[1]&0x7f), b[1]&0x80 != 0, 2
		switch {
		case n == 126 && len(b) >= 4:
			n, at = uint64(binary.BigEndian.Uint16(b[2:])), 4
		case n == 127 && len(b) >= 10:
			n, at = binary.BigEndian.Uint64(b[2:]), 10
		}
		var key [4]byte
		if masked {
			at += copy(key[:], b[min(at, len(b)):])
		}
		at = min(at, len(b))
		p := bytes.Clone(b[at : at+int(min(n, uint64(len(b)-at)))])
		b = b[at+len(p):]
		for i := range p {
			p[i] ^= key[i%4]
		}
		if op := head & 0xf; head&0x40 != 0 && op != 1 && op != 2 {
			return true
		}
		switch op := head & 0xf; op {
		case 8:
			if n == 1 {
				return true
			}
		case 0, 1, 2:
			if op != 0 {
				isText, compressed, text = op == 1, head&0x40 != 0, nil
			}
			text = append(text, p...)
			if isText && !compressed && !validSoFar(text, head&0x80 != 0) {
				return true
			}
			if isText && compressed {
				if out, _ := inflate(text); !validSoFar(out, head&0x80 != 0) {
					return true
				}
			}
		}
	}
	return false
}

// validSoFar reports whether the text is UTF-8, of which the last character may be cut unless it is whole.
func validSoFar(text []byte, whole bool) bool {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			return !whole && !utf8.FullRune(text)
		}
		text = text[n:]
	}
	return true
}
