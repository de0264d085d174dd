package drafts

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/internal/hixie"
	"github.com/draftwire/draftwire/wire"
)

// Sending is what of a client's conduct its one request does not show: what differs from one
// request to the next, and how it ends a connection.
type Sending struct {
	Keys KeyForm `json:"keys"`
	// Before is the field that a subprotocol stands in front of, in a request that has none here;
	// "" is the end of the head. Join is what stands between several.
	Before string `json:"before,omitempty"`
	Join   string `json:"join"`
	// Apart: the eight bytes of hixie-76 are written by themselves.
	Apart bool `json:"apart,omitempty"`
	// Ends is what it does when its page or program closes, Answers what it does with the
	// server's close. Closing says where that was found.
	Ends    Ending `json:"ends"`
	Answers Ending `json:"answers"`
	Closing Fact   `json:"closing"`
}

// KeyForm says what a client makes its keys of.
type KeyForm uint8

// The forms.
const (
	NoKey       KeyForm = iota // hixie-75
	ChallengeZ                 // two keys and eight bytes, with other characters up to "z"
	Challenge                  // the same, with characters up to "~": hixie-76 4.1 says so
	SixteenLow                 // 16 bytes below 80, in base64
	Sixteen                    // 16 bytes, in base64
	VersionTime                // the number of the version, "-" and the milliseconds since 1970, in base64
)

var keyForms = [...]string{"none", "challenge to z", "challenge", "16 bytes below 80", "16 bytes", "version and time"}

// String returns the form in words.
func (k KeyForm) String() string { return nameOf(keyForms[:], int(k)) }

// MarshalText writes the form in words.
func (k KeyForm) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (k *KeyForm) UnmarshalText(p []byte) (err error) {
	*k, err = parseName[KeyForm](keyForms[:], string(p))
	return err
}

// Ending is a way to end a connection, or to answer an end.
type Ending uint8

// The endings.
const (
	EndsTCP     Ending = iota // ends TCP, and sends no close
	EndsEmpty                 // a close without a code; FF 00 in hixie-76
	EndsNormal                // a close with code 1000
	EndsLike                  // as an answer: a close with the code of the one that it answers
	EndsAtOnce                // as EndsEmpty, and ends TCP without waiting for an answer
	EndsNothing               // as an answer: it does nothing, and waits for the end of TCP
)

var endings = [...]string{"tcp", "empty close", "close 1000", "same close", "empty close and tcp", "nothing"}

// String returns the ending in words.
func (e Ending) String() string { return nameOf(endings[:], int(e)) }

// MarshalText writes the ending in words.
func (e Ending) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (e *Ending) UnmarshalText(p []byte) (err error) {
	*e, err = parseName[Ending](endings[:], string(p))
	return err
}

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return "invalid"
}

func parseName[T ~uint8](names []string, s string) (T, error) {
	if i := slices.Index(names, s); i >= 0 {
		return T(i), nil
	}
	return 0, fmt.Errorf("drafts: %q is not one of %s", s, strings.Join(names, ", "))
}

const likePhantom = "not found; taken to be that of PhantomJS 1.9.8, which has an engine of the same years"

