package server_test

import (
	"bufio"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/wire"
)

// Answers of servers that are right. {accept}, {origin} and {location} are what the request
// demands, {proof} the 16 bytes of hixie-76.
const (
	answer13 = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
	answer76 = "HTTP/1.1 101 WebSocket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Origin: {origin}\r\nSec-WebSocket-Location: {location}\r\n\r\n{proof}"
	answer75 = "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
		"WebSocket-Origin: {origin}\r\nWebSocket-Location: {location}\r\n\r\n"
	hello13 = "\x81\x05hello"
	hello75 = "\x00hello\xff"
)

// faultyServers are the smallest faults of servers, each with the tolerance that admits it.
var faultyServers = []struct {
	name    string
	version draftwire.Version
	answer  string
	frames  string
	need    draftwire.Tolerances
	inFrame bool // the fault is in a frame, so that the handshake succeeds
}{
	{"LF", draftwire.RFC6455, strings.ReplaceAll(answer13, "\r\n", "\n"), hello13, wire.TolerateLineEnds, false},
	{"LF in one line", draftwire.Hybi08, strings.Replace(answer13, "\r\n", "\n", 2), hello13, wire.TolerateLineEnds, false},
	{"LF, hixie-76", draftwire.Hixie76, strings.ReplaceAll(answer76, "\r\n", "\n"), hello75, wire.TolerateLineEnds, false},
	{"LF, hixie-75", draftwire.Hixie75, strings.ReplaceAll(answer75, "\r\n", "\n"), hello75, wire.TolerateLineEnds, false},
	{"CR CR LF", draftwire.RFC6455, strings.ReplaceAll(answer13, "\r\n", "\r\r\n"), hello13, wire.TolerateLineEnds, false},
	{"LF and a fold", draftwire.RFC6455, strings.ReplaceAll(strings.Replace(answer13, "\r\n\r\n", "\r\nX: a\r\n b\r\n\r\n", 1), "\r\n", "\n"), hello13,
		wire.TolerateLineEnds | wire.TolerateFoldedFields, false},
	{"a blank before the colon", draftwire.RFC6455, strings.Replace(answer13, "Upgrade:", "Upgrade :", 1), hello13, wire.TolerateSpaceBeforeColon, false},
	{"a tab before the colon, hixie-76", draftwire.Hixie76, strings.Replace(answer76, "Connection:", "Connection\t:", 1), hello75, wire.TolerateSpaceBeforeColon, false},
	{"a folded line", draftwire.RFC6455, strings.Replace(answer13, "Accept: ", "Accept:\r\n\t", 1), hello13, wire.TolerateFoldedFields, false},
	{"a folded line, hixie-75", draftwire.Hixie75, strings.Replace(answer75, "\r\n\r\n", "\r\nX: a\r\n b\r\n \r\n\r\n", 1), hello75, wire.TolerateFoldedFields, false},
	{"Upgrade: websocket", draftwire.Hixie76, strings.Replace(answer76, ": WebSocket", ": websocket", 1), hello75, wire.TolerateUpgradeCase, false},
	{"Upgrade: websocket, hybi-02", draftwire.Hybi02, strings.Replace(answer76, ": WebSocket", ": websocket", 1), "\x04\x05hello", wire.TolerateUpgradeCase, false},
	{"other phrase", draftwire.Hixie75, strings.Replace(answer75, "Web Socket", "WebSocket", 1), hello75, wire.TolerateFirstLines, false},
	{"other order and case", draftwire.Hixie75, strings.Replace(answer75, "Upgrade: WebSocket\r\nConnection: Upgrade", "connection: upgrade\r\nupgrade: websocket", 1), hello75,
		wire.TolerateFirstLines, false},
	{"other URL, hixie-75", draftwire.Hixie75, strings.Replace(answer75, "{location}", "ws://localhost/", 1), hello75, wire.TolerateOtherLocation, false},
	{"other URL, hixie-76", draftwire.Hixie76, strings.Replace(answer76, "{location}", "ws://localhost/", 1), hello75, wire.TolerateOtherLocation, false},
	{"masked", draftwire.RFC6455, answer13, "\x81\x85\x00\x00\x00\x00hello", wire.TolerateMasked, true},
	{"masked, with a mask", draftwire.RFC6455, answer13, "\x81\x85\x01\x02\x03\x04igohn", wire.TolerateMasked, true},
	{"a long length", draftwire.RFC6455, answer13, "\x81\x7e\x00\x05hello", wire.TolerateLongLength, true},
	{"an empty subprotocol", draftwire.RFC6455, strings.Replace(answer13, "\r\n\r\n", "\r\nSec-WebSocket-Protocol:\r\n\r\n", 1), hello13, 0, false},
	{"an empty subprotocol, hybi-02", draftwire.Hybi02, strings.Replace(answer76, "\r\n\r\n", "\r\nSec-WebSocket-Protocol: \r\n\r\n", 1), "\x04\x05hello", 0, false},
}

