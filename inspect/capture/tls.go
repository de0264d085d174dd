package capture

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Types of records.
const (
	recordChange    = 20 // ChangeCipherSpec
	recordAlert     = 21
	recordHandshake = 22
	recordData      = 23

	recordHead = 5
	maxRecord  = 1<<14 + 2048 // RFC 5246 6.2.3
)

// Bounds of what a session holds and tries.
const (
	// maxWaiting is how much of a client is held until its server's hello has come, which
	// the capture can have behind it.
	maxWaiting = 256 << 10
	// maxMasters is how many master secrets are kept for sessions that are resumed.
	maxMasters = 4096
	// maxSkipped is how many records may have been lost at once.
	maxSkipped = 4096
	// maxTrials is how many bytes may be decrypted to find out how many records were lost,
	// in a session.
	maxTrials = 64 << 20
	// maxFailed is how many records in a row may not open until a direction is given up.
	maxFailed = 64
	// maxBefore is how much of what comes before a record is kept where it is looked for.
	maxBefore = 80
	// maxEarlyNotes is how many notes wait until a stream is opened.
	maxEarlyNotes = 4
)

// opener has what all sessions of a capture share.
type opener struct {
	keys    []*KeyLog
	rsa     []*rsa.PrivateKey
	limit   int // of held
	held    int
	scratch []byte
	// masters are master secrets by what a client resumes a session with: an id or a
	// ticket, hashed. names are their keys, from the oldest on.
	masters map[[32]byte][]byte
	names   [][32]byte
}

func newOpener(o Options, inFile *KeyLog) *opener {
	return &opener{keys: []*KeyLog{o.Keys, inFile}, rsa: o.RSA, limit: o.MaxHeldTotal, scratch: make([]byte, maxRecord)}
}

// secret returns a secret of a key log, or nil.
func (o *opener) secret(label string, random [32]byte) []byte {
	for _, k := range o.keys {
		if s := k.secret(label, random); s != nil {
			return s
		}
	}
	return nil
}

// remember keeps a master secret for who resumes by this id or ticket.
func (o *opener) remember(by, master []byte) {
	if len(by) == 0 || master == nil {
		return
	}
	name := sha256.Sum256(by)
	if o.masters == nil {
		o.masters = map[[32]byte][]byte{}
	}
	if _, known := o.masters[name]; !known {
		if len(o.names) >= maxMasters {
			delete(o.masters, o.names[0])
			o.names = slices.Delete(o.names, 0, 1)
		}
		o.names = append(o.names, name)
	}
	o.masters[name] = master
}

func (o *opener) remembered(by []byte) []byte {
	if len(by) == 0 {
		return nil
	}
	return o.masters[sha256.Sum256(by)]
}

// session is a connection of TLS. It is the stream that a flow writes to.
type session struct {
	*opener
	conn   Conn
	info   *TLS
	sink   Sink
	stream Stream // once open
	isOpen bool
	dead   bool // nothing more is opened
	at     time.Time
	early  []earlyNote // that wait for a stream
	sides  [2]tlsSide
	good   bool // a record was opened
	bad    bool // a record was not
	trials int

	hello      clientHello
	hasHello   bool
	answer     serverHello
	suite      suite
	master     []byte
	ticket     []byte
	openers    [2]recordOpener // of TLS 1.2 and earlier, until the cipher is changed
	certified  bool            // the server has sent a certificate
	scripting  bool            // the handshake is kept for the extended master secret
	scriptSize int
}

// earlyNote is a note before there is a stream.
type earlyNote struct {
	from Direction
	what string
}

// tlsSide is one direction of a session.
type tlsSide struct {
	buf    []byte // a record that is not whole
	waits  bool   // for the other side's hello
	opener recordOpener
	seq    uint64
	secret []byte   // of opener, in TLS 1.3
	next   [][]byte // the secrets of TLS 1.3 that come after it
	failed int      // records in a row
	gone   bool     // given up
	ended  bool
	off    int64 // of plaintext

	message []byte // of the handshake, not whole
	skip    int    // of a message that is not used
	script  []byte

	seeking bool  // the border of a record is not known
	lost    int64 // bytes since the last record that was opened
}

func newSession(c Conn, sink Sink, o *opener) *session {
	s := &session{opener: o, conn: c, info: new(TLS), sink: sink}
	s.conn.TLS = s.info
	return s
}

