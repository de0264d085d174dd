// Package vectest runs the vectors against a draft, and checks the rules that
// every codec must hold. It is for tests only.
package vectest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/detect"
	"github.com/draftwire/draftwire/internal/deflate"
	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/session"
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// Extensions are the files of extensions, with the framing of RFC 6455.
var Extensions = []string{"rfc7692", "deflate-frame"}

// Run runs every vector of the draft's file, and with RFC 6455 those of the
// extensions.
func Run(t *testing.T, d *wire.Draft) {
	names := []string{d.Version.String()}
	if d.Version == wire.RFC6455 {
		names = append(names, Extensions...)
	}
	var vs []vectors.Vector
	for _, name := range names {
		f, err := vectors.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		vs = append(vs, f.Vectors...)
	}
	ran := map[string]int{}
	for _, v := range vs {
		run := map[string]func(*testing.T, *wire.Draft, *vectors.Vector){
			vectors.KindFrames: frames, vectors.KindHandshake: handshake, vectors.KindResponse: response,
			vectors.KindClose: closing, vectors.KindDetect: func(t *testing.T, d *wire.Draft, v *vectors.Vector) {
				Detect(t, v, map[wire.Version]*wire.Draft{d.Version: d})
			},
		}[v.Kind]
		if run == nil {
			continue // whole connections are run by the root package, extensions by deflate
		}
		ran[v.Kind]++
		t.Run(v.ID, func(t *testing.T) { run(t, d, &v) })
	}
	for _, kind := range []string{vectors.KindFrames, vectors.KindHandshake, vectors.KindClose} {
		if ran[kind] == 0 {
			t.Errorf("no vector of kind %q ran", kind)
		}
	}
}

func roleOf(s string) wire.Role {
	if s == "client" {
		return wire.Client
	}
	return wire.Server
}

// Got is what a stream of bytes came to: its events, messages and controls
// merged as vectors write them, and the fault that ended it.
type Got struct {
	Events []vectors.Event
	Fault  wire.Fault
	EOF    error // of the codec, behind the last byte
}

// Feed feeds pieces to a fresh codec and checks on the way what holds for
// every codec. Data is copied from what is fed, so that the codec may unmask in
// place.
func Feed(t testing.TB, d *wire.Draft, cfg session.Config, pieces ...[]byte) Got {
	t.Helper()
	var got Got
	open := false
	var codec wire.Codec // the session's
	kept := *d
	kept.NewCodec = func(cfg wire.CodecConfig) wire.Codec {
		codec = d.NewCodec(cfg)
		return codec
	}
	s := session.New(&kept, cfg)
	for _, piece := range pieces {
		p := slices.Clone(piece)
		expanded := 0
		for calls := 0; len(p) > 0 || s.Pending(); calls++ {
			if calls > 2*len(piece)+expanded+4 {
				t.Fatalf("no progress: %d calls for %d bytes", calls, len(piece))
			}
			var ev wire.Event
			pending := s.Pending()
			n, err := s.Next(p, &ev)
			if pending && n > 0 {
				t.Fatalf("took %d bytes before the message in hand was given", n)
			}
			if n < 0 || n > len(p) {
				t.Fatalf("took %d of %d bytes", n, len(p))
			}
			if err != nil {
				var pe *wire.ProtocolError
				if !errors.As(err, &pe) || pe.Version != d.Version || pe.Code == 0 || pe.Msg == "" {
					t.Fatalf("error %#v is no complete ProtocolError", err)
				}
				if _, again := s.Next([]byte{0, 0}, &ev); again != err || s.EOF() != err || session.FailureCode(err) != pe.Code {
					t.Fatalf("the error %v does not stick: %v, %v", err, again, s.EOF())
				}
				got.Fault = pe.Fault
				return got
			}
			p = p[n:]
			expanded += len(ev.Data)
			if ev.Op == wire.OpNone {
				if len(p) > 0 && cfg.Deflate == nil { // else a frame was gathered
					t.Fatalf("no event, but %d bytes left", len(p))
				}
				continue
			}
			if ev.Op.IsData() && ev.First == open {
				t.Fatalf("First is %v inside %v", ev.First, open)
			}
			if open && !ev.First && len(got.Events) > 0 && (ev.Op.IsData() || ev.Op == wire.OpDiscard) {
				i := len(got.Events) - 1
				for !got.Events[i].Partial {
					i--
				}
				got.Events[i].Data = append(got.Events[i].Data, ev.Data...)
				got.Events[i].Partial = !ev.Last
				if ev.Last && i < len(got.Events)-1 { // a control came in between
					e := got.Events[i]
					got.Events = append(slices.Delete(got.Events, i, i+1), e)
				}
			} else {
				got.Events = append(got.Events, vectors.Event{Op: ev.Op.String(), Data: append(vectors.Hex{}, ev.Data...),
					Code: int(ev.Code), Partial: !ev.Last})
			}
			if ev.Op.IsData() || ev.Op == wire.OpDiscard {
				open = !ev.Last
			}
		}
		s.ReleaseScratch() // as between two reads
	}
	got.EOF = codec.EOF()
	return got
}

