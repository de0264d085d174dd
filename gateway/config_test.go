package gateway_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire/gateway"
)

const someRoutes = "routes: [{backends: [{url: 'ws://b'}]}]\n"

// What is wrong with a file is said with its line, and what may have been meant.
func TestLoadErrors(t *testing.T) {
	cases := []struct{ yaml, want string }{
		{"listn: []\n" + someRoutes, `line 1: there is no key "listn" here; "listen" is meant?`},
		{"drain: 5s\nroutes:\n  - backends: [{url: 'ws://b'}]\n    polcy: {}\n", `line 4: there is no key "polcy" here; "policy" is meant?`},
		{"limits:\n  xyzzy: 5\n" + someRoutes, `line 2: there is no key "xyzzy" here; there are connections, connections_per_address`},
		{"versions:\n  hixie-75: [{mode: warn, form: 2027-01-01}]\n" + someRoutes, `line 2: there is no key "form" here; "from" is meant?`},
		{"routes:\n  - backends:\n    - ulr: x\n", `line 3: there is no key "ulr" here; "url" is meant?`},
		{"drain: soon\n" + someRoutes, `line 1: "soon" is no time like 500ms, 30s or 2m`},
		{"drain: [1s]\n" + someRoutes, "line 1: a value stands here"},
		{"limits:\n  message: 5 apples\n" + someRoutes, `line 2: "5 apples" is no size like 512, 64KiB or 1MiB`},
		{"limits:\n  message: 99999999999GiB\n" + someRoutes, "line 2: "},
		{"limits:\n  connections: many\n" + someRoutes, "line 2: text `many` stands where a number should"},
		{"admin: {pprof: 7}\n" + someRoutes, "line 1: a number `7` stands where true or false should"},
		{"listen: main\n" + someRoutes, "line 1: text `main` stands where a list should"},
		{"routes:\n  - 7\n", "line 2: a number `7` stands where keys should"},
		{"trust_forwarded: [10.0.0.0/8, 10.0.0.1]\n" + someRoutes, `line 1: netip.ParsePrefix("10.0.0.1"): no '/'`},
		{"routes:\n  - backends: [{url: 'ws://b'}]\n    policy: {fatal: [nothing]}\n", `line 3: "nothing" is no loss; there are binary_rejected`},
		{"versions:\n  hixie-75: [{mode: warn, from: soon}]\n" + someRoutes, "line 2: \"soon\" is no date or time like 2027-01-31"},
		{"routes: [\n", "line 1: did not find expected node content"},
		{"a: &a [*a]\n", `line 1: `},
		{"---\n---\n", "more than one document"},
		{strings.Repeat("#", 5<<20), "above 4194304 bytes"},
		{"", "routes: there is none"},
	}
	for _, tc := range cases {
		_, err := gateway.Load(strings.NewReader(tc.yaml))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%.60q: %v, not %q", tc.yaml, err, tc.want)
		}
	}
}

