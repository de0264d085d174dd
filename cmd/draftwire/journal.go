package main

import (
	"crypto/tls"
	"errors"
	"log"
	"maps"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/oldtls"
	"github.com/draftwire/draftwire/wire"
	"github.com/sirupsen/logrus"
)

// journal writes what happens on a server into the log: one line for each
// connection at its end, folded lines for refusals.
type journal struct {
	log  *logrus.Logger
	last atomic.Uint64 // id of the last connection
	open sync.Map      // *draftwire.Conn to *visit
	fold *folder
}

// visit is what the journal remembers of a connection beside its statistics.
type visit struct {
	id      string
	log     *logrus.Logger
	dropped atomic.Uint64 // messages that its version could not say
	cause   atomic.Pointer[string]
}

func newJournal(log *logrus.Logger) *journal {
	j := &journal{log: log}
	j.fold = newFolder(foldTime, func(key string, n int) {
		log.WithField("reason", key).Warnf("same reason, %d more in %d s", n, int(foldTime.Seconds()))
	})
	return j
}

// observer is how the library tells the journal.
func (j *journal) observer() *draftwire.Observer {
	return &draftwire.Observer{Opened: j.opened, Refused: j.refused, Closed: j.closed, Tolerated: j.tolerated}
}

func (j *journal) opened(c *draftwire.Conn) {
	v := &visit{id: strconv.FormatUint(j.last.Add(1), 36), log: j.log}
	j.open.Store(c, v)
	j.log.WithFields(logrus.Fields{"event": "handshake.accept", "conn": v.id, "draft": c.Version().String()}).Debug("connected")
}

// visit returns the notes on a connection.
func (j *journal) visit(c *draftwire.Conn) *visit {
	if v, ok := j.open.Load(c); ok {
		return v.(*visit)
	}
	return &visit{log: j.log} // it has ended
}

// because notes why this side closes a connection.
func (v *visit) because(cause string) {
	v.cause.Store(&cause)
	v.log.WithFields(logrus.Fields{"conn": v.id, "cause": cause}).Debug("closing")
}

func (j *journal) closed(c *draftwire.Conn, err error) {
	if _, ok := c.Handshake().Value.(*gateway.Session); ok {
		return // ended tells of both sides
	}
	j.write(c, err, nil)
}

// ended is the end of a gateway's session.
func (j *journal) ended(s *gateway.Session, c *draftwire.Conn) {
	by, err := s.By()
	fields := logrus.Fields{"listener": s.Listener, "route": s.Route, "backend": s.Backend, "close_by": string(by)}
	for l, n := range s.Lost() {
		fields["lost_"+string(l)] = n
	}
	j.write(c, err, fields)
}

// write writes the line of a connection, with more fields.
func (j *journal) write(c *draftwire.Conn, err error, more logrus.Fields) {
	v := j.visit(c)
	j.open.Delete(c)
	h, s := c.Handshake(), c.Stats()
	code, _ := ending(c.Version(), err)
	fields := logrus.Fields{
		"event": "conn.close", "conn": v.id, "client_ip": ipOf(h.Remote), "draft": c.Version().String(),
		"path": redact(h.Target), "host": short(h.Host), "origin": short(h.Origin), "user_agent": short(h.Fields().Get("User-Agent")),
		"subprotocol": short(c.Subprotocol()), "deflate": short(h.Deflate), "secure": h.Secure, "close_code": int(code),
		"duration_s": seconds(time.Since(h.Began)),
		"msgs_in":    s.MessagesIn, "msgs_out": s.MessagesOut, "bytes_in": s.BytesIn, "bytes_out": s.BytesOut,
	}
	maps.Copy(fields, more)
	if h.Via != "" {
		fields["via"] = ipOf(h.Via)
	}
	if h.TLS != nil {
		fields["tls"], fields["cipher"] = tls.VersionName(h.TLS.Version), tls.CipherSuiteName(h.TLS.CipherSuite)
	}
	if text := failure(err); text != "" {
		fields["error"] = text
	}
	if cause := v.cause.Load(); cause != nil {
		fields["error"] = *cause
	}
	if n := v.dropped.Load(); n > 0 {
		fields["dropped"] = n
	}
	j.log.WithFields(fields).Info("connection")
}

