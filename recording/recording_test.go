package recording_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/recording"
	"github.com/draftwire/draftwire/wire"
)

// sample are events of all kinds.
func sample() []recording.Event {
	ms := time.Millisecond
	return []recording.Event{
		{Kind: recording.KindConn, Conn: 1, Version: wire.Hixie76, ClientAt: "127.0.0.1:1", ServerAt: "127.0.0.1:2", Listener: "main", Route: "a", Secure: true},
		{Kind: recording.KindRequest, Conn: 1, At: ms, From: recording.Client, Head: []byte("GET / HTTP/1.1\r\n\r\n12345678")},
		{Kind: recording.KindAnswer, Conn: 1, At: 2 * ms, From: recording.Server, Version: wire.Hixie76, Head: []byte("HTTP/1.1 101 x\r\n\r\n")},
		{Kind: recording.KindFrame, Conn: 1, At: 3 * ms, From: recording.Client, Op: wire.OpText, Type: 0x01, Masked: true, Mask: []byte{1, 2, 3, 4}, Size: 3, Payload: []byte("one")},
		{Kind: recording.KindFrame, Conn: 1, At: 3 * ms, From: recording.Client, Op: wire.OpPing, Type: 0x89, Size: 1, Payload: []byte("p")},
		{Kind: recording.KindFrame, Conn: 1, At: 4 * ms, From: recording.Client, Op: wire.OpContinuation, Type: 0x80, Size: 3, Payload: []byte("two")},
		{Kind: recording.KindMessage, Conn: 1, At: 4 * ms, From: recording.Client, Op: wire.OpText, Size: 6, Payload: []byte("onetwo")},
		{Kind: recording.KindFrame, Conn: 1, At: 5 * ms, From: recording.Server, Op: wire.OpBinary, Type: 0xC2, Size: 9, Payload: []byte("\x00packed\x00\x00")},
		{Kind: recording.KindMessage, Conn: 1, At: 5 * ms, From: recording.Server, Op: wire.OpBinary, Compressed: true, Size: 4, Payload: []byte("data")},
		{Kind: recording.KindFrame, Conn: 1, At: 6 * ms, From: recording.Server, Op: wire.OpText, Type: 0x81, Size: 4, Withheld: true},
		{Kind: recording.KindMessage, Conn: 1, At: 6 * ms, From: recording.Server, Op: wire.OpText, Size: 4, Payload: []byte("mark")},
		{Kind: recording.KindLost, Conn: 1, At: 7 * ms, From: recording.Server, Lost: 1 << 40},
		{Kind: recording.KindEnd, Conn: 1, At: 8 * ms, How: "clean", Code: 1000, Reason: "bye"},
	}
}