// open opens the stream, once what TLS has to say is known. It reports whether the stream takes
// plaintext.
func (s *session) open() bool {
	if s.isOpen {
		return !s.dead
	}
	s.isOpen = true
	if s.info.Err == nil && s.bad && !s.good {
		s.info.Err = ErrBadKey
	}
	if s.stream = s.sink.Open(s.conn); s.stream == nil {
		s.kill()
	}
	for _, n := range s.early {
		s.note(n.from, n.what)
	}
	s.early = nil
	return !s.dead
}

// fail says that the connection cannot be opened, or not any further.
func (s *session) fail(err error) {
	if s.dead {
		return
	}
	s.kill()
	if s.isOpen {
		s.note(FromClient, err.Error())
		return
	}
	s.info.Err = err
	s.open()
}

// kill lets go of all that is held.
func (s *session) kill() {
	s.dead = true
	for i := range s.sides {
		d := &s.sides[i]
		s.setBuf(d, nil)
		s.release(len(d.message))
		d.message = nil
	}
	s.dropScript()
}

// release takes back what was counted for bytes that are held.
func (s *session) release(n int) { s.opener.held -= n }

// room counts n bytes to hold; ok is false if there is no room for them.
func (s *session) room(n int) (ok bool) {
	if s.opener.held+n > s.opener.limit {
		return false
	}
	s.opener.held += n
	return true
}

func (s *session) note(from Direction, what string) {
	if !s.isOpen {
		if len(s.early) < maxEarlyNotes {
			s.early = append(s.early, earlyNote{from, what})
		}
		return
	}
	if n, ok := s.stream.(Noted); ok && !s.sides[from].ended {
		n.Note(s.at, from, s.sides[from].off, what)
	}
}

// Data takes bytes of TCP.
func (s *session) Data(at time.Time, from Direction, _ int64, p []byte) {
	d := &s.sides[from]
	if s.dead || d.ended || d.gone {
		return
	}
	s.at = at
	if len(d.buf) == 0 {
		s.keep(from, s.records(from, p))
		return
	}
	if !s.room(len(p)) {
		s.lose(from, int64(len(d.buf)+len(p)))
		return
	}
	d.buf = append(d.buf, p...)
	s.work(from)
}

// work goes on with what is held of a direction.
func (s *session) work(from Direction) {
	d := &s.sides[from]
	rest := s.records(from, d.buf)
	switch {
	case d.buf == nil || len(rest) == len(d.buf): // nothing is held any more, or nothing was used
	case len(rest) == 0:
		s.setBuf(d, nil)
	default:
		s.release(len(d.buf) - len(rest))
		d.buf = d.buf[:copy(d.buf, rest)]
	}
}

// keep holds the beginning of a record.
func (s *session) keep(from Direction, rest []byte) {
	d := &s.sides[from]
	if len(rest) == 0 || s.dead || d.ended || d.gone {
		return
	}
	if !s.room(len(rest)) {
		s.lose(from, int64(len(rest)))
		return
	}
	d.buf = slices.Clone(rest)
}

func (s *session) setBuf(d *tlsSide, b []byte) {
	s.release(len(d.buf) - len(b))
	d.buf = b
}

// records takes the records that are whole, and returns the rest.
func (s *session) records(from Direction, b []byte) []byte {
	d := &s.sides[from]
	for !s.dead && !d.ended && !d.gone {
		if d.waits {
			if len(b) > maxWaiting {
				s.fail(fmt.Errorf("%w: the server's hello is missing", ErrMidway))
			}
			return b
		}
		if d.seeking {
			n, found := s.seek(from, b)
			b = b[n:]
			if !found {
				return b
			}
			continue
		}
		if len(b) < recordHead {
			return b
		}
		if from == FromClient && !s.hasHello && isOldHello(b) {
			n := 2 + oldSize(b)
			if len(b) < n {
				return b
			}
			s.oldHello(b[2:n])
			b = b[n:]
			continue
		}
		if !isHead(b) {
			s.note(from, "what follows is no record of TLS")
			d.seeking = true
			continue
		}
		n := recordHead + int(b[3])<<8 + int(b[4])
		if len(b) < n {
			return b
		}
		if s.answer.version == 0 && (b[0] == recordChange || b[0] == recordData) {
			if from == FromServer || !s.hasHello {
				s.fail(ErrMidway)
				continue
			}
			d.waits = true // which version is it?
			continue
		}
		s.record(from, b[:recordHead], b[recordHead:n])
		b = b[n:]
	}
	return nil
}

