package draftwire

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unsafe"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/intern"
	"github.com/draftwire/draftwire/internal/origin"
	"github.com/draftwire/draftwire/internal/sock"
	"github.com/draftwire/draftwire/wire"
)

// upgrade is a request that may be answered with 101. Its life is admit, complete,
// awaitFrame, connConfig, whether it came by net/http (accept.go) or on a connection of
// a Server (server_handshake.go).
type upgrade struct {
	draft     *row
	hs        wire.ServerHandshake
	url       origin.PublicURL // as the client has it
	open      wire.ClientRequest
	acc       wire.Accept
	policy    Answer                          // of Authorize
	authorize func(*Handshake, *Answer) error // of this request alone; nil is that of the config
	info      *Handshake
	deflate   deflate.Params
	threshold int
	make      uint // of client: intern.Fingerprint
	cfg       connConfig
}

// answer is a 101 on its way.
type answer struct {
	out    []byte // the bytes; the room is used again
	unsent []byte // for send
	// Both are nil for a request that came by net/http.
	send        func(fd uintptr) bool // trySend
	bodyAwaited func()                // called where the bytes behind the head have not come
}

// trySend is called by the runtime with the socket. It takes from unsent what goes at once.
func (a *answer) trySend(fd uintptr) bool {
	a.unsent = a.unsent[sock.WriteSome(fd, a.unsent):]
	return true
}

// admit does all checks on a request and fills u. Their order: version, policy,
// origin, subprotocol, authorisation. Nothing has been sent yet, so each can
// still refuse with a status.
func (c *config) admit(u *upgrade, req *wire.Request, info *Handshake) error {
	if err := c.examine(u, req, info); err != nil {
		return err
	}
	if c.Authorize != nil || u.authorize != nil {
		ask := c.Authorize
		if u.authorize != nil {
			ask = u.authorize
		}
		if err := u.authorized(ask(u.info, &u.policy)); err != nil {
			return err
		}
	}
	c.agree(u)
	return nil
}

// examine does the checks before authorisation.
func (c *config) examine(u *upgrade, req *wire.Request, info *Handshake) error {
	c.locate(u, req, info) // first, as a refusal names the client too
	if err := c.find(u, req, info); err != nil {
		return err
	}
	return c.admitVersion(u, req, info)
}

// agree decides what remains for a request that may be answered.
func (c *config) agree(u *upgrade) {
	c.compress(u, u.open.Extensions)
	if u.info.tolerated != 0 {
		c.Observer.tolerated(u.info.Remote(), u.info.tolerated)
	}
}

// locate finds out which client asks, and by which URL.
//
// noinline: keeps a cold frame off the 2 KiB stack (ARCHITECTURE.md, "Stacks")
//
//go:noinline
func (c *config) locate(u *upgrade, req *wire.Request, info *Handshake) {
	req.Tolerate = c.Tolerate
	peer := ""
	if len(c.TrustForwarded) > 0 {
		peer = info.Remote()
	}
	url, client := origin.Client(c.TrustForwarded, req, peer)
	u.url = url
	if client.IsValid() {
		info.setRemote(client.String(), peer)
	}
}

// find finds out which version the client speaks.
//
// noinline: keeps a cold frame off the 2 KiB stack (ARCHITECTURE.md, "Stacks")
//
//go:noinline
func (c *config) find(u *upgrade, req *wire.Request, info *Handshake) error {
	host := req.Host()
	found, err := detect.Request(req, c.Versions, c.Tolerate)
	if u.url.Host == host {
		u.url.Host = req.Host() // detection may have put it right
	}
	if err == nil {
		info.version, info.rule, info.tolerated = found.Version, found.Rule, req.Tolerated|found.Tolerated
	}
	return err
}

// excuse completes a refusal whose fault can be tolerated: it names all tolerances that the head
// needs, not only the one for the fault that was found first, and none where the head has faults
// that nothing tolerates.
//
// noinline: keeps a cold frame off the 2 KiB stack (ARCHITECTURE.md, "Stacks")
//
//go:noinline
func (c *config) excuse(he *HandshakeError, head string) {
	if he.Tolerance == 0 {
		return
	}
	he.Tolerance = 0 // unless all of it can be tolerated
	req := wire.Request{Tolerate: wire.AllTolerances}
	if httphead.ParseRequest(head, &req) != nil {
		return
	}
	found, err := detect.Request(&req, c.Versions, wire.AllTolerances)
	d, ok := draftOf(found.Version)
	if err != nil || !ok {
		return
	}
	var open wire.ClientRequest
	if d.NewServer(c.Rand).ReadRequest(&req, &open) == nil {
		he.Tolerance = (req.Tolerated | found.Tolerated | open.Tolerated) &^ c.Tolerate
	}
}

