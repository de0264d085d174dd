package gen

import (
	"slices"
	"strconv"
	"strings"

	"github.com/draftwire/draftwire/hostile"
)

// head is the head of a request or of an answer, and what comes with it.
type head struct {
	line   string
	fields []string // "Name: value"
	body   string
}

// The keys of the hixie-76 example whose digest is hixieDigest, with the eight bytes
// of the dialects, the key of RFC 6455, and another one with its proof.
const (
	key1        = "4 @1  46546xW%0l 1 5"
	key2        = "12998 5 Y3 1  .P00"
	hixieDigest = "8jKS'y:G*Co,Wxa-"
	sampleKey   = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleProof = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
	otherKey    = "AQIDBAUGBwgJCgsMDQ4PEA=="
	otherProof  = "C/0nmHhBztSRGR1CwL6Tf4ZjwpY="
	emptyProof  = "Kfh9QIsMVZcl6xEPYxPHzW8SZ8w=" // of no key
)

// request returns the head of a handshake as a client of the version writes it, from a
// page of the same host.
func (d dialect) request() head {
	h := head{line: "GET / HTTP/1.1", body: d.body}
	if d.version == "" {
		h.fields = []string{"Upgrade: WebSocket", "Connection: Upgrade", "Host: {host}", "Origin: http://{host}"}
		if d.body != "" {
			h.fields = append(h.fields, "Sec-WebSocket-Key1: "+key1, "Sec-WebSocket-Key2: "+key2)
		}
		if !d.hixie {
			h.fields = append(h.fields, "Sec-WebSocket-Draft: 2")
		}
		return h
	}
	h.fields = []string{"Host: {host}", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: " + sampleKey,
		d.origin + ": http://{host}", "Sec-WebSocket-Version: " + d.version}
	return h
}

// answer returns the head with which a server of the version opens, and the proof
// behind it.
func (d dialect) answer() head {
	const sample = "Sec-WebSocket-Nonce: AQIDBAUGBwgJCgsMDQ4PEA=="
	switch {
	case d.name == "hixie-75":
		return head{line: "HTTP/1.1 101 Web Socket Protocol Handshake", fields: []string{"Upgrade: WebSocket", "Connection: Upgrade",
			"WebSocket-Origin: {origin}", "WebSocket-Location: {location}"}}
	case d.version == "":
		return head{line: "HTTP/1.1 101 WebSocket Protocol Handshake", fields: []string{"Upgrade: WebSocket", "Connection: Upgrade",
			"Sec-WebSocket-Origin: {origin}", "Sec-WebSocket-Location: {location}"}, body: "{digest}"}
	}
	h := head{line: "HTTP/1.1 101 Switching Protocols", fields: []string{"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: {accept}"}}
	if d.version == "4" || d.version == "5" {
		h.fields = append(h.fields, sample)
	}
	return h
}

// page returns an ordinary GET.
func page(target string) head {
	return head{line: "GET " + target + " HTTP/1.1", fields: []string{"Host: {host}"}}
}

// gapMark stands around a gap, and gapCount behind its count.
const (
	gapMark  = "\uFFFF"
	gapCount = "\uFFFE"
)

// gap is a text in a head, so many times over, that parts makes a part of its own.
func gap(n int, text string) string { return gapMark + strconv.Itoa(n) + gapCount + text + gapMark }

// parts returns the head and its body.
func (h head) parts() []hostile.Part {
	var out []hostile.Part
	for i, s := range strings.Split(h.String(), gapMark) {
		if i%2 == 0 {
			out = cat(out, s)
			continue
		}
		n, text, _ := strings.Cut(s, gapCount)
		count, err := strconv.ParseInt(n, 10, 64)
		if err != nil {
			panic("gen: " + err.Error())
		}
		out = cat(out, over(count, text))
	}
	return out
}

// String returns the head's text, with its body.
func (h head) String() string { return h.blank() + "\r\n" + h.body }

// blank returns the head without the empty line and the body.
func (h head) blank() string {
	return h.line + "\r\n" + strings.Join(append(slices.Clone(h.fields), ""), "\r\n")
}

// start changes the first line.
func (h head) start(line string) head { h.line = line; return h }

// target changes what is asked for.
func (h head) target(t string) head { return h.start("GET " + t + " HTTP/1.1") }

// with adds fields behind the others, and first before them.
func (h head) with(fields ...string) head  { h.fields = slices.Concat(h.fields, fields); return h }
func (h head) first(fields ...string) head { h.fields = slices.Concat(fields, h.fields); return h }

// set gives a field another value.
func (h head) set(name, value string) head { return h.replace(name, name+": "+value) }

// drop takes a field out.
func (h head) drop(name string) head { return h.replace(name) }

// replace puts lines in the place of a field.
func (h head) replace(name string, lines ...string) head {
	i := slices.IndexFunc(h.fields, func(f string) bool { return strings.HasPrefix(f, name+":") })
	if i < 0 {
		panic("gen: no field " + name)
	}
	h.fields = slices.Concat(h.fields[:i:i], lines, h.fields[i+1:])
	return h
}

// then changes the body.
func (h head) then(body string) head { h.body = body; return h }