// refused logs a refusal. A connection that said nothing is a health check, or
// a browser's spare one, and no news; neither is one that came too late.
func (j *journal) refused(remote string, head []byte, he *draftwire.HandshakeError) {
	level := logrus.WarnLevel
	if len(head) == 0 && he.Status == 0 || he.Reason == wire.ReasonShutdown {
		level = logrus.DebugLevel
	}
	reason, detail := string(he.Reason), he.Detail
	if e, ok := errors.AsType[*oldtls.HelloError](he); ok { // an old device that somebody will look for
		level, reason, detail = logrus.WarnLevel, e.Reason(), strings.TrimPrefix(e.Error(), "oldtls: ")
	}
	if !j.log.IsLevelEnabled(level) || !j.fold.pass(reason) {
		return
	}
	j.log.WithFields(logrus.Fields{
		"reason": reason, "client_ip": ipOf(remote), "status": he.Status,
		"version": he.Version.String(), "detail": short(detail), "hint": he.Hint(),
	}).Log(level, "refused")
}

func (j *journal) tolerated(remote string, t draftwire.Tolerances) {
	if key := "tolerated " + t.String(); j.fold.pass(key) {
		j.log.WithFields(logrus.Fields{"tolerance": t.String(), "client_ip": ipOf(remote)}).Warn("a known fault was tolerated")
	}
}

// lines is the journal for those who write lines: net/http, and reports of panics.
func (j *journal) lines() *log.Logger { return log.New(j, "", 0) }

// Write takes the lines of net/http and reports of panics. Both are folded, and become one
// line each whose words are ours: what a peer said stands in a field, where it can end no
// line. Only who begins as the reports do is one; a peer may well say "panic".
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

// stackMost is how much of a stack is logged, in bytes: its top, where the fault is.
const stackMost = 8 << 10

// panicked logs the report of a panic. A peer that found a way to cause one could cause many.
func (j *journal) panicked(text string) {
	if !j.fold.pass("panic") {
		return
	}
	detail, stack, _ := strings.Cut(text, "\ngoroutine ")
	j.log.WithFields(logrus.Fields{"reason": "panic", "detail": short(detail), "stack": cut(stack, stackMost)}).Error("panic")
}

// ending is the close code and reason that err stands for. Where the version
// has no codes an end in order is 1005.
func ending(v draftwire.Version, err error) (draftwire.CloseCode, string) {
	var ce *draftwire.CloseError
	var pe *draftwire.ProtocolError
	switch {
	case errors.As(err, &ce):
		return ce.Code, ce.Reason
	case errors.As(err, &pe):
		return pe.Code, pe.Msg
	case errors.Is(err, draftwire.ErrClosed) && !v.Supports(wire.CapCloseCode):
		return draftwire.CodeNoStatus, ""
	}
	return draftwire.CodeAbnormal, ""
}

// failure is the text of an error that is no end in order.
func failure(err error) string {
	var ce *draftwire.CloseError
	if errors.As(err, &ce) && ce.Code != draftwire.CodeAbnormal || errors.Is(err, draftwire.ErrClosed) {
		return ""
	}
	return short(errorText(err))
}

// redact leaves the query of a target out of the log: it may hold secrets.
func redact(target string) string {
	if path, _, ok := strings.Cut(target, "?"); ok {
		return short(path) + "?..."
	}
	return short(target)
}

const shortMost = 200

// short bounds what a peer may write into a line.
func short(s string) string { return cut(s, shortMost) }

// cut bounds s to n bytes and says where it did.
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
