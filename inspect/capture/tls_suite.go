package capture

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rc4"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"
)

// suiteKind is how a cipher suite protects records.
type suiteKind uint8

const (
	suiteRC4 suiteKind = iota + 1
	suiteCBC
	suiteGCM
	suiteChaCha
)

// suite has what is needed to open the records of a cipher suite.
type suite struct {
	kind   suiteKind
	key    int // bytes
	triple bool
	mac    func() hash.Hash // of RC4 and CBC
	sha384 bool             // for the derivation of keys
	rsa    bool             // the key exchange is RSA's
}

var (
	rc4MD5       = suite{kind: suiteRC4, key: 16, mac: md5.New}
	rc4SHA       = suite{kind: suiteRC4, key: 16, mac: sha1.New}
	tripleSHA    = suite{kind: suiteCBC, key: 24, mac: sha1.New, triple: true}
	aes128SHA    = suite{kind: suiteCBC, key: 16, mac: sha1.New}
	aes256SHA    = suite{kind: suiteCBC, key: 32, mac: sha1.New}
	aes128SHA256 = suite{kind: suiteCBC, key: 16, mac: sha256.New}
	aes256SHA256 = suite{kind: suiteCBC, key: 32, mac: sha256.New}
	aes256SHA384 = suite{kind: suiteCBC, key: 32, mac: sha512.New384, sha384: true}
	aes128GCM    = suite{kind: suiteGCM, key: 16}
	aes256GCM    = suite{kind: suiteGCM, key: 32, sha384: true}
	chacha       = suite{kind: suiteChaCha, key: 32}
)

// byRSA returns the suite with the key exchange of RSA.
func (s suite) byRSA() suite {
	s.rsa = true
	return s
}

// suites are those that can be opened, by number. Beside what package oldtls admits these are
// their relatives with DHE, which servers of the time had, and RC4 with MD5.
var suites = map[uint16]suite{
	0x0004: rc4MD5.byRSA(), 0x0005: rc4SHA.byRSA(), 0xc007: rc4SHA, 0xc011: rc4SHA,
	0x000a: tripleSHA.byRSA(), 0x0013: tripleSHA, 0x0016: tripleSHA, 0xc008: tripleSHA, 0xc012: tripleSHA,
	0x002f: aes128SHA.byRSA(), 0x0032: aes128SHA, 0x0033: aes128SHA, 0xc009: aes128SHA, 0xc013: aes128SHA,
	0x0035: aes256SHA.byRSA(), 0x0038: aes256SHA, 0x0039: aes256SHA, 0xc00a: aes256SHA, 0xc014: aes256SHA,
	0x003c: aes128SHA256.byRSA(), 0x0040: aes128SHA256, 0x0067: aes128SHA256, 0xc023: aes128SHA256, 0xc027: aes128SHA256,
	0x003d: aes256SHA256.byRSA(), 0x006a: aes256SHA256, 0x006b: aes256SHA256,
	0xc024: aes256SHA384, 0xc028: aes256SHA384,
	0x009c: aes128GCM.byRSA(), 0x009e: aes128GCM, 0x00a2: aes128GCM, 0xc02b: aes128GCM, 0xc02f: aes128GCM,
	0x009d: aes256GCM.byRSA(), 0x009f: aes256GCM, 0x00a3: aes256GCM, 0xc02c: aes256GCM, 0xc030: aes256GCM,
	0xcca8: chacha, 0xcca9: chacha, 0xccaa: chacha,
	tls.TLS_AES_128_GCM_SHA256: aes128GCM, tls.TLS_AES_256_GCM_SHA384: aes256GCM, tls.TLS_CHACHA20_POLY1305_SHA256: chacha,
}

// hash is the suite's hash for keys, in TLS 1.2 and 1.3.
func (s *suite) hash() func() hash.Hash {
	if s.sha384 {
		return sha512.New384
	}
	return sha256.New
}

// expand is P_hash of RFC 5246 5.
func expand(h func() hash.Hash, secret []byte, seed []byte, n int) []byte {
	mac := hmac.New(h, secret)
	mac.Write(seed)
	a := mac.Sum(nil)
	var out []byte
	for len(out) < n {
		mac.Reset()
		mac.Write(a)
		mac.Write(seed)
		out = mac.Sum(out)
		mac.Reset()
		mac.Write(a)
		a = mac.Sum(nil)
	}
	return out[:n]
}

// prf is the pseudorandom function of a version: RFC 2246 5, RFC 5246 5.
func prf(version uint16, s *suite, secret []byte, label string, seed []byte, n int) []byte {
	seed = append([]byte(label), seed...)
	if version >= tls.VersionTLS12 {
		return expand(s.hash(), secret, seed, n)
	}
	half := (len(secret) + 1) / 2
	out := expand(md5.New, secret[:half], seed, n)
	for i, b := range expand(sha1.New, secret[len(secret)-half:], seed, n) {
		out[i] ^= b
	}
	return out
}