func (g Got) String() string {
	s := ""
	for _, e := range g.Events {
		s += fmt.Sprintf("[%s %d %v %.60x/%d]", e.Op, e.Code, e.Partial, []byte(e.Data), len(e.Data))
	}
	return s + string(g.Fault)
}

// whole returns the events without a message that was cut by bad text: how
// much of it was passed on depends on the pieces that came.
func (g Got) whole() []vectors.Event {
	if g.Fault != wire.FaultText {
		return g.Events
	}
	return slices.DeleteFunc(slices.Clone(g.Events), func(e vectors.Event) bool { return e.Partial })
}

// Equal reports whether two results are the same.
func (g Got) Equal(x Got) bool {
	return g.Fault == x.Fault && slices.EqualFunc(g.whole(), x.whole(), func(a, b vectors.Event) bool {
		return a.Op == b.Op && a.Code == b.Code && a.Partial == b.Partial && bytes.Equal(a.Data, b.Data)
	})
}

// frames feeds the input whole, byte by byte and at every split.
func frames(t *testing.T, d *wire.Draft, v *vectors.Vector) {
	want := Got{Fault: wire.Fault(v.Error)}
	for _, e := range v.Events {
		e.Data = v.Content(&e)
		want.Events = append(want.Events, e)
	}
	in := v.Payload()
	cfg := session.Config{CodecConfig: wire.CodecConfig{Role: roleOf(v.Role), MaskKey: v.ConnectionKey, Tolerate: tolerances(t, v)}, Limit: v.Limit}
	if v.Extension != "" {
		cfg.Deflate = agreed(t, v.Extension)
	}
	check := func(how string, pieces ...[]byte) {
		t.Helper()
		got := Feed(t, d, cfg, pieces...)
		if v.Extension != "" { // what comes of a message before it is whole is not compared
			got.Events = slices.DeleteFunc(got.Events, func(e vectors.Event) bool { return e.Partial })
		}
		if !got.Equal(want) {
			t.Fatalf("%s (%s)\n got %v\nwant %v", v.Comment, how, got, want)
		}
		if want.Fault == "" && (got.EOF != nil) != v.Truncated {
			t.Fatalf("%s (%s): EOF says %v, truncated is %v", v.Comment, how, got.EOF, v.Truncated)
		}
	}
	check("whole", in)
	cuts := len(in)
	if len(in) <= 4096 {
		var single [][]byte
		for i := range in {
			single = append(single, in[i:i+1])
		}
		check("byte by byte", single...)
	} else {
		cuts = 64
	}
	for i := 1; i < cuts; i++ {
		check(fmt.Sprintf("cut at %d", i), in[:i], in[i:])
	}
	if len(in) < 20 {
		for i := range in {
			for j := i; j < len(in); j++ {
				check(fmt.Sprintf("cut at %d and %d", i, j), in[:i], in[i:j], in[j:])
			}
		}
	}
	if want.Fault == "" { // a prefix of a valid stream is no error
		for i := range min(len(in), 512) {
			if got := Feed(t, d, cfg, in[:i]); got.Fault != "" {
				t.Fatalf("the first %d bytes are a fault: %v", i, got)
			}
		}
	}
}

// agreed returns the parameters that an answer's value stands for.
func agreed(t *testing.T, value string) *deflate.Params {
	t.Helper()
	name, rest, _ := strings.Cut(value, ";")
	if name == deflate.PerMessage {
		p, ok := deflate.Accepted([]string{value}, true)
		if !ok {
			t.Fatalf("%q is no answer", value)
		}
		return &p
	}
	// What binds the server stood in the request.
	return &deflate.Params{Name: name, PerFrame: true, ClientNoTake: strings.Contains(rest, "no_context_takeover")}
}