// Each thing that cannot be is found, all of them at once.
func TestCheck(t *testing.T) {
	route := func(r string) string { return "routes: [{name: r, backends: [{url: 'ws://b'}], " + r + "}]\n" }
	backend := func(b string) string { return "routes: [{name: r, backends: [" + b + "]}]\n" }
	cases := []struct{ yaml, want string }{
		{"listen: [{address: 'nowhere'}]\n" + someRoutes, `listen nowhere: address: "nowhere" is none of HOST:PORT, unix:PATH, fd:NAME`},
		{"listen: [{address: 'unix:'}]\n" + someRoutes, `address: "unix:" is none of`},
		{"listen: [{name: a, address: ':1'}, {name: a, address: ':1'}]\n" + someRoutes, "listen a: \"a\" stands twice\nlisten a: address: \":1\" stands twice"},
		{"listen: [{address: ':1', versions: hybi-99}]\n" + someRoutes, "listen :1: versions: "},
		{"listen: [{address: ':1', tolerate: [all-faults]}]\n" + someRoutes, "listen :1: tolerate: "},
		{"listen: [{address: ':1', proxy_protocol: {mode: maybe}}]\n" + someRoutes, `proxy_protocol: mode: "maybe" is none of off, accept, require`},
		{"listen: [{address: ':1', proxy_protocol: {mode: accept}}]\n" + someRoutes, "proxy_protocol: from: which networks may name the client?"},
		{"listen: [{address: ':1', public_url: example.com}]\n" + someRoutes, `public_url: "example.com" is not like wss://example.com`},
		{"listen: [{address: ':1', public_url: 'https://example.com'}]\n" + someRoutes, "is not like wss://example.com"},
		{"listen: [{address: ':1', tls: {profile: ancient}}]\n" + someRoutes, "tls: profile: \"ancient\" is none of modern, legacy, museum\nlisten :1: tls: certificates: there is none"},
		{"admin: {address: 9090}\n" + someRoutes, `admin: address: "9090" is none of`},
		{"admin: {hosts: ['a:80', '*example.com']}\n" + someRoutes, "admin: hosts: \"a:80\" is not like example.com, *.example.com or *, without a port\nadmin: hosts: \"*example.com\" is"},
		{"drain: -1s\n" + someRoutes, "drain: -1s is below 0"},
		{"limits: {head: 10, handshake: -1s, key3: -1s, close: -1s, write: -1s, idle: -1s, pending: -1}\n" + someRoutes,
			"limits: head: 10 is not from 256 to 1 MiB\nlimits: handshake: -1s is below 0\nlimits: key3: -1s is below 0\nlimits: close: -1s is below 0\n" +
				"limits: write: -1s is below 0\nlimits: idle: -1s is below 0\nlimits: pending: -1 is below 0"},
		{"ledger: {client: cookie}\n" + someRoutes, `ledger: client: "cookie" is none of address, header NAME`},
		{"ledger: {client: address x}\n" + someRoutes, `ledger: client: "address x" is none of`},
		{"ledger: {client: mac x}\n" + someRoutes, `ledger: client: "mac x" is none of`},
		{"ledger: {clients: -1}\n" + someRoutes, "ledger: clients: -1 is below 0"},
		{"versions: {hybi-99: [{mode: warn}]}\n" + someRoutes, "versions: "},
		{"versions: {hixie-75: [{mode: perhaps}]}\n" + someRoutes, "versions: hixie-75: "},
		{"versions: {hixie-76: [{mode: warn}], hybi-00: [{mode: warn}]}\n" + someRoutes, "hixie-76 stands twice, under another name"},
		{"routes: [{name: a, backends: [{url: 'ws://b'}]}, {name: a, backends: [{url: 'ws://b'}]}]", `routes: "a" stands twice`},
		{"routes: [{name: a}]", "route a: backends: there is none"},
		{backend("{url: 'ws://b'}, {url: 'ws://b'}"), `route r: backends: "ws://b" stands twice`},
		{backend("{url: b}"), `backend "b" has no host`},
		{backend("{url: 'ws://:80'}"), "has no host"},
		{backend("{url: 'http://b'}"), `backend "http://b" is none of ws:, wss:, tcp: and unix: URLs`},
		{backend("{url: 'tcp://b'}"), `backend "tcp://b" is not tcp://HOST:PORT`},
		{backend("{url: 'tcp://b:1/x'}"), "is not tcp://HOST:PORT"},
		{backend("{url: 'ws://b:99999'}"), `"99999" is no port`},
		{backend("{url: 'ws://b?x=y'}"), "only version may stand here"},
		{backend("{url: 'ws://b?version=hybi-99'}"), `backend "ws://b?version=hybi-99": `},
		{backend("{url: 'ws://b', insecure: true}"), "insecure is for wss alone"},
		{backend("{url: 'ws://b%'}"), `backend "ws://b%": `},
		{route("match: {listeners: [x]}"), `route r: match: listeners: there is no listener "x"`},
		{route("match: {versions: hybi-99}"), "route r: match: versions: "},
		{route("match: {hosts: ['*example.com', 'a:80', '']}"), "hosts: \"*example.com\" is not like example.com, *.example.com or *, without a port\nroute r: match: hosts: \"a:80\" is not like"},
		{route("pass_headers: [X-Real-IP, X-Odd, Forwarded]"), "route r: pass_headers: \"X-Odd\" is none of the fields that are held back\nroute r: pass_headers: \"Forwarded\" is"},
		{route("match: {paths: [feed, '/feed*', '/a?b', '/*/x']}"), "paths: \"feed\" is not like /feed, /feed/* or *\nroute r: match: paths: \"/feed*\" is not like"},
		{route("match: {protocols: ['a b']}"), `protocols: "a b" is no subprotocol`},
		{route("origins: ['[a']"), "route r: origins: "},
		{route("health: {check: http}"), `health: check: "http" is none of tcp, off`},
		{route("dial: -1s, health: {interval: -1s, timeout: -1s, cooldown: -1s}"), "route r: dial: -1s is below 0\nroute r: health: interval: -1s is below 0"},
		{route("strip_prefix: feed"), `strip_prefix: "feed" is no path that begins with /`},
		{route("strip_prefix: '/a?b'"), "strip_prefix: "},
		{route("origin: \"a\\nb\""), "route r: origin: "},
		{route("drop_headers: ['a b']"), `drop_headers: "a b" is no name of a field`},
		{route("set_headers: {'a b': c}"), "set_headers: \"a b\": \"c\" cannot be sent"},
		{route("set_headers: {a: \"b\\r\\nc: d\"}"), "cannot be sent"},
		{route("set_headers: {A: b, a: c}"), `set_headers: "a" stands twice`},
		{route("set_headers: {Origin: x}"), "set_headers: Origin is set by the route's origin"},
		{route("set_headers: {Sec-WebSocket-Key: x}"), "set_headers: Sec-WebSocket-Key belongs to the handshake"},
		{route("set_headers: {Content-Length: 5}"), "set_headers: Content-Length belongs to the handshake"},
		{route("policy: {binary: rot13}"), `policy: binary: "rot13" is none of reject, base64, hex, latin1, drop`},
		{route("policy: {binary_back: true}"), `policy: binary_back: binary says "reject", not how`},
		{route("policy: {invalid_text: keep, fragments: x, close_without_code: x, compression: x}"), "policy: invalid_text: \"keep\" is none of fail, replace\nroute r: policy: fragments: "},
		{route("policy: {ping: 1ns}"), "policy: ping: 1ns is below 1s"},
	}
	for _, tc := range cases {
		_, err := gateway.Load(strings.NewReader(tc.yaml))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, not %q", tc.yaml, err, tc.want)
		}
	}
}

