package drafts

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/hixie75"
	"github.com/draftwire/draftwire/hixie76"
	"github.com/draftwire/draftwire/hybi02"
	"github.com/draftwire/draftwire/hybi04"
	"github.com/draftwire/draftwire/hybi05"
	"github.com/draftwire/draftwire/hybi07"
	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/hybi"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// implementations are what answers the exchanges.
var implementations = []*wire.Draft{
	&hixie75.Draft, &hixie76.Draft, &hybi02.Draft, &hybi04.Draft, &hybi05.Draft, &hybi05.Draft06,
	&hybi07.Draft, &hybi07.Draft08, &rfc6455.Draft,
}

func implementation(v wire.Version) *wire.Draft {
	for _, d := range implementations {
		if d.Version == v {
			return d
		}
	}
	return nil
}

// Exchange is a connection, or a part of one, byte by byte. Its bytes are those of a vector;
// what they mean, and the arithmetic, is what the code of the version makes of them.
type Exchange struct {
	Vector  string `json:"vector"`  // its id
	Section string `json:"section"` // where the rule that it tests stands
	Comment string `json:"comment"`
	Moves   []Move `json:"moves"`
}

// The kinds of moves.
const (
	MoveRequest = "request"
	MoveBody    = "eight bytes" // behind the request
	MoveAnswer  = "answer"
	MoveProof   = "proof" // behind the answer
	MoveFrame   = "frame"
	MoveEnd     = "end" // of the stream
)

// Move is what one side sends.
type Move struct {
	From  string      `json:"from"` // "client" or "server"
	Kind  string      `json:"kind"`
	Bytes vectors.Hex `json:"bytes,omitzero"`
	Text  string      `json:"text,omitempty"`  // of a head
	Parts []Part      `json:"parts,omitempty"` // of a frame
	Sums  []string    `json:"sums,omitempty"`  // the arithmetic, a line each
}

// Part is a part of a frame.
type Part struct {
	Bytes vectors.Hex `json:"bytes"`
	Clear vectors.Hex `json:"clear,omitzero"` // without the mask, where there is one
	Means string      `json:"means"`
}

// NewExchange returns an example of a version: the vector of a whole connection whose server
// echoes a message. It fails if the version's code answers other bytes than the vector has.
func NewExchange(v wire.Version) (*Exchange, error) {
	x, err := vector(v.String(), func(x *vectors.Vector) bool { return x.Kind == vectors.KindSession })
	if err != nil {
		return nil, err
	}
	p := player{draft: implementation(v), nonce: serverNonce(x)}
	e := &Exchange{Vector: x.ID, Section: x.Section, Comment: x.Comment}
	if e.Moves, err = p.play(x.Steps); err != nil {
		return nil, fmt.Errorf("drafts: %s: %w", x.ID, err)
	}
	return e, nil
}

// vector is the first one of a file that is wanted.
func vector(file string, wanted func(*vectors.Vector) bool) (*vectors.Vector, error) {
	files, err := corpus()
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if f.Version != file {
			continue
		}
		for i := range f.Vectors {
			if wanted(&f.Vectors[i]) {
				return &f.Vectors[i], nil
			}
		}
	}
	return nil, fmt.Errorf("drafts: %s has no such vector", file)
}

func serverNonce(x *vectors.Vector) []byte {
	if x.Server == nil {
		return nil
	}
	return x.Server.Nonce
}

// player plays an exchange through the code of its version.
type player struct {
	draft *wire.Draft
	nonce []byte

	req     wire.Request
	server  wire.ServerHandshake
	head    []byte // the answer to come
	maskKey []byte
	body    int // bytes of a body that are to come from the client
	key3    []byte
	opened  bool
}

func (p *player) play(steps []vectors.Step) (moves []Move, err error) {
	for _, s := range steps {
		var made []Move
		switch {
		case s.Event != "":
			made = []Move{{From: s.From, Kind: MoveEnd}}
		case s.From == "client" && p.server == nil:
			made, err = p.request(s.Bytes)
		case s.From == "client" && !p.opened:
			p.key3 = s.Bytes
			made = []Move{{From: s.From, Kind: MoveBody, Bytes: s.Bytes}}
		case s.From == "server" && !p.opened:
			made, err = p.answer(s.Bytes)
		default:
			made, err = p.frame(s.From, s.Bytes)
		}
		if err != nil {
			return nil, err
		}
		moves = append(moves, made...)
	}
	return moves, nil
}

