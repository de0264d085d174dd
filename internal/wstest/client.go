package wstest

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
)

// A Client is a client of one version as bytes written by hand, from the documents and not
// from this module's code. What a version does not have is nil or empty.
type Client struct {
	Head string // of the request, up to and with the blank line
	Key3 string // the eight bytes behind it

	Begins string            // what the response begins with
	Lines  []string          // that it has
	Tail   string            // the sixteen bytes behind its head
	Learn  func(head string) // takes from the response's head what the frames need

	Text, Binary     func(s string) []byte // a message
	Echo, BinaryEcho func(s string) []byte // the same from the server
	Ping             func() []byte
	Pong             []byte        // the answer
	Fragments        func() []byte // the text "Hello world" in three frames, a ping in between
	CloseFrame       func() []byte
	CloseAnswer      []byte
}

// What the keys of the clients are answered with stands in Lines and Tail.
const (
	Key        = "dGhlIHNhbXBsZSBub25jZQ==" // of versions from hybi-04 on
	Key3       = "^n:ds[4U"                 // of hixie-76 and hybi-02, behind the head
	Key3Answer = "8jKS'y:G*Co,Wxa-"         // to the three keys
)

// Clients makes a client of each version. The address of its server is still HOST.
var Clients = map[draftwire.Version]func() Client{
	draftwire.Hixie75: func() Client {
		return Client{
			Head: "GET /chat?a=b HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: HOST\r\nOrigin: http://HOST\r\nWebSocket-Protocol: sample\r\n\r\n",
			Begins: "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n" +
				"WebSocket-Origin: http://HOST\r\nWebSocket-Location: WS://HOST/chat?a=b\r\nWebSocket-Protocol: sample\r\n\r\n",
			Text: hixieText, Echo: hixieText,
		}
	},
	draftwire.Hixie76: func() Client {
		return Client{
			Head: "GET /chat?a=b HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n" +
				"Sec-WebSocket-Protocol: sample\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nOrigin: http://HOST\r\n\r\n",
			Key3: Key3, Tail: Key3Answer,
			Begins: "HTTP/1.1 101 ",
			Lines: []string{"Upgrade: WebSocket", "Connection: Upgrade", "Sec-WebSocket-Origin: http://HOST",
				"Sec-WebSocket-Location: WS://HOST/chat?a=b", "Sec-WebSocket-Protocol: sample"},
			Text: hixieText, Echo: hixieText,
			CloseFrame: func() []byte { return []byte{0xFF, 0x00} }, CloseAnswer: []byte{0xFF, 0x00},
		}
	},
	draftwire.Hybi02:  hybi02,
	draftwire.Hybi04:  hybi04,
	draftwire.Hybi05:  func() Client { return early("5", hidden4, "C", "S") },
	draftwire.Hybi06:  func() Client { return early("6", hidden4, "\x03\xe8bye", "\x03\xe8") },
	draftwire.Hybi07:  func() Client { return framed("7", "Sec-WebSocket-Origin") },
	draftwire.Hybi08:  func() Client { return framed("8", "Sec-WebSocket-Origin") },
	draftwire.RFC6455: func() Client { return framed("13", "Origin") },
}

// NewClient is a client of version v that speaks to example.com.
func NewClient(v draftwire.Version) Client { return Clients[v]().At("example.com", false) }

// At returns the client of a server at that address, over TLS or not.
func (l Client) At(addr string, overTLS bool) Client {
	scheme := "ws"
	if overTLS {
		scheme = "wss"
	}
	fill := strings.NewReplacer("HOST", addr, "WS://", scheme+"://").Replace
	l.Head, l.Begins = fill(l.Head), fill(l.Begins)
	l.Lines = append([]string(nil), l.Lines...)
	for i := range l.Lines {
		l.Lines[i] = fill(l.Lines[i])
	}
	return l
}

// Shake does the opening handshake on nc, and returns the head of the response.
func (l *Client) Shake(t testing.TB, nc net.Conn) (head string) {
	t.Helper()
	Send(t, nc, []byte(l.Head+l.Key3))
	head = ReadHead(t, nc)
	if l.Learn != nil {
		l.Learn(head)
	}
	Want(t, nc, []byte(l.Tail))
	return head
}