// isHead reports whether a record can begin so.
func isHead(b []byte) bool {
	return b[0] >= recordChange && b[0] <= recordData && b[1] == 3 && b[2] <= 4 && int(b[3])<<8+int(b[4]) <= maxRecord
}

// record takes a record.
func (s *session) record(from Direction, head, body []byte) {
	d := &s.sides[from]
	is13 := s.answer.version == tls.VersionTLS13
	switch {
	case d.opener == nil && d.next == nil:
		s.content(from, head[0], body)
		return
	case is13 && head[0] == recordChange: // means nothing any more (RFC 8446 5)
		return
	case is13 && head[0] == recordAlert: // by a side that has no keys yet
		s.content(from, recordAlert, body)
		return
	}
	kind, plain, ok := s.unseal(d, &sealed{head: head, body: body})
	if ok {
		s.good, d.failed = true, 0
		s.content(from, kind, plain)
		return
	}
	s.notOpened(from, len(head)+len(body))
}

// unseal opens the next record of a direction.
func (s *session) unseal(d *tlsSide, r *sealed) (kind byte, plain []byte, ok bool) {
	if d.opener != nil {
		r.seq = d.seq
		if kind, plain, ok = d.opener.open(r, s.scratch); ok {
			d.seq++
			return kind, plain, true
		}
	}
	// A side of TLS 1.3 may have gone on to its next secret without our seeing it.
	for i, secret := range d.next {
		o := s.suite.newOpener13(secret)
		r.seq = 0
		if kind, plain, ok = o.open(r, s.scratch); ok {
			d.opener, d.secret, d.seq = o, secret, 1
			d.next = d.next[i+1:]
			return kind, plain, true
		}
	}
	return 0, nil, false
}

// notOpened says that a record of n bytes could not be opened.
func (s *session) notOpened(from Direction, n int) {
	d := &s.sides[from]
	s.bad = true
	d.failed++
	switch is13 := s.answer.version == tls.VersionTLS13; {
	case !is13 && !s.good, is13 && !s.good && d.failed > maxFailed:
		s.fail(ErrBadKey)
		return
	case is13 && (d.opener == nil || len(d.next) > 0):
		return // of the handshake, or early data; the key log need not have their keys
	case d.failed > maxFailed:
		s.note(from, "records cannot be opened from here on")
		d.gone = true
		s.setBuf(d, nil)
		return
	}
	s.note(from, "a record cannot be opened")
	s.dropMessage(d)
	d.skip, d.seeking = 0, true
	d.lost = int64(n)
}

// content takes what is in a record.
func (s *session) content(from Direction, kind byte, p []byte) {
	d := &s.sides[from]
	switch kind {
	case recordHandshake:
		s.messages(from, p)
	case recordChange:
		s.change(from)
	case recordAlert:
		s.alert(from, p)
	case recordData:
		switch {
		case d.opener == nil:
			s.note(from, "data that is not encrypted")
		case len(p) > 0:
			if !s.open() {
				return
			}
			off := d.off
			d.off += int64(len(p))
			s.stream.Data(s.at, from, off, p)
		}
	}
}

// change is a ChangeCipherSpec.
func (s *session) change(from Direction) {
	d := &s.sides[from]
	if s.answer.version == tls.VersionTLS13 {
		return
	}
	if s.openers[from] == nil && !s.derive() {
		return
	}
	if from == FromServer && !s.certified {
		s.info.Resumed = true
	}
	d.opener, d.seq = s.openers[from], 0
	s.openers[from] = nil
	s.dropMessage(d)
}

// derive makes the keys of TLS 1.2 and earlier.
func (s *session) derive() bool {
	if s.answer.version == 0 {
		s.fail(ErrMidway)
		return false
	}
	master := s.secret(labelMaster, s.hello.random)
	if master == nil {
		master = s.master // by RSA
	}
	if master == nil && !s.certified {
		if master = s.remembered(s.hello.ticket); master == nil {
			master = s.remembered(s.hello.id)
		}
	}
	if master == nil {
		s.fail(s.noKey())
		return false
	}
	s.master = master
	s.remember(s.answer.id, master)
	s.remember(s.ticket, master)
	s.dropScript()
	s.openers = s.suite.newOpeners(s.answer.version, master, s.hello.random[:], s.answer.random[:], s.answer.macOfText)
	return true
}