// request reads a request, and lets the version's code answer it.
func (p *player) request(b []byte) (moves []Move, err error) {
	end := httphead.End(b, 0)
	if end < 0 {
		return nil, errors.New("a request without end")
	}
	if err := httphead.ParseRequest(string(b[:end]), &p.req); err != nil {
		return nil, err
	}
	found, err := detect.Request(&p.req, wire.AllVersions, 0)
	if err != nil {
		return nil, err
	}
	if found.Version != p.draft.Version {
		return nil, fmt.Errorf("the request is of %s", found.Version)
	}
	p.server = p.draft.NewServer(bytes.NewReader(p.nonce))
	var asked wire.ClientRequest
	if err := p.server.ReadRequest(&p.req, &asked); err != nil {
		return nil, err
	}
	acc := wire.Accept{Location: hixie.Location(p.req.Secure, p.req.Host(), p.req.Path())}
	p.head, p.body = p.server.Head(nil, &acc)
	p.maskKey = acc.MaskKey
	moves = []Move{{From: "client", Kind: MoveRequest, Bytes: b[:end], Text: latin1(b[:end]), Sums: []string{"it is " + found.Version.String() + " by: " + found.Rule}}}
	if rest := b[end:]; len(rest) > 0 {
		p.key3 = rest
		moves = append(moves, Move{From: "client", Kind: MoveBody, Bytes: rest})
	}
	return moves, nil
}

// answer compares what the version's code answers with what the vector has.
func (p *player) answer(b []byte) (moves []Move, err error) {
	if len(p.head) > 0 {
		if !bytes.HasPrefix(b, p.head) {
			return nil, fmt.Errorf("the answer is %q, not %q", p.head, b)
		}
		n := len(p.head)
		moves = []Move{{From: "server", Kind: MoveAnswer, Bytes: b[:n], Text: latin1(b[:n]), Sums: p.acceptSums()}}
		b, p.head = b[n:], nil
	}
	if p.body > 0 && len(b) > 0 {
		proof := p.server.Tail(nil, p.key3)
		if !bytes.Equal(b, proof) {
			return nil, fmt.Errorf("the proof is %x, not %x", proof, b)
		}
		moves = append(moves, Move{From: "server", Kind: MoveProof, Bytes: b, Sums: p.challengeSums()})
		b, p.body = nil, 0
	}
	p.opened = p.body == 0
	if len(b) > 0 {
		return nil, fmt.Errorf("%x follows the answer", b)
	}
	return moves, nil
}

// acceptGUID and maskGUID are the constants of the handshake, which package hybi has for
// itself: a test holds them to its results.
const (
	acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	maskGUID   = "61AC5F19-FBBA-4540-B96F-6561F1AB40A8"
)

// acceptSums is how Sec-WebSocket-Accept, and the key of hybi-04's masks, come about.
func (p *player) acceptSums() (sums []string) {
	key := p.req.Fields.Get("Sec-WebSocket-Key")
	if key == "" {
		return nil
	}
	accept := hybi.AppendAccept(nil, key)
	sum, _ := base64.StdEncoding.DecodeString(string(accept)) // it has just been encoded
	sums = append(sums,
		fmt.Sprintf("SHA-1 of %q and %q", key, acceptGUID),
		fmt.Sprintf("is %s,", spaced(sum)),
		fmt.Sprintf("in base64 %s: Sec-WebSocket-Accept", accept))
	if p.maskKey != nil {
		sums = append(sums,
			fmt.Sprintf("SHA-1 of %q, %q and %q", key, base64.StdEncoding.EncodeToString(p.nonce), maskGUID),
			fmt.Sprintf("is %s: the connection's key", spaced(p.maskKey)))
	}
	return sums
}

// challengeSums is how the 16 bytes of hixie-76 come about.
func (p *player) challengeSums() (sums []string) {
	var parts [2]uint32
	for i := range parts {
		name := fmt.Sprintf("Sec-WebSocket-Key%d", i+1)
		key := p.req.Fields.Get(name)
		part, _, err := hixie.Part(p.draft.Version, name, key)
		if err != nil { // the version's code has read it before
			panic(err)
		}
		parts[i] = part
		digits := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, key)
		sums = append(sums, fmt.Sprintf("Key%d: digits %s, spaces %d: %[2]s / %[3]d = %[4]d, in four bytes %[5]s",
			i+1, digits, strings.Count(key, " "), part, spaced(binary.BigEndian.AppendUint32(nil, part))))
	}
	proof := hixie.Answer(parts[0], parts[1], p.key3)
	return append(sums,
		"the eight bytes: "+spaced(p.key3),
		fmt.Sprintf("MD5 of these 16 bytes is %s", spaced(proof[:])))
}

