package gen

import (
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// list collects the vectors of one file.
type list []vectors.Vector

func (l *list) add(v ...vectors.Vector) { *l = append(*l, v...) }

// read is one vector of kind frames, before it has its version.
type read struct {
	id, section, comment string
	in                   []byte
	events               []vectors.Event
	fault                wire.Fault
}

// vector turns a row into a vector for the side that reads.
func (r read) vector(role wire.Role) vectors.Vector {
	v := vectors.Vector{ID: r.id, Kind: vectors.KindFrames, Section: r.section, Role: role.String(),
		Comment: r.comment, Result: vectors.Valid, Input: vectors.Hex(r.in), Events: r.events, Error: string(r.fault)}
	if r.fault != "" {
		v.Result = vectors.Invalid
	}
	if v.Input == nil {
		v.Input = vectors.Hex{}
	}
	if v.Events == nil {
		v.Events = []vectors.Event{}
	}
	// The frames alone do not show this fault.
	v.UTF8 = r.fault == wire.FaultText
	return v
}

// rows turns rows into vectors for the side that reads.
func rows(role wire.Role, rs ...read) []vectors.Vector {
	var out []vectors.Vector
	for _, r := range rs {
		out = append(out, r.vector(role))
	}
	return out
}

// Ways to change a vector of kind frames.

// unfinished: the input is a proper prefix.
func unfinished(v vectors.Vector) vectors.Vector { v.Truncated = true; return v }

// choice: the documents leave a choice.
func choice(v vectors.Vector) vectors.Vector { v.Result = vectors.Acceptable; return v }

// limited: a limit is set first.
func limited(n int64, v vectors.Vector) vectors.Vector { v.Limit = n; return v }

// checked: the outcome needs a check of UTF-8.
func checked(v vectors.Vector) vectors.Vector { v.UTF8 = true; return v }

// repeated: the payload is n bytes 'a' behind the input.
func repeated(n int64, mask []byte, v vectors.Vector) vectors.Vector {
	v.Repeat = &vectors.Repeat{Byte: vectors.Hex{'a'}, Count: n, Mask: mask}
	return v
}

// Events.

func event(op wire.Op, data string) vectors.Event {
	return vectors.Event{Op: op.String(), Data: vectors.Hex(data)}
}

func events(e ...vectors.Event) []vectors.Event { return e }

func texts(s ...string) []vectors.Event {
	var out []vectors.Event
	for _, t := range s {
		out = append(out, event(wire.OpText, t))
	}
	return out
}

func binaries(s string) []vectors.Event { return events(event(wire.OpBinary, s)) }
func pings(s string) []vectors.Event    { return events(event(wire.OpPing, s)) }
func pongs(s string) []vectors.Event    { return events(event(wire.OpPong, s)) }
func discards(s string) []vectors.Event { return events(event(wire.OpDiscard, s)) }

func closes(code wire.CloseCode, reason string) []vectors.Event {
	e := event(wire.OpClose, reason)
	e.Code = int(code)
	return events(e)
}

// sized: so many of the repeated byte.
func sized(op wire.Op, n int64) []vectors.Event {
	return events(vectors.Event{Op: op.String(), Size: n})
}

// partial: the message never ended.
func partial(op wire.Op, data string) []vectors.Event {
	e := event(op, data)
	e.Partial = true
	return events(e)
}

// then joins lists of events.
func then(lists ...[]vectors.Event) []vectors.Event {
	var out []vectors.Event
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// sent is one vector of kind close.
func sent(id, section, comment string, role wire.Role, code wire.CloseCode, reason string, output []byte) vectors.Vector {
	v := vectors.Vector{ID: id, Kind: vectors.KindClose, Section: section, Role: role.String(), Comment: comment,
		Result: vectors.Valid, Code: int(code), Reason: reason, Output: vectors.Hex(output)}
	if v.Output == nil {
		v.Output = vectors.Hex{}
	}
	return v
}

// Handshakes.

// agreed is one vector of kind handshake that succeeds.
func agreed(id, section, comment string, protocols []string, request string, tail []byte, response string, responseTail []byte, acc vectors.Accept) vectors.Vector {
	if protocols == nil {
		protocols = []string{}
	}
	return vectors.Vector{ID: id, Kind: vectors.KindHandshake, Section: section, Comment: comment, Result: vectors.Valid,
		Server: &vectors.Server{Protocols: protocols}, Request: request, Tail: tail,
		Response: response, ResponseTail: responseTail, Accept: &acc}
}

// judged is one vector of kind response; an empty reason makes it valid.
func judged(id, section, comment string, offer vectors.Offer, response string, tail []byte, reason wire.Reason, acc vectors.Accept) vectors.Vector {
	v := vectors.Vector{ID: id, Kind: vectors.KindResponse, Section: section, Comment: comment, Result: vectors.Invalid,
		Offer: &offer, Response: response, ResponseTail: tail, Error: string(reason)}
	if reason == "" {
		v.Result, v.Accept = vectors.Valid, &acc
	}
	return v
}

// refused is one vector of kind detect that is refused with the reason's own
// status.
func refused(id, section, comment, request string, reason wire.Reason) vectors.Vector {
	return vectors.Vector{ID: id, Kind: vectors.KindDetect, Section: section, Comment: comment, Result: vectors.Invalid,
		Request: request, Status: statuses[reason], Reason: string(reason), List: listFor(reason, served)}
}

// found is one vector of kind detect that is accepted.
func found(id, section, comment, request string, v wire.Version) vectors.Vector {
	out := vectors.Vector{ID: id, Kind: vectors.KindDetect, Section: section, Comment: comment, Result: vectors.Valid,
		Request: request, Version: v.String()}
	if v == wire.Hixie76 || v == wire.Hybi02 {
		out.Body = 8
	}
	return out
}

// statuses are written out here, not taken from the module: they are what the
// vectors promise.
var statuses = map[wire.Reason]int{
	wire.ReasonMethod: 405, wire.ReasonHTTPVersion: 400, wire.ReasonHost: 400,
	wire.ReasonNotWebSocket: 426, wire.ReasonStrayHeader: 400, wire.ReasonDuplicate: 400,
	wire.ReasonBadVersion: 400, wire.ReasonMixed: 400, wire.ReasonVersion: 426, wire.ReasonDisabled: 426,
	wire.ReasonKeyMissing: 400, wire.ReasonVersionMissing: 400, wire.ReasonBadKey: 400,
	wire.ReasonHalfChallenge: 400, wire.ReasonBadDraft: 400, wire.ReasonDraftAlone: 400,
	wire.ReasonNoOrigin: 426, wire.ReasonBody: 400, wire.ReasonChallenge: 400,
	wire.ReasonOriginConflict: 403, wire.ReasonProtocol: 403, wire.ReasonHeadMalformed: 400,
}

// served are the versions served where a vector does not say otherwise: all.
var served = []wire.Version{wire.Hixie75, wire.Hixie76, wire.Hybi02, wire.Hybi04, wire.Hybi05, wire.Hybi06,
	wire.Hybi07, wire.Hybi08, wire.RFC6455}

// shipped are the versions that browsers shipped.
var shipped = []wire.Version{wire.Hixie75, wire.Hixie76, wire.Hybi07, wire.Hybi08, wire.RFC6455}

// listFor returns the numbers that a refusal lists, best first: with status 426
// and where only the version is missing.
func listFor(reason wire.Reason, enabled []wire.Version) string {
	if statuses[reason] != 426 && reason != wire.ReasonVersionMissing {
		return ""
	}
	out := ""
	for _, n := range []struct {
		v wire.Version
		s string
	}{{wire.RFC6455, "13"}, {wire.Hybi08, "8"}, {wire.Hybi07, "7"}, {wire.Hybi06, "6"}, {wire.Hybi05, "5"}, {wire.Hybi04, "4"}} {
		for _, e := range enabled {
			if e == n.v && out == "" {
				out = n.s
			} else if e == n.v {
				out += ", " + n.s
			}
		}
	}
	return out
}

// only narrows the versions served and the list that follows from them.
func only(v vectors.Vector, enabled ...wire.Version) vectors.Vector {
	for _, e := range enabled {
		v.Enabled = append(v.Enabled, e.String())
	}
	if v.Result == vectors.Invalid {
		v.List = listFor(wire.Reason(v.Reason), enabled)
	}
	return v
}

// tolerating accepts known faults.
func tolerating(v vectors.Vector, t wire.Tolerances) vectors.Vector {
	v.Tolerate = append(v.Tolerate, t.String())
	return v
}

// trailed puts bytes behind a request head.
func trailed(v vectors.Vector, tail string) vectors.Vector { v.Tail = vectors.Hex(tail); return v }

// Whole connections.

// talk is one vector with steps.
func talk(id, section, comment string, steps ...vectors.Step) vectors.Vector {
	return vectors.Vector{ID: id, Kind: vectors.KindSession, Section: section, Role: wire.Server.String(),
		Comment: comment, Result: vectors.Valid, Steps: steps}
}

func client(b []byte) vectors.Step { return vectors.Step{From: "client", Bytes: b} }
func server(b []byte) vectors.Step { return vectors.Step{From: "server", Bytes: b} }

// ask: the server answers before the client goes on.
func ask(b []byte) vectors.Step { return vectors.Step{From: "client", Bytes: b, Wait: true} }

// fin: that side ends its stream.
func fin(from wire.Role) vectors.Step { return vectors.Step{From: from.String(), Event: "fin"} }

// published gives rows that are a known example the id of that example.
func published(vs []vectors.Vector, names map[string]string) []vectors.Vector {
	used := 0
	for i := range vs {
		if n := names[vs[i].ID]; n != "" {
			vs[i].ID = n
			used++
		}
	}
	if used != len(names) {
		panic("gen: a published id names no row")
	}
	return vs
}
