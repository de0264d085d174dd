package gorillafuzz

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// FuzzUpgrade: what a client asks, and how an Upgrader answers.
func FuzzUpgrade(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00\x01\x00\x01\x02\x00\x01\x03\x01\x01"))
	f.Add([]byte("\x01\x00\x01\x01\x01\x01\x01\x01\x01\x01\x01"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var got [2][]string
		var head string
		for i := range libraries {
			choices := tape(in)
			s := &settings{compression: choices.byte()%2 == 1}
			s.protocols = one(&choices, nil, []string{"chat"}, []string{"mqtt", "chat"}, []string{})
			s.header = one(&choices, nil, http.Header{"X-Mine": {"a", "b\nc"}}, http.Header{"Sec-Websocket-Protocol": {"chat"}},
				http.Header{"Set-Cookie": {"a=b"}}, http.Header{"Sec-Websocket-Extensions": {"x"}})
			head = requestHead(&choices)
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
			if err != nil || strict(r) {
				return // it does not reach a handler, or compat/gorilla documents to refuse it
			}
			r.RemoteAddr = "192.0.2.1:1234"
			got[i] = upgraded(&libraries[i], s, r)
		}
		compare(t, got, fmt.Sprintf("%q", head))
	})
}

// requestHead makes a request, of fields that are nearly right.
func requestHead(t *tape) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", one(t, "GET", "GET", "GET", "GET", "POST", "get"), one(t, "/", "/", "/chat?x=y", "/a%20b"))
	field := func(name string, values ...string) {
		if v := one(t, values...); v != "-" {
			fmt.Fprintf(&b, "%s: %s\r\n", one(t, name, name, strings.ToLower(name)), v)
		}
	}
	host := one(t, "example.com", "example.com", "example.com:8080", "EXAMPLE.com")
	fmt.Fprintf(&b, "Host: %s\r\n", host)
	field("Connection", "Upgrade", "Upgrade", "upgrade", "keep-alive, Upgrade", "keep-alive", "-", "Upgrade,,", "x upgrade")
	field("Upgrade", "websocket", "websocket", "WebSocket", "h2c, websocket", "websockets", "-")
	field("Sec-WebSocket-Version", "13", "13", "13", "13, 8", "8", "-", "013")
	field("Sec-WebSocket-Key", key, key, key, "short", "AAAAAAAAAAAAAAAAAAAAAA==", "-", "AAAAAAAAAAAAAAAAAAAAAAA=")
	field("Origin", "-", "-", "http://example.com", "http://other.example", "null", "http://example.com:8080", "http://EXAMPLE.com", "%")
	field("Sec-WebSocket-Protocol", "-", "-", "chat", "mqtt, chat", "other", "chat,mqtt", "CHAT")
	field("Sec-WebSocket-Extensions", "-", "-", "permessage-deflate", "permessage-deflate; client_max_window_bits",
		"x, permessage-deflate; server_no_context_takeover; client_no_context_takeover", "x")
	field("User-Agent", "-", "fuzz")
	b.WriteString("\r\n")
	return b.String()
}

// strict reports whether compat/gorilla refuses a request that gorilla takes: one with a list of versions
// (RFC 6455 4.1).
func strict(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Sec-Websocket-Version"), ",")
}

// upgraded tells of the answer.
func upgraded(l *library, s *settings, r *http.Request) (log []string) {
	w := newWire(nil, 1<<20)
	h := &hijacked{wire: w, header: http.Header{}}
	c, err := l.upgrade(s, h, r)
	log = append(log, "Upgrade "+l.kind(err))
	if err != nil {
		if he := h.header.Get("Sec-Websocket-Version"); he != "" {
			log = append(log, "version "+he)
		}
		return append(log, fmt.Sprintf("status %d taken %v", h.status, h.taken), string(h.body))
	}
	defer c.Close()
	log = append(log, "subprotocol "+c.Subprotocol())
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(w.written())), r)
	if err != nil {
		return append(log, err.Error())
	}
	return append(log, fmt.Sprintf("%d %v", resp.StatusCode, fieldsOf(resp.Header)))
}

// FuzzDial: what a program asks for, and how the client takes a server's answer.
func FuzzDial(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"))
	f.Add([]byte("\x00\x00\x02\x03\x00\x00\x01\x00\x02\x00\x05hello"))
	f.Add([]byte("00&")) // a port that is the scheme's
	f.Fuzz(func(t *testing.T, in []byte) {
		var got [2][]string
		for i := range libraries {
			got[i] = dialled(&libraries[i], in)
		}
		compare(t, got, fmt.Sprintf("%q", in))
	})
}

