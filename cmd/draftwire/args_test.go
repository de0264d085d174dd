package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
)

func TestReorder(t *testing.T) {
	app := (&program{}).app()
	for _, c := range []struct{ in, want string }{
		{"client URL -x hi", "client --execute=hi -- URL"},
		{"client URL --execute=hi -x there", "client --execute=hi --execute=there -- URL"},
		{"client -b URL -w 1s", "client --binary --wait=1s -- URL"},
		{"client URL --no-wait -x --version", "client --no-wait --execute=--version -- URL"},
		{"client -- -x URL", "client -- -x URL"},
		{"client URL -x", "client --execute -- URL"},
		{"client URL --nope 1", "client --nope -- URL 1"},
		{"serve --versions -hixie-75 --mode files DIR", "serve --versions=-hixie-75 --mode=files -- DIR"},
		{"serve --flash-policy=false DIR -q", "serve --flash-policy=false --quiet -- DIR"},
		{"client - -x=", "client --execute= -- -"},
		{"--help serve", "--help serve"},
		{"cert legacy -h kiosk", "cert --help"},
		{"client ws://x -- --help", "client -- ws://x --help"},
		{"nope -x 1", "nope -x 1"},
		{"", ""},
	} {
		in := append([]string{"draftwire"}, strings.Fields(c.in)...)
		want := append([]string{"draftwire"}, strings.Fields(c.want)...)
		if got := reorder(app, in); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", c.in, got, want)
		}
	}
}

// headKeeper is a server that keeps the head of a request and refuses it.
func headKeeper(t *testing.T) (url string, head <-chan []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	heads := make(chan []string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		var lines []string
		for s := bufio.NewScanner(c); s.Scan() && s.Text() != ""; {
			lines = append(lines, s.Text())
		}
		heads <- lines
		fmt.Fprint(c, "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 8, 99\r\nContent-Length: 0\r\n\r\n")
	}()
	return "ws://" + l.Addr().String() + "/", heads
}

