package main

import (
	"cmp"
	"errors"
	"log"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/oldtls"
	"github.com/draftwire/draftwire/wire"
	"github.com/sirupsen/logrus"
)

// journal logs what happens on a server: one line for each connection at its end, and
// folded lines for refusals.
type journal struct {
	log   *logrus.Logger
	style lineStyle
	out   *logOut
	last  atomic.Uint64              // id of the last connection
	notes func(*draftwire.Conn) bool // which connections get a visit; nil: none
	open  sync.Map                   // *draftwire.Conn to *visit
	fold  *folder
}

// visit is what the journal notes about an open connection beside its statistics. Few have
// one: at level debug all, and otherwise those that notes names.
type visit struct {
	id      uint64
	log     *logrus.Logger
	dropped atomic.Uint64 // messages that its version cannot carry
	cause   atomic.Pointer[string]
}

func newJournal(log *logrus.Logger) *journal {
	out, ok := log.Out.(*logOut)
	if !ok { // of a test
		out = newLogOut(log.Out)
	}
	j := &journal{log: log, style: styleOf(log.Formatter), out: out}
	j.fold = newFolder(foldTime, func(k foldKey, n int) {
		fields := logrus.Fields{"reason": k.topic}
		switch {
		case k.address == "":
		case strings.HasPrefix(k.topic, foldFleet):
			fields["gateway"] = k.address
		default:
			fields["client_ip"] = k.address
		}
		if k.agent != "" {
			fields["user_agent"] = k.agent
		}
		log.WithFields(fields).Warnf("same reason, %d more in %d s", n, int(foldTime.Seconds()))
	})
	return j
}

// observer is what the library calls for the clients of a listener; "" if there is only one.
func (j *journal) observer(listener string) *draftwire.Observer {
	refused := func(remote string, head []byte, he *draftwire.HandshakeError) { j.refused(listener, remote, head, he) }
	return &draftwire.Observer{Opened: j.opened, Refused: refused, Closed: j.closed, Tolerated: j.tolerated}
}

func (j *journal) opened(c *draftwire.Conn) {
	debug := j.log.IsLevelEnabled(logrus.DebugLevel)
	if !debug && (j.notes == nil || !j.notes(c)) {
		return
	}
	v := &visit{id: j.last.Add(1), log: j.log}
	j.open.Store(c, v)
	if debug {
		j.log.WithFields(logrus.Fields{"event": "handshake.accept", "conn": v.name(), "draft": c.Version().String()}).Debug("connected")
	}
}

// visit returns the notes on a connection that has some.
func (j *journal) visit(c *draftwire.Conn) *visit {
	if v, ok := j.open.Load(c); ok {
		return v.(*visit)
	}
	return &visit{log: j.log} // the connection has ended
}

// leave returns the notes on a connection that has ended, and forgets them. Whoever has none
// gets a number now: where nobody could see it before, it need not be that of the beginning.
func (j *journal) leave(c *draftwire.Conn) *visit {
	if v, ok := j.open.LoadAndDelete(c); ok {
		return v.(*visit)
	}
	return &visit{id: j.last.Add(1), log: j.log}
}

// name is the number of a connection in the log.
func (v *visit) name() string { return strconv.FormatUint(v.id, 36) }

// because notes why this side closes a connection.
func (v *visit) because(cause string) {
	v.cause.Store(&cause)
	v.log.WithFields(logrus.Fields{"conn": v.name(), "cause": cause}).Debug("closing")
}

func (j *journal) closed(c *draftwire.Conn, err error) {
	if _, ok := c.Handshake().Value().(*gateway.Session); ok {
		return // ended logs both sides
	}
	j.write(c, err, nil)
}

// ended logs the end of a gateway's session.
func (j *journal) ended(s *gateway.Session, c *draftwire.Conn) {
	_, err := s.By()
	j.write(c, err, s)
}

// write writes the line of a connection, which is that of s, if it is not nil.
func (j *journal) write(c *draftwire.Conn, err error, s *gateway.Session) {
	v := j.leave(c)
	h := c.Handshake()
	left := (s == nil || byClient(s)) && v.leftAtOnce(c, err)
	if left {
		j.left(h)
	}
	if !j.log.IsLevelEnabled(logrus.InfoLevel) {
		return
	}
	l := connLines.Get().(*connLine)
	x := &l.end
	x.of(c, err, s)
	x.conn, x.dropped = v.id, v.dropped.Load()
	if cause := v.cause.Load(); cause != nil {
		x.fault = *cause
	}
	if left {
		x.fault, x.hint = leftAtOnce, leftHint
	}
	l.begin(j.style, time.Now(), "connection")
	x.addTo(&l.line)
	l.finish()
	j.out.add(l.b)
	*x = connEnd{}
	connLines.Put(l)
}

