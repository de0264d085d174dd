package nats_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/hub"
	"github.com/draftwire/draftwire/hub/nats"
)

// machine is a program with a server of the cluster in it.
type machine struct {
	o      nats.ServerOptions
	server *nats.Server
	broker *nats.Broker
}

func (m *machine) start(t *testing.T) {
	t.Helper()
	var err error
	if m.server, err = nats.StartServer(m.o); err != nil {
		t.Fatal(err)
	}
	if m.broker, err = nats.Connect(nats.Options{Server: m.server, Disk: true}); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) end() {
	m.broker.Close()
	m.server.Close()
}

func (m *machine) ready(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(bg, 60*time.Second)
	defer cancel()
	if err := m.broker.Wait(ctx); err != nil {
		t.Fatal(err)
	}
}

// newCluster starts machines whose servers are a cluster, within TLS if there is any.
func newCluster(t *testing.T, n int, within *tls.Config) (all []*machine) {
	t.Helper()
	var routes []string
	for range n {
		routes = append(routes, freePort(t))
	}
	for i := range n {
		m := &machine{o: nats.ServerOptions{Name: fmt.Sprint("m", i), Dir: t.TempDir(), Cluster: routes[i], Routes: routes, Token: "secret", TLS: within}}
		m.start(t)
		all = append(all, m)
	}
	t.Cleanup(func() {
		for _, m := range all {
			m.end()
		}
	})
	for _, m := range all {
		m.ready(t)
	}
	return all
}

// Of three machines each may die and come back, one after the other: nothing that was published is lost, and
// who listens on another one hears all of it.
func TestClusterSurvivesEachDeath(t *testing.T) {
	all := newCluster(t, 3, nil)
	ears := []*ear{newEar(), newEar(), newEar()}
	sub := func(i int) {
		if _, _, err := all[i].broker.Subscribe(bg, "r", ears[i].feed(1)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range all {
		sub(i)
	}
	n := 0
	say := func(i int) {
		ctx, cancel := context.WithTimeout(bg, 60*time.Second)
		defer cancel()
		n++
		for {
			if p, err := all[i].broker.Publish(ctx, "r", draftwire.OpText, fmt.Append(nil, n)); err == nil {
				if p.Seq != uint64(n) {
					t.Fatalf("message %d is %v", n, p)
				}
				return
			} else if ctx.Err() != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range all {
		say(i)
	}
	for dead := range all {
		all[dead].end()
		for k := range 5 {
			say((dead + 1 + k%2) % 3)
		}
		for _, i := range []int{(dead + 1) % 3, (dead + 2) % 3} {
			ears[i].until(t, func(list []hub.Message) bool { return len(list) > 0 && list[len(list)-1].Seq == uint64(n) })
		}
		all[dead].start(t)
		all[dead].ready(t)
		ears[dead] = newEar()
		sub(dead)
		say(dead)
	}
	list, err := all[0].broker.History(bg, "r", hub.Position{}, 100)
	if err != nil || len(list) != n || list[n-1].Seq != uint64(n) {
		t.Errorf("%d of %d messages, %v", len(list), n, err)
	}
}

// certificate returns TLS with a certificate for 127.0.0.1 that only those take who have it.
func certificate(t *testing.T) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "draftwire"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
}

// What goes between the servers can be encrypted, and one with another certificate or secret does not get in.
func TestClusterWithinTLS(t *testing.T) {
	all := newCluster(t, 3, certificate(t))
	if _, err := all[0].broker.Publish(bg, "r", draftwire.OpText, []byte("x")); err != nil {
		t.Error(err)
	}
	for i, m := range all {
		if n, of := m.server.Peers(), m.server.Members(); n != 2 || of != 3 {
			t.Errorf("server %d has %d others, in a cluster of %d", i, n, of)
		}
	}
	for i, o := range []nats.ServerOptions{{Token: "secret"}, {Token: "secret", TLS: certificate(t)}, {Token: "other", TLS: all[0].o.TLS}} {
		o.Name, o.Cluster, o.Routes = fmt.Sprint("stranger", i), freePort(t), all[0].o.Routes
		s, err := nats.StartServer(o)
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(500 * time.Millisecond) // in which the others need some milliseconds
		if n := s.Peers(); n > 0 {
			t.Errorf("stranger %d is connected to %d servers", i, n)
		}
		if text, at := s.LastError(); o.TLS != nil && (text == "" || at.IsZero()) || strings.Contains(text, o.Token) { // one in clear text hears nothing
			t.Errorf("stranger %d says %q", i, text)
		}
		s.Close()
	}
}

// A machine that holds a name dies without a farewell: another one leads, and never two at a time.
func TestLead(t *testing.T) {
	s := newServer(t, nats.ServerOptions{})
	var brokers []*nats.Broker
	for range 3 {
		brokers = append(brokers, connect(t, nats.Options{Server: s}))
	}
	var mu sync.Mutex
	leading, turns := 0, 0
	ctx, stop := context.WithCancel(bg)
	defer stop()
	var wg sync.WaitGroup
	for i := range 9 { // three in each program
		wg.Go(func() {
			err := brokers[i%3].Lead(ctx, "room", func(ctx context.Context) error {
				mu.Lock()
				if leading++; leading > 1 {
					t.Errorf("%d lead", leading)
				}
				mu.Unlock()
				select {
				case <-time.After(30 * time.Millisecond):
				case <-ctx.Done():
				}
				mu.Lock()
				leading--
				turns++
				mu.Unlock()
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if turns != 9 {
		t.Errorf("%d have led, want 9", turns)
	}
	canceled, cancel := context.WithCancel(bg)
	cancel()
	if err := brokers[0].Lead(canceled, "other", func(context.Context) error { t.Error("it leads"); return nil }); err == nil {
		t.Error("no error")
	}
}

// A program that cannot reach the broker stops to lead before another one begins.
func TestLeadIsTakenOver(t *testing.T) {
	port := freePort(t)
	newServer(t, nats.ServerOptions{Listen: port, Token: "t"})
	w := newWay(t, port)
	a, b := connect(t, nats.Options{URL: "nats://t@" + w.addr()}), connect(t, nats.Options{URL: "nats://t@" + port})
	leads, ended := make(chan struct{}), make(chan time.Time, 1)
	var first sync.WaitGroup
	ctx, stop := context.WithCancel(bg)
	first.Go(func() {
		a.Lead(ctx, "room", func(ctx context.Context) error {
			close(leads)
			<-ctx.Done()
			ended <- time.Now()
			return nil
		})
	})
	<-leads
	w.set(true, false)
	began := time.Now()
	limit, cancel := context.WithTimeout(bg, time.Minute)
	defer cancel()
	err := b.Lead(limit, "room", func(context.Context) error {
		select {
		case at := <-ended:
			t.Logf("the first one has ended after %v, the second one leads after %v", at.Sub(began), time.Since(began))
		default:
			t.Error("two lead")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	w.set(false, false)
	stop()
	first.Wait()
}
