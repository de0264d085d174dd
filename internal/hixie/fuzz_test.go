package hixie

import (
	"bytes"
	"errors"
	"math/big"
	"testing"

	"github.com/draftwire/draftwire/internal/seed"
	"github.com/draftwire/draftwire/wire"
)

// hides is the number that a key hides, found with numbers that have no end; ok is false
// where there is none. Digits that do not fit 64 bits are none either.
func hides(key []byte) (n uint64, uneven, ok bool) {
	digits, spaces := "", int64(0)
	for _, c := range key {
		switch {
		case c == ' ':
			spaces++
		case c >= '0' && c <= '9':
			digits += string(rune(c))
		}
	}
	number, ok := new(big.Int).SetString(digits, 10)
	if !ok || spaces == 0 || !number.IsUint64() {
		return 0, false, false
	}
	quotient, rest := number.DivMod(number, big.NewInt(spaces), new(big.Int))
	return quotient.Uint64(), rest.Sign() != 0, quotient.BitLen() <= 32
}

// FuzzPart fuzzes the number that a key hides: only digits and spaces count, and what is
// no number is refused.
func FuzzPart(f *testing.F) {
	for _, s := range []string{"4 @1  46546xW%0l 1 5", "4146546015", "8589934592 x", "99999999999999999999999999 x", "abc def", "", " 0", "\x7f1 ", "1  ", "18446744073709551615 ", "18446744073709551616 ", "4294967295 ", "4294967296 ", "8589934590  x"} {
		seed.Add(f, []byte(s))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		part, uneven, err := Part(wire.Hixie76, "Key1", string(key))
		if n, rest, ok := hides(key); ok != (err == nil) || ok && (n != uint64(part) || rest != uneven) {
			t.Fatalf("%q: %d, %v, but it hides %d: %v", key, part, err, n, ok)
		}
		if err != nil {
			var he *wire.HandshakeError
			if !errors.As(err, &he) || he.Reason != wire.ReasonChallenge || he.Status != 400 || part != 0 {
				t.Fatalf("%q: %d, %v", key, part, err)
			}
		}
	})
}

// FuzzNewKey fuzzes the random numbers of which a client's keys are made: each hides the
// number that it is said to, without a space at its ends.
func FuzzNewKey(f *testing.F) {
	seed.Add(f, make([]byte, 40))
	seed.Add(f, bytes.Repeat([]byte{0xFF}, 40))
	seed.Add(f, []byte("short"))
	seed.Add(f, append([]byte{11, 0, 0, 0, 0}, make([]byte, 35)...))
	f.Fuzz(func(t *testing.T, random []byte) {
		key, part, err := NewKey(bytes.NewReader(random))
		if err != nil {
			if len(random) >= 40 || key != "" {
				t.Fatalf("%x: %q, %v", random, key, err)
			}
			return
		}
		got, _, err := Part(wire.Hixie76, "Key1", key)
		if err != nil || got != part || key[0] == ' ' || key[len(key)-1] == ' ' || len(key) > 40 {
			t.Fatalf("%x: %q hides %d, %v, not %d", random, key, got, err, part)
		}
	})
}
