package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/draftwire/draftwire/hostile"
)

func TestServerFaultsAreFound(t *testing.T) {
	served := one(hostile.Server, hostile.Served, opens, hello, echo, holds)
	within := func(b hostile.Budget) hostile.Case {
		c := served
		c.Budget = b
		return c
	}
	failing := one(hostile.Server, hostile.Failed, opens, hello)
	failing.Budget.Time = 500 * millisecond
	coded := one(hostile.Server, hostile.Failed, opens, hello)
	coded.Verdict.Codes = []int{1009}
	quiet := one(hostile.Server, hostile.Served, opens, holds)
	quiet.Verdict.Never = []string{"secret"}
	refused := one(hostile.Server, hostile.Refused, opens)
	forbidden := one(hostile.Server, hostile.Refused, opens)
	forbidden.Verdict.Status = []int{403}
	ended := one(hostile.Server, hostile.Ended, opens)
	ended.Budget.Time = 500 * millisecond
	waited := one(hostile.Server, hostile.Failed, opens, hello, echo)
	held := one(hostile.Server, hostile.Failed, opens, hello, hostile.Step{Do: hostile.Hold, For: 700 * millisecond})
	held.Budget.Time = 500 * millisecond
	for _, c := range []struct {
		fault  string
		c      hostile.Case
		reason string
	}{
		{"none", served, ""},
		{"leak", within(hostile.Budget{Recover: 1000 * millisecond}), "3 descriptors were not given back within 1s"},
		{"memory", within(hostile.Budget{Memory: 48 << 20}), "of memory, budget 48.0MiB"},
		{"processor", within(hostile.Budget{CPU: 200 * millisecond}), "of processor, budget 200ms"},
		{"late", within(hostile.Budget{Probe: 700 * millisecond}), "an honest client waited"},
		{"lines", served, "lines of log more than connections, budget 40"},
		{"crash", served, `its log says "panic: recovered"`},
		{"dies", served, "the target has ended: exit status 3"},
		{"refuses", served, "expected served; came: status 404"},
		{"silent", within(hostile.Budget{Time: 300 * millisecond}), "the steps were not over within 300ms"},
		{"none", failing, "expected failed; came: status 101, no end"},
		{"wrong-code", coded, "expected failed with code 1009; came: status 101, close code 1002"},
		{"talks", quiet, `"secret" must not come`},
		{"none", quiet, ""},
		{"none", refused, "expected refused; came: status 101"},
		{"refuses", refused, ""},
		{"refuses", forbidden, "expected refused with status 403; came: status 404"},
		{"none", ended, "expected ended; came: status 101, no end"},
		{"wrong-code", ended, ""},
		{"waits", waited, ""},
		{"waits", held, "the steps were not over within 500ms; came: status 101, close code 1002, no end"},
	} {
		t.Run(c.fault+"/"+c.c.Verdict.Outcomes[0], func(t *testing.T) {
			t.Parallel()
			status, r := played(t, hostile.Server, []hostile.Case{c.c}, "--command", command("server", c.fault, "{listen}"))
			wants(t, status, r[0], c.reason)
		})
	}
}

