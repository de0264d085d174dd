package input

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// maxDepth is how deep values of tnetstrings may stand within others.
const maxDepth = 24

var errNetstring = errors.New("it is not made of tnetstrings")

// netstring parses one tnetstring (https://tnetstrings.info): a length, a colon, the data and a
// letter for its type. Numbers become int64 or float64, dictionaries map[string]any.
func netstring(s string, depth int) (v any, rest string, err error) {
	size, _, ok := strings.Cut(s[:min(len(s), 16)], ":")
	n, err := strconv.Atoi(size)
	if !ok || err != nil || n < 0 || size[0] == '+' || size[0] == '-' || depth > maxDepth {
		return nil, "", errNetstring
	}
	data := s[len(size)+1:]
	if n >= len(data) {
		return nil, "", errNetstring
	}
	body, kind, rest := data[:n], data[n], data[n+1:]
	switch kind {
	case ',', ';':
		return body, rest, nil
	case '#':
		i, err := strconv.ParseInt(body, 10, 64)
		return i, rest, err
	case '^':
		f, err := strconv.ParseFloat(body, 64)
		return f, rest, err
	case '!':
		return body == "true", rest, nil
	case '~':
		return nil, rest, nil
	case ']':
		var list []any
		for body != "" {
			var x any
			if x, body, err = netstring(body, depth+1); err != nil {
				return nil, "", err
			}
			list = append(list, x)
		}
		return list, rest, nil
	case '}':
		dict := map[string]any{}
		for body != "" {
			var k, x any
			if k, body, err = netstring(body, depth+1); err != nil {
				return nil, "", err
			}
			if x, body, err = netstring(body, depth+1); err != nil {
				return nil, "", err
			}
			dict[str(k)] = x
		}
		return dict, rest, nil
	}
	return nil, "", errNetstring
}

func str(v any) string {
	s, _ := v.(string)
	return s
}

func number(v any) float64 {
	switch n := v.(type) {
	case int64:
		return float64(n)
	case float64:
		return n
	}
	return 0
}

func dictOf(v any, key string) map[string]any {
	d, _ := v.(map[string]any)
	inner, _ := d[key].(map[string]any)
	return inner
}

func listOf(v any, key string) []any {
	d, _ := v.(map[string]any)
	l, _ := d[key].([]any)
	return l
}

func looksFlows(text string) bool {
	size, rest, ok := strings.Cut(text[:min(len(text), 16)], ":")
	n, err := strconv.Atoi(size)
	return ok && err == nil && n > 2 && n < len(text) && rest != "" && rest[0] >= '0' && rest[0] <= '9' && strings.Contains(text[:min(len(text), 64<<10)], "request")
}

// readFlows reads the flows that mitmproxy saves. It has messages, not frames, and heads that
// were parsed; bytes are made of them as with HAR.
func readFlows(text string) (*Recording, error) {
	r := new(Recording)
	for text = strings.TrimSpace(text); text != ""; {
		v, rest, err := netstring(text, 0)
		if err != nil {
			return nil, err
		}
		text = rest
		if c := flowConn(v); c != nil {
			r.Conns = append(r.Conns, *c)
		}
	}
	if len(r.Conns) == 0 {
		return nil, errors.New("it has no WebSocket")
	}
	return r, nil
}

// flowConn makes a connection of a flow; nil if it is none of WebSocket.
func flowConn(v any) *Conn {
	request, response, socket := dictOf(v, "request"), dictOf(v, "response"), dictOf(v, "websocket")
	if request == nil || socket == nil && number(response["status_code"]) != 101 {
		return nil
	}
	c := &Conn{Notes: []string{"mitmproxy saves messages, not frames: the frames are made of them, with masks of zeros and without compression"}}
	c.Secure = str(request["scheme"]) == "https"
	c.Client, c.Server = peer(dictOf(v, "client_conn")), peer(dictOf(v, "server_conn"))
	started := secondsTime(number(request["timestamp_start"]))
	method := str(request["method"])
	if strings.EqualFold(method, "CONNECT") {
		method = "GET"
	}
	c.Pieces = append(c.Pieces, Piece{From: Client, At: started, Bytes: flowHead(fmt.Sprintf("%s %s HTTP/1.1", oneLine(method), oneLine(str(request["path"]))), request)})
	if response != nil {
		first := strings.TrimRight(fmt.Sprintf("HTTP/1.1 %d %s", int(number(response["status_code"])), oneLine(str(response["reason"]))), " ")
		c.Pieces = append(c.Pieces, Piece{From: Server, At: secondsTime(number(response["timestamp_start"])), Bytes: flowHead(first, response)})
	}
	f := newFrames()
	for _, m := range listOf(map[string]any(socket), "messages") {
		x, _ := m.([]any)
		if len(x) < 4 {
			continue
		}
		from := Server
		if fromClient, _ := x[1].(bool); fromClient {
			from = Client
		}
		if f.add(c, from, secondsTime(number(x[3])), int(number(x[0])), []byte(str(x[2]))) != nil {
			c.Notes = append(c.Notes, "a message that cannot be sent is left out")
		}
	}
	return c
}

// flowHead writes a head of a flow.
func flowHead(first string, message map[string]any) []byte {
	var b strings.Builder
	b.WriteString(first + "\r\n")
	for _, h := range listOf(message, "headers") {
		if pair, _ := h.([]any); len(pair) == 2 {
			b.WriteString(oneLine(str(pair[0])) + ": " + oneLine(str(pair[1])) + "\r\n")
		}
	}
	return []byte(b.String() + "\r\n")
}

// peer returns the address at the other end of a connection of mitmproxy.
func peer(conn map[string]any) netip.AddrPort {
	for _, key := range []string{"peername", "address"} {
		if l := listOf(conn, key); len(l) >= 2 {
			if a, err := netip.ParseAddr(str(l[0])); err == nil {
				return netip.AddrPortFrom(a, uint16(number(l[1])))
			}
		}
	}
	return netip.AddrPort{}
}
