package gateway

import (
	"fmt"
	"slices"
	"strings"
)

// Loss names what a message, a close or a handshake loses between two versions, or what
// is changed of it. Each loss is counted. A loss of a message can be made fatal: the
// connection then closes instead, with 1003 and the name of the loss towards the sender,
// and with 1001 or 1011 towards the receiver, which may have got the beginning of the
// message. A loss of a close (Closing) comes when there is nothing left to close: made
// fatal, it is only counted.
type Loss string

// The losses. Losses says what they mean.
const (
	LossBinaryRejected   Loss = "binary_rejected"
	LossBinaryEncoded    Loss = "binary_encoded"
	LossBinaryDropped    Loss = "binary_dropped"
	LossTextDecoded      Loss = "text_decoded"
	LossTextRepaired     Loss = "text_repaired"
	LossFragmentsJoined  Loss = "fragments_joined"
	LossFragmentsMoved   Loss = "fragments_moved"
	LossDiscarded        Loss = "discarded"
	LossBoundaries       Loss = "boundaries"
	LossCloseCode        Loss = "close_code"
	LossCloseCodeChanged Loss = "close_code_changed"
	LossCloseReason      Loss = "close_reason"
	LossCloseCodeAdded   Loss = "close_code_added"
	LossCloseCut         Loss = "close_cut"
	LossAbnormal         Loss = "abnormal"
	LossProtocols        Loss = "subprotocols"
)

// LossInfo explains a loss: between which peers it occurs, what happens, and which key of
// the policy decides that.
type LossInfo struct {
	Loss   Loss
	From   string // what the sender sends
	To     string // the receivers that cannot get it
	What   string // what the receiver gets instead
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

// lossTable is the whole table. What is not in it crosses unchanged. Masks, pings and
// pongs, compression and the frames of a compressed message, the key and its answer, and
// hop-by-hop fields belong to one connection: the gateway makes them anew on each side.
// Where text is repaired, the bytes of a character that is cut between two frames go with
// the later frame.
var lossTable = []LossInfo{
	{LossBinaryRejected, "a binary message", "hixie-75, hixie-76", "nothing: the gateway closes the connection, with 1003 towards the sender", "binary: reject"},
	{LossBinaryEncoded, "a binary message", "hixie-75, hixie-76", "a text message, in base64, hex or Latin-1", "binary: base64, hex, latin1"},
	{LossBinaryDropped, "a binary message", "hixie-75, hixie-76", "nothing", "binary: drop"},
	{LossTextDecoded, "a text message of hixie-75, hixie-76", "hybi-02 and later; tcp, unix", "a binary message: the text is decoded from base64, hex or Latin-1", "binary_back"},
	{LossTextRepaired, "text that is not UTF-8", "any", "U+FFFD in place of each invalid part; with fail the gateway closes the connection with 1007", "invalid_text"},
	{LossFragmentsJoined, "a message in several frames", "hixie-75, hixie-76; any, with gather", "one frame", "fragments: gather"},
	{LossFragmentsMoved, "a frame that arrives in several parts", "hybi-02 and later", "several frames (RFC 6455 5.4)", "fragments: stream"},
	{LossDiscarded, "a frame of hixie-75 or hixie-76 that is neither text nor a close, which a client of these versions has to discard", "any", "nothing", ""},
	{LossBoundaries, "a message", "tcp, unix", "its bytes, without message boundaries", ""},
	{LossCloseCode, "a close with a code", "hixie-75 to hybi-05; tcp, unix", "a close without code and reason: the end of the stream, FF 00, or an empty close frame", ""},
	{LossCloseCodeChanged, "a close with a code", "hybi-06 to hybi-08", "1002 in place of 1008 and of 1010 to 1014; before hybi-08 also in place of 1007", ""},
	{LossCloseReason, "a close of hybi-02 with a reason and no code", "any", "a close without reason", ""},
	{LossCloseCodeAdded, "a close without a code, of a version or a stream that has no codes", "hybi-06 and later", "1000; with none, a close without a code", "close_without_code"},
	{LossCloseCut, "a close inside a message", "hixie-75, hixie-76", "the end of the stream: a close cannot be sent inside text", ""},
	{LossAbnormal, "the end of a connection without a close", "any that has a close", "1001 if the client ended, 1011 if the backend did, or what its version has for that", "abnormal"},
	{LossProtocols, "several subprotocols", "hixie-75, hixie-76", "only the first one", ""},
}

// Losses returns the table of what is lost or changed between versions.
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
	return fmt.Errorf("%q is not the name of a loss; the losses are %s", p, strings.Join(names, ", "))
}
