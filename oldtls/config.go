package oldtls

import (
	"crypto/tls"
	"errors"
	"slices"
)

// Options say how a server speaks TLS.
type Options struct {
	// Profile says how old a client may be. Default Modern.
	Profile Profile
	// Certificates are what the server can show. At least one is needed, and old clients
	// need one with an RSA key. A hello with a name gets a certificate for that name. A
	// hello without a name, or with a name that no certificate has, gets the first one or
	// another one with the same names. Of these, one with an ECDSA key is preferred if
	// the client can verify it. A chain with a SHA-1 signature or an RSA key of less than
	// 2048 bits is for clients that say that they know nothing better, for clients that
	// can use no other one, and with Museum for hellos with neither name nor curves.
	Certificates []*Certificate
	// Seen, if not nil, is called in each handshake once its settings are agreed on. It
	// must not block.
	Seen func(Hello)
	// Base has further settings of the configuration, for example ClientAuth, NextProtos
	// or KeyLogWriter; nil: none. Settings that are made later, in the result of Config,
	// do not hold for clients that get old settings. So everything that keeps clients out
	// belongs here.
	Base *tls.Config
}

// Config returns a server's configuration with a profile and certificates, and with the
// defaults of the other Options.
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

// Config returns the server's configuration. It has the settings for modern hellos; for other
// hellos its GetConfigForClient returns old settings. If a hello shares nothing with the
// server, the handshake returns a *HelloError.
func (o Options) Config() (*tls.Config, error) {
	base := o.Base
	if base == nil {
		base = new(tls.Config)
	}
	switch {
	case o.Profile >= numProfiles:
		return nil, errors.New("oldtls: unknown " + o.Profile.String())
	case len(o.Certificates) == 0 || slices.Contains(o.Certificates, nil):
		return nil, errors.New("oldtls: at least one certificate is needed")
	case base.GetConfigForClient != nil || base.GetCertificate != nil || len(base.Certificates) > 0:
		return nil, errors.New("oldtls: set certificates in Options.Certificates, not in Options.Base")
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
			// MaxVersion is not set on purpose: with TLS 1.2 as the highest version the
			// handshake would lack the mark that shows a client an attack on its version.
			c.MinVersion, c.CipherSuites = tls.VersionTLS10, suitesOf(p, signed)
			// HTTP/2 forbids these suites (RFC 9113 9.2.2).
			c.NextProtos = slices.DeleteFunc(slices.Clone(c.NextProtos), func(n string) bool { return n == "h2" })
			s.old[p][i] = c
		}
	}
	return modern, nil
}

// derive returns the base with our choice of certificates and a call of Seen.
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

// pairs returns the current certificates.
func (s *server) pairs() []*pair {
	out := make([]*pair, len(s.certs))
	for i, c := range s.certs {
		out[i] = c.pair()
	}
	return out
}

// certificate is the GetCertificate of all configurations.
func (s *server) certificate(chi *tls.ClientHelloInfo) (*tls.Certificate, error) {
	o, pairs := read(chi), s.pairs()
	c, miss := choose(&o, pairs, s.profile)
	if miss != 0 {
		return nil, s.refusal(&o, pairs, miss)
	}
	return c.pair.tls, nil
}

// configFor is the GetConfigForClient. A modern hello gets no other configuration.
func (s *server) configFor(chi *tls.ClientHelloInfo) (*tls.Config, error) {
	o, pairs := read(chi), s.pairs()
	c, miss := choose(&o, pairs, s.profile)
	if miss != 0 {
		// crypto/tls would send the client an internal error, which would lead people to
		// look for a fault in the server. The connection is lost anyway.
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

// refusal returns the error for a hello that cannot be answered.
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