// answering is a server that sends an answer and then frames.
func answering(t *testing.T, answer, frames string) *memnet.Listener {
	l := memnet.Listen(64 << 10)
	t.Cleanup(func() {
		l.Close()
		<-time.After(10 * time.Second) // in fake time: a connection that has failed is read for two seconds
	})
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				in := bufio.NewReader(nc)
				r, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				io.WriteString(nc, filled(r, in, answer)+frames)
				io.Copy(io.Discard, nc)
			}()
		}
	}()
	return l
}

// filled is an answer with what a request, and the bytes behind its head, demand.
func filled(r *http.Request, behind io.Reader, answer string) string {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	var key3 [8]byte
	if r.Header.Get("Sec-WebSocket-Key1") != "" {
		io.ReadFull(behind, key3[:])
	}
	challenge := binary.BigEndian.AppendUint32(nil, hidden(r.Header.Get("Sec-WebSocket-Key1")))
	challenge = binary.BigEndian.AppendUint32(challenge, hidden(r.Header.Get("Sec-WebSocket-Key2")))
	proof := md5.Sum(append(challenge, key3[:]...))
	return strings.NewReplacer("{accept}", base64.StdEncoding.EncodeToString(sum[:]), "{origin}", r.Header.Get("Origin"),
		"{location}", "ws://"+r.Host+r.RequestURI, "{proof}", string(proof[:])).Replace(answer)
}

// hidden is the number in a key of hixie-76.
func hidden(key string) uint32 {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, key)
	n, _ := strconv.ParseUint(digits, 10, 64)
	return uint32(n / uint64(max(strings.Count(key, " "), 1)))
}

// tells are what an Observer is told.
type tells struct {
	tolerated draftwire.Tolerances
	discarded int
}

func (x *tells) observer() *draftwire.Observer {
	return &draftwire.Observer{
		Tolerated: func(_ string, t draftwire.Tolerances) { x.tolerated |= t },
		Discarded: func(*draftwire.Conn) { x.discarded++ },
	}
}

// A fault of a server is refused at once, by its name, and with the hint that names the
// tolerance; with that one the server is understood, and the use of it is told.
func TestDialTolerates(t *testing.T) {
	for _, f := range faultyServers {
		t.Run(f.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := answering(t, f.answer, f.frames)
				began := time.Now()
				if f.need != 0 {
					if got := refusedBy(l, f.version, wire.ServerFaults()&^f.need, f.inFrame); got != f.need {
						t.Errorf("the hint is %q, not %q", got, f.need)
					}
				}
				var told tells
				o := wstest.DialTo(l, draftwire.DialOptions{Version: f.version, Tolerate: f.need, Observer: told.observer()})
				c, _, err := draftwire.Dial(bg, "ws://example.com/chat", o)
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				if op, p, err := c.Read(bg); op != draftwire.OpText || string(p) != "hello" || err != nil {
					t.Errorf("read %v %q, %v", op, p, err)
				}
				if told.tolerated != f.need || !f.inFrame && c.Handshake().Tolerated() != f.need || told.discarded != 0 {
					t.Errorf("told %+v, the handshake %q, want %q", told, c.Handshake().Tolerated(), f.need)
				}
				if d := time.Since(began); d != 0 {
					t.Errorf("took %v", d)
				}
			})
		})
	}
}