// noKey says for what no key is there.
func (s *session) noKey() error {
	if s.suite.rsa && len(s.rsa) > 0 {
		return fmt.Errorf("%w: no private key fits, and the key log has nothing for client random %x", ErrNoKey, s.hello.random)
	}
	return fmt.Errorf("%w: the key log has nothing for client random %x", ErrNoKey, s.hello.random)
}

// begin13 begins with the secrets of TLS 1.3.
func (s *session) begin13() {
	found := false
	for from, labels := range [2][]string{
		FromClient: {labelEarly, labelClientHandshake, labelClientTraffic},
		FromServer: {labelServerHandshake, labelServerTraffic},
	} {
		d := &s.sides[from]
		d.next = [][]byte{} // there are no records in the clear any more, with keys or without
		begins := false
		for _, label := range labels {
			secret := s.secret(label, s.hello.random)
			if len(secret) == s.suite.hash()().Size() && (label != labelEarly || s.hello.early) {
				d.next = append(d.next, secret)
				begins = begins || label == labelClientHandshake || label == labelServerHandshake
				if label == labelEarly {
					s.note(FromClient, "early data, which the server may have refused")
				}
			}
		}
		found = found || len(d.next) > 0
		if begins {
			s.advance(d)
		}
	}
	if !found {
		s.fail(s.noKey())
		return
	}
	for from := range s.sides {
		if d := &s.sides[from]; d.opener == nil && len(d.next) == 0 {
			s.note(Direction(from), "no key for this direction")
			d.gone = true
		}
	}
}

// advance goes on to a side's next secret.
func (s *session) advance(d *tlsSide) {
	d.opener = nil
	if len(d.next) > 0 {
		s.use(d, d.next[0])
		d.next = d.next[1:]
	}
}

func (s *session) use(d *tlsSide, secret []byte) {
	d.opener, d.secret, d.seq = s.suite.newOpener13(secret), secret, 0
	s.dropMessage(d)
}

// alert is an alert (RFC 5246 7.2).
func (s *session) alert(from Direction, p []byte) {
	if len(p) < 2 {
		return
	}
	if p[1] == 0 {
		s.endSide(from, Fin)
		return
	}
	name := alerts[p[1]]
	if name == "" {
		name = fmt.Sprintf("alert %d", p[1])
	}
	fatal := p[0] == 2
	switch {
	case fatal && !s.isOpen && s.sides[FromClient].off+s.sides[FromServer].off == 0:
		s.fail(fmt.Errorf("%w: the %s says %s", ErrAlert, from, name))
	case fatal:
		s.note(from, "fatal alert of TLS: "+name)
	default:
		s.note(from, "warning of TLS: "+name)
	}
}

func (s *session) endSide(from Direction, how End) {
	d := &s.sides[from]
	if d.ended {
		return
	}
	s.open()
	d.ended = true
	s.setBuf(d, nil)
	s.dropMessage(d)
	if s.stream != nil {
		s.stream.End(s.at, from, how)
	}
}

// End takes the end of TCP.
func (s *session) End(at time.Time, from Direction, how End) {
	s.at = at
	if d := &s.sides[from]; !s.dead && !d.ended && (d.waits || s.answer.version == 0 && !s.hasHello) {
		s.fail(fmt.Errorf("%w: the server's hello is missing", ErrMidway))
	}
	s.endSide(from, how)
	if s.sides[from.Other()].ended {
		s.kill()
	}
}

// Gap takes bytes of TCP that are missing.
func (s *session) Gap(at time.Time, from Direction, _, n int64) {
	d := &s.sides[from]
	if s.dead || d.ended || d.gone {
		return
	}
	s.at = at
	if d.waits || s.answer.version == 0 {
		s.fail(ErrMidway)
		return
	}
	s.lose(from, n+int64(len(d.buf)))
}

// lose goes on behind bytes that are lost.
func (s *session) lose(from Direction, n int64) {
	d := &s.sides[from]
	if s.answer.version == 0 {
		s.fail(errors.New("too much was held of other connections"))
		return
	}
	s.setBuf(d, nil)
	s.dropMessage(d)
	d.skip = 0
	d.seeking = true
	d.lost += n
}