// tolerances returns the faults that a vector wants to be accepted.
func tolerances(t *testing.T, v *vectors.Vector) wire.Tolerances {
	t.Helper()
	tolerate, err := wire.ParseTolerances(strings.Join(v.Tolerate, ","), wire.AllTolerances)
	if err != nil {
		t.Fatal(err)
	}
	return tolerate
}

func parseRequest(t *testing.T, v *vectors.Vector) *wire.Request {
	t.Helper()
	req := &wire.Request{Secure: v.Secure, Tolerate: tolerances(t, v)}
	if err := httphead.ParseRequest(string(vectors.Latin1(v.Request)), req); err != nil {
		t.Fatal(err)
	}
	return req
}

// handshake plays the server of a request.
func handshake(t *testing.T, d *wire.Draft, v *vectors.Vector) {
	if v.Result == vectors.Invalid {
		return // refused by policy, which is the root package's: it runs them all
	}
	req := parseRequest(t, v)
	found, err := detect.Request(req, wire.AllVersions, req.Tolerate)
	if err != nil || found.Version != d.Version || v.Accept.Version != d.Version.String() {
		t.Fatalf("detected %v, %v", found.Version, err)
	}
	var nonce io.Reader
	if v.Server != nil && v.Server.Nonce != nil {
		nonce = bytes.NewReader(v.Server.Nonce)
	}
	hs := d.NewServer(nonce)
	var asked wire.ClientRequest
	if err := hs.ReadRequest(req, &asked); err != nil {
		t.Fatal(err)
	}
	if asked.Origin != v.Accept.Origin {
		t.Errorf("origin %q, want %q", asked.Origin, v.Accept.Origin)
	}
	if p := v.Accept.Protocol; p != "" && !slices.Contains(asked.Protocols, p) {
		t.Errorf("offered %q, want %q among them", asked.Protocols, p)
	}
	acc := wire.Accept{Protocol: v.Accept.Protocol, Location: hixie.Location(req.Secure, req.Host(), req.Path())}
	if v.Accept.Location != "" && acc.Location != v.Accept.Location {
		t.Errorf("location %q, want %q", acc.Location, v.Accept.Location)
	}
	head, body := hs.Head(nil, &acc)
	if !bytes.Equal(acc.MaskKey, v.Accept.ConnectionKey) {
		t.Errorf("connection key %x, want %x", acc.MaskKey, []byte(v.Accept.ConnectionKey))
	}
	if body != found.Body || body != len(v.Tail) && body != 0 {
		t.Errorf("the answer wants %d bytes, detection %d, the vector has %d", body, found.Body, len(v.Tail))
	}
	compareHeads(t, d.Version == wire.Hixie75, head, vectors.Latin1(v.Response))
	if tail := hs.Tail(nil, v.Tail[:body]); !bytes.Equal(tail, v.ResponseTail) {
		t.Errorf("tail %x, want %x", tail, v.ResponseTail)
	}
}

// compareHeads compares byte by byte, or as a status line and a set of fields.
func compareHeads(t *testing.T, exact bool, got, want []byte) {
	t.Helper()
	if exact {
		if !bytes.Equal(got, want) {
			t.Errorf("head\n%q, want\n%q", got, want)
		}
		return
	}
	lines := func(p []byte) []string {
		var out []string
		for _, l := range bytes.Split(p, []byte("\r\n")) {
			out = append(out, string(l))
		}
		slices.Sort(out)
		return out
	}
	if g, w := lines(got), lines(want); !slices.Equal(g, w) {
		t.Errorf("head\n%q, want\n%q", g, w)
	}
}