func byClient(s *gateway.Session) bool {
	by, _ := s.By()
	return by == gateway.ClientSide
}

// leaveTime is how soon a client leaves that does not accept the answer to its handshake: it
// needs one round trip, or two over TLS.
const leaveTime = 500 * time.Millisecond

const (
	leftAtOnce = "closed right after its handshake"
	leftHint   = "compare Host, as the client's URL has it, and public_url: a hixie client refuses an answer that repeats another URL or origin than its own"
)

// leftAtOnce reports whether a client may have refused the answer to its handshake: its
// version compares what the answer repeats, and it left within leaveTime, without a
// message. That it said farewell does not matter: a hixie client need not, and the end of
// its bytes is as good.
func (v *visit) leftAtOnce(c *draftwire.Conn, err error) bool {
	version, h := c.Version(), c.Handshake()
	if !version.Supports(wire.CapLocation) || time.Since(h.Began())-h.Took() >= leaveTime {
		return false
	}
	code, _ := ending(version, err)
	return c.Stats().MessagesIn == 0 && v.cause.Load() == nil && !errors.Is(err, draftwire.ErrClosed) &&
		(isCleanClose(err) || code == draftwire.CodeAbnormal)
}

// left warns of a client that left at once: the line of its connection is one among many.
func (j *journal) left(h *draftwire.Handshake) {
	agent := short(h.Field("User-Agent"))
	if !j.fold.passPeer(foldKey{leftAtOnce, addressKey(h.Remote()), agent}) {
		return
	}
	j.log.WithFields(logrus.Fields{
		"client_ip": ipOf(h.Remote()), "draft": h.Version().String(), "path": redact(h.Target()), "host": short(h.Host()),
		"origin": short(h.Origin()), "user_agent": agent, "secure": h.Secure(), "hint": leftHint,
	}).Warn(leftAtOnce)
}

// refused logs a refusal. A connection that sent nothing is a health check or a spare one of
// a browser, and one that came too late is expected: both are logged at debug level alone.
func (j *journal) refused(listener, remote string, head []byte, he *draftwire.HandshakeError) {
	level := logrus.WarnLevel
	if len(head) == 0 && he.Status == 0 || he.Reason == wire.ReasonShutdown {
		level = logrus.DebugLevel
	}
	reason, detail, hint := refusal(he)
	if strings.HasPrefix(reason, "tls") { // from an old device that its owner will look for
		level = logrus.WarnLevel
	}
	key := reason
	if he.Tolerance != 0 { // whoever looks for one device is not to miss it behind another
		key += " (tolerate " + he.Tolerance.String() + ")"
	}
	if he.Reason == wire.ReasonAuth { // a wrong password and the path of another need different cures
		key += " " + detail
	}
	r := readHead(head)
	agent := short(r.Fields.Get("User-Agent"))
	if !j.log.IsLevelEnabled(level) || !j.fold.passPeer(foldKey{key, addressKey(remote), agent}) {
		return
	}
	fields := logrus.Fields{
		"reason": reason, "client_ip": ipOf(remote), "status": he.Status, "draft": he.Version.String(),
		"detail": short(detail), "hint": hint,
		"path": redact(r.Target), "host": short(r.Host()), "user_agent": agent,
	}
	if listener != "" {
		fields["listener"] = listener
	}
	if origin := originOf(r); origin != "" {
		fields["origin"] = short(origin)
	}
	j.log.WithFields(fields).Log(level, "refused")
}

// untrusted is the cure where a client ends TLS because of the certificate.
const untrusted = "install the root of the certificate on the device, and compare the device's clock and the name in its URL with the certificate"

// refusal is what is told of a refusal. Two faults in TLS, which the client has to be cured
// of, have reasons of their own that begin with tls: a hello that shares nothing with the
// port, and a certificate that the client does not accept, as its alert says.
func refusal(he *draftwire.HandshakeError) (reason, detail, hint string) {
	if e, ok := errors.AsType[*oldtls.HelloError](he); ok {
		return e.Reason(), strings.TrimPrefix(e.Error(), "oldtls: "), he.Hint()
	}
	if e, ok := errors.AsType[*net.OpError](he); ok && e.Op == "remote error" && strings.Contains(e.Err.Error(), "certificate") {
		return "tls", "the client refused the certificate: " + strings.TrimPrefix(e.Err.Error(), "tls: "), untrusted
	}
	detail, hint = he.Detail, he.Hint()
	if detail == "" && he.Err != nil {
		detail = he.Err.Error()
	}
	if he.Reason == wire.ReasonPreface && strings.HasSuffix(detail, detect.FlashPolicy.String()) {
		hint = "let this port answer it: flash_policy, or --flash-policy"
	}
	return string(he.Reason), detail, hint
}