// gap hands on that plaintext is missing.
func (s *session) gap(from Direction, n int64) {
	if n <= 0 {
		return
	}
	if !s.open() {
		return
	}
	d := &s.sides[from]
	off := d.off
	d.off += n
	s.stream.Gap(s.at, from, off, n)
}

// seek looks for a record that opens behind bytes that were lost. It returns how many bytes are
// of no use any more, and whether it found one, which it has taken then.
func (s *session) seek(from Direction, b []byte) (used int, found bool) {
	d := &s.sides[from]
	keep := len(b)
	for i := 0; i+recordHead <= len(b); i++ {
		if !isHead(b[i:]) || b[i+2] > 3 {
			continue
		}
		n := i + recordHead + int(b[i+3])<<8 + int(b[i+4])
		if n > len(b) {
			keep = min(keep, i) // it may be one
			continue
		}
		if s.tryAt(from, b, i, n) {
			return n, true
		}
		if s.trials > maxTrials {
			s.note(from, "too much was lost to go on")
			d.gone = true
			return len(b), false
		}
	}
	used = max(0, min(keep, len(b)-recordHead+1)-maxBefore)
	d.lost += int64(used)
	return used, false
}

// tryAt takes the record in b[i:n], if it opens.
func (s *session) tryAt(from Direction, b []byte, i, n int) bool {
	d := &s.sides[from]
	head, body := b[i:i+recordHead], b[i+recordHead:n]
	lost := d.lost + int64(i)
	if d.opener == nil && d.next == nil { // the handshake, in the clear
		if head[0] == recordChange && len(body) == 1 && body[0] == 1 || head[0] == recordHandshake && isMessage(body) {
			d.seeking, d.lost = false, 0
			s.content(from, head[0], body)
			return true
		}
		if s.openers[from] == nil && !s.derive() { // or its end is lost too
			return false
		}
		d.opener = s.openers[from]
		if s.tryWith(from, d.opener, 0, lost, &sealed{head: head, body: body, before: b[max(0, i-maxBefore):i], lost: true, finished: true}) {
			s.openers[from] = nil
			return true
		}
		d.opener = nil
		return false
	}
	if d.opener != nil {
		if s.tryWith(from, d.opener, d.seq, lost, &sealed{head: head, body: body, before: b[max(0, i-maxBefore):i], lost: true}) {
			return true
		}
	}
	for j, secret := range d.next {
		before := *d
		d.opener, d.secret = s.suite.newOpener13(secret), secret
		d.next = d.next[j+1:]
		if s.tryWith(from, d.opener, 0, lost, &sealed{head: head, body: body}) {
			return true
		}
		*d = before
	}
	return false
}

// isMessage reports whether a record of the handshake begins with a whole message.
func isMessage(b []byte) bool {
	return len(b) >= 4 && b[0] <= messageStatus && 4+int(b[1])<<16+int(b[2])<<8+int(b[3]) <= len(b)
}

// tryWith tries how many records there were in the bytes that were lost: the sequence number of
// a record is nowhere in it.
func (s *session) tryWith(from Direction, o recordOpener, seq uint64, lost int64, r *sealed) bool {
	d := &s.sides[from]
	least := int64(o.overhead())
	first := (lost + maxRecord + recordHead - 1) / (maxRecord + recordHead)
	for k := first; k <= first+maxSkipped && k <= max(first, lost/least) && s.trials <= maxTrials; k++ {
		r.seq = seq + uint64(k)
		s.trials += len(r.body)
		if o, ok := o.(*openerRC4); ok {
			r.skip = lost - k*recordHead
			if r.finished {
				r.skip = int64(finishedSize + o.mac.Size())
			}
			s.trials += int(min(r.skip, maxTrials))
		}
		kind, plain, ok := o.open(r, s.scratch)
		if !ok {
			continue
		}
		s.good, d.failed, d.seeking = true, 0, false
		d.seq, d.lost = r.seq+1, 0
		if n := lost - k*least; kind == recordData || d.off > 0 {
			// The plaintext is in the memory that all sessions share, and a gap calls
			// only the stream.
			s.gap(from, n)
		}
		if !s.dead {
			s.content(from, kind, plain)
		}
		return true
	}
	return false
}