// frame lets the version's code read a frame, and takes it apart.
func (p *player) frame(from string, b []byte) ([]Move, error) {
	role, read := wire.Server, false
	if from == "server" {
		role = wire.Client
	}
	var f wire.Frame
	s := session.New(p.draft, session.Config{CodecConfig: wire.CodecConfig{Role: role, MaskKey: p.maskKey}})
	s.TraceFrames(len(b), func(x *wire.Frame) {
		f, read = *x, true
		f.Head, f.Payload = bytes.Clone(x.Head), bytes.Clone(x.Payload)
	})
	var ev wire.Event
	if n, err := s.Next(bytes.Clone(b), &ev); err != nil || n != len(b) || !read && ev.Op != wire.OpNone {
		return nil, fmt.Errorf("%x is not one frame: %d bytes, %v", b, n, err)
	}
	m := Move{From: from, Kind: MoveFrame, Bytes: b}
	switch {
	case p.draft.Version <= wire.Hixie76:
		m.Parts = hixieParts(b, &f)
	default:
		m.Parts, m.Sums = p.hybiParts(b, &f)
	}
	return []Move{m}, nil
}

func hixieParts(b []byte, f *wire.Frame) []Part {
	if f.Type&0x80 != 0 {
		return []Part{{Bytes: b[:1], Means: "type FF"}, {Bytes: b[1:], Means: "length 0: with FF it is the close"}}
	}
	return []Part{
		{Bytes: b[:1], Means: "type 00: text follows"},
		{Bytes: b[1 : len(b)-1], Means: fmt.Sprintf("%q in UTF-8", f.Payload)},
		{Bytes: b[len(b)-1:], Means: "the end of the text"},
	}
}

// hybiParts takes a frame of hybi-02 or later apart, and the masks off.
func (p *player) hybiParts(b []byte, f *wire.Frame) (parts []Part, sums []string) {
	clear := bytes.Clone(b)
	v := p.draft.Version
	masked := f.Masked
	prefix := 0
	if masked && v < wire.Hybi07 {
		prefix = 4
		sums = p.unmaskWhole(clear)
	}
	part := func(from, to int, means string) {
		x := Part{Bytes: b[from:to], Means: means}
		if !bytes.Equal(b[from:to], clear[from:to]) {
			x.Clear = clear[from:to]
		}
		parts = append(parts, x)
	}
	switch {
	case prefix > 0 && v == wire.Hybi04:
		part(0, prefix, "the frame's nonce")
	case prefix > 0:
		part(0, prefix, "the mask")
	}
	at := prefix + 2
	if masked && prefix == 0 {
		at += 4
		sums = append(sums, xorLine(b[at:], b[at-4:at], f.Payload))
		copy(clear[at:], f.Payload)
	}
	part(prefix, prefix+1, firstByte(v, f))
	part(prefix+1, prefix+2, secondByte(v, clear[prefix+1]))
	if masked && prefix == 0 {
		part(at-4, at, "the mask")
	}
	if at < len(b) {
		part(at, len(b), payloadMeans(f.Op, clear[at:]))
	}
	return parts, sums
}

// unmaskWhole takes off a mask that hides the head too: all but the first four bytes of
// clear.
func (p *player) unmaskWhole(clear []byte) []string {
	prefix, rest := clear[:4], clear[4:]
	was := bytes.Clone(rest)
	if p.draft.Version != wire.Hybi04 {
		hybi.Mask(rest, [4]byte(prefix), 0)
		return []string{xorLine(was, prefix, rest)}
	}
	key := hybi.FrameKey(prefix, p.maskKey)
	for i := range rest {
		rest[i] ^= key[i%sha1.Size]
	}
	return []string{
		"SHA-1 of the nonce and of the connection's key",
		fmt.Sprintf("is %s: the frame's key", spaced(key[:])),
		xorLine(was, key[:], rest),
	}
}