// expandLabel is HKDF-Expand-Label of RFC 8446 7.1, without a context.
func (s *suite) expandLabel(secret []byte, label string, n int) []byte {
	label = "tls13 " + label
	info := append([]byte{byte(n >> 8), byte(n), byte(len(label))}, label...)
	out, err := hkdf.Expand(s.hash(), secret, string(append(info, 0)), n)
	if err != nil { // only if n is far beyond what is asked for here
		panic(err)
	}
	return out
}

// sealed is a record as it is on the wire.
type sealed struct {
	seq  uint64
	head []byte // five bytes
	body []byte
	// before, where something was lost, are the bytes of the stream before the head that
	// are known: TLS 1.0 chains its records.
	before []byte
	lost   bool
	// finished: what was lost is in the clear but for the message that ends the handshake.
	finished bool
	// skip is how many bytes were encrypted since the last record that was opened, and
	// are lost: for RC4.
	skip int64
}

// recordOpener opens the records of one direction. What open returns is in scratch, which has
// room for a whole record. If it fails, the opener is as it was.
type recordOpener interface {
	open(r *sealed, scratch []byte) (kind byte, plain []byte, ok bool)
	// overhead is how many bytes a record has beside its plaintext, at least.
	overhead() int
}

// finishedSize is how long the message is that ends the handshake, before TLS 1.3.
const finishedSize = 4 + 12

// newAEAD returns the cipher of a suite that has one.
func (s *suite) newAEAD(key []byte) cipher.AEAD {
	if s.kind == suiteChaCha {
		a, err := chacha20poly1305.New(key)
		if err != nil {
			panic(err) // the length is that of the table
		}
		return a
	}
	a, err := cipher.NewGCM(newAES(key))
	if err != nil {
		panic(err)
	}
	return a
}

func newAES(key []byte) cipher.Block {
	b, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the length is that of the table
	}
	return b
}

// opener13 opens records of TLS 1.3 (RFC 8446 5.2).
type opener13 struct {
	aead cipher.AEAD
	iv   [12]byte
}

func (s *suite) newOpener13(secret []byte) *opener13 {
	o := &opener13{aead: s.newAEAD(s.expandLabel(secret, "key", s.key))}
	copy(o.iv[:], s.expandLabel(secret, "iv", 12))
	return o
}

func (o *opener13) overhead() int { return recordHead + 1 + 16 }

func (o *opener13) open(r *sealed, scratch []byte) (kind byte, plain []byte, ok bool) {
	if r.head[0] != recordData {
		return 0, nil, false
	}
	nonce := xorSeq(o.iv, r.seq)
	plain, err := o.aead.Open(scratch[:0], nonce[:], r.body, r.head)
	if err != nil {
		return 0, nil, false
	}
	for i := len(plain) - 1; i >= 0; i-- { // zeros are padding
		if plain[i] != 0 {
			return plain[i], plain[:i], true
		}
	}
	return 0, nil, false
}

// xorSeq is the nonce of TLS 1.3 and of ChaCha20.
func xorSeq(iv [12]byte, seq uint64) [12]byte {
	binary.BigEndian.PutUint64(iv[4:], binary.BigEndian.Uint64(iv[4:])^seq)
	return iv
}

// extra is what TLS 1.2 and earlier authenticate beside a record's bytes.
func extra(b []byte, r *sealed, n int) []byte {
	b = binary.BigEndian.AppendUint64(b, r.seq)
	return append(b, r.head[0], r.head[1], r.head[2], byte(n>>8), byte(n))
}

// opener12 opens records of TLS 1.2 with an AEAD (RFC 5288 3, RFC 7905 2).
type opener12 struct {
	aead     cipher.AEAD
	iv       [12]byte
	explicit bool // the last 8 bytes of the nonce are in the record
}

func (o *opener12) overhead() int {
	if o.explicit {
		return recordHead + 8 + 16
	}
	return recordHead + 16
}

func (o *opener12) open(r *sealed, scratch []byte) (kind byte, plain []byte, ok bool) {
	nonce, body := o.iv, r.body
	if o.explicit {
		if len(body) < 8 {
			return 0, nil, false
		}
		copy(nonce[4:], body[:8])
		body = body[8:]
	} else {
		nonce = xorSeq(o.iv, r.seq)
	}
	if len(body) < o.aead.Overhead() {
		return 0, nil, false
	}
	var buf [13]byte
	plain, err := o.aead.Open(scratch[:0], nonce[:], body, extra(buf[:0], r, len(body)-o.aead.Overhead()))
	return r.head[0], plain, err == nil
}

// openerMAC has what RC4 and CBC have in common: a hash over the plaintext.
type openerMAC struct{ mac hash.Hash }

// authentic reports whether the hash of a record is right.
func (o *openerMAC) authentic(r *sealed, text, sum []byte) bool {
	var buf [13]byte
	var got [64]byte
	o.mac.Reset()
	o.mac.Write(extra(buf[:0], r, len(text)))
	o.mac.Write(text)
	return hmac.Equal(o.mac.Sum(got[:0]), sum)
}

// openerRC4 opens records of RC4 (RFC 5246 6.2.3.1), whose key stream goes on from one to the
// next.
type openerRC4 struct {
	openerMAC
	stream rc4.Cipher
}

