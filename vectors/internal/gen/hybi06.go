package gen

import (
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// hybi06 returns the vectors of version 6: the frames of version 5, and the
// close of version 7.
func hybi06() []vectors.Vector {
	h := hybi{dialect: dialect{op: earlyOps, masking: maskFrame}, version: wire.Hybi06,
		prefix: "hy06", doc: "hybi-06", frames: "4", moved: moved04, text: "6", tooBig: true, replace: true}
	o := opening{hybi: h, number: "6", origin: "Sec-WebSocket-Origin", request: "5.1", reply: "5.2.2", judge: "5.1"}

	var l list
	l.add(published(o.handshakes(), map[string]string{"hy06-hs-no-origin": "hy06-hs-02"})...)
	l.add(plainOrigin(o))
	l.add(looseKeys(o)...)
	l.add(o.responses()...)
	l.add(freeNonces(o)...)
	l.add(published(h.commonFrames(), map[string]string{
		"hy06-server-text":         "hy06-fr-01",
		"hy06-server-ping":         "hy06-fr-02",
		"hy06-server-mask-each":    "hy06-fr-03",
		"hy06-client-close-1000":   "hy06-cl-01",
		"hy06-server-close-1-byte": "hy06-cl-03",
		"hy06-client-close-1004":   "hy06-cl-04",
	})...)
	bye := side{h, wire.Server, h.clientMask()}.f(true, h.op.close, string(closeBody(1001, "bye")))
	l.add(read{"hy06-cl-02", h.sec(".5.1"), "a code and a reason of plain letters", bye, closes(1001, "bye"), ""}.vector(wire.Server))
	l.add(h.closeCodes(says06)...)
	l.add(o.talks()...)
	return l
}