// refusedBy dials a server whose fault is not tolerated, and returns the tolerance that the
// error names.
func refusedBy(l *memnet.Listener, v draftwire.Version, tolerate draftwire.Tolerances, inFrame bool) draftwire.Tolerances {
	c, _, err := draftwire.Dial(bg, "ws://example.com/chat", wstest.DialTo(l, draftwire.DialOptions{Version: v, Tolerate: tolerate}))
	if inFrame && err == nil {
		_, _, err = c.Read(bg)
		c.CloseNow()
	}
	if he, ok := errors.AsType[*draftwire.HandshakeError](err); ok && he.Reason == wire.ReasonBadResponse {
		return he.Tolerance
	}
	if pe, ok := errors.AsType[*draftwire.ProtocolError](err); ok {
		return pe.Tolerance
	}
	return 0
}

// What is no fault that a tolerance names is refused with all of them.
func TestDialToleratesNoMore(t *testing.T) {
	for name, f := range map[string]struct {
		version draftwire.Version
		answer  string
	}{
		"a CR in a line":                  {draftwire.RFC6455, strings.Replace(answer13, "Switching", "Switch\ring", 1)},
		"a fold behind the status line":   {draftwire.RFC6455, strings.Replace(answer13, "\r\nUpgrade", "\r\n Upgrade", 1)},
		"nothing before the colon":        {draftwire.RFC6455, strings.Replace(answer13, "Upgrade:", " :", 1)},
		"no colon":                        {draftwire.RFC6455, strings.Replace(answer13, "\r\n\r\n", "\r\nno field\r\n\r\n", 1)},
		"NUL in a folded line":            {draftwire.RFC6455, strings.Replace(answer13, "\r\n\r\n", "\r\nX: a\r\n \x00\r\n\r\n", 1)},
		"two of Upgrade, one folded":      {draftwire.RFC6455, strings.Replace(answer13, "\r\n\r\n", "\r\nUpgrade:\r\n h2c\r\n\r\n", 1)},
		"a proof that is wrong":           {draftwire.RFC6455, strings.Replace(answer13, "{accept}", "{origin}", 1)},
		"sixteen bytes that are wrong":    {draftwire.Hixie76, strings.Replace(answer76, "{proof}", "0123456789abcdef", 1)},
		"another origin":                  {draftwire.Hixie76, strings.Replace(answer76, "{origin}", "http://evil.example", 1)},
		"another origin, hixie-75":        {draftwire.Hixie75, strings.Replace(answer75, "{origin}", "http://evil.example", 1)},
		"no location":                     {draftwire.Hixie76, strings.Replace(answer76, "Sec-WebSocket-Location: {location}\r\n", "", 1)},
		"two locations":                   {draftwire.Hixie75, strings.Replace(answer75, "\r\n\r\n", "\r\nWebSocket-Location: {location}\r\n\r\n", 1)},
		"Upgrade to something else":       {draftwire.Hixie75, strings.Replace(answer75, ": WebSocket", ": h2c", 1)},
		"two of Upgrade":                  {draftwire.Hixie75, strings.Replace(strings.Replace(answer75, "Web Socket", "WebSocket", 1), "\r\n\r\n", "\r\nUpgrade: websocket\r\n\r\n", 1)},
		"a 200":                           {draftwire.Hixie75, strings.Replace(answer75, "101", "200", 1)},
		"two empty subprotocols":          {draftwire.RFC6455, strings.Replace(answer13, "\r\n\r\n", "\r\nSec-WebSocket-Protocol:\r\nSec-WebSocket-Protocol:\r\n\r\n", 1)},
		"a subprotocol that nobody asked": {draftwire.RFC6455, strings.Replace(answer13, "\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				l := answering(t, f.answer, "")
				c, _, err := draftwire.Dial(bg, "ws://example.com/chat", wstest.DialTo(l, draftwire.DialOptions{Version: f.version, Tolerate: wire.ServerFaults()}))
				if err == nil {
					c.CloseNow()
					t.Error("it is taken")
				}
				if d := time.Since(began); d != 0 {
					t.Errorf("refused after %v", d)
				}
			})
		})
	}
}

