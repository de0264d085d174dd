package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"unicode/utf8"
)

// encoding is a way to write binary as text. It converts a message part by part.
type encoding struct {
	name string
	// encode appends text for the first n bytes of p. The rest of p is too short to be
	// encoded before more follows. last tells that the message ends with p: then n is
	// all of it.
	encode func(dst, p []byte, last bool) (out []byte, n int)
	// decode is the inverse.
	decode func(dst, p []byte, last bool) (out []byte, n int, err error)
	rest   int // how many bytes of p either may leave, at most
}

var encodings = []*encoding{
	{name: "base64", encode: encodeBase64, decode: decodeBase64, rest: 4},
	{name: "hex", encode: encodeHex, decode: decodeHex, rest: 1},
	{name: "latin1", encode: encodeLatin1, decode: decodeLatin1, rest: utf8.UTFMax - 1},
}

func encodingOf(name string) *encoding {
	for _, e := range encodings {
		if e.name == name {
			return e
		}
	}
	return nil
}

func encodeBase64(dst, p []byte, last bool) ([]byte, int) {
	n := len(p)
	if !last {
		n -= n % 3
	}
	return base64.StdEncoding.AppendEncode(dst, p[:n]), n
}

var errNotBase64 = errors.New("a line end, or padding that is not at the end")

// decodeBase64 refuses line ends, which package base64 would skip. It leaves the last four
// characters until it is known whether the message ends with them: only then they may have
// padding.
func decodeBase64(dst, p []byte, last bool) ([]byte, int, error) {
	n := len(p)
	if !last && n > 0 {
		n = (n - 1) / 4 * 4
	}
	if bytes.ContainsAny(p, "\r\n") || !last && bytes.IndexByte(p[:n], '=') >= 0 {
		return dst, 0, errNotBase64
	}
	dst, err := base64.StdEncoding.Strict().AppendDecode(dst, p[:n])
	return dst, n, err
}

func encodeHex(dst, p []byte, _ bool) ([]byte, int) { return hex.AppendEncode(dst, p), len(p) }

func decodeHex(dst, p []byte, last bool) ([]byte, int, error) {
	n := len(p)
	if !last {
		n -= n % 2
	}
	dst, err := hex.AppendDecode(dst, p[:n])
	return dst, n, err
}

func encodeLatin1(dst, p []byte, _ bool) ([]byte, int) {
	for _, b := range p {
		dst = utf8.AppendRune(dst, rune(b))
	}
	return dst, len(p)
}

var errNotLatin1 = errors.New("a character above U+00FF")

func decodeLatin1(dst, p []byte, last bool) ([]byte, int, error) {
	for i := 0; i < len(p); {
		if !last && !utf8.FullRune(p[i:]) {
			return dst, i, nil
		}
		r, size := utf8.DecodeRune(p[i:])
		if r > 0xFF {
			return dst, i, errNotLatin1
		}
		dst = append(dst, byte(r))
		i += size
	}
	return dst, len(p), nil
}
