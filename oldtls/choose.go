package oldtls

import (
	"crypto/tls"
	"slices"
	"strings"
)

// suite has the properties of a cipher suite for TLS 1.2 or earlier.
type suite struct {
	profile Profile // the strictest profile that has it
	ecdhe   bool    // the key exchange is ECDHE, which is signed; otherwise RSA
	ecdsa   bool
	tls12   bool // only for TLS 1.2
}

var suites = func() map[uint16]suite {
	all := make(map[uint16]suite)
	add := func(list []*tls.CipherSuite, p Profile) {
		for _, c := range list {
			if slices.Contains(c.SupportedVersions, tls.VersionTLS13) {
				continue
			}
			s := suite{profile: p, ecdhe: strings.Contains(c.Name, "_ECDHE_"), ecdsa: strings.Contains(c.Name, "_ECDSA_")}
			s.tls12 = !slices.Contains(c.SupportedVersions, tls.VersionTLS11)
			if strings.Contains(c.Name, "_RC4_") {
				s.profile = Museum
			}
			all[c.ID] = s
		}
	}
	add(tls.CipherSuites(), Modern)
	add(tls.InsecureCipherSuites(), Legacy)
	return all
}()

// suitesOf returns the suites of a profile. Only with signed they include those with a signed
// key exchange.
func suitesOf(p Profile, signed bool) []uint16 {
	var ids []uint16
	for id, s := range suites {
		if s.profile <= p && (signed || !s.ecdhe) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// signatures are the schemes with which Go signs a TLS 1.2 key exchange, by kind of key. SHA-1
// is not among them.
var signatures = map[keyKind][]tls.SignatureScheme{
	keyRSA:     {tls.PKCS1WithSHA256, tls.PKCS1WithSHA384, tls.PKCS1WithSHA512, tls.PSSWithSHA256, tls.PSSWithSHA384},
	keyECDSA:   {tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512},
	keyEd25519: {tls.Ed25519},
}

// knownCurves are the curves that Go supports in TLS 1.2 and earlier.
var knownCurves = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}

// offer is a hello, and the properties by which it is answered.
type offer struct {
	chi     *tls.ClientHelloInfo
	version uint16 // the highest that is known; 0 if that is lower than TLS 1.0
	ecdhe   bool   // it has a curve that Go knows
	sha1    bool   // of signatures on certificates it names only SHA-1 or worse
}

func read(chi *tls.ClientHelloInfo) offer {
	o := offer{chi: chi}
	for _, v := range chi.SupportedVersions {
		if v >= tls.VersionTLS10 && v <= tls.VersionTLS13 { // others are GREASE, or drafts
			o.version = max(o.version, v)
		}
	}
	o.ecdhe = slices.ContainsFunc(chi.SupportedCurves, func(c tls.CurveID) bool { return slices.Contains(knownCurves, c) }) &&
		(len(chi.SupportedPoints) == 0 || slices.Contains(chi.SupportedPoints, 0))
	if len(chi.SignatureSchemes) > 0 {
		o.sha1 = !slices.ContainsFunc(chi.SignatureSchemes, betterThanSHA1)
	}
	return o
}

func betterThanSHA1(s tls.SignatureScheme) bool {
	// The high byte is the hash: 2 is SHA-1, 3 SHA-224, and 4 to 6 are SHA-256 to SHA-512.
	// The schemes from 8 on have no weak hash (RFC 8446 4.2.3).
	return s>>8 >= 4
}

// bare reports whether a hello has neither a name nor curves, as clients before about 2008
// sent it. Such a client may be unable to verify a SHA-256 signature.
func (o *offer) bare() bool {
	return o.version < tls.VersionTLS12 && o.chi.ServerName == "" && len(o.chi.SupportedCurves) == 0
}

// signs reports whether the client can verify a key exchange that is signed with p's key.
func (o *offer) signs(p *pair) bool {
	if !o.ecdhe {
		return false
	}
	if p.kind == keyECDSA && !slices.Contains(o.chi.SupportedCurves, p.curve) {
		return false
	}
	if o.version < tls.VersionTLS12 { // with a fixed hash
		return p.kind != keyEd25519
	}
	// Go does not sign for a TLS 1.2 client that names no schemes.
	return slices.ContainsFunc(signatures[p.kind], func(s tls.SignatureScheme) bool {
		return slices.Contains(o.chi.SignatureSchemes, s)
	})
}

// shares reports whether a profile has a suite with which the pair can answer the hello, in
// TLS 1.2 or earlier.
func (o *offer) shares(p *pair, profile Profile) bool {
	signs := o.signs(p)
	return slices.ContainsFunc(o.chi.CipherSuites, func(id uint16) bool {
		s, ok := suites[id]
		switch {
		case !ok, s.profile > profile, s.tls12 && o.version < tls.VersionTLS12:
			return false
		case s.ecdhe:
			return signs && s.ecdsa == (p.kind != keyRSA)
		}
		return p.kind == keyRSA
	})
}

// choice says how a hello is answered.
type choice struct {
	profile Profile
	signed  bool // suites with a signed key exchange are possible
	pair    *pair
}

// choose returns the strictest profile up to most that can answer a hello, and the certificate
// for it.
func choose(o *offer, pairs []*pair, most Profile) (choice, Miss) {
	switch {
	case o.version == 0:
		return choice{}, MissVersion
	case o.version == tls.VersionTLS13: // never with old settings
		chi := *o.chi
		chi.ServerName = "" // a wrong name does not exclude a certificate
		p := best(o, pairs, most, func(p *pair) bool { return chi.SupportsCertificate(p.tls) == nil })
		if p == nil {
			p = pairs[0] // crypto/tls answers with the right alert
		}
		return choice{Modern, true, p}, 0
	}
	for profile := Modern; profile <= most; profile++ {
		if profile == Modern && o.version < tls.VersionTLS12 {
			continue
		}
		if p := best(o, pairs, most, func(p *pair) bool { return o.shares(p, profile) }); p != nil {
			return choice{profile, o.signs(p), p}, 0
		}
	}
	return choice{}, o.miss(most)
}

// miss returns why no profile up to most can answer the hello.
func (o *offer) miss(most Profile) Miss {
	if most == Modern && o.version < tls.VersionTLS12 {
		return MissVersion
	}
	for _, id := range o.chi.CipherSuites {
		if s, ok := suites[id]; ok && s.profile <= most && (!s.tls12 || o.version == tls.VersionTLS12) {
			return MissCertificate
		}
	}
	return MissSuite
}

// best returns the certificate for a hello, of those for which can holds: by name, then by
// strength, then ECDSA before RSA, then the first. A weak one is preferred for a client that
// says that it knows nothing better, and with Museum for a client that may know nothing
// better.
func best(o *offer, pairs []*pair, most Profile, can func(*pair) bool) *pair {
	named := func(p *pair) bool { return o.chi.ServerName != "" && p.leaf.VerifyHostname(o.chi.ServerName) == nil }
	if !slices.ContainsFunc(pairs, named) { // no name, or an unknown one: use the first certificate's
		named = func(p *pair) bool { return p == pairs[0] || sharesName(p, pairs[0]) }
	}
	weak := o.sha1 || most == Museum && o.bare()
	var found *pair
	rank := -1
	for _, p := range pairs {
		r := 0
		if named(p) {
			r += 4
		}
		if p.weak == weak {
			r += 2
		}
		if p.kind != keyRSA {
			r++
		}
		if r > rank && can(p) {
			found, rank = p, r
		}
	}
	return found
}

// sharesName reports whether two certificates are for the same host.
func sharesName(a, b *pair) bool {
	for _, n := range b.leaf.DNSNames {
		if slices.Contains(a.leaf.DNSNames, n) {
			return true
		}
	}
	for _, ip := range b.leaf.IPAddresses {
		if slices.ContainsFunc(a.leaf.IPAddresses, ip.Equal) {
			return true
		}
	}
	return false
}
