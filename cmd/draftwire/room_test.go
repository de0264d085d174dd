package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

func TestCloseAsAsked(t *testing.T) {
	url, _ := serveOn(t)
	for _, c := range []struct {
		query, reason string
		code          draftwire.CloseCode
	}{
		{"", "", 1000}, {"?code=4001&reason=bye", "bye", 4001}, {"?code=1005", "", 1005}, {"?code=1006", "", 1006},
		{"?code=999", "this code cannot be sent", 1008}, {"?code=x", "this code cannot be sent", 1008}, {"?reason=%ff%zz", "", 1000},
	} {
		for _, v := range draftwire.ServedVersions().List() {
			_, _, err := dial(t, url+"/close"+c.query, v).Read(deadline(t))
			want, reason := c.code, c.reason
			if !v.Supports(wire.CapCloseCode) {
				want, reason = draftwire.CodeNoStatus, ""
			} else if want == draftwire.CodePolicy && v != draftwire.RFC6455 {
				want = draftwire.CodeProtocol // 1008 came with draft 13
			}
			if code, said := ending(v, err); code != want || said != reason {
				t.Errorf("%s %s: %v", v, c.query, err)
			}
		}
	}
}

func TestEchoOnEveryPath(t *testing.T) {
	url, _ := serveOn(t)
	for _, v := range draftwire.ServedVersions().List() {
		c := dial(t, url+"/some/where?query=1", v)
		write(t, c, draftwire.OpText, "text")
		wantMessage(t, c, "text")
		if v.Supports(wire.CapBinary) {
			write(t, c, draftwire.OpBinary, "\x00\xff")
			wantMessage(t, c, "\x00\xff")
		}
		p := dial(t, url+pagePath, v)
		wantMessage(t, p, "version "+v.String())
		write(t, p, draftwire.OpText, "typed")
		wantMessage(t, p, "typed")
	}
}

func TestBroadcast(t *testing.T) {
	for _, c := range []struct{ mode, path, beside string }{
		{"echo", "/broadcast", "/broadcast/x"}, {"broadcast", "/room?a=1", "/other"},
	} {
		url, server := serveOn(t, "--mode", c.mode)
		var all []*draftwire.Conn
		beside := dial(t, url+c.beside, draftwire.RFC6455)
		served := draftwire.ServedVersions().List()
		for i, v := range served {
			all = append(all, dial(t, url+c.path, v))
			// A member that hears itself has joined; the others hear it too.
			write(t, all[i], draftwire.OpText, "here is "+v.String())
			for _, m := range all {
				wantMessage(t, m, "here is "+v.String())
			}
		}
		newest := all[len(all)-1]
		write(t, newest, draftwire.OpBinary, "bin")
		write(t, newest, draftwire.OpText, "after")
		for _, m := range all {
			if m.Version().Supports(wire.CapBinary) {
				wantMessage(t, m, "bin")
			}
			wantMessage(t, m, "after")
		}
		write(t, beside, draftwire.OpText, "alone")
		wantMessage(t, beside, "alone")
		for _, m := range all {
			m.Close(draftwire.CodeNormal, "")
		}
		for i, v := range served {
			line := server.err.await(t, `(?m)^.*"draft":"`+v.String()+`".*"path":"/(?:broadcast|room).*$`)[0]
			// Its own greeting and those after it, "after", and "bin" where it can.
			out, dropped := len(served)-i+1, `"dropped":1,`
			if v.Supports(wire.CapBinary) {
				out++
				dropped = ""
			}
			if !strings.Contains(line, fmt.Sprintf(`"msgs_out":%d,`, out)) || strings.Contains(line, "a=1") ||
				!strings.Contains(line, dropped) || strings.Contains(line, "dropped") != (dropped != "") {
				t.Errorf("%s: log line %s; want %d out", v, line, out)
			}
		}
	}
}