// response gives a server's answer to a client that made the vector's offer.
func response(t *testing.T, d *wire.Draft, v *vectors.Vector) {
	o := v.Offer
	offer := &wire.Offer{Target: o.Target, Host: o.Host, Secure: o.Secure, Origin: o.Origin, Protocols: o.Protocols}
	tail := []byte(v.ResponseTail)
	var rand io.Reader
	if o.Key != "" {
		nonce, err := base64.StdEncoding.DecodeString(o.Key)
		if err != nil {
			t.Fatal(err)
		}
		rand = bytes.NewReader(nonce)
	}
	client := d.NewClient(rand)
	request, err := client.Head(nil, offer)
	if err != nil {
		t.Fatal(err)
	}
	if o.Key1 != "" { // the client makes its own keys: what is right for them stands for what is right
		own := answerTo(t, d, request, nil, "", "", nil)
		if right := answerTo(t, d, nil, offer, o.Key1, o.Key2, o.Key3); bytes.Equal(tail, right) {
			tail = own
		} else {
			tail = append(bytes.Clone(tail), make([]byte, 16)...)[:16]
		}
	}
	var resp wire.Response
	if err := httphead.ParseResponse(string(vectors.Latin1(v.Response)), &resp); err != nil {
		t.Fatal(err)
	}
	var acc wire.Accept
	body, err := client.Check(&resp, &acc)
	if err == nil {
		err = client.CheckBody(tail[:body])
	}
	if v.Result != vectors.Invalid {
		if err != nil {
			t.Errorf("%s: %v", v.Comment, err)
		}
		if v.Accept != nil && acc.Protocol != v.Accept.Protocol {
			t.Errorf("subprotocol %q, want %q", acc.Protocol, v.Accept.Protocol)
		}
		return
	}
	var he *wire.HandshakeError
	if !errors.As(err, &he) || string(he.Reason) != v.Error {
		t.Errorf("%s: %v, want %s", v.Comment, err, v.Error)
	}
}

// answerTo returns the bytes that a server of the draft sends behind its head,
// for a request as it went or for keys.
func answerTo(t *testing.T, d *wire.Draft, request []byte, o *wire.Offer, key1, key2 string, key3 []byte) []byte {
	t.Helper()
	req := &wire.Request{Fields: wire.Fields{{Name: "Sec-WebSocket-Key1", Value: key1}, {Name: "Sec-WebSocket-Key2", Value: key2}}}
	if request != nil {
		end := httphead.End(request, 0)
		if err := httphead.ParseRequest(string(request[:end]), req); err != nil {
			t.Fatal(err)
		}
		key3 = request[end:]
	}
	hs := d.NewServer(nil)
	if err := hs.ReadRequest(req, &wire.ClientRequest{}); err != nil {
		t.Fatal(err)
	}
	return hs.Tail(nil, key3)
}

// closing checks what is sent for a close code.
func closing(t *testing.T, d *wire.Draft, v *vectors.Vector) {
	s := session.New(d, session.Config{CodecConfig: wire.CodecConfig{Role: roleOf(v.Role), Rand: bytes.NewReader(v.Mask), MaskKey: v.ConnectionKey}})
	got, err := s.AppendClose(nil, wire.CloseCode(v.Code), v.Reason)
	if (err != nil) != (v.Result == vectors.Invalid) || err == nil && !bytes.Equal(got, v.Output) {
		t.Errorf("%s: %x, %v, want %x", v.Comment, got, err, []byte(v.Output))
	}
}

// Detect checks one vector of kind detect. drafts judge what detection leaves
// to them: the challenge of hixie-76.
func Detect(t *testing.T, v *vectors.Vector, drafts map[wire.Version]*wire.Draft) {
	enabled := wire.AllVersions
	if v.Enabled != nil {
		enabled = 0
		for _, name := range v.Enabled {
			x, err := wire.ParseVersion(name)
			if err != nil {
				t.Fatal(err)
			}
			enabled = enabled.With(x)
		}
	}
	req := &wire.Request{Secure: v.Secure, Tolerate: tolerances(t, v)}
	var found detect.Result
	err := httphead.ParseRequest(string(vectors.Latin1(v.Request)), req)
	if err == nil {
		found, err = detect.Request(req, enabled, req.Tolerate)
	}
	if err == nil && drafts[found.Version] != nil {
		err = drafts[found.Version].NewServer(nil).ReadRequest(req, &wire.ClientRequest{})
	}
	if v.Result != vectors.Invalid {
		if err != nil || found.Version.String() != v.Version || found.Body != v.Body || found.Rule == "" {
			t.Errorf("%s: %+v, %v, want %s with %d bytes", v.Comment, found, err, v.Version, v.Body)
		}
		return
	}
	var he *wire.HandshakeError
	if !errors.As(err, &he) {
		t.Fatalf("%s: %+v, %v, want %d %s", v.Comment, found, err, v.Status, v.Reason)
	}
	if he.Status != v.Status || string(he.Reason) != v.Reason || he.Fields.Get("Sec-WebSocket-Version") != v.List {
		t.Errorf("%s: %d %s list %q, want %d %s list %q", v.Comment, he.Status, he.Reason,
			he.Fields.Get("Sec-WebSocket-Version"), v.Status, v.Reason, v.List)
	}
}
