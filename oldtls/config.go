package oldtls

import (
	"crypto/tls"
	"errors"
	"slices"
)

// Options are what a server's TLS configuration is made of.
type Options struct {
	// Profile says how old a client may be. Default Modern.
	Profile Profile
	// Certificates are what the server can show; at least one. Old clients need
	// one with an RSA key. A hello with a name gets a certificate for that name; one
	// without, or with a name that no certificate has, gets the first or another one
	// for the first's names. Of these an ECDSA key is preferred where the client can
	// verify it. A chain that is signed with SHA-1, or has an RSA key below 2048
	// bits, is for clients that say they know nothing better, for clients that
	// nothing else fits, and with Museum for hellos that have neither name nor curves.
	Certificates []*Certificate
	// Seen, if not nil, is told of each handshake once its settings are agreed on.
	// It is called from the handshake and must not block.
	Seen func(Hello)
	// Base is what else the configuration has, for example ClientAuth, NextProtos
	// or KeyLogWriter; nil is nothing. What is set in the result of Config later
	// does not hold for hellos that are answered with old settings, so set here
	// whatever keeps clients out.
	Base *tls.Config
}

// Config returns a server's configuration for a profile and certificates, without
// anything else: see Options.
func Config(p Profile, certs []*Certificate) (*tls.Config, error) {
	return Options{Profile: p, Certificates: certs}.Config()
}

// server answers hellos.
type server struct {
	profile Profile
	certs   []*Certificate
	seen    func(Hello)
	old     [numProfiles][2]*tls.Config // by profile and choice.signed
}

// Config returns the server's configuration. It answers modern hellos; for the
// others it has a GetConfigForClient that hands out old settings. A hello that
// shares nothing with the server makes the handshake return a *HelloError.
func (o Options) Config() (*tls.Config, error) {
	base := o.Base
	if base == nil {
		base = new(tls.Config)
	}
	switch {
	case o.Profile >= numProfiles:
		return nil, errors.New("oldtls: there is no " + o.Profile.String())
	case len(o.Certificates) == 0 || slices.Contains(o.Certificates, nil):
		return nil, errors.New("oldtls: no certificate")
	case base.GetConfigForClient != nil || base.GetCertificate != nil || len(base.Certificates) > 0:
		return nil, errors.New("oldtls: certificates, and the choice between them, belong into the options and not into their base")
	}
	s := &server{profile: o.Profile, certs: slices.Clone(o.Certificates), seen: o.Seen}
	modern := s.derive(base, Modern)
	modern.GetConfigForClient = s.configFor
	if modern.MinVersion == 0 {
		modern.MinVersion = tls.VersionTLS12 // whatever GODEBUG says
	}
	if modern.CipherSuites == nil {
		modern.CipherSuites = suitesOf(Modern, true)
	}
	for p := Legacy; p <= o.Profile; p++ {
		for i, signed := range []bool{false, true} {
			c := s.derive(base, p)
			// There is no MaxVersion on purpose: with one of TLS 1.2 the handshake
			// would lose the marks that tell a client that it was pushed down.
			c.MinVersion, c.CipherSuites = tls.VersionTLS10, suitesOf(p, signed)
			// HTTP/2 forbids these suites (RFC 9113 9.2.2).
			c.NextProtos = slices.DeleteFunc(slices.Clone(c.NextProtos), func(n string) bool { return n == "h2" })
			s.old[p][i] = c
		}
	}
	return modern, nil
}

// derive returns the base with our choice of certificates, and with what tells
// Seen.
func (s *server) derive(base *tls.Config, p Profile) *tls.Config {
	c := base.Clone()
	c.GetCertificate = s.certificate
	verify := base.VerifyConnection
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		if verify != nil {
			if err := verify(cs); err != nil {
				return err
			}
		}
		if s.seen != nil {
			s.seen(Hello{Version: cs.Version, Suite: cs.CipherSuite, Profile: p, SNI: cs.ServerName, Resumed: cs.DidResume})
		}
		return nil
	}
	return c
}

// pairs returns the certificates of now.
func (s *server) pairs() []*pair {
	out := make([]*pair, len(s.certs))
	for i, c := range s.certs {
		out[i] = c.pair()
	}
	return out
}

// certificate is GetCertificate of all configurations.
func (s *server) certificate(chi *tls.ClientHelloInfo) (*tls.Certificate, error) {
	o, pairs := read(chi), s.pairs()
	c, miss := choose(&o, pairs, s.profile)
	if miss != 0 {
		return nil, s.refusal(&o, pairs, miss)
	}
	return c.pair.tls, nil
}

// configFor is GetConfigForClient. A modern hello gets no other configuration.
func (s *server) configFor(chi *tls.ClientHelloInfo) (*tls.Config, error) {
	o, pairs := read(chi), s.pairs()
	c, miss := choose(&o, pairs, s.profile)
	if miss != 0 {
		// The package would tell the client of an internal error, which sends people
		// looking in the wrong place. The connection is lost anyway.
		chi.Conn.Write([]byte{0x15, 3, 1, 0, 2, 2, miss.alert()})
		return nil, s.refusal(&o, pairs, miss)
	}
	if c.profile == Modern {
		return nil, nil
	}
	signed := 0
	if c.signed {
		signed = 1
	}
	return s.old[c.profile][signed], nil
}

// refusal describes a hello that nothing answers.
func (s *server) refusal(o *offer, pairs []*pair, miss Miss) error {
	e := &HelloError{Miss: miss, Profile: s.profile, ServerName: o.chi.ServerName}
	if o.version > 0 {
		e.Versions = head(o.chi.SupportedVersions)
	}
	e.Suites = head(o.chi.CipherSuites)
	if c, miss := choose(o, pairs, Museum); miss == 0 {
		e.Needs = c.profile
	}
	return e
}
