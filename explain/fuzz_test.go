package explain

import (
	"testing"
	"time"

	"github.com/draftwire/draftwire/browsers"
	"github.com/draftwire/draftwire/inspect/capture"
)

// checkExplanation holds an explanation to what each has.
func checkExplanation(t *testing.T, x *Explanation) {
	t.Helper()
	switch {
	case x == nil:
		t.Fatal("no explanation")
	case x.Says == "" || x.Sure > Possible || x.CulpritSure > Possible:
		t.Fatalf("%+v lacks something", x)
	case (x.Result == Fails) != (x.Cause != ""):
		t.Fatalf("%s, and its cause is %q", x.Result, x.Cause)
	case x.Cause != "" && x.Sure > x.CulpritSure:
		t.Fatalf("the cause is %s, and the culprit %s", x.Sure, x.CulpritSure)
	}
	known := x.Cause == ""
	for _, c := range causes {
		known = known || c.Name == x.Cause
	}
	if !known {
		t.Fatalf("the cause %q is not in the table", x.Cause)
	}
}

// FuzzExplain plays two streams of bytes, divided by one byte: however they are, there is one
// explanation.
func FuzzExplain(f *testing.F) {
	cases := readCases(f)
	for i := range cases {
		var sides [2][]byte
		ends := byte(0)
		for _, st := range cases[i].Steps {
			side := 0
			if st.From == "server" {
				side = 1
			}
			sides[side] = append(sides[side], bytesOf(st.Bytes)...)
			if st.End == "rst" {
				ends |= 1 << side
			} else if st.End == "fin" {
				ends |= 4 << side
			}
		}
		f.Add(sides[0], sides[1], ends, uint16(len(sides[0])/2), i%7 == 0)
	}
	all := browsers.All()
	f.Fuzz(func(t *testing.T, client, server []byte, ends byte, part uint16, as bool) {
		if len(client)+len(server) > 1<<18 {
			return
		}
		var got *Explanation
		o := Options{Secure: ends&16 != 0}
		if as {
			o.As = &all[int(part)%len(all)]
		}
		e := New(o, func(x *Explanation) {
			if got != nil {
				t.Fatal("two explanations")
			}
			got = x
		})
		s := e.Open(capture.Conn{Number: 1, Midway: ends&32 != 0})
		at := time.Unix(1e9, 0)
		n := min(int(part), len(client))
		s.Data(at, capture.FromClient, 0, client[:n])
		if n < len(client) {
			s.Data(at.Add(time.Second), capture.FromClient, int64(n), client[n:])
		}
		s.Data(at.Add(2*time.Second), capture.FromServer, 0, server)
		how := func(from capture.Direction) capture.End {
			switch {
			case ends>>from&1 != 0:
				return capture.Reset
			case ends>>from&4 != 0:
				return capture.Fin
			}
			return capture.Cut
		}
		s.End(at.Add(time.Minute), capture.FromServer, how(capture.FromServer))
		s.End(at.Add(time.Minute), capture.FromClient, how(capture.FromClient))
		checkExplanation(t, got)
	})
}

// FuzzText reads texts as lines of a log and as messages of browsers.
func FuzzText(f *testing.F) {
	for _, s := range []string{
		`{"level":"warning","msg":"refused","reason":"bad_key","hint":"tolerate any-key admits it","detail":"x"}`,
		`time="03:04:05" level=info msg=connection close_code=1006 duration_s=60.1 error="closed: 1006 (abnormal)"`,
		"\x1b[33mWARN\x1b[0m[03:04:05] refused   \x1b[33mreason\x1b[0m=preface detail=\"begins with tls\"",
		"Error during WebSocket handshake: location mismatch: wss://a/ != ws://a/",
		"WebSocket connection to 'ws://a/' failed: Error during WebSocket handshake: Unexpected response code: 403",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if x, ok := Line(s); ok {
			checkExplanation(t, x)
		}
		if x, ok := Message(s); ok {
			checkExplanation(t, x)
		}
	})
}