// Head is the head of a request of version v for the resource /x of example.com,
// from a page there, with the lines of fields at its end.
func Head(v draftwire.Version, fields ...string) string {
	l := NewClient(v)
	lines := strings.Split(strings.TrimSuffix(strings.Replace(l.Head, "/chat?a=b", "/x", 1), "\r\n\r\n"), "\r\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, "WebSocket-Protocol: ") })
	return strings.Join(append(lines, fields...), "\r\n") + "\r\n\r\n"
}

// hixieText is a text frame 00 ... FF.
func hixieText(s string) []byte { return append(append([]byte{0x00}, s...), 0xFF) }

// Frame is a frame of hybi-07 to RFC 6455, and in clear of the versions from hybi-02 on: b0
// is its first byte. A client's is masked.
func Frame(b0 byte, s string, masked bool) []byte {
	mask := [4]byte{0x37, 0xFA, 0x21, 0x3D}
	b1 := byte(0)
	if masked {
		b1 = 0x80
	}
	var out []byte
	switch n := len(s); {
	case n <= 125:
		out = []byte{b0, b1 | byte(n)}
	case n <= 65535:
		out = []byte{b0, b1 | 126, byte(n >> 8), byte(n)}
	default:
		out = []byte{b0, b1 | 127, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	}
	if !masked {
		return append(out, s...)
	}
	out = append(out, mask[:]...)
	for i := range len(s) {
		out = append(out, s[i]^mask[i%4])
	}
	return out
}

// framed is a client of hybi-07 to RFC 6455.
func framed(version, originField string) Client {
	in := func(b0 byte) func(string) []byte { return func(s string) []byte { return Frame(b0, s, true) } }
	out := func(b0 byte) func(string) []byte { return func(s string) []byte { return Frame(b0, s, false) } }
	return Client{
		Head: "GET /chat?a=b HTTP/1.1\r\nHost: HOST\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + Key +
			"\r\n" + originField + ": http://HOST\r\nSec-WebSocket-Protocol: other, sample\r\nSec-WebSocket-Version: " + version + "\r\n\r\n",
		Begins: "HTTP/1.1 101 Switching Protocols\r\n",
		Lines: []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
			"Sec-WebSocket-Protocol: sample"},
		Text: in(0x81), Echo: out(0x81), Binary: in(0x82), BinaryEcho: out(0x82),
		Ping: func() []byte { return Frame(0x89, "p", true) }, Pong: Frame(0x8A, "p", false),
		Fragments: func() []byte {
			return bytes.Join([][]byte{Frame(0x01, "Hello", true), Frame(0x89, "p", true), Frame(0x00, "", true), Frame(0x80, " world", true)}, nil)
		},
		CloseFrame: func() []byte { return Frame(0x88, "\x03\xe8bye", true) }, CloseAnswer: Frame(0x88, "\x03\xe8", false),
	}
}

// old is a frame of hybi-01 to hybi-06 in clear: the opcodes of that time.
func old(b0 byte, s string) []byte { return Frame(b0, s, false) }

// hidden4 is a client frame of hybi-05 and 06: the mask, then all under it.
func hidden4(b0 byte, s string) []byte {
	mask := []byte{0x37, 0xFA, 0x21, 0x3D}
	return append(slices.Clone(mask), Mask(old(b0, s), mask)...)
}

// hidden20 is a client frame of hybi-04, for the connection's key: the server's
// nonce is random, so the key is only known once it has answered.
func hidden20(key *[]byte) func(b0 byte, s string) []byte {
	return func(b0 byte, s string) []byte {
		nonce := []byte("ABCD")
		mask := sha1.Sum(append(slices.Clone(nonce), *key...))
		return append(nonce, Mask(old(b0, s), mask[:])...)
	}
}

// Mask returns p with the mask over it, which may have any length.
func Mask(p, mask []byte) []byte {
	out := make([]byte, len(p))
	for i := range p {
		out[i] = p[i] ^ mask[i%len(mask)]
	}
	return out
}

// early is a client of hybi-04 to 06; in is how it frames.
func early(version string, in func(b0 byte, s string) []byte, closeIn, closeOut string) Client {
	l := framed(version, "Sec-WebSocket-Origin")
	l.frames(in, 0x80, 0x00)
	l.CloseFrame, l.CloseAnswer = func() []byte { return in(0x81, closeIn) }, old(0x81, closeOut)
	return l
}

// frames sets what is said in the opcodes of hybi-01 to 06; last and more are
// the first bit of a frame that ends a message, and of one that does not.
func (l *Client) frames(in func(b0 byte, s string) []byte, last, more byte) {
	l.Text = func(s string) []byte { return in(last|4, s) }
	l.Echo = func(s string) []byte { return old(last|4, s) }
	l.Binary = func(s string) []byte { return in(last|5, s) }
	l.BinaryEcho = func(s string) []byte { return old(last|5, s) }
	l.Ping, l.Pong = func() []byte { return in(last|2, "p") }, old(last|3, "p")
	l.Fragments = func() []byte {
		return bytes.Join([][]byte{in(more|4, "Hello"), in(last|2, "p"), in(more, ""), in(last, " world")}, nil)
	}
}

// hybi02 has the handshake of hixie-76 and the frames of hybi-01.
func hybi02() Client {
	l := Client{
		Head: "GET /chat?a=b HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n" +
			"Sec-WebSocket-Protocol: other sample\r\nSec-WebSocket-Draft: 2\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nOrigin: http://HOST\r\n\r\n",
		Key3: Key3, Tail: Key3Answer,
		Begins: "HTTP/1.1 101 ",
		Lines: []string{"Upgrade: WebSocket", "Connection: Upgrade", "Sec-WebSocket-Origin: http://HOST",
			"Sec-WebSocket-Location: WS://HOST/chat?a=b", "Sec-WebSocket-Protocol: sample"},
	}
	l.frames(old, 0x00, 0x80) // MORE, not FIN
	l.CloseFrame, l.CloseAnswer = func() []byte { return old(0x01, "any bytes") }, old(0x01, "any bytes")
	return l
}

// hybi04 learns the key of its masks from the answer.
func hybi04() Client {
	var key []byte
	l := early("4", hidden20(&key), "", "")
	l.Learn = func(head string) {
		_, nonce, _ := strings.Cut(head, "\r\nSec-WebSocket-Nonce: ")
		nonce, _, _ = strings.Cut(nonce, "\r\n")
		sum := sha1.Sum([]byte(Key + nonce + "61AC5F19-FBBA-4540-B96F-6561F1AB40A8"))
		key = sum[:]
	}
	return l
}

// AcceptOf is the proof that a server of RFC 6455 gives for a key.
func AcceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