// dialled tells of the request and of what the client has made of the answer.
func dialled(l *library, in tape) (log []string) {
	s := &settings{compression: in.byte()%2 == 1}
	s.protocols = one(&in, nil, []string{"chat"}, []string{"mqtt", "chat"})
	s.url = one(&in, "ws://example.com/", "ws://example.com", "ws://example.com:8080/chat?x=y", "ws://u:p@example.com/", "http://example.com/", "ws://example.com/a%20b#frag", "ws://[::1]:80/", "%")
	s.header = one(&in, nil, http.Header{"Origin": {"http://example.com"}}, http.Header{"Host": {"other.example"}}, http.Header{"Cookie": {"a=b"}, "X-Mine": {"1", "2"}},
		http.Header{"Sec-Websocket-Protocol": {"chat"}}, http.Header{"Upgrade": {"x"}}, http.Header{"Sec-Websocket-Key": {"x"}}, http.Header{"User-Agent": {""}}, http.Header{"user-agent": {"low"}})
	var request []byte
	w := newWire(nil, 1<<20)
	w.answer = func(sent []byte) []byte {
		key := keyOf(sent)
		if key == "" {
			return nil
		}
		request = bytes.Clone(sent)
		answer := answerTo(&in, key, s)
		log = append(log, strings.ReplaceAll(fmt.Sprintf("%q", answer), acceptOf(key), "ACCEPT"))
		return answer
	}
	c, resp, err := l.dial(s, func(network, addr string) (net.Conn, error) {
		log = append(log, "dial "+network+" "+addr)
		return w, nil
	})
	if r, readErr := http.ReadRequest(bufio.NewReader(bytes.NewReader(request))); readErr == nil {
		// compat/gorilla offers more parameters.
		if offer := r.Header["Sec-Websocket-Extensions"]; len(offer) > 0 {
			offer[0], _, _ = strings.Cut(offer[0], ";")
		}
		log = append(log, fmt.Sprintf("%s %s %s %v", r.Method, r.RequestURI, r.Host, sorted(fieldsOf(r.Header))))
	}
	log = append(log, "Dial "+l.kind(err))
	if resp != nil {
		body, bodyErr := io.ReadAll(resp.Body)
		log = append(log, fmt.Sprintf("answer %d %q %q %v", resp.StatusCode, sorted(fieldsOf(resp.Header)), body, bodyErr))
	}
	if err == nil {
		log = append(log, "subprotocol "+c.Subprotocol())
		kind, p, readErr := c.ReadMessage()
		log = append(log, fmt.Sprintf("ReadMessage %d %q %s", kind, p, l.kind(readErr)))
		c.Close()
	}
	return log
}

func sorted(m map[string]string) (s []string) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		s = append(s, name+": "+m[name])
	}
	return s
}

// answerTo makes an answer, of fields that are nearly right.
func answerTo(t *tape, key string, s *settings) []byte {
	var b strings.Builder
	b.WriteString(one(t, "HTTP/1.1 101 Switching Protocols\r\n", "HTTP/1.1 101 Switching Protocols\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 101\r\n", "HTTP/1.1 403 Forbidden\r\n", "HTTP/1.0 101 X\r\n", "nonsense\r\n"))
	field := func(name string, values ...string) {
		if v := one(t, values...); v != "-" {
			fmt.Fprintf(&b, "%s: %s\r\n", one(t, name, name, strings.ToLower(name)), v)
		}
	}
	field("Upgrade", "websocket", "websocket", "WebSocket", "-", "h2c")
	field("Connection", "Upgrade", "Upgrade", "upgrade", "keep-alive, Upgrade", "close", "-")
	field("Sec-WebSocket-Accept", acceptOf(key), acceptOf(key), acceptOf(key), "-", acceptOf("x"))
	// What was not offered compat/gorilla refuses (RFC 6455 4.1).
	if len(s.protocols) > 0 || s.header["Sec-Websocket-Protocol"] != nil {
		field("Sec-WebSocket-Protocol", "-", "-", "chat")
	}
	if s.compression {
		field("Sec-WebSocket-Extensions", "-", "-", "permessage-deflate; server_no_context_takeover; client_no_context_takeover")
	}
	field("Set-Cookie", "-", "a=b")
	body := one(t, "", "", "no", strings.Repeat("long ", 400))
	field("Content-Length", "-", "-", fmt.Sprint(len(body)))
	b.WriteString("\r\n")
	b.WriteString(body)
	return append([]byte(b.String()), frame(nil, 0x81, false, []byte(valid(t.text(20))))...)
}
