package gorillafuzz

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// FuzzWrite: what a program writes, by any calls in any order, on a wire that breaks at one of them or does
// not. The peer is silent.
func FuzzWrite(f *testing.F) {
	f.Add(true, false, []byte("\x00\x01\x05hello"))
	f.Add(true, true, []byte("\x00\x01\x05hello\x01\x00\x02\x05hello\x05\x07again\x03"))
	f.Add(false, false, []byte("\x00\x04\x01\x04ping\x00\x06\x01\x02ab\x09\x00\x00\x02\x05hello"))
	f.Add(false, true, []byte("\x01\x00\x01\x00\x02\x03abc\x05\x00\x05\x08\x00\x00\x00\x02xy"))
	// What has differed once.
	f.Add(false, true, []byte("\x01\x00\x01\x00\x02a\x03bc\x05\x00\x05\b"))
	f.Add(false, false, []byte("\x04\x01\x04ng\x05\xe3p\x00"))
	f.Add(false, false, []byte("\x03a\x00\x17xy"))
	f.Add(false, false, []byte("\x00\x04\x01\x04pig\x00\x06\x01\x02ao"))
	f.Fuzz(func(t *testing.T, server, compression bool, calls []byte) {
		var got [2][]string
		for i := range libraries {
			got[i] = writeAll(t, &libraries[i], server, compression, calls)
		}
		compare(t, got, fmt.Sprintf("server %v, compression %v, calls %q", server, compression, calls))
	})
}

// payload returns what is written: UTF-8, as compat/gorilla sends no other text.
func payload(t *tape) string {
	return strings.Repeat(valid(t.text(130)), one(t, 1, 1, 1, 1, 0, 100, 1000))
}

// closing returns what a close may say: compat/gorilla sends no other.
func closing(t *tape) string {
	return one(t, "", "\x03\xe8", "\x03\xe9bye", "\x0f\xa0"+strings.Repeat("long", 30), "\x13\x87mine", "\x0f\xa0"+strings.Repeat("long", 31))
}

// writeAll makes the calls and returns what has come of them.
func writeAll(t *testing.T, l *library, server, compression bool, calls tape) (log []string) {
	w := newWire(nil, 1<<20)
	size := one(&calls, 4096, 1, 16, 5000)
	c := l.open(t, server, &settings{compression: compression, writeSize: size}, w)
	note := func(format string, a ...any) { log = append(log, fmt.Sprintf(format, a...)) }
	ofWriter := func(err error) string {
		if err != nil && compression {
			return "failed" // gorilla's compressor forgets why
		}
		return l.kind(err)
	}
	kinds := func() int { return one(&calls, 1, 2, 1, 2, 8, 9, 10, 0, 3, 11) }
	var writers []io.WriteCloser
	over := false // something has ended: when a Write sees that depends on the buffers
	open := -1    // bytes of the message that is open, negative where none is
	for n := 0; n < 60 && len(calls) > 0; n++ {
		switch calls.byte() % 12 {
		case 0:
			op, p := kinds(), payload(&calls)
			if op == 8 {
				p, over = closing(&calls), true
			}
			if op >= 8 && len(p) > size {
				continue // gorilla refuses a control frame that its buffer has no room for
			}
			note("WriteMessage %d %d %s", op, len(p), l.kind(c.WriteMessage(op, []byte(p))))
		case 1:
			op := kinds()
			next, err := c.NextWriter(op)
			note("NextWriter %d %s", op, l.kind(err))
			if err == nil && op == 8 {
				_, err = io.WriteString(next, closing(&calls))
				note("Write and Close %s %s", l.kind(err), l.kind(next.Close()))
				open, over = -1, true
			} else if err == nil {
				writers, open = append(writers, next), 0
			}
		case 2, 3, 4: // of the last writer, or of one that is done
			if len(writers) == 0 {
				continue
			}
			at, p := writers[max(0, len(writers)-1-one(&calls, 0, 0, 0, 1))], payload(&calls)
			var err error
			var n int64
			switch calls.byte() % 3 {
			case 0:
				var m int
				m, err = at.Write([]byte(p))
				n = int64(m)
			case 1:
				var m int
				m, err = io.WriteString(at, p)
				n = int64(m)
			case 2:
				n, err = io.Copy(at, strings.NewReader(p))
			}
			if err != nil {
				n = 0 // how much was taken depends on the buffers
			}
			if open >= 0 {
				open += len(p)
			}
			if !over {
				note("Write %d of %d %s", n, len(p), ofWriter(err))
			}
		case 5:
			if len(writers) > 0 {
				note("Close of the writer %s", ofWriter(writers[max(0, len(writers)-1-one(&calls, 0, 0, 0, 1))].Close()))
			}
		case 6:
			op, p := kinds(), calls.text(130)
			if op == 8 {
				p, over = closing(&calls), true
			}
			by := one(&calls, time.Time{}, time.Now().Add(time.Hour), time.Now().Add(-time.Hour))
			note("WriteControl %d %d %s", op, len(p), l.kind(c.WriteControl(op, []byte(p), by)))
		case 7:
			note("WriteJSON %s", l.kind(c.WriteJSON(one[any](&calls, "text", 1, nil, map[string]string{"a": "<b>"}))))
		case 8:
			op, p := kinds(), payload(&calls)
			if op == 8 {
				p, over = closing(&calls), true
			}
			if op < 8 && open >= size {
				continue // gorilla would send it between the frames of the other
			}
			note("prepared %d %d %s", op, len(p), l.kind(l.prepared(c, op, []byte(p))))
		case 9:
			c.EnableWriteCompression(calls.byte()%2 == 0)
		case 10:
			note("level %s", l.kind(c.SetCompressionLevel(int(calls.byte()%16)-4)))
		case 11:
			switch calls.byte() % 4 {
			case 0, 1:
				switch {
				case compression: // gorilla's compressor tells it later, by errors of its own
				case calls.byte()%2 == 0:
					over = true
					note("Close %s", l.kind(c.Close()))
				default:
					over = true
					w.fail()
				}
			default:
				note("SetWriteDeadline %s", l.kind(c.SetWriteDeadline(one(&calls, time.Time{}, time.Now().Add(time.Hour)))))
			}
		}
	}
	c.Close()
	<-w.closed
	return append(log, said(w.written(), true)...)
}

// fail makes all writes fail from now on.
func (w *wire) fail() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = true
}