var sendings = map[string]Sending{
	"chrome4":      {Keys: NoKey, Join: " ", Closing: fact(Text, "the version has no close", "hixie-75 6")},
	"safari5.0":    {Keys: NoKey, Join: " ", Closing: fact(Text, "the version has no close", "hixie-75 6")},
	"arduino":      {Keys: NoKey, Join: " ", Closing: fact(Text, "the version has no close", "hixie-75 6")},
	"safari5.1":    {Keys: Challenge, Before: "Cookie", Join: " ", Apart: true, Answers: EndsNothing, Closing: fact(Unverified, likePhantom, "RUN")},
	"ios5":         {Keys: Challenge, Before: "Sec-WebSocket-Key1", Join: " ", Answers: EndsNothing, Closing: fact(Unverified, likePhantom, "RUN")},
	"phantomjs1.9": {Keys: Challenge, Before: "Sec-WebSocket-Key1", Join: " ", Answers: EndsNothing, Closing: fact(Program, "run: it ends TCP without FF 00, and at the server's FF 00 waits for the end of TCP", "RUN")},
	"lgtv2012":     {Keys: Challenge, Before: "Sec-WebSocket-Key1", Join: " ", Answers: EndsNothing, Closing: fact(Unverified, likePhantom, "RUN")},
	"flash": {Keys: ChallengeZ, Join: ",", Ends: EndsAtOnce, Answers: EndsAtOnce,
		Closing: fact(Program, "the source sends FF 00, also as the answer to one, and closes the socket behind it", "WSJS")},
	"firefox6": {Keys: Sixteen, Before: "Sec-WebSocket-Extensions", Join: ", ", Ends: EndsNormal, Answers: EndsLike,
		Closing: fact(Unverified, "general knowledge: its page cannot choose a code, and it sends 1000", "GECKO")},
	"firefox8": {Keys: Sixteen, Before: "Sec-WebSocket-Key", Join: ", ", Ends: EndsNormal, Answers: EndsLike,
		Closing: fact(Unverified, "general knowledge: its page cannot choose a code, and it sends 1000", "GECKO")},
	"chrome14": {Keys: Sixteen, Before: "Sec-WebSocket-Key", Join: ", ", Ends: EndsEmpty, Answers: EndsEmpty,
		Closing: fact(Program, "the source of 2011 begins with a close without a body, and answers with one", "WEBKIT")},
	"ws0.4-hybi08": {Keys: VersionTime, Join: ", ", Ends: EndsNormal, Answers: EndsLike,
		Closing: fact(Program, "run: 1000 where the program names no code", "RUN")},
	"ws0.4": {Keys: VersionTime, Join: ", ", Ends: EndsNormal, Answers: EndsLike,
		Closing: fact(Program, "run: 1000 where the program names no code", "RUN")},
	"phantomjs2.1": {Keys: Sixteen, Before: "Pragma", Join: ", ", Ends: EndsEmpty, Answers: EndsEmpty,
		Closing: fact(Program, "run: a close without a body, also as the answer to one with a code", "RUN")},
	"flash13": {Keys: SixteenLow, Join: ",", Ends: EndsEmpty, Answers: EndsAtOnce,
		Closing: fact(Program, "the source sends a close without a body, and behind an answer closes the socket", "WSJS")},
	"ie10": {Keys: Sixteen, Join: ", ", Ends: EndsNormal, Answers: EndsLike,
		Closing: fact(Unverified, "not found; taken to be what RFC 6455 7.4.1 has for it", "IE10")},
}

// ClientNamed returns the client of that name; ok is false where there is none.
func ClientNamed(name string) (c Client, ok bool) {
	for _, c := range Clients(wire.Unknown) {
		if c.Name == name {
			return c, true
		}
	}
	return Client{}, false
}

// Ask returns the request that the client makes of o, in the pieces in which it sends it. Target,
// host, origin and subprotocols are those of o, and keys are new, of the client's own form. A
// field of o that the client sends too takes the place of its value, and others follow the
// client's. Where o names the origin of its own host, a client whose origin is always the same
// keeps that. It offers the extensions that its request here has. random is the source of keys,
// nil is crypto/rand; its errors are those of Ask.
//
// Ask is what DialOptions.Compose of the root package calls for.
func (c Client) Ask(o *wire.Offer, random io.Reader) ([][]byte, error) {
	if random == nil {
		random = rand.Reader
	}
	a := asking{c: &c, o: o, random: random, rest: slices.Clone(o.Fields)}
	a.line("GET " + o.Target + " HTTP/1.1")
	own := slices.IndexFunc(c.Lines, func(l string) bool { return isProtocol(nameIn(l)) })
	for _, l := range c.Lines[1:] {
		name, value, _ := strings.Cut(l, ":")
		if own < 0 && name == c.Sending.Before {
			a.protocols(protocolField(c.Version))
		}
		if err := a.field(name, strings.TrimPrefix(value, " ")); err != nil {
			return nil, err
		}
	}
	if own < 0 && c.Sending.Before == "" {
		a.protocols(protocolField(c.Version))
	}
	for _, f := range a.rest {
		a.line(f.Name + ": " + f.Value)
	}
	return a.pieces()
}