// admitVersion does the checks that follow when the version is known.
func (c *config) admitVersion(u *upgrade, req *wire.Request, info *Handshake) error {
	d, ok := draftOf(info.version)
	if !ok { // cannot be: Versions is within Served
		return wire.NewHandshakeError(info.version, wire.ReasonDisabled, "")
	}
	u.draft, u.hs, u.info = d, d.NewServer(c.Rand), info
	u.make = intern.Fingerprint(req.Fields)
	open := &u.open
	if err := u.hs.ReadRequest(req, open); err != nil {
		return err
	}
	info.tolerated |= open.Tolerated
	if open.HasOrigin && !c.allows(open.Origin, u.url.Host) {
		return refuseFor(info.version, wire.ReasonOrigin, "origin %.200q", open.Origin)
	}
	u.acc.Protocol, ok = chooseProtocol(c.Protocols, open.Protocols, open.WholeProtocol)
	if !ok {
		return refuseFor(info.version, wire.ReasonProtocol, "subprotocol %.200q", open.Protocols)
	}
	if c.public.Host != "" {
		u.url = c.public
	}
	if info.version.Supports(wire.CapLocation) {
		u.acc.Location = hixie.Location(u.url.Secure, u.url.Host, req.SentPath())
	}

	info.target, info.host, info.secure = req.Path(), req.Host(), u.url.Secure
	info.origin, info.offered = open.Origin, open.Protocols
	u.policy.Protocol = u.acc.Protocol
	return nil
}

// allows reports whether a page, named by its origin, may connect to host.
func (c *config) allows(page, host string) bool {
	return origin.Allowed(c.Origins, page, host) ||
		len(c.Origins) == 0 && c.public.Host != "" && origin.Allowed(nil, page, c.public.Host)
}

// authorized takes what Authorize has said: its error, and its answer in u.policy.
func (u *upgrade) authorized(err error) error {
	v, a := u.draft.Version, &u.policy
	u.info.value = a.Value
	if err != nil {
		he, ok := errors.AsType[*HandshakeError](err)
		if !ok {
			he = wire.NewHandshakeError(v, wire.ReasonDenied, "")
			he.Err = err
			return he
		}
		own := *he // the caller may return one value to many
		def(&own.Version, v)
		def(&own.Status, http.StatusForbidden)
		def(&own.Reason, wire.ReasonDenied)
		return &own
	}
	u.acc.Protocol, u.acc.Fields = a.Protocol, a.Fields
	for _, f := range a.Fields {
		if !httphead.IsToken(f.Name) || !httphead.IsFieldValue(f.Value) {
			return &HandshakeError{Version: v, Status: 500, Reason: wire.ReasonDenied,
				Detail: fmt.Sprintf("response field %.80q cannot be written", f.Name)}
		}
	}
	return nil
}

// chooseProtocol picks a subprotocol: what to answer, and its name among ours.
// With whole, the client fails unless its one string comes back as it is, so
// the string is answered whole if it, or one of its first members, is one of ours.
func chooseProtocol(ours, offered []string, whole bool) (answer string, ok bool) {
	known := func(p string) bool {
		for _, o := range ours {
			if o == p || o == "*" {
				return true
			}
		}
		return false
	}
	for _, p := range offered {
		if known(p) {
			return p, true
		}
		if whole {
			n := 0
			for m := range strings.FieldsFuncSeq(p, func(r rune) bool { return r == ',' || r == ' ' }) {
				if n++; n > wire.MaxOffers {
					break
				}
				if known(m) {
					return p, true
				}
			}
		}
	}
	return "", len(offered) == 0 || !whole
}

// compress chooses from the compressions that the client offers. All other
// extensions, deflate-stream too, are declined by leaving them out.
func (c *config) compress(u *upgrade, offers []string) {
	how := c.Compression
	if c.CompressionFor != nil {
		how = c.CompressionFor(u.info)
	}
	if how.Mode == CompressNothing || len(offers) == 0 || !u.draft.Version.Supports(wire.CapDeflate) {
		return
	}
	u.acc.Extensions = u.deflate.Answer(offers, how.Takeover)
	u.threshold, u.info.deflate = how.threshold(), u.acc.Extensions
}

// complete sends the answer, made in a, over src and reads the eight bytes of hixie-76.
// The head leaves before they have come: proxies hold them back until they see
// it (hixie-76 5.2; every HTTP proxy since).
func (u *upgrade) complete(src *sock.Reader, a *answer, c *config) error {
	out, body := u.hs.Head(a.out[:0], &u.acc)
	a.out = out
	u.internHeads(c, out)
	if body > 0 && src.Buffered() < body {
		if err := u.awaitBody(src, a, body, &c.Limits); err != nil {
			return err
		}
		out = out[:0]
	}
	a.out = u.hs.Tail(out, src.Peek(body))
	src.Discard(body)
	return u.write(src, a, a.out)
}