// readHead reads what can be read of a head, which may be refused because it cannot be read.
func readHead(head []byte) *wire.Request {
	r := new(wire.Request)
	lines := strings.Split(strings.ReplaceAll(string(head), "\r", "\n"), "\n")
	r.Method, r.Target, _ = strings.Cut(lines[0], " ")
	r.Target, r.Proto, _ = strings.Cut(r.Target, " ")
	for _, line := range lines[1:] {
		if name, value, ok := strings.Cut(line, ":"); ok {
			r.Fields = append(r.Fields, wire.Field{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
		}
	}
	return r
}

// originOf is the page from which a client comes, under either of its names.
func originOf(r *wire.Request) string {
	return cmp.Or(r.Fields.Get("Origin"), r.Fields.Get("Sec-WebSocket-Origin"))
}

func (j *journal) tolerated(remote string, t draftwire.Tolerances) {
	if key := "tolerated " + t.String(); j.fold.pass(key) {
		j.log.WithFields(logrus.Fields{"tolerance": t.String(), "client_ip": ipOf(remote)}).Warn("a known fault was tolerated")
	}
}

// lines is the journal as a log.Logger, for net/http and reports of panics.
func (j *journal) lines() *log.Logger { return log.New(j, "", 0) }

// Write logs the lines of net/http and reports of panics. Both are folded, and become one
// line each with a message of ours: what a peer said is put into a field, where it cannot
// end a line. A report is known by how it begins, as a peer may well say "panic".
func (j *journal) Write(p []byte) (int, error) {
	text := strings.TrimSpace(string(p))
	who, _, _ := strings.Cut(text, ":")
	switch who {
	case "draftwire", "http", "http2":
	default:
		who = "program"
	}
	if strings.HasPrefix(text, who+": panic serving ") {
		j.panicked(text)
	} else if j.fold.pass(who) {
		j.log.WithFields(logrus.Fields{"reason": who, "detail": short(text)}).Warn("the server says")
	}
	return len(p), nil
}

// stackMost bounds how much of a stack is logged, in bytes: its top has the fault.
const stackMost = 8 << 10

// panicked logs the report of a panic. It folds them, as a peer that can cause one can cause
// many.
func (j *journal) panicked(text string) {
	if !j.fold.pass("panic") {
		return
	}
	detail, stack, _ := strings.Cut(text, "\ngoroutine ")
	j.log.WithFields(logrus.Fields{"reason": "panic", "detail": short(detail), "stack": cut(stack, stackMost)}).Error("panic")
}

// ending is the close code and reason that err stands for. Where the version has no codes a
// clean close is 1005.
func ending(v draftwire.Version, err error) (draftwire.CloseCode, string) {
	if ce, ok := errors.AsType[*draftwire.CloseError](err); ok {
		return ce.Code, ce.Reason
	}
	if pe, ok := errors.AsType[*draftwire.ProtocolError](err); ok {
		return pe.Code, pe.Msg
	}
	if errors.Is(err, draftwire.ErrClosed) && !v.Supports(wire.CapCloseCode) {
		return draftwire.CodeNoStatus, ""
	}
	return draftwire.CodeAbnormal, ""
}

// failure is the text of an error that a handler returned, or that is not a clean close.
func failure(err error) string {
	if he, ok := errors.AsType[*draftwire.HandlerError](err); ok {
		return short(errorText(he.Err))
	}
	if isCleanClose(err) {
		return ""
	}
	return short(errorText(err))
}

// isCleanClose reports whether err says only that one side has closed the connection.
func isCleanClose(err error) bool {
	ce, ok := errors.AsType[*draftwire.CloseError](err)
	return ok && ce.Code != draftwire.CodeAbnormal || errors.Is(err, draftwire.ErrClosed)
}

// redact keeps the query of a target out of the log: it may hold secrets.
func redact(target string) string {
	if path, _, ok := strings.Cut(target, "?"); ok {
		return short(path) + "?..."
	}
	return short(target)
}

const shortMost = 200

// short bounds what a peer can put into a line.
func short(s string) string { return cut(s, shortMost) }

// cut bounds s to n bytes, and marks where it cut.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}

// ipOf is the host of an address; peers on a unix socket have none.
func ipOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return "unix"
	}
	return host
}

func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }
