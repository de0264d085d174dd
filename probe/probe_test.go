package probe_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/browsers"
	"github.com/draftwire/draftwire/drafts"
	"github.com/draftwire/draftwire/internal/memnet"
	"github.com/draftwire/draftwire/internal/wstest"
	"github.com/draftwire/draftwire/probe"
	"github.com/draftwire/draftwire/wire"
)

const address = "ws://example.com/x"

// to returns o with the way to a server in memory, at a rate that tests do not notice.
func to(l *memnet.Listener, o probe.Options) *probe.Options {
	o.NetDial = func(context.Context, string, string) (net.Conn, error) { return l.Dial() }
	if o.Rate == 0 {
		o.Rate = 1e6
	}
	return &o
}

func run(t *testing.T, o *probe.Options) *probe.Report {
	t.Helper()
	r, err := probe.Run(context.Background(), address, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ours is a server of this module that serves all versions.
func ours() *draftwire.Server {
	o := wstest.Options()
	o.Protocols = []string{"*"}
	return &draftwire.Server{WebSocket: wstest.Echo, Options: o}
}

// Our own server speaks every version, does with each fault what the documents say, and passes every
// vector.
func TestOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := ours()
		s.Options.Compression = draftwire.Compression{Mode: draftwire.CompressAll, Takeover: true}
		s.Options.Limits.ReadLimit = 64 << 10
		l := wstest.Serve(t, s)
		r := run(t, to(l, probe.Options{Faults: true, Vectors: true, Largest: 256 << 10}))
		if r.Stopped != "" || r.Opens() != wire.AllVersions {
			t.Fatalf("stopped: %q, opens %s", r.Stopped, r.Opens())
		}
		for i := range r.Versions {
			checkVersion(t, &r.Versions[i])
		}
		if r.Unknown == nil || r.Unknown.Status != 426 || !slices.Equal(r.Unknown.Named, []string{"13", "8", "7", "6", "5", "4"}) {
			t.Errorf("version 99: %+v", r.Unknown)
		}
		if r.Head == nil || r.Head.Taken != 16<<10 || r.Head.Refused != 32<<10 || r.Head.How.Status != 431 {
			t.Errorf("head: %+v", r.Head)
		}
		if r.Silent == nil || !r.Silent.Ended || time.Duration(r.Silent.After).Round(time.Second) != draftwire.DefaultHandshakeTimeout ||
			!r.Half.Ended || r.Half.Reaction.Status != 408 || r.Half.Reaction.Reason != "timeout" {
			t.Errorf("silence: %+v, half a head: %+v", r.Silent, r.Half)
		}
		v := r.Vectors
		if len(v.Failed) > 0 || v.Played < 500 || v.Passed != v.Played {
			t.Errorf("%d of %d vectors pass: %+v", v.Passed, v.Played, v.Failed)
		}
		for _, name := range []string{"75", "hixie-76", "hybi-00", "13", "permessage-deflate", "x-webkit-deflate-frame", "deflate-frame"} {
			if !r.Accepts(name) {
				t.Errorf("%s is not accepted", name)
			}
		}
		if r.Accepts("deflate-stream") || r.Accepts("netscape") {
			t.Error("what nobody speaks is accepted")
		}
		roundTrip(t, r)
	})
}

// checkVersion checks what our server, whose messages have at most 64 KiB, shows in a version.
func checkVersion(t *testing.T, v *probe.Version) {
	t.Helper()
	name := v.Version
	if v.Outcome != probe.Opens || !v.Echoes || v.Greets || v.Notes != nil || v.Failed > 0 {
		t.Errorf("%s: %s, echoes %v, greets %v, notes %q, %d of %d failed", name, v.Outcome, v.Echoes, v.Greets, v.Notes, v.Failed, v.Handshakes)
	}
	if eight := name == wire.Hixie76 || name == wire.Hybi02; eight != (v.HeadFirst != nil) || eight && !*v.HeadFirst {
		t.Errorf("%s: the head comes first: %v", name, v.HeadFirst)
	}
	if ping := name.Supports(wire.CapPing); ping != (v.Pongs != nil) || ping && !*v.Pongs {
		t.Errorf("%s: pongs: %v", name, v.Pongs)
	}
	a := v.Closing.Answer
	if a.Close != name.Supports(wire.CapCloseFrame) || a.End != probe.FIN || v.Closing.HalfClosed.End != probe.FIN {
		t.Errorf("%s: closing %+v", name, v.Closing)
	}
	if codes := name.Supports(wire.CapCloseCode); codes != (v.Closing.Own != nil) {
		t.Errorf("%s: own code %+v", name, v.Closing.Own)
	} else if codes && name == wire.RFC6455 && (v.Closing.Own.Code != 4001 || a.Code != 1000) {
		t.Errorf("%s: codes %d, %d", name, a.Code, v.Closing.Own.Code)
	}
	if m := v.Message; m == nil || m.Taken != 64<<10 || m.Refused != 128<<10 || !m.Sure {
		t.Errorf("%s: message %+v", name, m)
	}
	if f := v.Frames; (f != nil) != name.Supports(wire.CapFragments) || f != nil && (f.Taken != 64<<10 || f.Refused != 128<<10) {
		t.Errorf("%s: frames %+v", name, f)
	}
	if want := len(browsers.Of(name)); len(v.Browsers) != want || slices.ContainsFunc(v.Browsers, func(b probe.Browser) bool { return !b.Opens || b.Why != "" }) {
		t.Errorf("%s: browsers %+v, of %d", name, v.Browsers, want)
	}
	if v.Idle == nil || v.Idle.Ended {
		t.Errorf("%s: idle %+v", name, v.Idle)
	}
	if len(v.Faults) < 10 {
		t.Errorf("%s: %d faults", name, len(v.Faults))
	}
	for _, f := range v.Faults {
		if f.Verdict != probe.AsWritten {
			t.Errorf("%s: %s: %s, %s; want %s", name, f.Name, f.Verdict, &f.Got, f.Want)
		}
	}
}