// The example is valid, as it is and with all that stands in comments.
func TestExample(t *testing.T) {
	if _, err := gateway.Load(strings.NewReader(gateway.Example)); err != nil {
		t.Fatal(err)
	}
	var all []string
	for i, line := range strings.Split(gateway.Example, "\n") {
		if rest, ok := strings.CutPrefix(strings.TrimLeft(line, " "), "# "); ok && i > 2 {
			line = line[:strings.Index(line, "#")] + rest
		}
		all = append(all, line)
	}
	cfg, err := gateway.Load(strings.NewReader(strings.Join(all, "\n")))
	if err != nil {
		t.Fatalf("without comments: %v\n%s", err, strings.Join(all, "\n"))
	}
	if len(cfg.Routes[0].Backends) != 4 || len(cfg.Listen[0].TLS.Certificates) != 2 || len(cfg.Versions["hixie-75"]) != 3 {
		t.Errorf("%+v", cfg)
	}
	if plan, err := cfg.Plan(); err != nil || len(plan) != 1 {
		t.Errorf("plan %v, %v", plan, err)
	}
}

// What Print writes loads to the same.
func TestPrint(t *testing.T) {
	full := "drain: 90s\nlimits: {message: 1536KiB, head: 1000, idle: 2m, connections: -1}\ntrust_forwarded: [10.0.0.0/8, 'fd00::/8']\n" +
		"listen: [{address: 'unix:/a b', tls: {certificates: [{cert: a, key: b}]}, proxy_protocol: {mode: require, from: [10.0.0.0/8]}}]\n" +
		"versions: {hixie-75: [{mode: warn}, {mode: \"off\", from: 2027-02-01}, {mode: sample 10%, from: 2027-01-01T12:00:00+01:00}]}\n" +
		"routes: [{backends: [{url: 'wss://b', insecure: true}], set_headers: {a: 'b: c'}, policy: {fatal: [borders], ping: -1s}, match: {paths: ['*', /a/*]}}]\n"
	full = strings.Replace(full, "{mode: \"off\", from: 2027-02-01}, {mode: sample 10%, from: 2027-01-01T12:00:00+01:00}", "{mode: sample 10%, from: 2027-01-01T12:00:00+01:00}, {mode: \"off\", from: 2027-02-01}", 1)
	for _, text := range []string{gateway.Example, someRoutes, full} {
		cfg, err := gateway.Load(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		samePrinted(t, cfg)
	}
}

func samePrinted(t *testing.T, cfg *gateway.Config) {
	t.Helper()
	var first, second bytes.Buffer
	if err := cfg.Print(&first); err != nil {
		t.Fatal(err)
	}
	again, err := gateway.Load(bytes.NewReader(first.Bytes()))
	if err != nil {
		t.Fatalf("%v\n%s", err, &first)
	}
	if again.Print(&second); first.String() != second.String() {
		t.Errorf("printed again:\n%s\nfirst:\n%s", &second, &first)
	}
	if strings.Contains(first.String(), "0001-01-01") {
		t.Errorf("the zero time is printed:\n%s", &first)
	}
}

func TestSizesAndTimes(t *testing.T) {
	for text, want := range map[string]gateway.Size{"0": 0, "512": 512, "64KiB": 65536, "1 MiB": 1 << 20, "2GiB": 2 << 30, "7B": 7, "-1": -1} {
		var s gateway.Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s is %d, %v", text, s, err)
		}
		var back gateway.Size
		p, _ := s.MarshalText()
		if err := back.UnmarshalText(p); err != nil || back != s {
			t.Errorf("%s is written %s, which is %d, %v", text, p, back, err)
		}
	}
	for _, text := range []string{"", "KiB", "1.5MiB", "-2", "1e9", "9223372036854775807GiB", "1 KB"} {
		var s gateway.Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken as %d", text, s)
		}
	}
	var d gateway.Duration
	if err := d.UnmarshalText([]byte("1m30s")); err != nil || d != gateway.Duration(90*time.Second) || d.String() != "1m30s" {
		t.Errorf("%v, %v", d, err)
	}
}