// xorLine is the line that takes a mask off.
func xorLine(masked, mask, clear []byte) string {
	used := make([]byte, len(masked))
	for i := range used {
		used[i] = mask[i%len(mask)]
	}
	return fmt.Sprintf("%s xor %s = %s", spaced(masked), spaced(used), spaced(clear))
}

func firstByte(v wire.Version, f *wire.Frame) string {
	bits := "FIN"
	switch {
	case v == wire.Hybi02:
		bits = "no MORE" // the last frame of its message
	case !f.Fin:
		bits = "no FIN"
	}
	if f.RSV()&4 != 0 {
		bits += ", RSV1"
	}
	return fmt.Sprintf("%s, opcode %X: %s", bits, f.Opcode(), f.Op)
}

func secondByte(v wire.Version, b byte) string {
	length := fmt.Sprintf("length %d", b&0x7F)
	if v >= wire.Hybi07 && b&0x80 != 0 {
		return "MASK, " + length
	}
	return length
}

// payloadMeans says what a payload is.
func payloadMeans(op wire.Op, p []byte) string {
	switch {
	case op == wire.OpClose && len(p) >= 2:
		return strings.TrimSpace(fmt.Sprintf("code %d %s", binary.BigEndian.Uint16(p), p[2:]))
	case op == wire.OpClose:
		return fmt.Sprintf("the letter %s", p)
	}
	return fmt.Sprintf("%q", p)
}

// NewCompressed returns the frame of RFC 7692's first example, as a client sends it.
func NewCompressed() (*Exchange, error) {
	const id = "pmd-server-text"
	x, err := vector("rfc7692", func(x *vectors.Vector) bool { return x.ID == id })
	if err != nil {
		return nil, err
	}
	m, err := compressedFrame(x.Input)
	if err != nil {
		return nil, fmt.Errorf("drafts: %s: %w", id, err)
	}
	return &Exchange{Vector: x.ID, Section: x.Section, Comment: x.Comment, Moves: []Move{m}}, nil
}

func compressedFrame(b []byte) (Move, error) {
	s := session.New(&rfc6455.Draft, session.Config{Deflate: &deflate.Params{Name: deflate.PerMessage}})
	var f wire.Frame
	s.TraceFrames(len(b), func(x *wire.Frame) {
		f = *x
		f.Payload = bytes.Clone(x.Payload)
	})
	p := player{draft: &rfc6455.Draft}
	in := bytes.Clone(b)
	var ev wire.Event
	for ev.Op == wire.OpNone {
		n, err := s.Next(in, &ev)
		if err != nil {
			return Move{}, err
		}
		if n == 0 && ev.Op == wire.OpNone {
			return Move{}, errors.New("no message in it")
		}
		in = in[n:]
	}
	m := Move{From: "client", Kind: MoveFrame, Bytes: b}
	m.Parts, m.Sums = p.hybiParts(b, &f)
	m.Parts[len(m.Parts)-1].Means = "compressed"
	m.Sums = append(m.Sums, fmt.Sprintf("with 00 00 ff ff behind it DEFLATE makes %q of that", ev.Data))
	return m, nil
}

// spaced is bytes as people write them.
func spaced(b []byte) string {
	var out strings.Builder
	for i := range b {
		if i > 0 {
			out.WriteByte(' ')
		}
		out.WriteString(hex.EncodeToString(b[i : i+1]))
	}
	return out.String()
}

// latin1 is the text of bytes that are one character each.
func latin1(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

// Text writes an exchange for people, in lines of up to some 100 characters.
func (e Exchange) Text() string {
	var b strings.Builder
	for _, m := range e.Moves {
		m.writeTo(&b)
	}
	return b.String()
}

func (m *Move) writeTo(b *strings.Builder) {
	switch m.Kind {
	case MoveRequest, MoveAnswer:
		fmt.Fprintf(b, "%s, %s:\n", m.From, m.Kind)
		for line := range strings.SplitSeq(strings.TrimRight(m.Text, "\r\n"), "\r\n") {
			fmt.Fprintf(b, "    %s\n", line)
		}
	case MoveEnd:
		fmt.Fprintf(b, "%s, %s of its stream\n", m.From, m.Kind)
	default:
		fmt.Fprintf(b, "%s, %s: %s\n", m.From, m.Kind, spaced(m.Bytes))
	}
	for _, p := range m.Parts {
		fmt.Fprintf(b, "    %s\n", meaning(p))
	}
	for _, s := range m.Sums {
		fmt.Fprintf(b, "  ~ %s\n", s)
	}
}
