package vectest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// Recording is a vector as a connection on the wire: frames have a handshake of their version
// in front, and requests and answers each other.
type Recording struct {
	Vector  *vectors.Vector
	Version string // of its file: a version's, or an extension's
	Pieces  []Recorded
	Frames  int // the piece that holds the frames of a vector of frames
}

// Recorded are bytes that one side has sent.
type Recorded struct {
	Client bool
	Bytes  []byte
}

// Recordings returns the vectors that are connections, or parts of some.
func Recordings(t testing.TB) (out []Recording) {
	t.Helper()
	files, err := vectors.All()
	if err != nil {
		t.Fatal(err)
	}
	opened := map[string][]Recorded{}
	for _, f := range files {
		for i := range f.Vectors {
			if v := &f.Vectors[i]; v.Kind == vectors.KindHandshake && v.Result == vectors.Valid && len(v.Tolerate) == 0 {
				if opened[f.Version] == nil {
					opened[f.Version] = handshakeOf(v)
				}
			}
		}
	}
	for _, f := range files {
		for i := range f.Vectors {
			v := &f.Vectors[i]
			r := Recording{Vector: v, Version: f.Version}
			switch v.Kind {
			case vectors.KindHandshake:
				r.Pieces = handshakeOf(v)
			case vectors.KindDetect:
				r.Pieces = []Recorded{{true, append(vectors.Latin1(v.Request), v.Tail...)}}
			case vectors.KindResponse:
				r.Pieces = responseOf(f.Version, v)
			case vectors.KindSession:
				for _, s := range v.Steps {
					if s.Event == "" {
						r.Pieces = append(r.Pieces, Recorded{s.From == "client", s.Bytes})
					}
				}
			case vectors.KindFrames, vectors.KindClose:
				version := f.Version
				if version == "rfc7692" || version == "deflate-frame" {
					version = wire.RFC6455.String()
				}
				pieces := opened[version] // in hybi-04 the key of the vector is not that of the handshake
				if pieces == nil {
					t.Fatalf("%s: no handshake of %s", v.ID, version)
				}
				r.Pieces = withExtension(pieces, v.Extension)
				r.Frames = len(r.Pieces)
				p, client := v.Payload(), v.Role == "server"
				if v.Kind == vectors.KindClose {
					p, client = v.Output, v.Role == "client"
				}
				r.Pieces = append(r.Pieces, Recorded{client, p})
			default:
				continue
			}
			out = append(out, r)
		}
	}
	return out
}

// handshakeOf returns both sides of a handshake.
func handshakeOf(v *vectors.Vector) []Recorded {
	out := []Recorded{{true, append(vectors.Latin1(v.Request), v.Tail...)}}
	if v.Response != "" {
		out = append(out, Recorded{false, append(vectors.Latin1(v.Response), v.ResponseTail...)})
	}
	return out
}

// withExtension returns a handshake in which an extension is agreed on.
func withExtension(pieces []Recorded, extension string) []Recorded {
	if extension == "" {
		return append([]Recorded(nil), pieces...)
	}
	out := make([]Recorded, len(pieces))
	for i, p := range pieces {
		said := extension
		if p.Client { // a parameter there is for the server
			said, _, _ = strings.Cut(extension, ";")
		}
		line := []byte("\r\nSec-WebSocket-Extensions: " + said + "\r\n\r\n")
		out[i] = Recorded{p.Client, bytes.Replace(p.Bytes, []byte("\r\n\r\n"), line, 1)}
	}
	return out
}

// responseOf returns the answer of a vector behind the request that its client has sent.
func responseOf(version string, v *vectors.Vector) []Recorded {
	o := v.Offer
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	upgrade, origin, protocol := "websocket", "Origin", "Sec-WebSocket-Protocol"
	list := strings.Join(o.Protocols, ", ")
	number := ""
	if x, err := wire.ParseVersion(version); err == nil {
		number = x.Info().HeaderValue
	}
	switch version {
	case "hixie-75":
		upgrade, protocol, list = "WebSocket", "WebSocket-Protocol", strings.Join(o.Protocols, " ")
	case "hixie-76", "hybi-02":
		upgrade, list = "WebSocket", strings.Join(o.Protocols, " ")
	case "rfc6455":
	default:
		origin = "Sec-WebSocket-Origin"
	}
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nUpgrade: %s\r\nConnection: Upgrade\r\n", o.Target, upgrade)
	line("Host", o.Host)
	line(origin, o.Origin)
	line(protocol, list)
	if version == "hybi-02" {
		line("Sec-WebSocket-Draft", "2")
	}
	line("Sec-WebSocket-Key1", o.Key1)
	line("Sec-WebSocket-Key2", o.Key2)
	line("Sec-WebSocket-Key", o.Key)
	line("Sec-WebSocket-Version", number)
	b.WriteString("\r\n")
	return []Recorded{
		{true, append(vectors.Latin1(b.String()), o.Key3...)},
		{false, append(vectors.Latin1(v.Response), v.ResponseTail...)},
	}
}