func TestHeadersGoAsGiven(t *testing.T) {
	url, heads := headKeeper(t)
	code, out, err := call(t, "", "client", url, "-H", "cookie: a=1, b=2", "-H", "X-lower-UPPER:  two  words ", "--origin", "http://a.example")
	if code != exitRefused || out != "" {
		t.Errorf("exit %d, stdout %q", code, out)
	}
	for _, want := range []string{strconv.Itoa(http.StatusUpgradeRequired) + " " + http.StatusText(http.StatusUpgradeRequired), "8 (hybi-08), 99"} {
		if !strings.Contains(err, want) {
			t.Errorf("stderr lacks %q: %s", want, err)
		}
	}
	head := <-heads
	for _, want := range []string{"cookie: a=1, b=2", "X-lower-UPPER: two  words", "Origin: http://a.example"} {
		if !slices.Contains(head, want) {
			t.Errorf("%q is not in the request %q", want, head)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("DRAFTWIRE_VERSION", "hixie-76")
	t.Setenv("DRAFTWIRE_EXECUTE", " one, two ")
	url, _ := serveOn(t)
	if code, out, err := call(t, "", "client", url+"/"); code != 0 || out != " one, two \n" || !strings.Contains(err, "connected: hixie-76") {
		t.Errorf("exit %d, stdout %q, stderr %q", code, out, err)
	}
	if _, _, err := call(t, "", "client", url+"/", "--version", "8"); !strings.Contains(err, "connected: hybi-08") {
		t.Errorf("the flag does not win over the environment: %q", err)
	}
	t.Setenv("DRAFTWIRE_MAX_PENDING", "x")
	if code, _, err := call(t, "", "serve"); code != exitUsage || !strings.HasPrefix(err, `draftwire serve: DRAFTWIRE_MAX_PENDING: "x" is not a whole number; see`) {
		t.Errorf("a variable that is no number: exit %d, %q", code, err)
	}
}

// misuse runs the program with a context that has ended, so that a server that
// starts all the same ends at once.
func misuse(t *testing.T, args ...string) (code int, out, err string) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	said, told := newStream(), newStream()
	code = run(ctx, append([]string{"draftwire"}, args...), stdio{strings.NewReader(""), said, told}, nil)
	return code, said.String(), told.String()
}

func TestUsageErrors(t *testing.T) {
	dir := t.TempDir()
	const url = "ws://127.0.0.1:1/"
	cases := [][]string{
		{}, {"serev"}, {"help", "serev"}, {"--help", "serev"}, {"serev", "--help"}, {"--nope"}, {"--help=x"},
		{"serve", "--lisen", "x"}, {"serve", "-z"}, {"serve", "--mode"}, {"serve", "--mode", "x"}, {"serve", "a", "b"}, {"serve", dir},
		{"serve", "--mode", "files"}, {"serve", "--mode", "files", dir + "/no"}, {"serve", "--mode", "files", dir, "--dir", dir},
		{"serve", "--versions", "-all"}, {"serve", "--versions", "hybi-99"}, {"serve", "--tolerate", "x"}, {"serve", "--max-message", "0"},
		{"serve", "--max-head", "4GiB"}, {"serve", "--handshake-timeout", "0s"}, {"serve", "--key3-timeout", "x"}, {"serve", "--max-pending", "0"}, {"serve", "--max-http", "0"}, {"serve", "--http-timeout", "0s"}, {"serve", "--http-idle-timeout", "-1s"},
		{"serve", "--idle-timeout", "-1s"}, {"serve", "--write-timeout", "0s"}, {"serve", "--tls-cert", "x"}, {"serve", "--tls-cert", "x", "--tls-key", "y"},
		{"serve", "--flash-policy-file", dir + "/no"}, {"serve", "--log-level", "loud"}, {"serve", "--log-format", "xml"},
		{"client"}, {"client", url, url}, {"client", "localhost:8080"}, {"client", "ftp://x/"}, {"client", "ws:///"}, {"client", "ws://%"},
		{"client", url, "--version", "99"}, {"client", url, "--version", "hybi-99"}, {"client", url, "--fallback", "x"}, {"client", url, "-t", "-b"},
		{"client", url, "--close-code", "1006"}, {"client", url, "--close-code", "70536"}, {"client", url, "-H", "no colon"},
		{"client", url, "-H", "a b: c"}, {"client", url, "-H", "a: b\r\nc: d"}, {"client", url, "--origin", "a\nb"}, {"client", url, "--protocol", ""},
		{"client", url, "--cacert", dir + "/no"}, {"client", url, "--timeout", "0"}, {"client", url, "-w", "-1s"}, {"client", url, "--max-message", "x"},
		{"client", url, "-x", "\xff"}, {"completion"}, {"completion", "tcsh"}, {"versions", "x"}, {"man", "--nope"},
		{"serve", "--compression", "x"}, {"serve", "--compression", ""}, {"serve", "--compression-threshold", "1KiB"},
		{"serve", "--compression", "all", "--compression-threshold", "1KiB"}, {"serve", "--compression", "large", "--compression-threshold", "0"},
		{"serve", "--compression", "large", "--compression-threshold", "2GiB"}, {"serve", "--compression-takeover"},
		{"client", url, "--compression", "ON"}, {"client", url, "--compression-takeover"}, {"client", url, "--compression-threshold", "9"},
		{"client", url, "--echo", "-x", "a"}, {"versions", "-l", "x"},
		{"bench"}, {"bench", "x"}, {"bench", url, "x"}, {"bench", url, "-c", "0"}, {"bench", url, "-c", "100001"}, {"bench", url, "-c", "x"},
		{"bench", url, "-n", "0"}, {"bench", url, "-n", "10"}, {"bench", url, "-n", "100", "-z", "1s"}, {"bench", url, "-z", "0s"}, {"bench", url, "-z", "-1s"},
		{"bench", url, "-q", "0"}, {"bench", url, "-q", "-1"}, {"bench", "-q", url}, {"bench", url, "--depth", "0"}, {"bench", url, "--depth", "65537"},
		{"bench", url, "--warmup", "0s"}, {"bench", url, "--timeout", "0s"}, {"bench", url, "--max-p99", "0s"}, {"bench", url, "--max-p99", "61s"},
		{"bench", url, "--size", ""}, {"bench", url, "--size", "0"}, {"bench", url, "--size", "1,,2"}, {"bench", url, "--size", "1,x"},
		{"bench", url, "--size", "1GiB"}, {"bench", url, "-c", "1", "--size", "9,3GiB"}, {"bench", url, "-t", "-b"}, {"bench", url, "-b", "--version", "76"},
		{"bench", url, "-b", "--mix", "13=1,75=1"}, {"bench", url, "--mix", ""}, {"bench", url, "--mix", "rfc6455"}, {"bench", url, "--mix", "=1"},
		{"bench", url, "--mix", "x=1"}, {"bench", url, "--mix", "13=0"}, {"bench", url, "--mix", "13=-1"}, {"bench", url, "--mix", "13=1.5"},
		{"bench", url, "--mix", "13=10001"}, {"bench", url, "--mix", "13=1,rfc6455=2"}, {"bench", url, "--mix", "13=1,"}, {"bench", url, "--version", "99"},
		{"bench", url, "--mix", "13=1,8=1", "-c", "1"}, {"bench", url, "--mix", "13=1", "--version", "13"}, {"bench", url, "-H", "x"},
		{"bench", url, "--compression", "x"}, {"bench", url, "--cacert", dir + "/no"},
	}
	for _, v := range (draftwire.AllVersions &^ draftwire.ServedVersions()).List() { // known, and not served
		cases = append(cases, []string{"serve", "--versions", v.String()},
			[]string{"client", url, "--version", v.String()}, []string{"client", url, "--fallback", v.String()})
	}
	for _, args := range cases {
		code, out, err := misuse(t, args...)
		if code != exitUsage || out != "" {
			t.Errorf("%q: exit %d, stdout %q, stderr %q", args, code, out, err)
		}
		if strings.Count(err, "\n") != 1 || !strings.HasSuffix(err, " --help'\n") || !strings.HasPrefix(err, "draftwire") {
			t.Errorf("%q: stderr is no line with a hint: %q", args, err)
		}
	}
}

func TestSuggestions(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"serev", `unknown command "serev" (did you mean "serve"?); see 'draftwire --help'`},
		{"nosuch", `unknown command "nosuch"; see 'draftwire --help'`},
		{"help serev", `unknown command "serev" (did you mean "serve"?); see 'draftwire --help'`},
		{"serve --lisen x", "draftwire serve: unknown flag --lisen (did you mean --listen?); see 'draftwire serve --help'"},
		{"serve --zzz", "draftwire serve: unknown flag --zzz; see"},
		{"serve -z", "draftwire serve: unknown flag -z; see"},
		{"gateway --to", "draftwire gateway: --to needs a value; see"},
		{"serve --max-pending x", `--max-pending: "x" is not a whole number; see`},
		{"serve --handshake-timeout 5", `--handshake-timeout: "5" is not a time like 500ms, 30s or 2m; see`},
		{"serve --flash-policy=x", `--flash-policy: "x" is not true or false; see`},
		{"client ws://x/ --orgin x", "did you mean --origin?"},
		{"bench ws://x/ --mix 13=1,8=0", "leave out a version that gets nothing"},
		{"bench ws://x/ --mix 13=1,76=1 -b", "hixie-76 has no binary messages; send --text, or leave it out"},
		{"bench ws://x/ -n 10", "-c 10 opens fewer"},
	} {
		if _, _, err := call(t, "", strings.Fields(c.args)...); !strings.Contains(err, c.want) {
			t.Errorf("%s: %q", c.args, err)
		}
	}
}