// internHeads gives the description its heads, which the connection holds as long as it
// lives. It keeps nothing of out.
func (u *upgrade) internHeads(c *config, out []byte) {
	u.info.protocol = u.acc.Protocol
	h := u.info.rest
	if c.DropHeads || c.heads == nil {
		h.response = intern.Whole(string(out))
		return
	}
	answer := unsafe.String(unsafe.SliceData(out), len(out))
	c.heads.requests.Intern(u.make, h.request.String(), &h.request)
	c.heads.answers.Intern(u.make, answer, &h.response)
}

// awaitBody sends the head and reads the bytes behind the request's.
func (u *upgrade) awaitBody(src *sock.Reader, a *answer, body int, l *Limits) error {
	if err := u.write(src, a, a.out); err != nil {
		return err
	}
	if a.bodyAwaited != nil {
		a.bodyAwaited()
	}
	by := u.info.Began().Add(l.HandshakeTimeout)
	if soon := time.Now().Add(l.Key3Timeout); soon.Before(by) {
		by = soon
	}
	src.Conn().SetReadDeadline(by)
	for src.Buffered() < body {
		if err := src.Fill(l.HeadLimit); err != nil {
			he := wire.NewHandshakeError(u.draft.Version, wire.ReasonKey3, fmt.Sprintf("%d of the eight bytes behind the head came", src.Buffered()))
			he.Err = err
			return he
		}
	}
	src.Conn().SetReadDeadline(time.Time{})
	return nil
}

func (u *upgrade) write(src *sock.Reader, a *answer, p []byte) error {
	if a.send != nil && src.Raw() != nil { // as a connection writes, without telling the runtime
		a.unsent = p
		src.Raw().Write(a.send)
		p = a.unsent
		if len(p) == 0 {
			return nil
		}
	}
	if _, err := src.Conn().Write(p); err != nil {
		return &HandshakeError{Version: u.draft.Version, Reason: wire.ReasonIO, Err: err}
	}
	return nil
}

// firstFrameWait bounds the wait for the frame that tells hybi-01 and hybi-02 from
// hixie-76.
const firstFrameWait = time.Second

// awaitFrame waits for the client's first byte where that decides the version.
func (u *upgrade) awaitFrame(src *sock.Reader, c *config) {
	may := u.draft.mayBe
	other, ok := draftOf(may.version)
	if !ok || !c.Tolerate.Has(may.tolerated) || !c.Versions.Has(other.Version) {
		return
	}
	if src.Buffered() == 0 {
		src.Conn().SetReadDeadline(time.Now().Add(firstFrameWait))
		err := src.Fill(c.Limits.HeadLimit)
		src.Conn().SetReadDeadline(time.Time{})
		if err != nil {
			return // it is silent; the connection will see any other error
		}
	}
	if may.begins(src.Bytes()[0]) {
		u.draft = other
		u.info.version, u.info.rule = other.Version, may.rule
		u.info.tolerated |= may.tolerated
		c.Observer.tolerated(u.info.Remote(), may.tolerated)
	}
}

// connConfig returns what the connection is made of, with settings of the configuration from.
func (u *upgrade) connConfig(src *sock.Reader, from *config, set *settings) *connConfig {
	switch {
	case from.heads != nil:
		kept := &u.info.rest.request
		if from.DropHeads {
			kept = &intern.Head{}
		}
		u.info.own(&from.heads.outlines, kept)
	case from.DropHeads:
		u.info.own(nil, &intern.Head{})
	}
	c := &u.cfg
	c.draft, c.info, c.acc = u.draft, u.info, &u.acc
	c.role, c.src, c.set = wire.Server, src, set
	c.deflate, c.threshold = &u.deflate, u.threshold
	return c
}

// readHead reads until a whole head is there, or one that cannot be read, and returns how
// long that is. The limit holds for the head, in however many parts it comes. What does not
// begin as it must is refused at once: the peer speaks something else, and may say no more.
func readHead(src *sock.Reader, limit int, begins string) (end int, err error) {
	for seen := 0; ; {
		b := src.Bytes()
		if n := min(len(b), len(begins)); string(b[:n]) != begins[:n] {
			return 0, wire.NewHandshakeError(Unknown, wire.ReasonBadResponse, fmt.Sprintf("it begins with %.40q, not with %s", b, begins))
		}
		end = httphead.End(b, seen)
		switch {
		case end > limit, end < 0 && len(b) > limit:
			return 0, sock.ErrLimit
		case end >= 0:
			return end, nil
		case httphead.HasStrayCR(b[bytes.LastIndexByte(b, '\n')+1:]):
			return len(b), nil // the parser says what is wrong
		}
		seen = len(b)
		if err := src.Fill(limit); err != nil {
			return 0, err
		}
	}
}
