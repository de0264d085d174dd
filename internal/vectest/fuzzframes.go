package vectest

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/seed"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// How is a bit set of the arguments that a fuzz target has beside its bytes: what is
// small and chosen from few stands in one number, so that a fuzzer changes it often.
type How uint32

// The bits. Two or more of a name are a number.
const (
	howClient   How = 1 << iota // the client's side reads
	howSecond                   // the second of the package's drafts
	howClear                    // hybi-04: the frames are masked by the target first
	howDeflate                  // compressed, where the version can
	howPerFrame                 // by frames
	howTakeover                 // windows are kept
	howText0                    // wire.TextPolicy
	howText1
	howUnmasked // what is tolerated
	howEmptyUnmasked
	howRSV10 // wire.RSV1Use, of a codec
	howRSV11
	howNarrow // a small limit
	howWindow0
	howWindow1
	howWindow2
	howThreshold
	howHead // of a handshake: more fields
)

func (h How) has(x How) bool { return h&x != 0 }

// flags are the bits that are true.
func flags(of map[How]bool) (h How) {
	for bit, set := range of {
		if set {
			h |= bit
		}
	}
	return h
}

// number reads n bits from the lowest on.
func (h How) number(lowest How, n int) int { return int(h/lowest) & (1<<n - 1) }

func (h How) draft(drafts []*wire.Draft) *wire.Draft {
	return drafts[min(h.number(howSecond, 1), len(drafts)-1)]
}

func (h How) role() wire.Role {
	if h.has(howClient) {
		return wire.Client
	}
	return wire.Server
}

// The limits of a message.
const widest, wide, narrow = 40000, 1 << 12, 20 // widest is more than is expanded at once

func (h How) limit() int64 {
	switch {
	case h.has(howNarrow):
		return narrow
	case h.has(howDeflate) && h.has(howThreshold):
		return widest
	}
	return wide
}

func (h How) codec() wire.CodecConfig {
	cfg := wire.CodecConfig{Role: h.role(), MaskKey: key, Rand: zeros{}}
	if h.has(howUnmasked) {
		cfg.Tolerate |= wire.TolerateUnmasked
	}
	if h.has(howEmptyUnmasked) {
		cfg.Tolerate |= wire.TolerateEmptyUnmasked
	}
	return cfg
}

// deflate is the compression, nil for none.
func (h How) deflate(d *wire.Draft) *deflate.Params {
	if !h.has(howDeflate) || !d.Version.Supports(wire.CapDeflate) {
		return nil
	}
	p := &deflate.Params{Name: deflate.PerMessage, ServerNoTake: !h.has(howTakeover), ClientNoTake: !h.has(howTakeover)}
	if h.has(howPerFrame) {
		p.Name, p.PerFrame = deflate.DeflateFrame, true
	}
	if w := h.number(howWindow0, 3); w > 0 {
		p.ServerWindow, p.ClientWindow = 7+w, 16-w
	}
	return p
}

func (h How) session(d *wire.Draft) session.Config {
	cfg := session.Config{CodecConfig: h.codec(), Limit: h.limit(), Deflate: h.deflate(d), Text: wire.TextPolicy(h.number(howText0, 2) % 3)}
	if h.has(howThreshold) {
		cfg.Threshold = 64
	}
	return cfg
}

// addFrames adds the seeds of the drafts to a target with the arguments bytes, two cuts
// and How.
func addFrames(f *testing.F, drafts []*wire.Draft) {
	for i, d := range drafts {
		for _, s := range seed.FramesOf(f, d.Version.String()) {
			h := flags(map[How]bool{howClient: s.Client, howClear: s.Clear, howSecond: i > 0, howNarrow: s.Limit > 0 && s.Limit < wide})
			if s.Extension != "" {
				h |= flags(map[How]bool{howDeflate: true, howPerFrame: !strings.Contains(s.Extension, deflate.PerMessage),
					howTakeover: !strings.Contains(s.Extension, "no_context_takeover")})
			}
			seed.Add(f, s.Input, uint16(len(s.Input)/2), uint16(3), uint32(h))
		}
		for _, h := range []How{0, howClient} {
			long := said(f, d, wire.Client-h.role(), []heard{{op: wire.OpText, data: []byte(strings.Repeat("a ", narrow))}})
			bad := said(f, d, wire.Client-h.role(), []heard{{op: wire.OpText, data: bytes.Repeat([]byte("ab\x80"), wide/4)}, {op: wire.OpText, data: []byte("\xc3")}})
			some := heard{op: wire.OpText, data: []byte("fifteen letters")} // each fits the narrow limit, not all together
			several := said(f, d, wire.Client-h.role(), []heard{some, some, some})
			h |= flags(map[How]bool{howSecond: i > 0})
			seed.Add(f, several, uint16(1), uint16(20), uint32(h|howNarrow))
			seed.Add(f, long, uint16(9), uint16(3), uint32(h|howNarrow))
			seed.Add(f, long, uint16(4), uint16(30), uint32(h|howNarrow|howDeflate))
			seed.Add(f, bad, uint16(100), uint16(1), uint32(h|howText1)) // ReplaceText
			if h.has(howClient) && !d.Version.Supports(wire.CapBinary) { // a frame with a length of two bytes is skipped
				seed.Add(f, slices.Concat([]byte{0x80, 0x81, 0x05}, make([]byte, 133), []byte("\x00a\xff")), uint16(2), uint16(50), uint32(h))
			}
			if h.has(howClient) && d.Version.Supports(wire.CapDeflate) {
				for _, n := range []int{widest, widest + 1, 2 * widest} {
					bomb, err := session.Encode(d, session.CompressedMessage, wire.OpBinary, bytes.Repeat([]byte("x"), n))
					if err != nil {
						f.Fatal(err)
					}
					seed.Add(f, bomb, uint16(9), uint16(30), uint32(h|howDeflate|howThreshold))
				}
			}
			for _, ping := range []byte{0x02, 0x89} { // cut before its length
				seed.Add(f, []byte{ping, 126}, uint16(1), uint16(1), uint32(h|howClear))
				seed.Add(f, []byte{ping, 0x80 | 126}, uint16(1), uint16(1), uint32(h))
			}
			seed.Add(f, bad, uint16(101), uint16(1), uint32(h|howText0|howWindow0|howWindow1|howWindow2|howThreshold))
		}
	}
}

