package compare

import (
	"hash/maphash"
	"time"

	"github.com/draftwire/draftwire/wire"
)

// Message is what is kept of a message until its counterpart has come.
type Message struct {
	Op     wire.Op
	Number int       // of its sender, from 1
	Size   int       // of its payload, in bytes
	At     time.Time // when it came, for Pairs
	Shown  []byte    // the beginning of its payload

	raw, form uint64 // hashes of the payload, and of what is compared of it
	cut       bool   // it was too long for the rules: form is raw
}

// seed is that of all hashes: a peer cannot choose two messages with the same one.
var seed = maphash.MakeSeed()

// same reports whether two messages are the same.
func (m *Message) same(x *Message) bool {
	return m.Op == x.Op && (m.Size == x.Size && m.raw == x.raw || !m.cut && !x.cut && m.form == x.form)
}

// Collector makes Messages of the parts that a side sends. Its fields may be set before the first.
type Collector struct {
	// Rules are what is not compared.
	Rules Rules
	// Most is the longest text that rules are applied to, in bytes. Of a longer one it is known
	// only whether it is the same byte for byte, and it is not different otherwise.
	Most int
	// Keep is how much of each message Shown has, in bytes.
	Keep int

	m    Message
	raw  maphash.Hash
	text []byte // of the message so far, where rules are applied to it
}

// Part takes a part of a message. With the last one of a message ok is true and m is the message.
// The Collector keeps nothing of data.
func (c *Collector) Part(op wire.Op, data []byte, first, last bool) (m Message, ok bool) {
	if first {
		c.raw.SetSeed(seed)
		c.m = Message{Op: op, Number: c.m.Number + 1}
		c.text = c.text[:0]
	}
	c.raw.Write(data)
	c.m.Size += len(data)
	if room := c.Keep - len(c.m.Shown); room > 0 {
		c.m.Shown = append(c.m.Shown, data[:min(room, len(data))]...)
	}
	ruled := c.m.Op == wire.OpText && len(c.Rules) > 0
	switch {
	case !ruled:
	case c.m.cut || c.m.Size > c.Most:
		c.m.cut = true
		c.text = nil
	default:
		c.text = append(c.text, data...)
	}
	if !last {
		return m, false
	}
	c.m.raw = c.raw.Sum64()
	c.m.form = c.m.raw
	if ruled && !c.m.cut {
		c.m.form = maphash.Bytes(seed, c.Rules.Canonical(c.m.Op, c.text))
	}
	m = c.m
	c.m.Shown = nil
	if cap(c.text) > keptText {
		c.text = nil
	}
	return m, true
}

// keptText is the largest buffer that a Collector keeps between two messages, in bytes.
const keptText = 4 << 10
