package main

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/draftwiretest"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/internal/seed"
	"github.com/sirupsen/logrus"
)

// styles are the formatters beside whose lines ours are held.
var styles = map[lineStyle]logrus.Formatter{
	jsonStyle:   jsonLines{},
	plainStyle:  textLines{Formatter: &logrus.TextFormatter{DisableColors: true, FullTimestamp: true, TimestampFormat: time.TimeOnly}},
	colourStyle: textLines{Formatter: &logrus.TextFormatter{ForceColors: true, FullTimestamp: true, TimestampFormat: time.TimeOnly}, coloured: true},
}

// byLogrus is the line that logrus writes with a formatter.
func byLogrus(f logrus.Formatter, at time.Time, msg string, fields logrus.Fields) string {
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	log.SetFormatter(f)
	log.WithTime(at).WithFields(fields).Info(msg)
	return out.String()
}

// sameRunes writes what stands for bytes that are no UTF-8 as Go 1.27 does in JSON; Go 1.26 escapes it.
func sameRunes(line string) string { return strings.ReplaceAll(line, `\ufffd`, "\ufffd") }

// FuzzLine: each kind of field is written as logrus and the formatters write it.
func FuzzLine(f *testing.F) {
	seed.Add(f, "", uint64(0), uint32(0), true, int64(0))
	seed.Add(f, "plain-._/@^+09azAZ", uint64(1<<63), uint32(1), false, int64(1_700_000_000_123_456_789))
	seed.Add(f, "a b\"c\\d<e>&f'g\x00\x01\x1f\x7f\b\f\n\r\t", uint64(35), uint32(999), true, int64(-1))
	seed.Add(f, "\x80\xff\xc0\xaf\xed\xa0\x80 \u00e9\u6f22\u009b\u2028\u2029\u202e\ufeff\ufffd\U0001f600\U000e0001\U0010ffff\u00ad", uint64(36), uint32(1<<32-1), false, int64(1e18))
	seed.Add(f, everyRune()[:3000], uint64(1e19), uint32(1e6), false, int64(1e17))
	f.Fuzz(func(t *testing.T, text string, n uint64, ms uint32, truth bool, ns int64) {
		at := time.Unix(0, ns)
		lasted := seconds(time.Duration(ms) * time.Millisecond)
		fields := logrus.Fields{"a": text, "b": n, "c": strconv.FormatUint(n, 36), "d": lasted, "e": truth, "f": text + "\xe2"}
		for style, formatter := range styles {
			var l line
			l.begin(style, at, "connection")
			l.text("a", text)
			l.number("b", n)
			l.id("c", n)
			l.seconds("d", lasted)
			l.truth("e", truth)
			l.text("f", text+"\xe2")
			l.finish()
			if want := byLogrus(formatter, at, "connection", fields); sameRunes(string(l.b)) != sameRunes(want) {
				t.Errorf("style %d:\n%q is not\n%q", style, l.b, want)
			}
		}
	})
}

// fields are those of the line, as the program gave them to logrus before it had lines.
func (x *connEnd) fields() logrus.Fields {
	h, s := x.h, x.stats
	fields := logrus.Fields{
		"event": "conn.close", "conn": strconv.FormatUint(x.conn, 36), "client_ip": ipOf(h.Remote()), "draft": h.Version().String(),
		"path": redact(h.Target()), "host": short(h.Host()), "origin": short(h.Origin()), "user_agent": short(h.Fields().Get("User-Agent")),
		"subprotocol": short(x.subprotocol), "deflate": short(h.Deflate()), "secure": h.Secure(), "close_code": int(x.code),
		"duration_s": seconds(x.lasted),
		"msgs_in":    s.MessagesIn, "msgs_out": s.MessagesOut, "bytes_in": s.BytesIn, "bytes_out": s.BytesOut,
	}
	if x.session != nil {
		fields["listener"], fields["route"], fields["backend"] = x.session.Listener, x.session.Route, x.session.Backend
		fields["close_by"] = string(x.by)
		for _, loss := range x.losses {
			fields[loss.name] = loss.n
		}
	}
	for name, value := range map[string]string{"via": x.via, "tls": x.tls, "cipher": x.cipher, "error": x.fault, "hint": x.hint} {
		if value != "" {
			fields[name] = value
		}
	}
	if x.dropped > 0 {
		fields["dropped"] = x.dropped
	}
	return fields
}

