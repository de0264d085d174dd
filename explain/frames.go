package explain

import (
	"fmt"
	"strings"
	"time"

	"github.com/draftwire/draftwire/inspect"
	"github.com/draftwire/draftwire/inspect/capture"
	"github.com/draftwire/draftwire/wire"
)

// stream looks at what stands behind the handshake.
func (t *talk) stream() *finding {
	if f := t.noFrames(); f != nil {
		return f
	}
	for _, ev := range t.broken {
		f := t.ofFrame(ev)
		if f == nil {
			continue
		}
		if ev.Kind != inspect.KindFault && ev.Fault == "" { // admitted, and read on: did the other side mind?
			switch {
			case t.ended(ev):
				f.sure = max(f.sure, Probable)
			case t.unheard(ev):
				f.sure = Possible
			default:
				continue
			}
		}
		if t.gap || t.conn.Midway || t.request == nil || !t.accepted() {
			f.sure = Possible // what is missing may be what is wrong
		}
		return f
	}
	return nil
}

// endless reports whether a head is so long that it is not known where it ends.
func endless(answer *inspect.Event) bool {
	n := firstNote(answer)
	return n != nil && wire.Reason(n.Fault) == wire.ReasonHeadTooLarge
}

// noFrames finds a server that writes something else than frames.
func (t *talk) noFrames() *finding {
	if t.lost == nil || t.lost.From != "server" || len(t.broken) > 0 || len(t.answers) > 0 && !t.accepted() {
		return nil
	}
	if n := len(t.answers); n > 0 && endless(t.answers[n-1]) {
		return nil
	}
	if what := t.other(capture.FromServer, t.lost.Offset); what != "" && t.accepted() {
		return &finding{cause: what, sure: Certain, from: "server", offset: t.lost.Offset, text: firstOf(t.at(capture.FromServer, t.lost.Offset))}
	}
	return nil
}

// at is what a side has sent from an offset on.
func (t *talk) at(from capture.Direction, offset int64) []byte {
	p := t.raw[from]
	if offset < 0 || offset >= int64(len(p)) {
		return nil
	}
	return p[offset:]
}

// shortText is so little text that it may be a beginning of something else.
const shortText = 16

// other is what stands in place of frames; "" where it may be a frame.
func (t *talk) other(from capture.Direction, offset int64) string {
	p := t.at(from, offset)
	switch {
	case len(p) < 4:
		return ""
	case hasPrefix(string(p), "HTTP/1."), hasPrefix(string(p), "HTTP/2"):
		return "http-in-frames"
	case from == capture.FromClient && (hasPrefix(string(p), "GET ") || hasPrefix(string(p), "POST ") || hasPrefix(string(p), "HEAD ")):
		return "second-request"
	case hasPrefix(string(p), "<!DOCTYPE"), hasPrefix(string(p), "<html"), hasPrefix(string(p), "<?xml"):
		return "http-in-frames"
	case len(p) >= shortText && isText(p[:min(len(p), 24)]):
		return "text-in-frames"
	}
	return ""
}

// ofFrame is the cause of a fault in a stream.
func (t *talk) ofFrame(ev *inspect.Event) *finding {
	var n *inspect.Note
	for i := range ev.Notes {
		if ev.Notes[i].Verdict == inspect.Breaks {
			n = &ev.Notes[i]
			break
		}
	}
	if n == nil {
		return nil
	}
	from := capture.FromClient
	if ev.From == "server" {
		from = capture.FromServer
	}
	f := &finding{cause: causeOfNote(n), sure: Certain}
	f.note(ev, n)
	p := t.at(from, ev.Offset)
	f.text = hexOf(p)
	t.refineFrame(f, from, ev, p)
	return f
}

// refineFrame finds the kind of a fault of a frame more exactly.
func (t *talk) refineFrame(f *finding, from capture.Direction, ev *inspect.Event, p []byte) {
	hybi := t.version != wire.Hixie75.String() && t.version != wire.Hixie76.String()
	if what := t.other(from, ev.Offset); what != "" {
		f.cause, f.text = what, firstOf(p)
		return
	}
	if len(p) < 4 || len(p) < shortText && isText(p) {
		f.sure = max(f.sure, Probable) // what follows may tell more
	}
	switch {
	case f.cause == "stray-crlf", len(p) >= 2 && p[0] == '\r' && p[1] == '\n' && from == capture.FromServer:
		f.cause = "stray-crlf"
	case hybi && len(p) > 1 && p[0] == 0 && strings.IndexByte(string(p), 0xFF) > 0 && isText(p[1:strings.IndexByte(string(p), 0xFF)]):
		f.cause = "hixie-frames"
		f.whose = whoseFrames(from)
	case !hybi && len(p) > 1 && (p[0] == 0x81 || p[0] == 0x82 || p[0] == 0x88 || p[0] == 0x89 || p[0] == 4 || p[0] == 5):
		f.cause = "hybi-frames"
		f.whose = whoseFrames(from)
	case f.cause == "reserved-bits" && len(p) > 0 && !t.headsAreMasked(from) && p[0]&0x70 == 0x40 && (p[0]&0x0F == 1 || p[0]&0x0F == 2) && t.frames[from] < 200:
		f.cause = "compressed-unasked"
		f.whose = whoseFrames(from)
	case f.cause == "unmasked" && len(p) > 1 && p[1] == 0:
		f.cause = "empty-unmasked"
	case f.cause == "long-length" && from == capture.FromServer:
		f.whose = Backend
	}
	if f.whose == "" && causeOf(f.cause).Culprit == Nobody {
		f.whose = whoseFrames(from)
	}
}

