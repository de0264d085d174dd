package inspect

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/wire"
)

// keysEvent tells of arithmetic.
func (c *conversation) keysEvent(s *side, section string, text string, steps ...string) {
	e := c.event(s, KindKeys, 0)
	e.Text, e.Steps = text+" ("+section+")", steps
	c.say(e)
}

// proveKey works out the proof for a key (RFC 6455 4.2.2 step 5.4).
func (c *conversation) proveKey(s *side, q *request) {
	key := q.req.Fields.Get("Sec-WebSocket-Key")
	sum := sha1.Sum([]byte(key + hybi.GUID))
	c.keysEvent(s, cite(q.version, sections[q.version].response), "what Sec-WebSocket-Accept has to be",
		"key      "+key,
		"and GUID "+hybi.GUID,
		fmt.Sprintf("SHA-1    % x", sum),
		"base64   "+string(hybi.AppendAccept(nil, key)))
}

// proveMask works out the key of hybi-04, with which the masks are made.
func (c *conversation) proveMask(s *side, q *request, resp *wire.Response) {
	key, nonce := q.req.Fields.Get("Sec-WebSocket-Key"), resp.Fields.Get("Sec-WebSocket-Nonce")
	c.keysEvent(s, "hybi-04 4.2", "the key of this connection, with which the mask of each of the client's frames is made",
		"key      "+key,
		"nonce    "+nonce,
		"and GUID "+hybi.MaskKeyGUID,
		fmt.Sprintf("SHA-1    % x", hybi.MaskKey(key, nonce)))
}

// proveChallenge works out the proof for the challenge of hixie-76 (hixie-76 5.2).
func (c *conversation) proveChallenge(s *side, q *request) {
	var steps []string
	var parts [2]uint32
	for i, name := range []string{"Sec-WebSocket-Key1", "Sec-WebSocket-Key2"} {
		key := q.req.Fields.Get(name)
		digits, spaces := hixie.Digits(key)
		part, uneven, err := hixie.Part(q.version, name, key)
		if err != nil {
			c.keysEvent(s, "hixie-76 5.2", "the keys hide no number, so nothing proves that they were read", steps...)
			return
		}
		parts[i] = part
		step := fmt.Sprintf("         its digits %s, divided by its %s: %d", digits, count(spaces, "space"), part)
		if uneven {
			step += ", and a remainder, which is cut off"
		}
		steps = append(steps, fmt.Sprintf("key %d    %s", i+1, strconv.Quote(key)), step)
	}
	sum := hixie.Answer(parts[0], parts[1], q.key3)
	var numbers [8]byte
	binary.BigEndian.PutUint32(numbers[:], parts[0])
	binary.BigEndian.PutUint32(numbers[4:], parts[1])
	steps = append(steps,
		fmt.Sprintf("together % x  % x  % x", numbers[:4], numbers[4:], q.key3),
		fmt.Sprintf("MD5      % x", sum))
	if bytes.IndexFunc(sum[:], func(r rune) bool { return r < ' ' || r > '~' }) < 0 {
		steps = append(steps, "as text  "+strconv.Quote(string(sum[:])))
	}
	c.keysEvent(s, "hixie-76 5.2", "what the sixteen bytes have to be", steps...)
}

// count returns a number of things: "1 space", "5 spaces".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