func TestBroadcastTooSlow(t *testing.T) {
	url, server := serveOn(t, "--log-level", "debug")
	slow, fast := dial(t, url+"/broadcast", draftwire.RFC6455), dial(t, url+"/broadcast", draftwire.RFC6455)
	write(t, slow, draftwire.OpText, "here")
	wantMessage(t, slow, "here")
	text := strings.Repeat("x", 256<<10)
	for n := 0; !strings.Contains(server.err.String(), "too slow"); n++ {
		if n > 400 {
			t.Fatal("100 MiB are more than queue and sockets hold")
		}
		write(t, fast, draftwire.OpText, text)
		if _, _, err := fast.Read(deadline(t)); err != nil {
			t.Fatal(err)
		}
	}
	for {
		if _, _, err := slow.Read(deadline(t)); err != nil {
			if code := draftwire.CloseStatus(err); code != draftwire.CodePolicy {
				t.Errorf("the slow one got %v", err)
			}
			break
		}
	}
	server.err.await(t, `"close_code":1008.*"error":"too slow"`)
	write(t, fast, draftwire.OpText, "last")
	for {
		_, p, err := fast.Read(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		if string(p) == "last" {
			return
		}
	}
}

// tokenFile writes a secret for a hub.
func tokenFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// freeAddress returns an address of loopback at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Members of two servers are in one room, and stay in it while the broker is away. Meanwhile what they say is refused.
func TestBroadcastOverHub(t *testing.T) {
	at, token := freeAddress(t), tokenFile(t)
	own := []string{"--mode", "broadcast", "--hub", "embedded", "--hub-name", "here", "--hub-listen", at, "--hub-token-file", token}
	far := []string{"--mode", "broadcast", "--hub", "nats://" + at, "--hub-token-file", token}
	first, broker := serveOn(t, own...)
	second, other := serveOn(t, far...)
	other.err.await(t, "the hub is there")
	old := dial(t, first+"/room", draftwire.Hixie76)
	meet(t, old, old, "first") // who hears itself has joined
	now := dial(t, second+"/room", draftwire.RFC6455)
	meet(t, now, old, "here")
	meet(t, old, now, "hello")
	broker.stop(t)
	other.err.await(t, "the hub is away")
	if n := strings.Count(other.err.String(), "the hub is away"); n != 1 {
		t.Errorf("the log says %d times that the hub is away", n)
	}
	lost := dial(t, second+"/room", draftwire.RFC6455)
	write(t, lost, draftwire.OpText, "nobody hears this")
	if _, _, err := lost.Read(deadline(t)); draftwire.CloseStatus(err) != draftwire.CodeTryLater {
		t.Errorf("who spoke while the hub was away got %v", err)
	}
	first, _ = serveOn(t, own...)
	other.err.await(t, "the hub is back")
	meet(t, dial(t, first+"/room", draftwire.Hixie75), now, "again")
}

// meet lets one member speak, whom both hear.
func meet(t *testing.T, speaker, other *draftwire.Conn, text string) {
	t.Helper()
	t.Helper()
	write(t, speaker, draftwire.OpText, text)
	wantMessage(t, speaker, text)
	if other != speaker {
		wantMessage(t, other, text)
	}
}

func TestHubFlags(t *testing.T) {
	short := filepath.Join(t.TempDir(), "short")
	os.WriteFile(short, []byte("secret"), 0o600)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--hub-name", "x"}, "--hub-name belongs to --hub"},
		{[]string{"--hub", "redis://x"}, `"redis://x" is neither embedded nor like nats`},
		{[]string{"--hub", "nats://u:pass@h:1"}, "a secret does not belong here"},
		{[]string{"--hub", "nats://h:1", "--hub-cluster", ":1"}, "cluster: it is for an embedded server"},
		{[]string{"--hub", "embedded", "--hub-cluster", ":1"}, "token_file: an embedded server that others reach needs it"},
		{[]string{"--hub", "embedded", "--hub-token-file", "/no/such"}, "hub: token_file: open /no/such"},
		{[]string{"--hub", "embedded", "--hub-token-file", short}, "at least 16 characters"},
		{[]string{"--hub", "embedded", "--hub-tls-cert", "x"}, "cert and key belong together"},
	} {
		code, _, err := call(t, "", append([]string{"serve", "--listen", "127.0.0.1:0"}, c.args...)...)
		if code != exitUsage || !strings.Contains(err, c.want) || strings.Contains(err, "pass@") {
			t.Errorf("%q: exit %d, %s; want %s", c.args, code, err, c.want)
		}
	}
}

// A gateway with rooms and a hub of its own: one connection to the backend, whose echo all members hear; status and metrics have
// it, and the hub, which is on the disk, cannot be in two processes.
func TestGatewayRooms(t *testing.T) {
	back, _ := serveOn(t)
	url, admin, p := gatewayOn(t, append(free, "--to", back, "--rooms", "one", "--hub", "embedded", "--hub-name", "one", "--hub-dir", t.TempDir())...)
	p.err.await(t, "the hub is there")
	old := dial(t, url+"/a", draftwire.Hixie76)
	meet(t, old, old, "first")
	now := dial(t, url+"/a", draftwire.RFC6455)
	meet(t, now, old, "second")
	code, out, _ := call(t, "", "status", "--admin", admin)
	if !regexp.MustCompile(`(?m)^hub +embedded, up since 2`).MatchString(out) {
		t.Errorf("status says nothing of the hub:\n%s", out)
	}
	if code != 0 || !regexp.MustCompile(`rooms of default +1 with 2 members, 1 connections to the backend; 3 deliveries`).MatchString(out) {
		t.Errorf("exit %d, status says\n%s", code, out)
	}
	resp, err := http.Get(admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"draftwire_hub_up 1", `draftwire_room_members{route="default"} 2`, `draftwire_room_upstreams{route="default"} 1`,
		`draftwire_room_deliveries_total{result="delivered",route="default"} 3`, `draftwire_room_messages_total{result="heard",route="default"} 2`,
	} {
		if !strings.Contains(string(text), want+"\n") {
			t.Errorf("the metrics do not have %s", want)
		}
	}
	if code, _, err := call(t, "", "upgrade", "--admin", admin); code == 0 || !strings.Contains(err, "cannot be in two processes at a time") {
		t.Errorf("an upgrade: exit %d, %s", code, err)
	}
}