// cut returns p in three pieces.
func cut(p []byte, i, j uint16) [][]byte {
	a := int(i) % (len(p) + 1)
	b := a + int(j)%(len(p)-a+1)
	return [][]byte{p[:a], p[a:b], p[b:]}
}

// masked04 puts each of the frames of a hybi-04 client behind a nonce, and masks it by the
// connection's key (hybi-04 4.2). A fuzzer could not find what it has to change, as the
// mask is a hash.
func masked04(p []byte) (out []byte) {
	for i := 0; len(p) > 0; i++ {
		n := min(len(p), frameSize(p))
		nonce := binary.BigEndian.AppendUint32(nil, uint32(i))
		mask := sha1.Sum(append(bytes.Clone(nonce), key...))
		out = append(out, nonce...)
		for j, c := range p[:n] {
			out = append(out, c^mask[j%len(mask)])
		}
		p = p[n:]
	}
	return out
}

// frameSize is what the frame at the beginning of p should take, without a mask.
func frameSize(p []byte) int {
	if len(p) < 2 {
		return 2
	}
	switch n := int(p[1] & 0x7F); {
	case n == 126 && len(p) >= 4:
		return 4 + int(binary.BigEndian.Uint16(p[2:]))
	case n == 127 && len(p) >= 10:
		return 10 + int(min(binary.BigEndian.Uint64(p[2:]), 1<<20))
	case n >= 126:
		return len(p)
	default:
		return 2 + n
	}
}

// FuzzFrames fuzzes the reading half of sessions of the drafts, which are of one package:
// any split of any input gives the same events and the same fault, with and without
// compression, in either role; no call is made in vain; no more comes out than the limit
// of a message, which holds for what it expands to; and without compression all is as a
// slow reader of the documents finds it.
func FuzzFrames(f *testing.F, drafts ...*wire.Draft) {
	addFrames(f, drafts)
	f.Fuzz(func(t *testing.T, p []byte, i, j uint16, how uint32) {
		h := How(how)
		d := h.draft(drafts)
		cfg := h.session(d)
		if h.has(howClear) && d.Version == wire.Hybi04 && cfg.Role == wire.Server {
			p = masked04(p)
		}
		whole := Feed(t, d, cfg, p)
		for _, e := range whole.Events {
			most := cfg.Limit
			if e.Op == "text" { // U+FFFD takes three bytes
				most *= 3
			}
			if int64(len(e.Data)) > most && (e.Op == "text" || e.Op == "binary") {
				t.Fatalf("a message of %d bytes above the limit of %d", len(e.Data), cfg.Limit)
			}
		}
		pieces := Feed(t, d, cfg, cut(p, i, j)...)
		if cfg.Deflate != nil { // how much of a message comes before its fault depends on the pieces
			for _, g := range []*Got{&whole, &pieces} {
				g.Events = slices.DeleteFunc(g.Events, func(e vectors.Event) bool { return e.Partial })
			}
		}
		if !pieces.Equal(whole) || (pieces.EOF == nil) != (whole.EOF == nil) {
			t.Fatalf("%x cut at %d and %d\n got %v, %v\nwhole %v, %v", p, i, j, pieces, pieces.EOF, whole, whole.EOF)
		}
		if s := readSlowly(d, cfg, p); cfg.Deflate == nil && !s.agrees(whole) {
			t.Fatalf("%v, the %v: %x\n got %v, %v\nwant %v%q, %v", d.Version, cfg.Role, p, whole, whole.EOF, s.got, s.faults, s.got.EOF)
		}
	})
}