func write(t testing.TB, events []recording.Event) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := recording.NewWriter(&b, recording.Header{Program: "test"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range events {
		if err := w.Write(&events[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil || w.Size() != int64(b.Len()) {
		t.Fatalf("%v, %d of %d bytes", err, w.Size(), b.Len())
	}
	return b.Bytes()
}

// read returns the events of a file, with copies of what is lent.
func read(t testing.TB, file []byte) (all []recording.Event, r *recording.Reader, err error) {
	t.Helper()
	if r, err = recording.NewReader(bytes.NewReader(file)); err != nil {
		return nil, nil, err
	}
	for {
		var e recording.Event
		if err = r.Next(&e); err != nil {
			return all, r, err
		}
		e.Head, e.Payload, e.Mask = bytes.Clone(e.Head), bytes.Clone(e.Payload), bytes.Clone(e.Mask)
		all = append(all, e)
	}
}

// same compares what the fields of events say.
func same(t *testing.T, got, want []recording.Event) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d events, not %d", len(got), len(want))
	}
	for i := range want {
		g, w := reflect.ValueOf(got[i]), reflect.ValueOf(want[i])
		for f := range g.NumField() {
			name := g.Type().Field(f).Name
			if !g.Type().Field(f).IsExported() {
				continue
			}
			a, b := g.Field(f), w.Field(f)
			if a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0 {
				continue
			}
			if !reflect.DeepEqual(a.Interface(), b.Interface()) {
				t.Errorf("event %d, %s: %v is %v, not %v", i, want[i].Kind, name, a, b)
			}
		}
	}
}

func TestEvents(t *testing.T) {
	want := sample()
	file := write(t, want)
	if n := bytes.Count(file, []byte("onetwo")); n != 0 {
		t.Errorf("the payload of a message is repeated")
	}
	got, r, err := read(t, file)
	if err != io.EOF || r.Torn() || r.Header().Program != "test" || r.Header().Began.IsZero() {
		t.Fatalf("%v, torn %v, %+v", err, r.Torn(), r.Header())
	}
	same(t, got, want)
}

// A file that ends anywhere has all its whole records, and Append goes on behind them.
func TestTorn(t *testing.T) {
	want := sample()
	file := write(t, want)
	begin := bytes.IndexByte(file[bytes.IndexByte(file, '\n')+1:], '\n') + bytes.IndexByte(file, '\n') + 2
	if _, r, err := read(t, file[:begin]); err != io.EOF || r.Torn() {
		t.Fatal("an empty recording is torn")
	}
	name := filepath.Join(t.TempDir(), "x")
	for n := begin; n < len(file); n++ {
		got, r, err := read(t, file[:n])
		if err != io.EOF {
			t.Fatalf("%d bytes: %v", n, err)
		}
		whole := len(got)
		same(t, got, want[:whole])
		if err := os.WriteFile(name, file[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		w, conns, err := recording.Append(f, recording.Header{})
		if err != nil || conns != uint64(min(1, whole)) || !w.Began().Equal(r.Header().Began) {
			t.Fatalf("%d bytes: %v, %d connections", n, err, conns)
		}
		e := recording.Event{Kind: recording.KindEnd, Conn: 2, How: "fin"}
		if w.Write(&e) != nil || w.Flush() != nil || f.Close() != nil {
			t.Fatal("it cannot be written")
		}
		all, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, r, err = read(t, all)
		if err != io.EOF || r.Torn() || len(got) != whole+1 {
			t.Fatalf("%d bytes: %v, torn %v, %d events", n, err, r.Torn(), len(got))
		}
		same(t, got, append(append([]recording.Event{}, want[:whole]...), e))
	}
}

// A byte that was changed is noticed, and nothing else happens.
func TestDamaged(t *testing.T) {
	file := write(t, sample())
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		x := bytes.Clone(file)
		at := r.IntN(len(x))
		x[at] ^= byte(1 + r.IntN(255))
		got, reader, err := read(t, x)
		if err == io.EOF && len(got) == len(sample()) && !reader.Torn() && at > 100 {
			t.Fatalf("byte %d was changed, and nobody noticed", at)
		}
	}
}

// A file is no longer than it may be; what still has room is written.
func TestFull(t *testing.T) {
	var b bytes.Buffer
	w, err := recording.NewWriter(&b, recording.Header{})
	if err != nil {
		t.Fatal(err)
	}
	w.Max = 300
	big := recording.Event{Kind: recording.KindFrame, Conn: 1, From: recording.Client, Op: wire.OpText, Size: 1000, Payload: make([]byte, 1000)}
	if err := w.Write(&big); !errors.Is(err, recording.ErrFull) {
		t.Errorf("%v", err)
	}
	message := recording.Event{Kind: recording.KindMessage, Conn: 1, From: recording.Client, Op: wire.OpText, Size: 5, Payload: []byte("Hello")}
	if err := w.Write(&message); err != nil {
		t.Error(err)
	}
	w.Flush()
	if b.Len() > 300 {
		t.Errorf("%d bytes", b.Len())
	}
	got, _, _ := read(t, b.Bytes())
	if len(got) != 1 || string(got[0].Payload) != "Hello" {
		t.Errorf("%+v", got)
	}
}

func TestRedact(t *testing.T) {
	r := recording.Redaction{Fields: recording.DefaultFields, Names: append(recording.DefaultNames, "pin")}
	head := "GET /a?EIO=4&token=abc&x=1 HTTP/1.1\r\nHost: a\r\nCOOKIE: sid=1;\r\n\tmore\r\nX-Folded: a\r\n b\r\nauthorization:Basic x\r\n\r\nCookie: body"
	want := "GET /a?EIO=4&token=[redacted:token]&x=1 HTTP/1.1\r\nHost: a\r\nCOOKIE: [redacted:cookie]\r\nX-Folded: a\r\n b\r\nauthorization: [redacted:authorization]\r\n\r\nCookie: body"
	if got := string(r.Head([]byte(head))); got != want {
		t.Errorf("%q", got)
	}
	answer := "HTTP/1.1 101 WebSocket Protocol Handshake\r\nSec-WebSocket-Location: ws://a/a?EIO=4&token=abc\r\nReferer: http://a/?x\r\n\r\n"
	if got := string(r.Head([]byte(answer))); got != strings.Replace(answer, "token=abc", "token=[redacted:token]", 1) {
		t.Errorf("%q", got)
	}
	empty := "\r\n\nGET / HTTP/1.1\r\nCookie: a=1\r\n\r\n"
	if got := string(r.Head([]byte(empty))); got != strings.Replace(empty, "a=1", "[redacted:cookie]", 1) {
		t.Errorf("%q", got)
	}
	for text, want := range map[string]string{
		`5" of {"token":"abc"}`: `5" of {"token":"[redacted:token]"}`,
		strings.Repeat(`"`, 9) + `"{"\u0074\u006f\u006b\u0065\u006e":1}`: strings.Repeat(`"`, 9) + `"{"\u0074\u006f\u006b\u0065\u006e":"[redacted:token]"}`,
		`{"token":"abc","a":1}`:                         `{"token":"[redacted:token]","a":1}`,
		`42["login",{"Password" : "a\"b", "n":[1,2]}]`:  `42["login",{"Password" : "[redacted:password]", "n":[1,2]}]`,
		`[2,"1","X",{"pin":1234,"secret":{"a":["}"]}}]`: `[2,"1","X",{"pin":"[redacted:pin]","secret":"[redacted:secret]"}]`,
		`{"\u0074oken":null}`:                           `{"\u0074oken":"[redacted:token]"}`,
		`{"token":"never ends`:                          `{"token":"[redacted:token]"`,
		`{"a":"token","b":"\"token\":1"}`:               `{"a":"token","b":"\"token\":1"}`,
		`no JSON "token" at all`:                        `no JSON "token" at all`,
		`{"token":"a"}{"token":"b"}`:                    `{"token":"[redacted:token]"}{"token":"[redacted:token]"}`,
	} {
		if got, _ := r.Text([]byte(text)); string(got) != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	var none recording.Redaction
	if got, is := none.Text([]byte(`{"token":1}`)); is || string(got) != `{"token":1}` || string(none.Head([]byte(head))) != head {
		t.Error("something is taken out that nobody named")
	}
}

func TestFormat(t *testing.T) {
	for _, text := range []string{"", "x", "draftwire recording 2\n{}\n", "draftwire recording 1\n", "draftwire recording 1\nno\n", "draftwire recording 1\n{}" + strings.Repeat(" ", 100_000)} {
		if _, _, err := read(t, []byte(text)); !errors.Is(err, recording.ErrFormat) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	// A record of an unknown kind, and one with more than is known.
	if got, _, err := read(t, []byte("draftwire recording 1\n{}\n"+record("Z\x01\x00\x00anything")+record("L\x01\x00s\x05more"))); err != io.EOF || len(got) != 1 || got[0].Lost != 5 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, _, err := read(t, []byte("draftwire recording 1\n{}\n"+record("Q\x01\x00c\x09short"))); !errors.Is(err, recording.ErrDamaged) {
		t.Errorf("a field beyond the record: %v", err)
	}
	if _, _, err := read(t, []byte("draftwire recording 1\n{}\n\xff\xff\xff\xff\xff\xff\x7f")); !errors.Is(err, recording.ErrDamaged) {
		t.Errorf("a record of any length: %v", err)
	}
}

// record is a record with that payload.
func record(payload string) string {
	b := append([]byte{byte(len(payload))}, payload...)
	return string(binary.LittleEndian.AppendUint32(b, crc32.Checksum([]byte(payload), crc32.MakeTable(crc32.Castagnoli))))
}