// roundTrip: the report is the same behind JSON, but for what it keeps to itself.
func roundTrip(t *testing.T, r *probe.Report) {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var again probe.Report
	if err := json.Unmarshal(b, &again); err != nil {
		t.Fatal(err)
	}
	c, err := json.Marshal(again)
	if err != nil || string(b) != string(c) {
		t.Errorf("%v: the report changes in JSON", err)
	}
}

// A server that serves few versions refuses the others, and says for what reason.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := ours()
		s.Options.Versions = wire.VersionsOf(wire.RFC6455)
		l := wstest.Serve(t, s)
		r := run(t, to(l, probe.Options{Quick: true, Vectors: true}))
		if r.Opens() != wire.VersionsOf(wire.RFC6455) || r.Silent != nil || r.Head != nil {
			t.Errorf("opens %s; %+v", r.Opens(), r.Silent)
		}
		for _, v := range r.Versions[:8] {
			if v.Outcome != probe.Refused || v.Answer.Reason != string(wire.ReasonDisabled) || v.Answer.Status != 426 || v.Closing != nil {
				t.Errorf("%s: %s, %+v", v.Version, v.Outcome, v.Answer)
			}
		}
		if r.Vectors.Skipped["of a version that does not open"] < 200 || len(r.Vectors.Failed) > 0 {
			t.Errorf("vectors: %+v", r.Vectors)
		}
	})
}

// The request of a device is sent for its version alone.
func TestAs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device, _ := drafts.ClientNamed("safari5.1")
		agents := map[wire.Version]string{}
		s := ours()
		s.Options.Authorize = func(h *draftwire.Handshake, _ *draftwire.Answer) error {
			if agents[h.Version()] == "" {
				lines := strings.Split(h.Request(), "\r\n")
				agents[h.Version()] = lines[3] + ", " + lines[4]
			}
			return nil
		}
		l := wstest.Serve(t, s)
		r := run(t, to(l, probe.Options{
			Versions: wire.VersionsOf(wire.Hixie75, wire.Hixie76), Quick: true, ComposeVersion: device.Version,
			Compose: func(o *draftwire.Offer) ([][]byte, error) { return device.Ask(o, nil) },
		}))
		if len(r.Versions) != 2 || !r.Versions[1].Opens() || agents[wire.Hixie76] != "Host: example.com, Origin: http://example.com" {
			t.Errorf("%+v, %q", r.Versions, agents)
		}
	})
}

// A device whose offer of compression is taken still opens; what comes back is not compared.
func TestAsCompressed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device, _ := drafts.ClientNamed("phantomjs2.1")
		s := ours()
		s.Options.Compression = draftwire.Compression{Mode: draftwire.CompressAll}
		l := wstest.Serve(t, s)
		r := run(t, to(l, probe.Options{
			Versions: wire.VersionsOf(wire.RFC6455), Quick: true, ComposeVersion: device.Version,
			Compose: func(o *draftwire.Offer) ([][]byte, error) { return device.Ask(o, nil) },
		}))
		if v := &r.Versions[0]; v.Outcome != probe.Opens || !*v.Pongs || len(v.Notes) != 1 || !strings.Contains(v.Notes[0], "x-webkit-deflate-frame") {
			t.Errorf("%+v", v)
		}
	})
}

// A probe keeps to its rate and to its number of connections, and says that it was stopped.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := wstest.Serve(t, ours())
		began := time.Now()
		r := run(t, to(l, probe.Options{Quick: true, Rate: 2, MaxConns: 11, Faults: true}))
		if r.Connections != 11 || r.Stopped != "its number of connections is used up" {
			t.Errorf("%d connections, %q", r.Connections, r.Stopped)
		}
		if took := time.Since(began); took < 5*time.Second || took > 7*time.Second {
			t.Errorf("11 connections, 2 a second, take %s", took)
		}
		if last := r.Versions[8]; last.Outcome != probe.Unasked {
			t.Errorf("%s: %s", last.Version, last.Outcome)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		began = time.Now()
		r, err := probe.Run(ctx, address, to(l, probe.Options{Patience: time.Hour}))
		if err != nil || r.Stopped != "its time is over" || time.Since(began) != 3*time.Second {
			t.Errorf("%+v, %v after %s", r, err, time.Since(began))
		}
	})
}