// headsAreMasked reports whether the bytes of a frame's head are not what they stand for.
func (t *talk) headsAreMasked(from capture.Direction) bool {
	switch t.version {
	case wire.Hybi04.String(), wire.Hybi05.String(), wire.Hybi06.String():
		return from == capture.FromClient
	}
	return false
}

// whoseFrames is who has to be looked at for what a side sends.
func whoseFrames(from capture.Direction) Culprit {
	if from == capture.FromClient {
		return Device
	}
	return Backend
}

// hexOf is the beginning of bytes as digits.
func hexOf(p []byte) string { return fmt.Sprintf("% x", p[:min(len(p), 16)]) }

// ended reports whether the other side ended the connection because of what it read: it closed
// with a code that says so, or without one.
func (t *talk) ended(ev *inspect.Event) bool {
	if t.closing == nil {
		return false
	}
	switch t.closing.Code {
	case 1002, 1003, 1007, 1008, 1009:
		return t.closing.First != ev.From
	}
	other := otherSide(ev)
	return t.closing.Result == "abnormal" || t.closing.Result == "failed" || t.data[other] == 0 && t.ends[0].from == other && t.ends[0].how != capture.Cut
}

// otherSide is the side that reads what an event is of.
func otherSide(ev *inspect.Event) capture.Direction {
	if ev.From == "server" {
		return capture.FromClient
	}
	return capture.FromServer
}

// unheard reports whether the input ends before the other side has said anything.
func (t *talk) unheard(ev *inspect.Event) bool { return t.cut() && t.frames[otherSide(ev)] == 0 }

// ofCode are the causes that the code of a close names.
var ofCode = map[int]string{
	1002: "close-refused", 1003: "close-unsupported", 1007: "close-text", 1008: "close-policy", 1009: "close-too-big", 1010: "close-extension",
	1011: "close-error", 1012: "close-again", 1013: "close-again", 1014: "close-gateway",
}

// theEnd looks at how the connection ended.
func (t *talk) theEnd() *finding {
	x := t.closing
	if x == nil || t.frames[0]+t.frames[1] == 0 && !t.accepted() {
		return nil
	}
	if x.First != "" && x.Code != 0 {
		cause := ofCode[x.Code]
		if x.Code >= 3000 && x.Code <= 4999 {
			cause = "close-program"
		}
		if cause != "" {
			f := &finding{cause: cause, sure: Probable, from: x.First, text: fmt.Sprintf("close %d %s", x.Code, x.Reason)}
			f.detail = fmt.Sprintf("the %s closes with %d", x.First, x.Code)
			if x.Reason != "" {
				f.detail += fmt.Sprintf(" and %q", shown(x.Reason))
			}
			return f
		}
		return nil
	}
	if x.Result != "abnormal" && !(t.reset() && x.Result != "clean") {
		return nil
	}
	return t.abnormal()
}

// timeouts are those of programs that are known: after so much silence they end a connection.
var timeouts = []struct {
	after time.Duration
	who   string
}{
	{30 * time.Second, "30 s: HAProxy and many programs"}, {50 * time.Second, "50 s: the examples of HAProxy"}, {55 * time.Second, "55 s: Heroku's router"},
	{60 * time.Second, "60 s: nginx, AWS's balancers, gorilla's example"}, {100 * time.Second, "100 s: Cloudflare"}, {120 * time.Second, "120 s"},
	{4 * time.Minute, "240 s: Azure"}, {5 * time.Minute, "300 s: Envoy, Apache"}, {350 * time.Second, "350 s: AWS's network balancers"}, {10 * time.Minute, "600 s: Google's balancers"}, {time.Hour, "3600 s: AWS gateways"},
}

// timeoutOf is the known timeout that a silence is as long as; "" where none is.
func timeoutOf(silence time.Duration) string {
	for _, k := range timeouts {
		if d := silence - k.after; d > -k.after/50 && d < k.after/30 {
			return k.who
		}
	}
	return ""
}

// abnormal looks at an end without a close.
func (t *talk) abnormal() *finding {
	first := t.ends[0]
	who := "the " + first.from.String() + "'s side"
	last := t.last[0]
	if t.last[1].After(last) {
		last = t.last[1]
	}
	var silence time.Duration
	if !last.IsZero() && !first.at.IsZero() {
		silence = first.at.Sub(last)
	}
	if t.pings[capture.FromServer] > t.pongs[capture.FromClient] && t.data[capture.FromClient] == 0 && first.from == capture.FromServer ||
		!t.pinged.IsZero() && !t.last[capture.FromClient].After(t.pinged) && first.from == capture.FromServer {
		return &finding{cause: "pong-missing", sure: Probable, detail: fmt.Sprintf("the server has sent %d pings, and %d pongs came", t.pings[1], t.pongs[0])}
	}
	if silence >= 10*time.Second {
		f := &finding{cause: "idle-timeout", sure: Possible, detail: fmt.Sprintf("%s ends after %.0f s of silence", who, silence.Seconds())}
		if known := timeoutOf(silence); known != "" {
			f.sure = Probable
			f.detail += "; known are " + known
		}
		return f
	}
	if t.reset() {
		return &finding{cause: "reset", sure: Possible, detail: who + " resets it"}
	}
	return &finding{cause: "cut-off", sure: Possible, detail: who + " ends first"}
}