func (o *openerRC4) overhead() int { return recordHead + o.mac.Size() }

func (o *openerRC4) open(r *sealed, scratch []byte) (kind byte, plain []byte, ok bool) {
	if len(r.body) < o.mac.Size() {
		return 0, nil, false
	}
	stream := o.stream
	for skip := r.skip; skip > 0; {
		n := min(skip, int64(cap(scratch)))
		stream.XORKeyStream(scratch[:n], scratch[:n])
		skip -= n
	}
	text := scratch[:len(r.body)]
	stream.XORKeyStream(text, r.body)
	n := len(text) - o.mac.Size()
	if !o.authentic(r, text[:n], text[n:]) {
		return 0, nil, false
	}
	o.stream = stream
	return r.head[0], text[:n], true
}

// openerCBC opens records of CBC (RFC 5246 6.2.3.2).
type openerCBC struct {
	openerMAC
	block     cipher.Block
	iv        []byte // of the next record, in TLS 1.0; nil: it is in the record
	macOfText bool   // the hash is over what is encrypted (RFC 7366 3)
}

func (o *openerCBC) overhead() int {
	n := recordHead + o.mac.Size() + 1
	if o.iv == nil {
		n += o.block.BlockSize()
	}
	return n
}

func (o *openerCBC) open(r *sealed, scratch []byte) (kind byte, plain []byte, ok bool) {
	size, body := o.block.BlockSize(), r.body
	if o.macOfText {
		n := len(body) - o.mac.Size()
		if n < 0 || !o.authentic(r, body[:n], body[n:]) {
			return 0, nil, false
		}
		body = body[:n]
	}
	iv := o.iv
	switch {
	case iv == nil:
		if len(body) < size {
			return 0, nil, false
		}
		iv, body = body[:size], body[size:]
	case r.lost:
		before := r.before
		if o.macOfText {
			before = before[:max(0, len(before)-o.mac.Size())]
		}
		if len(before) < size {
			return 0, nil, false
		}
		iv = before[len(before)-size:]
	}
	if len(body) == 0 || len(body)%size != 0 {
		return 0, nil, false
	}
	text := scratch[:len(body)]
	cipher.NewCBCDecrypter(o.block, iv).CryptBlocks(text, body)
	plain, ok = o.strip(r, text)
	if ok && o.iv != nil {
		o.iv = append(o.iv[:0], body[len(body)-size:]...)
	}
	return r.head[0], plain, ok
}

// strip removes padding and hash, and checks both.
func (o *openerCBC) strip(r *sealed, text []byte) ([]byte, bool) {
	pad := int(text[len(text)-1])
	n := len(text) - 1 - pad
	if n < 0 {
		return nil, false
	}
	for _, b := range text[n:] {
		if int(b) != pad {
			return nil, false
		}
	}
	if o.macOfText {
		return text[:n], true
	}
	n -= o.mac.Size()
	if n < 0 || !o.authentic(r, text[:n], text[n:n+o.mac.Size()]) {
		return nil, false
	}
	return text[:n], true
}

// newOpeners returns what opens the records of both directions in TLS 1.2 and earlier, from the
// master secret (RFC 5246 6.3).
func (s *suite) newOpeners(version uint16, master, clientRandom, serverRandom []byte, macOfText bool) (openers [2]recordOpener) {
	macLen, ivLen := 0, 0
	if s.mac != nil {
		macLen = s.mac().Size()
	}
	switch s.kind {
	case suiteCBC:
		ivLen = aes.BlockSize
		if s.triple {
			ivLen = des.BlockSize
		}
	case suiteGCM:
		ivLen = 4
	case suiteChaCha:
		ivLen = 12
	}
	keys := prf(version, s, master, "key expansion", append(append([]byte(nil), serverRandom...), clientRandom...), 2*(macLen+s.key+ivLen))
	cut := func(n int) (parts [2][]byte) {
		parts[0], parts[1] = keys[:n], keys[n:2*n]
		keys = keys[2*n:]
		return parts
	}
	macs, ciphers, ivs := cut(macLen), cut(s.key), cut(ivLen)
	for i := range openers {
		openers[i] = s.newOpener(version, macs[i], ciphers[i], ivs[i], macOfText)
	}
	return openers
}

func (s *suite) newOpener(version uint16, mac, key, iv []byte, macOfText bool) recordOpener {
	switch s.kind {
	case suiteRC4:
		c, err := rc4.NewCipher(key)
		if err != nil {
			panic(err) // the length is that of the table
		}
		return &openerRC4{openerMAC{hmac.New(s.mac, mac)}, *c}
	case suiteCBC:
		o := &openerCBC{openerMAC: openerMAC{hmac.New(s.mac, mac)}, macOfText: macOfText}
		if !s.triple {
			o.block = newAES(key)
		} else if b, err := des.NewTripleDESCipher(key); err == nil {
			o.block = b
		} else {
			panic(err)
		}
		if version == tls.VersionTLS10 {
			o.iv = iv
		}
		return o
	}
	o := &opener12{aead: s.newAEAD(key), explicit: s.kind == suiteGCM}
	copy(o.iv[:], iv)
	return o
}