func TestATargetThatDoesNotListenFailsEachCase(t *testing.T) {
	s, err := parse([]string{"--scale", "0.01", "--command", "env LISTEN={listen} sleep 60"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlayer(s, newReporter(io.Discard, io.Discard, true))
	if err != nil {
		t.Fatal(err)
	}
	defer p.end()
	served := one(hostile.Server, hostile.Served, opens, hello, echo)
	for range 2 {
		if r, err := p.playOne(t.Context(), &served); r.Result != failed || !errors.Is(err, errGone) || !strings.Contains(r.Reason, "does not listen") {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

func TestAServerThatDiedIsStartedAgain(t *testing.T) {
	bad, good := one(hostile.Server, hostile.Any, opens), one(hostile.Server, hostile.Any, opens)
	status, r := played(t, hostile.Server, []hostile.Case{bad, good}, "--command", command("server", "dies", "{listen}"))
	wants(t, status, r[0], "the target has ended")
	wants(t, status, r[1], "the target has ended")
}

func TestClientFaultsAreFound(t *testing.T) {
	opened := one(hostile.Client, hostile.Failed, opens, hostile.Step{Do: hostile.Expect, Hex: hostile.Hex{0x81}}, hostile.Step{Do: hostile.End})
	opened.Budget.Recover = 300 * millisecond
	refused := one(hostile.Client, hostile.Refused, hostile.Step{Do: hostile.Send, Parts: []hostile.Part{{Text: "HTTP/1.1 200 OK\r\n\r\n"}}},
		hostile.Step{Do: hostile.Hold, For: 300 * millisecond}, hostile.Step{Do: hostile.End})
	staying := one(hostile.Client, hostile.Any, opens)
	staying.Budget.Recover = 300 * millisecond
	for _, c := range []struct {
		fault  string
		c      hostile.Case
		reason string
	}{
		{"none", opened, ""},
		{"none", refused, "expected refused; came: it opened"},
		{"crash", opened, `its log says "panic: no`},
		{"stays", staying, "the client had not ended 300ms after its connection"},
		{"lines", opened, "60 lines of log, budget 40 for each of 1 programs"},
	} {
		t.Run(c.fault+"/"+c.c.Verdict.Outcomes[0], func(t *testing.T) {
			t.Parallel()
			status, r := played(t, hostile.Client, []hostile.Case{c.c}, "--command", command("client", c.fault, "{url}"))
			wants(t, status, r[0], c.reason)
		})
	}
}

func TestProxyFaultsAreFound(t *testing.T) {
	none := 0
	head := string(dialectOf("rfc6455").request("{host}", "/", nil))
	early := one(hostile.Front, hostile.Served, hostile.Step{Do: hostile.Send, Parts: []hostile.Part{{Text: head}, {Hex: hello.Parts[0].Hex}}}, echo)
	early.Verdict.Beyond = &hostile.Beyond{Early: true}
	passing := one(hostile.Front, hostile.Served, opens, hello, echo)
	passing.Verdict.Beyond = &hostile.Beyond{Never: []string{"Hello"}}
	connecting := one(hostile.Front, hostile.Served, opens, hello, echo)
	connecting.Verdict.Beyond = &hostile.Beyond{Connections: &none}
	sound := one(hostile.Front, hostile.Served, opens, hello, echo)
	sound.Verdict.Beyond = &hostile.Beyond{Early: true, Never: []string{"other"}}

	answer := hostile.Step{Do: hostile.Send, Parts: []hostile.Part{{Text: "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\nevil"}}}
	opened := one(hostile.Behind, hostile.Any, answer, holds)
	opened.Verdict.Beyond = &hostile.Beyond{Opened: true}
	told := one(hostile.Behind, hostile.Any, answer, holds)
	told.Verdict.Beyond = &hostile.Beyond{Never: []string{"evil"}}
	harmless := one(hostile.Behind, hostile.Served, opens, hostile.Step{Do: hostile.Expect, Hex: hostile.Hex{0x81}})
	harmless.Verdict.Beyond = &hostile.Beyond{Never: []string{"evil"}}
	single := 1
	asked := func(text string) hostile.Case {
		c := one(hostile.Pages, hostile.Any, hostile.Step{Do: hostile.Send, Parts: []hostile.Part{{Text: text}}}, holds)
		c.Verdict.Beyond = &hostile.Beyond{Requests: &single}
		return c
	}
	const get, post = "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\n"
	for _, c := range []struct {
		name, side string
		c          hostile.Case
		reason     string
	}{
		{"page", hostile.Pages, asked(get), ""},
		{"chunked", hostile.Pages, asked(post + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n"), ""},
		{"cut", hostile.Pages, asked(post + "Content-Length: 5\r\n\r\nhell"), ""},
		{"two", hostile.Pages, asked(get + get), "beyond: 2 requests came, expected at most 1"},
		{"two-lengths", hostile.Pages, asked(post + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "2 lengths"},
		{"coding", hostile.Pages, asked(post + "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n"), "the coding"},
		{"blank", hostile.Pages, asked("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), "the line"},
		{"lf", hostile.Pages, asked("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"), "does not end in CR LF"},
		{"extension", hostile.Pages, asked(post + "Transfer-Encoding: chunked\r\n\r\n0;a\r\n\r\n"), "the line of a chunk"},
		{"sound", hostile.Front, sound, ""},
		{"early", hostile.Front, early, "bytes came behind the request's head before its 101 had gone"},
		{"never", hostile.Front, passing, `beyond: "Hello" must not come`},
		{"connections", hostile.Front, connecting, "beyond: 1 connections were made, expected at most 0"},
		{"harmless", hostile.Behind, harmless, ""},
		{"opened", hostile.Behind, opened, "beyond: a connection opened that must not"},
		{"told", hostile.Behind, told, `beyond: "evil" must not come`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			status, r := played(t, c.side, []hostile.Case{c.c}, "--command", command("pipe", "", "{listen} {backend}"))
			wants(t, status, r[0], c.reason)
		})
	}
}

func TestForeignAddressesAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"--url", "ws://192.0.2.1:80/"},
		{"--url", "ws://[2001:db8::1]:80/"},
		{"--url", "ws://0.0.0.0:80/"},
		{"--url", "ws://127.0.0.1:1/", "--tls-url", "wss://192.0.2.1/"},
		{"--side", "front", "--command", "x {listen}", "--backend-listen", "192.0.2.1:0"},
	} {
		var out, talk bytes.Buffer
		if status := run(t.Context(), args, &out, &talk); status != exitUsage || !strings.Contains(talk.String(), "--this-target-is-mine") {
			t.Errorf("%q: exit status %d: %s", args, status, talk.String())
		}
	}
}

func TestWrongUsage(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"--side", "middle"},
		{"--url", "ws://127.0.0.1:1/", "--command", "x {listen}"},
		{"--command", "x"},
		{"--side", "client", "--url", "ws://127.0.0.1:1/"},
		{"--url", "http://127.0.0.1:1/"},
		{"--url", "ws://127.0.0.1:1/", "--has", "wings"},
		{"--url", "ws://127.0.0.1:1/", "--versions", "14"},
		{"--url", "ws://127.0.0.1:1/", "--repeat", "0"},
		{"--url", "ws://127.0.0.1:1/", "server/nothing"},
		{"--no-such-flag"},
	} {
		var out, talk bytes.Buffer
		if status := run(t.Context(), args, &out, &talk); status != exitUsage || talk.Len() == 0 {
			t.Errorf("%q: exit status %d: %q", args, status, talk.String())
		}
	}
}

func TestWhatTheTargetCannotDoIsSkipped(t *testing.T) {
	deflate := one(hostile.Server, hostile.Any, opens)
	deflate.Needs = []string{"deflate"}
	slow := one(hostile.Server, hostile.Any, opens)
	slow.Slow = true
	other := one(hostile.Server, hostile.Any, opens)
	other.Version = "hybi-04"
	status, r := played(t, hostile.Server, []hostile.Case{deflate, slow, other},
		"--short", "--versions", "rfc6455", "--command", command("server", "none", "{listen}"))
	for i, reason := range []string{"the target has no deflate", "slow", "not of the versions asked for"} {
		if r[i].Result != skipped || r[i].Reason != reason || status != exitPassed {
			t.Errorf("exit status %d: %+v, want %s", status, r[i], reason)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, id string
		want        bool
	}{
		{"server", "server/frame/x/rfc6455", true},
		{"server/frame", "server/frame/x/rfc6455", true},
		{"server/frame/", "server/frame/x/rfc6455", true},
		{"server/fra", "server/frame/x/rfc6455", false},
		{"server/frame/x/rfc6455", "server/frame/x/rfc6455", true},
		{"server/*/x", "server/frame/x/rfc6455", true},
		{"server/frame/*", "server/frame/x/rfc6455", true},
		{"*/frame/*/rfc6455", "server/frame/x/rfc6455", true},
		{"*/frame/*/hybi-04", "server/frame/x/rfc6455", false},
	} {
		if got := matches(c.pattern, c.id); got != c.want {
			t.Errorf("%s names %s: %v", c.pattern, c.id, got)
		}
	}
}
