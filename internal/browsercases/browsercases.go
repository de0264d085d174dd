// Package browsercases has answers to an opening handshake, right ones and many that are wrong,
// and what browsers did with them. test/browsers plays them to the browsers that can be run;
// the tests of package browsers hold its rules against what was seen.
package browsercases

import (
	"crypto/sha1"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/wire"
)

//go:embed cases.json
var casesJSON []byte

//go:embed seen.json
var seenJSON []byte

// Case is an answer, and how it is sent.
type Case struct {
	Name   string `json:"name"`
	Family string `json:"family"` // the version of the browsers that it is for: "hixie-76", "rfc6455"
	What   string `json:"what"`
	Ask    string `json:"ask,omitempty"`  // the subprotocols that the page asks for
	Path   string `json:"path,omitempty"` // path and query of the page's URL; "" is "/"
	// Answer is a byte a character, with names in braces, of which Expand makes what belongs
	// into an answer to a request.
	Answer string `json:"answer"`
	Split  string `json:"split,omitempty"` // "bytes": one at a time; "all": two pieces, once for each place
	End    string `json:"end,omitempty"`   // what follows the answer: "fin", "rst"; "" leaves the stream open
}

// Cases returns all cases.
func Cases() []Case {
	var all []Case
	if err := json.Unmarshal(casesJSON, &all); err != nil {
		panic("browsercases: " + err.Error())
	}
	for i := range all {
		if all[i].Path == "" {
			all[i].Path = "/"
		}
	}
	return all
}

// Seen is what a browser did with the cases of its version.
type Seen struct {
	Program string `json:"program"` // the browser that was run, with its version
	// Outcomes are "opens", "fails" or "waits", by the name of the case; Said is what the
	// browser wrote to its console about it.
	Outcomes map[string]string `json:"outcomes"`
	Said     map[string]string `json:"said,omitempty"`
}

// AllSeen returns what was seen, by the name that package browsers gives to the browser.
func AllSeen() map[string]Seen {
	var all map[string]Seen
	if err := json.Unmarshal(seenJSON, &all); err != nil {
		panic("browsercases: " + err.Error())
	}
	return all
}

// Expand returns the bytes of the answer to a request: its head, and the eight bytes of
// hixie-76.
func (c *Case) Expand(request []byte) ([]byte, error) {
	n := httphead.End(request, 0)
	if n < 0 {
		return nil, fmt.Errorf("the request has no end")
	}
	req := wire.Request{Tolerate: wire.AllTolerances}
	if err := httphead.ParseRequest(string(request[:n]), &req); err != nil {
		return nil, err
	}
	words := map[string]string{}
	if err := addWords(words, &req, string(request[n:])); err != nil {
		return nil, err
	}
	text := c.Answer
	var out []byte
	for text != "" {
		before, rest, _ := strings.Cut(text, "{")
		for _, r := range before {
			out = append(out, byte(r))
		}
		if rest == "" {
			break
		}
		name, after, _ := strings.Cut(rest, "}")
		value, ok := words[name]
		if !ok {
			if value, ok = repeated(name); !ok {
				return nil, fmt.Errorf("%s: there is no {%s}", c.Name, name)
			}
		}
		out, text = append(out, value...), after
	}
	return out, nil
}

// repeated returns "x" or a field many times, for x*N and fields*N.
func repeated(name string) (string, bool) {
	what, times, ok := strings.Cut(name, "*")
	n, err := strconv.Atoi(times)
	if !ok || err != nil {
		return "", false
	}
	switch what {
	case "x":
		return strings.Repeat("x", n), true
	case "fields":
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "X-%d: a\r\n", i)
		}
		return b.String(), true
	}
	return "", false
}

// addWords adds what the names in braces stand for.
func addWords(w map[string]string, req *wire.Request, key3 string) error {
	host, origin := req.Fields.Get("Host"), req.Fields.Get("Origin")
	name, port, _ := strings.Cut(host, ":")
	_, originHost, _ := strings.Cut(origin, "://")
	w["origin"], w["ORIGIN"], w["origin-host"] = origin, strings.ToUpper(origin), originHost
	w["host"], w["hostname"], w["port"] = host, name, port
	w["path"], w["location"] = req.Target, "ws://"+host+req.Target
	w["protocol"], w["key"] = req.Fields.Get("Sec-WebSocket-Protocol"), req.Fields.Get("Sec-WebSocket-Key")
	if len(key3) >= hixie.Key3Size {
		return addDigests(w, req, key3[:hixie.Key3Size])
	}
	addAccepts(w, w["key"])
	return nil
}

func addDigests(w map[string]string, req *wire.Request, key3 string) error {
	part1, _, err := hixie.Part(wire.Hixie76, "key1", req.Fields.Get("Sec-WebSocket-Key1"))
	if err != nil {
		return err
	}
	part2, _, err := hixie.Part(wire.Hixie76, "key2", req.Fields.Get("Sec-WebSocket-Key2"))
	if err != nil {
		return err
	}
	digest := func(p1, p2 uint32, k string) string {
		d := hixie.Answer(p1, p2, []byte(k))
		return string(d[:])
	}
	right := digest(part1, part2, key3)
	w["digest"], w["digest-15"] = right, right[:15]
	w["digest-wrong-first"] = string([]byte{right[0] ^ 0x55}) + right[1:]
	w["digest-wrong"] = right[:15] + string([]byte{right[15] ^ 1})
	w["digest-hex"], w["digest-base64"] = hex.EncodeToString([]byte(right)), base64.StdEncoding.EncodeToString([]byte(right))
	w["digest-zero-key3"] = digest(part1, part2, "\x00\x00\x00\x00\x00\x00\x00\x00")
	w["digest-key3-only"] = digest(0, 0, key3)
	w["digest-swapped"] = digest(part2, part1, key3)
	w["accept"] = "x"
	return nil
}

func addAccepts(w map[string]string, key string) {
	right := string(hybi.AppendAccept(nil, key))
	w["accept"], w["accept-lower"], w["accept-no-padding"] = right, strings.ToLower(right), strings.TrimRight(right, "=")
	w["accept-wrong"] = string(hybi.AppendAccept(nil, key+"x"))
	raw, _ := base64.StdEncoding.DecodeString(right)
	w["accept-hex"] = hex.EncodeToString(raw)
	guid := func(p []byte, guid string) string {
		d := sha1.Sum(append(p, guid...))
		return base64.StdEncoding.EncodeToString(d[:])
	}
	decoded, _ := base64.StdEncoding.DecodeString(key)
	w["accept-decoded-key"] = guid(decoded, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
	w["accept-other-guid"] = guid([]byte(key), "258EAFA5-E914-47DA-95CA-5AB0DC85B11")
	w["digest"] = "0123456789abcdef"
}