func nameIn(line string) string {
	name, _, _ := strings.Cut(line, ":")
	return name
}

func isProtocol(name string) bool {
	return name == "Sec-WebSocket-Protocol" || name == "WebSocket-Protocol"
}

func protocolField(v wire.Version) string {
	if v == wire.Hixie75 {
		return "WebSocket-Protocol"
	}
	return "Sec-WebSocket-Protocol"
}

// asking is a request in the making.
type asking struct {
	c      *Client
	o      *wire.Offer
	random io.Reader
	head   []byte
	rest   wire.Fields // of the offer, which the client does not send by itself
}

func (a *asking) line(l string) { a.head = append(append(a.head, l...), "\r\n"...) }

func (a *asking) protocols(name string) {
	if len(a.o.Protocols) > 0 {
		a.line(name + ": " + strings.Join(a.o.Protocols, a.c.Sending.Join))
	}
}

// field writes a field of the client, whose value here is golden.
func (a *asking) field(name, golden string) error {
	value, err := a.value(name, golden)
	switch {
	case err != nil:
		return err
	case isProtocol(name):
		a.protocols(name)
		return nil
	}
	if i := slices.IndexFunc(a.rest, func(f wire.Field) bool { return ascii.EqualFold(f.Name, name) }); i >= 0 {
		value = a.rest[i].Value
		a.rest = slices.Delete(a.rest, i, i+1)
	} else if name == "Cookie" && golden != "" {
		return nil // that of the page on which it was seen
	}
	a.line(name + ": " + value)
	return nil
}

// value returns what the client would send now.
func (a *asking) value(name, golden string) (string, error) {
	switch name {
	case "Host":
		return a.o.Host, nil
	case "Origin", "Sec-WebSocket-Origin":
		return a.origin(name, golden), nil
	case "Sec-WebSocket-Key", "Sec-WebSocket-Key1", "Sec-WebSocket-Key2":
		return a.key()
	}
	return golden, nil
}

// origin returns the origin that the client names.
func (a *asking) origin(name, golden string) string {
	scheme := "http://"
	if a.o.Secure {
		scheme = "https://"
	}
	given := a.o.Origin != "" && a.o.Origin != scheme+a.o.Host
	switch {
	case strings.HasPrefix(a.c.Name, "ws0.4") && (name == "Origin" && a.c.Version == wire.Hybi08 || !given):
		return a.o.Host // its host, without a scheme
	case given:
		return a.o.Origin
	case !strings.Contains(golden, "://"):
		return golden
	}
	return scheme + a.o.Host
}

func (a *asking) key() (string, error) {
	switch a.c.Sending.Keys {
	case Challenge, ChallengeZ:
		for {
			key, _, err := hixie.NewKey(a.random)
			if err != nil || a.c.Sending.Keys == Challenge || !strings.ContainsAny(key, "{|}~") {
				return key, err
			}
		}
	case VersionTime:
		text := a.c.Version.Info().HeaderValue + "-" + strconv.FormatInt(time.Now().UnixMilli(), 10)
		return base64.StdEncoding.EncodeToString([]byte(text)), nil
	}
	var b [16]byte
	_, err := io.ReadFull(a.random, b[:])
	if a.c.Sending.Keys == SixteenLow {
		for i := range b {
			b[i] &= 0x7F
		}
	}
	return base64.StdEncoding.EncodeToString(b[:]), err
}

// pieces ends the head, and makes what follows it.
func (a *asking) pieces() ([][]byte, error) {
	a.line("")
	if a.c.Tail == "" {
		return [][]byte{a.head}, nil
	}
	tail := make([]byte, hex.DecodedLen(len(a.c.Tail)))
	if _, err := io.ReadFull(a.random, tail); err != nil {
		return nil, err
	}
	if a.c.Sending.Apart {
		return [][]byte{a.head, tail}, nil
	}
	return [][]byte{append(a.head, tail...)}, nil
}
