package metrics

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/wire"
	"github.com/prometheus/client_golang/prometheus"
)

// Whatever peers send, and whatever a program uses as a label, the number of series is
// bounded.
func TestSeriesAreBounded(t *testing.T) {
	m, reg := fresh()
	r := rand.New(rand.NewPCG(1, 2))
	word := func() string { return fmt.Sprintf("\xff%x\x00\n", r.Uint64()) }
	o := m.listener("front")
	v := func() wire.Version { return wire.Version(r.UintN(256)) }
	known := wire.Reasons()
	suites := append(tls.CipherSuites(), tls.InsecureCipherSuites()...)
	before := count(t, reg)
	for i := range 20000 {
		o.refused(word(), []byte(word()), &wire.HandshakeError{Version: v(), Reason: wire.Reason(word()), Detail: word()})
		o.refused(word(), nil, wire.NewHandshakeError(v(), known[i%len(known)].Reason, word()))
		o.refused(word(), nil, &wire.HandshakeError{Version: v(), Reason: wire.ReasonIO, Err: fmt.Errorf("tls: %w", errors.New(word()))})
		o.tolerated(word(), wire.Tolerances(r.UintN(1<<16)))
		code, who := closeOf(v(), &wire.CloseError{Code: wire.CloseCode(r.UintN(1 << 13)), Reason: word()})
		m.closesOf(v(), code, who).Inc()
		m.tlsConnections.WithLabelValues(tlsVersion(uint16(r.UintN(1<<16))), cipher(uint16(r.UintN(1<<16)))).Inc()
		m.tlsConnections.WithLabelValues(tlsVersion(uint16(0x301+i%4)), cipher(suites[r.IntN(len(suites))].ID)).Inc()
		m.Meter(v(), word()).Message(wire.Op(r.UintN(256)), int(r.Int32()))
	}
	series := count(t, reg)
	// Of 10 versions: 40 reasons, 3 results, 21 codes and classes, 6 types of
	// messages and their bytes; 4 by 25 of TLS and 2 unknown ones; 6 tolerances; and
	// the buckets of one direction.
	if most := drafts*(len(reasons)+1+3+21+6+1) + 4*(len(suites)+1) + 2 + 6 + 14; series-before > most || series-before < most/2 {
		t.Errorf("peers made %d series, at most %d are known", series-before, most)
	}
	t.Logf("peers made %d series", series-before)
	for range 3000 {
		m.Observer(word())
		m.TLSProfile(word(), word())
		m.Limited(word())
		m.Loss(word())
		m.Clients(v(), word(), 1)
		m.Retire(v(), time.Unix(1, 0))
		m.BackendDialFailed(word(), word())
		m.BackendTolerated(word(), wire.Tolerances(r.UintN(1<<32-1)))
		m.BackendUp(word(), word(), true)
	}
	program := count(t, reg) - series
	if program > 3000+maxListeners+2*maxValues+drafts*(maxValues+2)+maxRoutes+9 {
		t.Errorf("the program made %d series", program)
	}
	for i := range 3000 {
		m.BackendUp("/"+fmt.Sprint(i), "b", true)
		m.MirrorUp("/"+fmt.Sprint(i), true)
		m.MirrorAnswers("/"+fmt.Sprint(i), "equal", 1)
		m.MirrorAnswers("/"+fmt.Sprint(i), fmt.Sprint(i), 1)
		m.MirrorConnections("/"+fmt.Sprint(i), "opened", 1)
	}
	if more := count(t, reg) - series - program; more > 5*(maxRoutes+1) {
		t.Errorf("routes made %d series", more)
	}
}

// count returns the number of series, those of histograms included.
func count(t *testing.T, reg *prometheus.Registry) int {
	t.Helper()
	n := 0
	for line := range strings.Lines(text(t, reg)) {
		if !strings.HasPrefix(line, "#") {
			n++
		}
	}
	return n
}