// What is wrong with a URL or with the options is an error, as is a server that is not there.
func TestRunFails(t *testing.T) {
	nobody := func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
	for _, tt := range []struct {
		url  string
		o    probe.Options
		want string
	}{
		{"ftp://h/", probe.Options{}, "no ws or wss URL"},
		{"ws://", probe.Options{}, "no host"},
		{"ws://h/%zz", probe.Options{}, "invalid URL escape"},
		{"ws://h/", probe.Options{Rate: -1}, "negative"},
		{"ws://h/", probe.Options{Largest: 1 << 40}, "at most"},
		{"http://h/", probe.Options{NetDial: nobody}, "use of closed network connection"},
	} {
		if r, err := probe.Run(context.Background(), tt.url, &tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %+v, %v, not %q", tt.url, r, err, tt.want)
		}
	}
}

// Over TLS the report has its version.
func TestTLS(t *testing.T) {
	cert, pool := wstest.SelfSigned(t)
	s := ours()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	wstest.ServeOn(t, s, l)
	o := &probe.Options{Quick: true, Rate: 1e6, TLS: &tls.Config{RootCAs: pool}, Versions: wire.VersionsOf(wire.Hixie76, wire.RFC6455), Vectors: true}
	r, err := probe.Run(context.Background(), "wss://"+l.Addr().String()+"/", o)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(r.TLS, "TLS 1.3, ") || r.Opens() != o.Versions || len(r.Vectors.Failed) > 0 {
		t.Errorf("%q, opens %s, %+v", r.TLS, r.Opens(), r.Vectors.Failed)
	}
	for _, f := range r.Versions[0].Answer.Fields {
		if f.Name == "Sec-WebSocket-Location" && !strings.HasPrefix(f.Value, "wss://") {
			t.Errorf("location %s", f.Value)
		}
	}
}

// A server that talks but does not echo shows itself by pongs, and one that does neither is not
// sure.
func TestNoEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := ours()
		s.WebSocket = func(ctx context.Context, c *draftwire.Conn) error {
			if err := c.Write(ctx, draftwire.OpText, []byte("welcome")); err != nil {
				return err
			}
			for {
				if _, _, err := c.Read(ctx); err != nil {
					return err
				}
			}
		}
		l := wstest.Serve(t, s)
		r := run(t, to(l, probe.Options{Versions: wire.VersionsOf(wire.Hixie76, wire.RFC6455), Largest: 64 << 10, Faults: true}))
		old, now := &r.Versions[0], &r.Versions[1]
		if old.Echoes || !old.Greets || old.Message.Sure || old.Message.Taken != 64<<10 {
			t.Errorf("hixie-76: echoes %v, greets %v, %+v", old.Echoes, old.Greets, old.Message)
		}
		if now.Echoes || !*now.Pongs || !now.Message.Sure || now.Message.Taken != 64<<10 {
			t.Errorf("rfc6455: echoes %v, pongs %v, %+v", now.Echoes, *now.Pongs, now.Message)
		}
		for _, f := range now.Faults {
			if f.Verdict != probe.AsWritten {
				t.Errorf("%s: %s, %s; want %s", f.Name, f.Verdict, &f.Got, f.Want)
			}
		}
	})
}

// Behind an ordinary http.Handler too.
func TestHandler(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: draftwire.Handler(wstest.Echo, &draftwire.AcceptOptions{Versions: draftwire.ModernVersions})}
	go srv.Serve(l)
	defer srv.Close()
	r, err := probe.Run(context.Background(), "http://"+l.Addr().String()+"/", &probe.Options{Quick: true, Rate: 1e6})
	if err != nil || r.Opens() != draftwire.ModernVersions || r.Address != l.Addr().String() {
		t.Errorf("%+v, %v", r, err)
	}
}

// Times in JSON are milliseconds.
func TestSpan(t *testing.T) {
	for _, d := range []time.Duration{0, time.Microsecond, 1234567 * time.Nanosecond, time.Hour} {
		b, err := json.Marshal(probe.Span(d))
		var again probe.Span
		if err == nil {
			err = json.Unmarshal(b, &again)
		}
		if err != nil || time.Duration(again) != d.Truncate(time.Microsecond) {
			t.Errorf("%s is %s, and %s again, %v", d, b, again, err)
		}
	}
	if s := probe.Span(1234567).String(); s != "1.23ms" {
		t.Errorf("%s", s)
	}
}
