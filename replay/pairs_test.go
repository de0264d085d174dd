package replay_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/recording"
	"github.com/draftwire/draftwire/replay"
	"github.com/draftwire/draftwire/wire"
)

const patience = 20 * time.Second

// served are all versions.
var served = draftwire.ServedVersions().List()

// recorded is a session of a version: both sides say texts and, where it has them, binary messages,
// and one closes, with a code where it has codes.
func recorded(v draftwire.Version, closer recording.Side, code int) *replay.Session {
	s := &replay.Session{Number: 1, Version: v, Target: "/chat?a=1", Origin: "http://example.com", Protocols: []string{"one"}, End: "clean", Closer: closer}
	ms := time.Millisecond
	add := func(from recording.Side, op wire.Op, text string) {
		s.Steps = append(s.Steps, replay.Step{At: time.Duration(len(s.Steps)) * ms, From: from, Op: op, Payload: []byte(text)})
	}
	add(recording.Client, wire.OpText, "hello")
	add(recording.Server, wire.OpText, "Grüße")
	add(recording.Server, wire.OpText, "")
	if v.Supports(wire.CapBinary) {
		add(recording.Client, wire.OpBinary, "\x00\xff")
		add(recording.Server, wire.OpBinary, "\xfe")
	}
	add(recording.Server, wire.OpText, strings.Repeat("x", 70_000))
	add(recording.Client, wire.OpText, "bye")
	if v.Supports(wire.CapCloseCode) {
		s.Code, s.Reason = code, "why"
	}
	return s
}

// playBoth plays both sides of a session in a version, and returns what each says of the other.
func playBoth(t *testing.T, s *replay.Session, v draftwire.Version) (a, b *replay.Result) {
	t.Helper()
	return playAs(t, s, s, v, replay.Options{Linger: 5 * time.Millisecond})
}

// playTwo plays the client of a session against the server of another one.
func playTwo(t *testing.T, client, server *replay.Session, o replay.Options) (a, b *replay.Result) {
	t.Helper()
	return playAs(t, client, server, client.Version, o)
}

func playAs(t *testing.T, s, now *replay.Session, v draftwire.Version, o replay.Options) (a, b *replay.Result) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan *replay.Result, 1)
	srv := &draftwire.Server{
		Options: draftwire.AcceptOptions{Versions: draftwire.AllVersions, Origins: []string{"*"}, Protocols: []string{"one"}},
		WebSocket: func(_ context.Context, c *draftwire.Conn) error {
			if c.Handshake().Target() != s.Target {
				t.Errorf("the target is %q", c.Handshake().Target())
			}
			results <- replay.Server(c, now, replay.Options{Wait: 4 * o.Wait}) // where it is set, the client is the first to give up
			return nil
		},
	}
	go srv.Serve(l)
	defer srv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	a = replay.Client(ctx, s, "ws://"+l.Addr().String(), draftwire.DialOptions{Version: v}, o)
	select {
	case b = <-results:
	case <-ctx.Done():
		t.Fatal("the server's side does not end")
	}
	return a, b
}

// lost is what the loss table says of a session that is played in a version, of what the client's
// side and the server's side hears and sends.
func lost(s *replay.Session, v draftwire.Version) (client, server map[gateway.Loss]int) {
	client, server = map[gateway.Loss]int{}, map[gateway.Loss]int{}
	if !v.Supports(wire.CapBinary) && s.Version.Supports(wire.CapBinary) {
		client[gateway.LossBinaryDropped], server[gateway.LossBinaryDropped] = 2, 2
	}
	codes := []bool{s.Version.Supports(wire.CapCloseCode), v.Supports(wire.CapCloseCode)}
	hears, says := server, client
	if s.Closer == recording.Server {
		hears, says = client, server
	}
	switch {
	case codes[0] && !codes[1]:
		says[gateway.LossCloseCode], hears[gateway.LossCloseCode] = 1, 1
	case !codes[0] && codes[1]:
		hears[gateway.LossCloseCodeAdded] = 1
	case codes[0] && s.Code == 1011 && v < wire.RFC6455 && s.Version == wire.RFC6455:
		hears[gateway.LossCloseCodeChanged] = 1
	}
	return client, server
}

// What was recorded in any version and is played in any other differs by exactly what the loss
// table says.
func TestPairs(t *testing.T) {
	for _, from := range served {
		for _, to := range served {
			for _, closer := range []recording.Side{recording.Client, recording.Server} {
				t.Run(fmt.Sprintf("%s as %s, the %s closes", from, to, closer), func(t *testing.T) {
					t.Parallel()
					code := 1000
					if from == wire.RFC6455 && closer == recording.Server {
						code = 1011 // which versions before it do not have
					}
					s := recorded(from, closer, code)
					a, b := playBoth(t, s, to)
					wantA, wantB := lost(s, to)
					for _, x := range []struct {
						r    *replay.Result
						want map[gateway.Loss]int
					}{{a, wantA}, {b, wantB}} {
						if !x.r.Same() || !maps.Equal(x.r.Losses, x.want) && len(x.r.Losses)+len(x.want) > 0 {
							t.Errorf("differences %+v, error %v, losses %v, not %v", x.r.Differences, x.r.Err, x.r.Losses, x.want)
						}
					}
				})
			}
		}
	}
}
