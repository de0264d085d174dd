package gateway

import (
	"fmt"
	"slices"
	"strings"
)

// Loss names what a message, a close or a handshake loses, or what is changed of
// it, on its way between two versions. Each is counted. One of a message can be
// made fatal: the connection closes instead, with 1003 and the loss as reason
// towards the sender, and with 1001 or 1011 towards the receiver, which may have
// got the beginning of the message. One of a close (Closing) comes when there is
// nothing left to close: made fatal, it is counted as before.
type Loss string

// The losses. Losses has what they mean.
const (
	LossBinaryRejected   Loss = "binary_rejected"
	LossBinaryEncoded    Loss = "binary_encoded"
	LossBinaryDropped    Loss = "binary_dropped"
	LossTextDecoded      Loss = "text_decoded"
	LossTextRepaired     Loss = "text_repaired"
	LossFragmentsJoined  Loss = "fragments_joined"
	LossFragmentsMoved   Loss = "fragments_moved"
	LossBorders          Loss = "borders"
	LossCloseCode        Loss = "close_code"
	LossCloseCodeChanged Loss = "close_code_changed"
	LossCloseReason      Loss = "close_reason"
	LossCloseCodeAdded   Loss = "close_code_added"
	LossCloseCut         Loss = "close_cut"
	LossAbnormal         Loss = "abnormal"
	LossProtocols        Loss = "subprotocols"
)

// LossInfo explains a loss: between which peers, what becomes of it, and what
// chooses that.
type LossInfo struct {
	Loss   Loss
	From   string // the sender
	To     string // the receiver
	What   string // what is lost, and what comes instead
	Policy string // the key of the route's policy that decides; "" for none
}

// Closing reports whether the loss comes with the end of a connection.
func (l Loss) Closing() bool {
	switch l {
	case LossCloseCode, LossCloseCodeChanged, LossCloseReason, LossCloseCodeAdded, LossCloseCut, LossAbnormal:
		return true
	}
	return false
}

// lossTable is the whole table. Whatever is not in it crosses unchanged; what is
// a hop's own business (masks, pings and pongs, compression and the frames of a
// compressed message, the key and its answer, hop-by-hop fields) is made anew on
// each side. Where text is repaired, the bytes of a character that is cut between
// two frames go with the later one.
var lossTable = []LossInfo{
	{LossBinaryRejected, "binary message", "hixie-75, hixie-76", "the connection closes with 1003 towards the sender", "binary: reject"},
	{LossBinaryEncoded, "binary message", "hixie-75, hixie-76", "comes as text, in base64, hex or Latin-1", "binary: base64, hex, latin1"},
	{LossBinaryDropped, "binary message", "hixie-75, hixie-76", "does not come", "binary: drop"},
	{LossTextDecoded, "text of hixie-75, hixie-76", "hybi-02 and later; tcp, unix", "is read as base64, hex or Latin-1 and comes as binary", "binary_back"},
	{LossTextRepaired, "text that is not UTF-8", "any", "comes with U+FFFD in place of what is wrong; with fail the connection closes with 1007", "invalid_text"},
	{LossFragmentsJoined, "message in several frames", "hixie-75, hixie-76; any, gathered", "comes in one frame", "fragments: gather"},
	{LossFragmentsMoved, "frame that does not come at once", "hybi-02 and later", "comes in several frames (RFC 6455 5.4)", "fragments: stream"},
	{LossBorders, "message", "tcp, unix", "comes as bytes, without the borders of messages", ""},
	{LossCloseCode, "close with a code", "hixie-75 to hybi-05; tcp, unix", "code and reason do not come: the end of the stream, FF 00, or a close frame without code", ""},
	{LossCloseCodeChanged, "close with a code", "hybi-06 to hybi-08", "1008 and 1010 to 1014 come as 1002, 1007 too before hybi-08", ""},
	{LossCloseReason, "reason of a close without code, by hybi-02", "any", "does not come", ""},
	{LossCloseCodeAdded, "close without a code, by a version or a stream that has none", "hybi-06 and later", "comes as 1000; with none, as a close without code", "close_without_code"},
	{LossCloseCut, "close inside a message", "hixie-75, hixie-76", "comes as the end of the stream: inside text nothing can be said", ""},
	{LossAbnormal, "end without a close", "any with a close", "comes as 1001 from a client, as 1011 from a backend, or as what the version has for it", ""},
	{LossProtocols, "several subprotocols", "hixie-75, hixie-76", "only the first is offered", ""},
}

// Losses returns the table of what the translation loses.
func Losses() []LossInfo { return slices.Clone(lossTable) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Loss) UnmarshalText(p []byte) error {
	var names []string
	for _, row := range lossTable {
		if row.Loss == Loss(p) {
			*l = row.Loss
			return nil
		}
		names = append(names, string(row.Loss))
	}
	return fmt.Errorf("%q is no loss; there are %s", p, strings.Join(names, ", "))
}
