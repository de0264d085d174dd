package hixie

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/draftwire/draftwire/wire"
)

// Sizes of the challenge (hixie-76 5.2).
const (
	Key3Size   = 8  // the bytes that follow the request head
	AnswerSize = 16 // the bytes that follow the response head
)

// Part returns the number that a key hides: its digits, as one decimal number, divided by
// the number of its spaces (hixie-76 5.2 steps 4 to 7). uneven is set, and the number
// rounded down, where the division leaves a remainder, which the document does not allow.
// The error is a *wire.HandshakeError with ReasonChallenge.
func Part(v wire.Version, name, key string) (part uint32, uneven bool, err error) {
	var number uint64
	digits, spaces := 0, uint64(0)
	for i := 0; i < len(key); i++ {
		switch c := key[i]; {
		case c == ' ':
			spaces++
		case c >= '0' && c <= '9':
			digits++
			d := uint64(c - '0')
			if number > (math.MaxUint64-d)/10 {
				return 0, false, wire.NewHandshakeError(v, wire.ReasonChallenge, name+": the digits overflow 64 bits")
			}
			number = number*10 + d
		}
	}
	switch {
	case digits == 0:
		return 0, false, wire.NewHandshakeError(v, wire.ReasonChallenge, name+": no digit")
	case spaces == 0:
		return 0, false, wire.NewHandshakeError(v, wire.ReasonChallenge, name+": no space")
	case number/spaces > math.MaxUint32:
		return 0, false, wire.NewHandshakeError(v, wire.ReasonChallenge, fmt.Sprintf("%s: %d does not fit 32 bits", name, number/spaces))
	}
	return uint32(number / spaces), number%spaces != 0, nil
}

// Digits returns what Part looks at in a key: its digits, in their order, and the number of its
// spaces.
func Digits(key string) (digits string, spaces int) {
	var b []byte
	for i := range len(key) {
		switch c := key[i]; {
		case c == ' ':
			spaces++
		case c >= '0' && c <= '9':
			b = append(b, c)
		}
	}
	return string(b), spaces
}

// Answer returns the 16 bytes that prove that the server has read the challenge (hixie-76
// 5.2 steps 8 and 9). key3 has Key3Size bytes.
func Answer(part1, part2 uint32, key3 []byte) [AnswerSize]byte {
	var b [16]byte
	binary.BigEndian.PutUint32(b[:], part1)
	binary.BigEndian.PutUint32(b[4:], part2)
	copy(b[8:], key3[:Key3Size])
	return md5.Sum(b[:])
}

// NewKey makes a key and the number that it hides (hixie-76 4.1 steps 16 to 22).
func NewKey(rand io.Reader) (key string, part uint32, err error) {
	var r [40]byte
	if _, err := io.ReadFull(rand, r[:]); err != nil {
		return "", 0, err
	}
	spaces := 1 + uint64(r[0])%12
	part = uint32(uint64(binary.BigEndian.Uint32(r[1:])) % (math.MaxUint32/spaces + 1))
	b := strconv.AppendUint(nil, uint64(part)*spaces, 10)
	insert := func(at int, c byte) {
		b = append(b, 0)
		copy(b[at+1:], b[at:])
		b[at] = c
	}
	for i := range 1 + int(r[5])%12 { // 1 to 12 characters that are neither digit nor space
		c := 0x21 + r[6+i]%(0x0F+0x45)
		if c > 0x2F {
			c += 0x3A - 0x30
		}
		insert(int(r[18+i])%(len(b)+1), c)
	}
	for i := range int(spaces) { // anywhere but first and last
		insert(1+int(r[28+i])%(len(b)-1), ' ')
	}
	return string(b), part, nil
}