// CR LF behind the answer of a hixie server begins a frame that is discarded, and the first
// message with it: that is told. With the tolerance exactly these two bytes are skipped, once.
func TestDialStrayCRLF(t *testing.T) {
	for name, f := range map[string]struct {
		frames    string
		tolerate  draftwire.Tolerances
		first     string
		discarded int
		needed    bool
	}{
		"not tolerated":    {"\r\n" + hello75 + hello75 + "\x00last\xff", 0, "hello", 1, false},
		"tolerated":        {"\r\n" + hello75, wire.TolerateStrayCRLF, "hello", 0, true},
		"not needed":       {hello75, wire.TolerateStrayCRLF, "hello", 0, false},
		"twice":            {"\r\n\r\n" + hello75 + "\x00last\xff", wire.TolerateStrayCRLF, "last", 1, true},
		"behind a message": {hello75 + "\r\n" + hello75, wire.TolerateStrayCRLF, "hello", 0, false},
		"CR alone":         {"\rx\xff\x00last\xff", wire.TolerateStrayCRLF, "last", 1, false},
		"an empty discard": {"\x01\xff" + hello75, 0, "hello", 0, false},
		"a length":         {"\x80\x02ab" + hello75, 0, "hello", 1, false},
		"a length of none": {"\x80\x00" + hello75, 0, "hello", 0, false},
	} {
		for _, v := range []draftwire.Version{draftwire.Hixie75, draftwire.Hixie76} {
			t.Run(name+" "+v.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var told tells
					l := answering(t, map[draftwire.Version]string{draftwire.Hixie75: answer75, draftwire.Hixie76: answer76}[v], f.frames)
					c, _, err := draftwire.Dial(bg, "ws://example.com/chat", wstest.DialTo(l, draftwire.DialOptions{Version: v, Tolerate: f.tolerate, Observer: told.observer()}))
					if err != nil {
						t.Fatal(err)
					}
					defer c.CloseNow()
					if _, p, err := c.Read(bg); string(p) != f.first || err != nil {
						t.Errorf("read %q, %v", p, err)
					}
					if told.discarded != f.discarded || (told.tolerated == wire.TolerateStrayCRLF) != f.needed {
						t.Errorf("told %+v", told)
					}
				})
			})
		}
	}
}

// A hixie server that is told of a proxy in front repeats the URL that the proxy has got.
func TestDialLocationBehindProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, v := range []draftwire.Version{draftwire.Hixie75, draftwire.Hixie76, draftwire.Hybi02} {
			for _, c := range []struct {
				host, proto, location string
				taken                 bool
			}{
				{"gate.example", "https", "wss://gate.example/chat", true},
				{"gate.example", "http", "ws://gate.example/chat", true},
				{"gate.example", "http", "wss://example.com/chat", true},
				{"", "https", "wss://example.com/chat", true},
				{"gate.example", "https", "ws://example.com/chat", true},
				{"gate.example", "https", "wss://gate.example/", false},
				{"gate.example", "", "wss://gate.example/chat", false},
				{"", "https", "ws://gate.example/chat", false},
			} {
				answer := map[draftwire.Version]string{draftwire.Hixie75: answer75, draftwire.Hixie76: answer76, draftwire.Hybi02: answer76}[v]
				l := answering(t, strings.Replace(answer, "{location}", c.location, 1), "")
				h := http.Header{}
				if c.host != "" {
					h["X-Forwarded-Host"] = []string{c.host}
				}
				if c.proto != "" {
					h["X-Forwarded-Proto"] = []string{c.proto}
				}
				conn, _, err := draftwire.Dial(bg, "ws://example.com/chat", wstest.DialTo(l, draftwire.DialOptions{Version: v, Header: h}))
				if (err == nil) != c.taken {
					t.Errorf("%s, %+v: %v", v, c, err)
				}
				if err == nil {
					conn.CloseNow()
				}
			}
		}
	})
}
