package draftwire

import (
	"fmt"

	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/internal/origin"
	"github.com/draftwire/draftwire/wire"
)

// Check returns what is wrong with the options, nil where they can be served: a
// set of versions of which none is served here, an origin pattern that no origin can
// match, a subprotocol that no client can name, a tolerance that is not for clients, a limit that means nothing, a bad PublicURL.
// Serve, SetOptions and NewUpgrader return the same error. Handler and Accept
// have nobody to return it to but the client, which gets a 500 with
// wire.ReasonOptions: a program that reads its options from a file calls Check
// first.
func (o *AcceptOptions) Check() error {
	if o.Versions != 0 && o.Versions&ServedVersions() == 0 {
		return fmt.Errorf("draftwire: options: none of the versions %q is served here; served are %s", o.Versions, ServedVersions())
	}
	for _, p := range o.Origins {
		if err := origin.CheckPattern(p); err != nil {
			return fmt.Errorf("draftwire: options: origin pattern %q: %w", p, err)
		}
	}
	if wrong := o.Tolerate &^ wire.ClientFaults(); wrong != 0 {
		return fmt.Errorf("draftwire: options: tolerate: %q is no fault of clients", wrong)
	}
	if _, err := origin.ParsePublicURL(o.PublicURL); err != nil {
		return fmt.Errorf("draftwire: options: public URL %q: %w", o.PublicURL, err)
	}
	for _, p := range o.Protocols {
		if p != "*" && !isProtocol(p, o.Versions&^ModernVersions == 0) {
			return fmt.Errorf("draftwire: options: subprotocol %q: a client names it as one word, without spaces and commas", p)
		}
	}
	return o.Limits.check("options")
}

// Check returns what is wrong with the options, nil where Dial can use them: a version
// that is not spoken here, a target, a field or a subprotocol that cannot be sent, a
// tolerance that is not for servers, a limit that means nothing. Dial returns the same error.
func (d *DialOptions) Check() error {
	inList := false
	for i := range 1 + len(d.Fallback) {
		v := d.Version
		if i > 0 {
			v = d.Fallback[i-1]
		}
		inList = inList || v == Unknown || ModernVersions.Has(v)
		if _, ok := draftOf(v); !ok && v != Unknown {
			return fmt.Errorf("draftwire: dial: version %s is not spoken here; spoken are %s", v, ServedVersions())
		}
	}
	if wrong := d.Tolerate &^ wire.ServerFaults(); wrong != 0 {
		return fmt.Errorf("draftwire: dial: tolerate: %q is no fault of servers", wrong)
	}
	if d.Target != "" && !httphead.IsTarget(d.Target) {
		return fmt.Errorf("draftwire: dial: target %.200q cannot be sent", d.Target)
	}
	if err := d.checkFields(); err != nil {
		return err
	}
	for _, p := range d.Protocols {
		if !isProtocol(p, inList) {
			return fmt.Errorf("draftwire: dial: subprotocol %q: it is one word, without spaces and commas", p)
		}
	}
	return d.Limits.check("dial")
}

// checkFields returns an error for a field that cannot be sent.
func (d *DialOptions) checkFields() error {
	if !httphead.IsFieldValue(d.Origin) {
		return unsendable(Field{Name: "Origin", Value: d.Origin})
	}
	for name, values := range d.Header {
		for _, value := range values {
			if f := (Field{Name: name, Value: value}); !isSendable(f) {
				return unsendable(f)
			}
		}
	}
	return sendable(d.Fields)
}

// isProtocol reports whether p can be the name of a subprotocol. In the versions of ModernVersions
// it stands in a list; the hixie versions have one string, which may have spaces.
func isProtocol(p string, inList bool) bool {
	return httphead.IsSubprotocol(p) || !inList && p != "" && httphead.IsFieldValue(p)
}

// sendable returns an error for the first field that cannot stand in a request.
func sendable(fields Fields) error {
	for _, f := range fields {
		if !isSendable(f) {
			return unsendable(f)
		}
	}
	return nil
}

func isSendable(f Field) bool { return httphead.IsToken(f.Name) && httphead.IsFieldValue(f.Value) }

func unsendable(f Field) error {
	return fmt.Errorf("draftwire: dial: field %q with value %q cannot be sent", f.Name, f.Value)
}

// check returns an error for a limit that is negative though that means nothing. what
// begins its text.
func (l *Limits) check(what string) error {
	for _, x := range []struct {
		name  string
		value int64
	}{
		{"HeadLimit", int64(l.HeadLimit)}, {"HandshakeTimeout", int64(l.HandshakeTimeout)}, {"Key3Timeout", int64(l.Key3Timeout)},
		{"CloseTimeout", int64(l.CloseTimeout)}, {"WriteTimeout", int64(l.WriteTimeout)}, {"PostLimit", int64(l.PostLimit)}, {"IdleTimeout", int64(l.IdleTimeout)},
	} {
		if x.value < 0 {
			return fmt.Errorf("draftwire: %s: limits: %s is negative", what, x.name)
		}
	}
	return nil
}

// OriginAllowed reports whether a page, named by its origin, may connect to host, as
// Accept decides it: whether one of patterns, which are those of AcceptOptions.Origins,
// matches, or where there are none, whether it is a page of host itself. host is what the Host
// field says, with its port if it has one; case does not matter.
//
// A page of host itself has one of the schemes http and https, whichever the server
// speaks: old devices load their pages over http though they connect over wss. List
// "https://HOST" to refuse pages that came in clear.
func OriginAllowed(patterns []string, page, host string) bool {
	return origin.Allowed(patterns, page, host)
}
