package gen

import (
	"bytes"
	"compress/flate"

	"github.com/draftwire/draftwire/hostile"
)

// granted is what a server answers to the offer of compression.
const granted = "Sec-WebSocket-Extensions: permessage-deflate"

// deflated is the bytes, compressed, up to a whole byte: what follows may be the same
// again.
func deflated(p []byte) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	if _, err := w.Write(p); err != nil {
		panic(err)
	}
	if err := w.Flush(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// bombUnit is 1 MiB of zeros, compressed.
var bombUnit = deflated(make([]byte, mib))

// rsv1 is the bit that says that a message is compressed.
const rsv1 = 4

// unpackable is a compressed message that a decoder has to judge.
type unpackable struct {
	name, comment string
	holes         []string
	codes         []int
	parts         func(d dialect) []hostile.Part
}

// unpackables are what a compressed message must not be, in frames of a client or of a
// server: dialect.up or dialect.down.
func unpackables(way func(dialect, ...frame) []hostile.Part) []unpackable {
	one := func(f func(d dialect) []frame) func(d dialect) []hostile.Part {
		return func(d dialect) []hostile.Part { return way(d, f(d)...) }
	}
	whole := func(payload string) func(d dialect) []hostile.Part {
		return one(func(d dialect) []frame { return []frame{{op: d.op.text, rsv: rsv1, payload: []byte(payload)}} })
	}
	bombs := []string{"CVE-2026-1526", "CVE-2018-1000518", "CVE-2026-27571", "CVE-2026-39804"}
	return []unpackable{
		{"bomb", "512 MiB of zeros in one frame", bombs, []int{1009}, one(func(d dialect) []frame {
			return []frame{{op: d.op.binary, rsv: rsv1, payload: bombUnit, times: 512}}
		})},
		{"bomb-in-fragments", "512 MiB of zeros in 512 fragments", bombs, []int{1009}, func(d dialect) []hostile.Part {
			first := way(d, frame{op: d.op.binary, rsv: rsv1, open: true, payload: bombUnit})
			return cat(first, over(510, raw(way(d, frame{open: true, payload: bombUnit}))), way(d, frame{payload: bombUnit}))
		}},
		{"block-type-3", "a block of the type 3, which does not exist", nil, nil, whole("\x07\x00\x00")},
		{"stored-length", "a stored block whose two lengths differ", nil, nil, whole("\x00\x05\x00\x05\x00hello")},
		{"stored-cut", "a stored block that is cut", nil, nil, whole("\x00\xff\x00\x00\xffhello")},
		{"distance", "a copy from before the beginning", nil, nil, whole("\x02\x13\x00\x00")},
		{"distances", "a copy of itself over and over", nil, nil, whole("\x63\x60\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")},
		{"lengths-oversubscribed", "code lengths that are too many", nil, nil, whole("\x04\x00\x49\x92\x24\x49\x92\x24\x49\x92\x24\x49\x92\x24\x49")},
		{"ones", "nothing but ones", nil, nil, whole("\xff\xff\xff\xff\xff\xff\xff\xff")},
		{"text", "a text that is not compressed", nil, nil, whole("hello, this is no stream of DEFLATE")},
		{"not-utf8", "a text that is not UTF-8", nil, []int{1007}, one(func(d dialect) []frame {
			return []frame{{op: d.op.text, rsv: rsv1, payload: deflated([]byte("caf\xe9"))}}
		})},
	}
}

// clientDeflate has messages that a client expands.
func clientDeflate(l *list) {
	for _, p := range unpackables(dialect.down) {
		l.each("deflate/"+p.name, deflating, func(d dialect) hostile.Case {
			v := failed(p.codes...)
			if p.name == "not-utf8" && !finished(d) {
				v = failed()
			}
			return hostile.Case{
				Comment: "A compressed message has " + p.comment + ".", Holes: p.holes, Needs: []string{"deflate"},
				Steps: steps(open(granted), send(p.parts(d)), send(d.farewell()), end(), hold(5*sec)), Verdict: v,
			}
		})
	}
	add := func(name, comment string, strict bool, f func(d dialect) []frame) {
		l.each("deflate/"+name, deflating, func(d dialect) hostile.Case {
			v := failed()
			if strict && finished(d) {
				v = failed(1002)
			}
			return hostile.Case{
				Comment: comment, Needs: []string{"deflate"},
				Steps: steps(open(granted), send(d.down(f(d)...)), send(d.farewell()), end(), hold(5*sec)), Verdict: v,
			}
		})
	}
	hello := deflated([]byte("hello"))
	add("rsv1-on-continuation", "RSV1 is set on the second fragment too, as an older way of compression has it.", true, func(d dialect) []frame {
		return []frame{{op: d.op.text, rsv: rsv1, open: true, payload: hello}, {rsv: rsv1, payload: hello}}
	})
	add("rsv1-on-ping", "RSV1 is set on a ping.", true, func(d dialect) []frame {
		return []frame{{op: d.op.ping, rsv: rsv1, payload: hello}}
	})
	add("empty", "A compressed message of no bytes at all.", false, func(d dialect) []frame { return []frame{{op: d.op.text, rsv: rsv1}} })
	add("final-block", "A compressed message goes on behind its final block.", false, func(d dialect) []frame {
		return []frame{{op: d.op.text, rsv: rsv1, payload: []byte("\xcbH\xcd\xc9\xc9\x07\x00hello")}}
	})
	l.each("deflate/empty-blocks", deflating, func(d dialect) hostile.Case {
		return hostile.Case{
			Comment: "A compressed message of empty blocks, 256 MiB of them, which never has a byte.",
			Needs:   []string{"deflate"}, Slow: true,
			Steps: steps(open(granted), within(20*sec, send(d.down(frame{op: d.op.text, rsv: rsv1, open: true}),
				over(64*kib, raw(d.down(frame{open: true, payload: bytes.Repeat([]byte{0, 0, 0, 0xFF, 0xFF}, 819)}))))), hold(long)),
			Verdict: ended(),
			Budget:  hostile.Budget{Time: 60 * sec, CPU: 20 * sec, Memory: 64 * mib},
		}
	})
}