// The line of a connection has the fields that it had as a map, in the same order, whatever
// peers write.
func TestConnLineIsThatOfLogrus(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	runes := []rune(everyRune())
	word := func() string {
		if r.IntN(4) == 0 {
			return ""
		}
		b := []byte{}
		for range r.IntN(300) {
			switch r.IntN(3) {
			case 0:
				b = append(b, byte(r.IntN(256)))
			case 1:
				b = append(b, string(runes[r.IntN(len(runes))])...)
			default:
				b = append(b, byte(' '+r.IntN(95)))
			}
		}
		return string(b)
	}
	for range 300 {
		req := draftwiretest.NewRequest("ws://example.com/a%22b?secret=1", nil)
		req.Header.Set("User-Agent", strings.NewReplacer("\x00", "", "\r", "", "\n", "").Replace(word()))
		h := draftwiretest.NewHandshake(req)
		x := &connEnd{
			h: h, conn: r.Uint64(), subprotocol: word(), code: draftwire.CloseCode(r.IntN(5000)), lasted: time.Duration(r.Uint64() >> r.IntN(64) & (1<<63 - 1)), dropped: uint64(r.IntN(2)),
			stats: draftwire.Stats{MessagesIn: r.Uint64(), MessagesOut: r.Uint64N(10), BytesIn: r.Uint64(), BytesOut: r.Uint64N(10)},
			fault: word(), hint: word(), tls: word(), cipher: word(), via: word(),
		}
		if r.IntN(2) == 0 {
			x.session = &gateway.Session{Listener: word(), Route: word(), Backend: word()}
			x.by = gateway.ClientSide
			for _, l := range gateway.Losses() {
				if r.IntN(2) == 0 {
					x.losses = append(x.losses, lossCount{"lost_" + string(l.Loss), r.IntN(1000)})
				}
			}
			sortLosses(x.losses)
		}
		at := time.Unix(r.Int64N(1<<33), r.Int64N(1e9))
		for style, formatter := range styles {
			l := new(line)
			l.begin(style, at, "connection")
			x.addTo(l)
			l.finish()
			if want := byLogrus(formatter, at, "connection", x.fields()); sameRunes(string(l.b)) != sameRunes(want) {
				t.Fatalf("style %d:\n%s is not\n%s", style, l.b, want)
			}
		}
	}
}

// The line of a connection allocates nothing.
func TestConnLineAllocatesNothing(t *testing.T) {
	h := draftwiretest.NewHandshake(draftwiretest.NewRequest("ws://example.com/chat", nil))
	x, l := &connEnd{h: h}, &line{b: make([]byte, 0, 1024)}
	for style := range styles {
		at := time.Now()
		if n := testing.AllocsPerRun(100, func() {
			l.begin(style, at, "connection")
			x.addTo(l)
			l.finish()
		}); n > 0 {
			t.Errorf("style %d: %.0f allocations", style, n)
		}
	}
}

// BenchmarkConnLine: the line of a connection, and what it was before.
func BenchmarkConnLine(b *testing.B) {
	h := draftwiretest.NewHandshake(draftwiretest.NewRequest("ws://example.com/chat", nil))
	x := &connEnd{h: h}
	b.Run("line", func(b *testing.B) {
		l := new(line)
		b.ReportAllocs()
		for b.Loop() {
			l.begin(jsonStyle, time.Now(), "connection")
			x.addTo(l)
			l.finish()
		}
	})
	b.Run("logrus", func(b *testing.B) {
		log := logrus.New()
		log.SetOutput(io.Discard)
		log.SetFormatter(jsonLines{})
		b.ReportAllocs()
		for b.Loop() {
			log.WithFields(x.fields()).Info("connection")
		}
	})
}
