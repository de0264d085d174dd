package gateway_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"go.yaml.in/yaml/v3"
)

const someRoutes = "routes: [{backends: [{url: 'ws://b'}]}]\n"

// An error in a file comes with its line and, for an unknown key, with a key that is spelled
// alike.
func TestLoadErrors(t *testing.T) {
	cases := []struct{ yaml, want string }{
		{"listn: []\n" + someRoutes, `line 1: unknown key "listn"; did you mean "listen"?`},
		{"drain: 5s\nroutes:\n  - backends: [{url: 'ws://b'}]\n    polcy: {}\n", `line 4: unknown key "polcy"; did you mean "policy"?`},
		{"limits:\n  xyzzy: 5\n" + someRoutes, `line 2: unknown key "xyzzy"; the keys here are connections, connections_per_address`},
		{"versions:\n  hixie-75: [{mode: warn, form: 2027-01-01}]\n" + someRoutes, `line 2: unknown key "form"; did you mean "from"?`},
		{"routes:\n  - backends:\n    - ulr: x\n", `line 3: unknown key "ulr"; did you mean "url"?`},
		{"drain: soon\n" + someRoutes, `line 1: "soon" is not a time like 500ms, 30s or 2m`},
		{"drain: [1s]\n" + someRoutes, "line 1: expected a single value, found a list or a mapping"},
		{"limits:\n  message: 5 apples\n" + someRoutes, `line 2: "5 apples" is not a size like 512, 64KiB or 1MiB`},
		{"limits:\n  message: 99999999999GiB\n" + someRoutes, "line 2: "},
		{"limits:\n  connections: many\n" + someRoutes, "line 2: expected a number, found the text `many`"},
		{"admin: {pprof: 7}\n" + someRoutes, "line 1: expected true or false, found the number `7`"},
		{"listen: main\n" + someRoutes, "line 1: expected a list, found the text `main`"},
		{"routes:\n  - 7\n", "line 2: expected a mapping (key: value), found the number `7`"},
		{"trust_forwarded: [10.0.0.0/8, 10.0.0.1]\n" + someRoutes, `line 1: "10.0.0.1" is not a network like 10.0.0.0/8; that of this address alone is 10.0.0.1/32`},
		{"routes:\n  - backends: [{url: 'ws://b'}]\n    policy: {fatal: [nothing]}\n", `line 3: "nothing" is not the name of a loss; the losses are binary_rejected`},
		{"versions:\n  hixie-75: [{mode: warn, from: soon}]\n" + someRoutes, "line 2: \"soon\" is not a date or time like 2027-01-31"},
		{"routes: [\n", "line 1: did not find expected node content"},
		{"a: &a [*a]\n", `line 1: `},
		{"---\n---\n", "more than one document"},
		{strings.Repeat("#", 5<<20), "longer than 4194304 bytes"},
		{"", "routes: there is no route"},
	}
	for _, tc := range cases {
		_, err := gateway.Load(strings.NewReader(tc.yaml))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%.60q: %v, not %q", tc.yaml, err, tc.want)
		}
	}
}

// Check finds every error in a configuration, all of them at once.
func TestCheck(t *testing.T) {
	route := func(r string) string { return "routes: [{name: r, backends: [{url: 'ws://b'}], " + r + "}]\n" }
	backend := func(b string) string { return "routes: [{name: r, backends: [" + b + "]}]\n" }
	cases := []struct{ yaml, want string }{
		{"listen: [{address: 'nowhere'}]\n" + someRoutes, `listen nowhere: address: "nowhere" is not HOST:PORT, unix:PATH or fd:NAME`},
		{"listen: [{address: 'unix:'}]\n" + someRoutes, `address: "unix:" is not HOST:PORT`},
		{"listen: [{name: a, address: ':1'}, {name: a, address: ':1'}]\n" + someRoutes, "listen: name: \"a\" is used more than once\nlisten a: address: \":1\" is also that of listener a"},
		{"listen: [{address: ':1', versions: hybi-99}]\n" + someRoutes, "listen :1: versions: "},
		{"listen: [{address: ':1', tolerate: [all-faults]}]\n" + someRoutes, "listen :1: tolerate: "},
		{"listen: [{address: ':1', proxy_protocol: {mode: maybe}}]\n" + someRoutes, `proxy_protocol: mode: "maybe" is not one of off, accept, require`},
		{"listen: [{address: ':1', proxy_protocol: {mode: accept}}]\n" + someRoutes, "proxy_protocol: from: it is empty; name the networks"},
		{"listen: [{address: ':1', public_url: example.com}]\n" + someRoutes, `public_url: "example.com" is not like wss://example.com`},
		{"listen: [{address: ':1', public_url: 'https://example.com'}]\n" + someRoutes, "is not like wss://example.com"},
		{"listen: [{address: ':1', tls: {profile: ancient}}]\n" + someRoutes, "tls: profile: \"ancient\" is not one of modern, legacy, museum\nlisten :1: tls: certificates: at least one is needed"},
		{"listen: [{name: a, address: ':80'}, {name: b, address: '127.0.0.1:80'}]\n" + someRoutes, `listen b: address: "127.0.0.1:80" overlaps with the address of listener a, which is :80`},
		{"listen: [{name: a, address: '[::]:80'}, {name: b, address: '0.0.0.0:80'}]\n" + someRoutes, `listen b: address: "0.0.0.0:80" overlaps with`},
		{"listen: [{name: a, address: '127.0.0.1:80'}, {name: b, address: 'localhost:http'}]\n" + someRoutes, `listen b: address: "localhost:http" overlaps with`},
		{"listen: [{name: a, address: 'front:80'}, {name: b, address: 'Front:80'}]\n" + someRoutes, `listen b: address: "Front:80" overlaps with`},
		{"listen: [{name: a, address: '0.0.0.0:9090'}]\n" + someRoutes, `admin: address: "127.0.0.1:9090" overlaps with the address of listener a`},
		{"listen: [{address: ':nosuchservice'}]\n" + someRoutes, `has a port that is neither a number nor the name of a service`},
		{"listen: [{name: a, address: ':1', health: '/a b'}]\n" + someRoutes, `listen a: health: "/a b" is not a path like /healthz`},
		{"listen: [{name: a, address: ':1', public_url: 'wss://u@example.com'}]\n" + someRoutes, `public_url: "wss://u@example.com" is not like`},
		{"listen: [{name: a, address: ':1', tls: {certificates: [{cert: a}]}}]\n" + someRoutes, `listen a: tls: certificates: number 1 needs cert and key`},
		{"listen: [{name: a, address: ':1', tls: {acme: {domains: [a.example], cache: /c, email: 'ops'}}}]\n" + someRoutes, `acme: email: "ops" is not an address like`},
		{"listen: [{name: a, address: ':1', tolerate: [no-fault, line-ends, nor-this]}]\n" + someRoutes, "nor-this"},
		{"limits: {handshakes_per_second_per_address: .nan}\n" + someRoutes, `limits: handshakes_per_second_per_address: NaN is not a number`},
		{"limits: {connections: 1.5}\n" + someRoutes, `line 1: expected a whole number, found 1.5`},
		{"versions: {hixie-75: [{mode: perhaps}], hixie-76: [{mode: never}]}\n" + someRoutes, `versions: hixie-76: `},
		{"admin: {address: 9090}\n" + someRoutes, `admin: address: "9090" is not HOST:PORT`},
		{"admin: {hosts: ['a:80', '*example.com']}\n" + someRoutes, "admin: hosts: \"a:80\" is not like example.com, *.example.com or *, without a port\nadmin: hosts: \"*example.com\" is"},
		{"limits: {head: 10}\n" + someRoutes, "limits: head: 10 is not from 256 to 1MiB"},
		{"limits: {head: -1}\n" + someRoutes, "limits: head: -1 is not from 256 to 1MiB"},
		{"ledger: {client: cookie}\n" + someRoutes, `ledger: client: "cookie" is not one of address, header NAME`},
		{"ledger: {client: address x}\n" + someRoutes, `ledger: client: "address x" is not one of`},
		{"ledger: {client: mac x}\n" + someRoutes, `ledger: client: "mac x" is not one of`},
		{"ledger: {clients: -1}\n" + someRoutes, "ledger: clients: -1 is negative, but the ledger needs a bound"},
		{"versions: {hybi-99: [{mode: warn}]}\n" + someRoutes, "versions: "},
		{"versions: {hixie-75: [{mode: perhaps}]}\n" + someRoutes, "versions: hixie-75: "},
		{"versions: {hixie-76: [{mode: warn}], hybi-00: [{mode: warn}]}\n" + someRoutes, "hixie-76 is named twice; \"hybi-00\" is another name of it"},
		{"routes: [{name: a, backends: [{url: 'ws://b'}]}, {name: a, backends: [{url: 'ws://b'}]}]", `routes: name: "a" is used more than once`},
		{"routes: [{name: a}]", "route a: backends: at least one is needed"},
		{backend("{url: 'ws://b'}, {url: 'ws://b'}"), `route r: backends: "ws://b" is used more than once`},
		{backend("{url: b}"), `backend "b" is not a URL: write http://b`},
		{backend("{url: 'ws://:80'}"), "has no host"},
		{backend("{url: 'ftp://b'}"), `backend "ftp://b" is not a ws:, wss:, http:, https:, tcp: or unix: URL`},
		{backend("{url: 'tcp://b'}"), `backend "tcp://b" is not tcp://HOST:PORT`},
		{backend("{url: 'tcp://b:1/x'}"), "is not tcp://HOST:PORT"},
		{backend("{url: 'ws://b:99999'}"), `"99999" is not a port number`},
		{backend("{url: 'ws://b?x=y'}"), "its query may have only version"},
		{backend("{url: 'ws://b?version=hybi-99'}"), `backend "ws://b?version=hybi-99": `},
		{backend("{url: 'ws://b', insecure: true}"), "insecure and tls need a wss: or https: URL"},
		{backend("{url: 'ws://b%'}"), `backend "ws://b%": `},
		{backend("{uri: 'http://b'}"), `line 1: unknown key "uri"; did you mean "url"?`},
		{route("http: ['ws://b']"), `route r: http: "ws://b" is not a http: or https: URL`},
		{route("http: ['http://b', {url: 'http://b'}]"), `route r: http: "http://b" is used more than once`},
		{route("files: /srv, status: 404"), "route r: only one of files, status can answer ordinary requests"},
		{"routes: [{name: r}]", "route r: backends: at least one is needed, or one of http, files, redirect, status"},
		{"routes: [{name: r, status: 404, rooms: {}}]", "route r: rooms: backend: one needs backends; for rooms in which members talk with each other set it to none"},
		{"routes: [{name: r, backends: ['tcp://b:1'], rooms: {}}]", "route r: rooms: backend: a tcp: or unix: backend has no messages"},
		{route("rooms: {}, balance: hash address"), "route r: rooms: the connection of a room is that of no client: balance may be"},
		{route("rooms: {backend: two, lag: a, members: b, on_backend_loss: c}"), `route r: rooms: backend: "two" is not one of one, none`},
		{route("rooms: {backend: none, history: 101}"), "route r: rooms: history: hub keeps 100 messages of a room, and this wants 101"},
		{route("rooms: {backend: none, resume: cookie}"), `route r: rooms: resume: "cookie" is not one of header NAME`},
		{route("rooms: {backend: none, linger: none}"), "route r: rooms: linger and retry are times, and not none"},
		{route("rooms: {backend: none, max_rooms: 2000000, message: 9MiB}"), "route r: rooms: max_rooms: 2000000 is not from 1 to 1000000"},
		{route("rooms: {}, mirror: {to: 'ws://m'}"), "route r: rooms: a route with rooms has no mirror"},
		{"hub: {url: 'http://h'}\n" + someRoutes, `hub: url: "http://h" is neither embedded nor like nats://HOST:4222 or tls://HOST:4222`},
		{"hub: {url: 'nats://u:secret@h'}\n" + someRoutes, "hub: url: a secret does not belong here"},
		{"hub: {url: 'nats://h', name: n, cluster: c}\n" + someRoutes, "hub: cluster: \"c\" is not HOST:PORT\nhub: cluster: it is for an embedded server: set url to embedded\nhub: name: it is"},
		{"hub: {url: embedded, cluster: ':1'}\n" + someRoutes, "hub: token_file: an embedded server that others reach needs it"},
		{"hub: {url: embedded, routes: ['a:1']}\n" + someRoutes, "hub: routes: it needs cluster"},
		{"hub: {url: embedded, prefix: a.b, tls: {cert: c, key: k}}\n" + someRoutes, "hub: prefix: \"a.b\" has something else than letters, digits and hyphens, or is longer than 64\nhub: tls: an embedded server needs cert, key and ca"},
		{route("redirect: example.com"), `route r: redirect: "example.com" is not like https://example.com/page or https://example.com/*`},
		{route("redirect: 'https://a*'"), "route r: redirect: "},
		{route("status: 101"), "route r: status: 101 is not from 200 to 599"},
		{route("upgrades: maybe"), `route r: upgrades: "maybe" is not one of refuse, pass`},
		{"listen: [{name: a, address: ':1', health: healthz}]\n" + someRoutes, `listen a: health: "healthz" is not a path like /healthz`},
		{route("match: {listeners: [x]}"), `route r: match: listeners: no listener is named "x"`},
		{route("match: {versions: hybi-99}"), "route r: match: versions: "},
		{route("match: {hosts: ['*example.com', 'a:80', '']}"), "hosts: \"*example.com\" is not like example.com, *.example.com or *, without a port\nroute r: match: hosts: \"a:80\" is not like"},
		{route("pass_headers: [X-Real-IP, X-Odd, Forwarded]"), "route r: pass_headers: \"X-Odd\" is not a field that the gateway holds back\nroute r: pass_headers: \"Forwarded\" is"},
		{route("match: {paths: [feed, '/feed*', '/a?b', '/*/x']}"), "paths: \"feed\" is not like /feed, /feed/* or *\nroute r: match: paths: \"/feed*\" is not like"},
		{route("match: {protocols: ['a b']}"), `protocols: "a b" cannot be the name of a subprotocol`},
		{route("origins: ['[a']"), "route r: origins: "},
		{route("health: {check: ping}"), `health: check: "ping" is not one of tcp, http, websocket, off`},
		{route("health: {interval: -1s}"), "route r: health: interval: -1s is negative; for no checks set check to off"},
		{route("strip_prefix: feed"), `strip_prefix: "feed" is not a path that begins with /`},
		{route("strip_prefix: '/a?b'"), "strip_prefix: "},
		{route("origin: \"a\\nb\""), "route r: origin: "},
		{route("drop_headers: ['a b']"), `drop_headers: "a b" cannot be the name of a field`},
		{route("drop_headers: [host]"), `drop_headers: the handshake needs host`},
		{route("drop_headers: [Sec-WebSocket-Key]"), `drop_headers: the handshake needs Sec-WebSocket-Key`},
		{route("origin: 'http://a', drop_headers: [origin]"), `drop_headers: the route's origin sets origin`},
		{route("forwarded: some"), `forwarded: "some" is not one of all, none`},
		{route("set_headers: {Expect: x}"), "set_headers: Expect belongs to the handshake"},
		{route("set_headers: {'a b': c}"), "set_headers: a field with name \"a b\" and value \"c\" cannot be sent"},
		{route("set_headers: {a: \"b\\r\\nc: d\"}"), "cannot be sent"},
		{route("set_headers: {A: b, a: c}"), `set_headers: "a" is used more than once`},
		{route("set_headers: {Origin: x}"), "set_headers: the route's origin sets Origin"},
		{route("set_headers: {Sec-WebSocket-Key: x}"), "set_headers: Sec-WebSocket-Key belongs to the handshake"},
		{route("set_headers: {Content-Length: 5}"), "set_headers: Content-Length belongs to the handshake"},
		{route("policy: {binary: rot13}"), `policy: binary: "rot13" is not one of reject, base64, hex, latin1, drop`},
		{route("policy: {binary_back: true}"), `policy: binary_back: text can be decoded only if binary is base64, hex or latin1, not "reject"`},
		{route("policy: {invalid_text: keep, fragments: x, close_without_code: x}"), "policy: invalid_text: \"keep\" is not one of fail, replace\nroute r: policy: fragments: "},
		{route("policy: {compression: both, compression_backend: x}"), "policy: compression: \"both\" is not one of off, large, all\nroute r: policy: compression_backend: \"x\" is"},
		{route("policy: {ping: 1ns}"), "policy: ping: 1ns is less than 1s"},
		{route("policy: {ping_backend: 1ns}"), "policy: ping_backend: 1ns is less than 1s"},
	}
	for _, tc := range cases {
		_, err := gateway.Load(strings.NewReader(tc.yaml))
		if err == nil || !strings.Contains(lineOfFault.ReplaceAllString(err.Error(), ""), tc.want) && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, not %q", tc.yaml, err, tc.want)
		}
	}
}

// lineOfFault is what stands before a fault of meaning; of a syntax fault it is tested as well.
var lineOfFault = regexp.MustCompile(`(?m)^line \d+: `)

// All faults are reported at once, each with its line: wrong words, unknown keys, values that
// mean nothing, and times of 0.
func TestAllFaultsHaveLines(t *testing.T) {
	_, err := gateway.Load(strings.NewReader(`listen:
  - name: a
    address: 127.0.0.1:99999
  - address: 127.0.0.1:9090
    versions: rfc9999
ledger: {client: nose}
lmits: {}
drain: 0s
limits:
  message: 0
  head: 100
routes:
  - name: r
    backends: [{url: "ws://b"}]
    policy:
      binary: rot13
  - backends: [{url: "ws://b"}]
    origins:
      - https://example.com
      - https://example.com/path
`))
	if err == nil {
		t.Fatal("no fault")
	}
	for _, want := range []string{
		`line 3: listen a: address: "127.0.0.1:99999" has a port`, `line 5: listen 127.0.0.1:9090: versions: `, "line 6: ledger: client", `line 7: unknown key "lmits"`,
		"line 8: 0s would mean the default; leave the key out, or write none", "line 10: 0 would mean the default", "line 11: limits: head: 100",
		"line 16: route r: policy: binary: \"rot13\"", `line 20: route 2: origins: `, `line 4: admin: address: "127.0.0.1:9090" is also that of listener 127.0.0.1:9090`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 10 {
		t.Errorf("%d faults:\n%v", n, err)
	}
}

// A value that a type refuses hides no other fault, whichever type it is, and the value itself
// is no reason for further ones. Faults come in the order of the lines.
func TestNoFaultHidesAnother(t *testing.T) {
	_, err := gateway.Load(strings.NewReader(`trust_forwarded: [10.0.0.1, 10.0.0.0/8, x]
listen:
  - name: a
    address: :80
    proxy_protocol: {mode: accept, from: [10.0.0.0/99]}
    allow: &nets
      - 10.0.0.0
  - name: b
    address: 127.0.0.1:80
    allow: *nets
versions:
  hixie-75:
    - {mode: warn, from: tomorrow}
limits: {conections: 5, connections: many, message: 5x}
routes:
  - &first
    name: r
    backends: [{url: "ws://b", urll: x}]
    policy: {fatal: [nothing, abnormal], binary: rot13}
  - <<: *first
    name: s
    files: 7
    origins: ["https://a/b", "https://c/d"]
drian: 5s
`))
	if err == nil {
		t.Fatal("no fault")
	}
	want := []string{
		`line 1: "10.0.0.1" is not a network`, `line 1: "x" is not a network`, `line 5: "10.0.0.0/99" is not a network`, `line 7: "10.0.0.0" is not a network`,
		`line 9: listen b: address: "127.0.0.1:80" overlaps`, `line 13: "tomorrow" is not a date or time`, `line 14: unknown key "conections"`,
		"line 14: expected a number, found the text `many`", `line 14: "5x" is not a size`, `line 18: unknown key "urll"`, `line 19: "nothing" is not the name of a loss`,
		`line 19: route r: policy: binary`, `line 20: route s: policy: binary`, `line 23: route s: origins: origin pattern "https://a/b"`, `line 23: route s: origins: origin pattern "https://c/d"`,
		`line 24: unknown key "drian"`,
	}
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		if i >= len(want) || !strings.HasPrefix(line, want[i]) {
			t.Errorf("%d faults, not %d:\n%v", len(lines), len(want), err)
			break
		}
	}
}

// What start would find missing is found by CheckFiles, with its line.
func TestCheckFilesOfLedgerAndPages(t *testing.T) {
	cfg, err := gateway.Load(strings.NewReader("ledger:\n  file: /no/such/folder/usage.db\nroutes:\n  - backends: [{url: 'ws://b'}]\n    files: /no/such/pages\n"))
	if err != nil {
		t.Fatal(err)
	}
	err = cfg.CheckFiles()
	if err == nil || !strings.Contains(err.Error(), "line 2: ledger: file: the folder") || !strings.Contains(err.Error(), `files: "/no/such/pages" is not a folder`) {
		t.Error(err)
	}
}

// So are the files of a hub.
func TestCheckFilesOfHub(t *testing.T) {
	short := filepath.Join(t.TempDir(), "token")
	os.WriteFile(short, []byte("secret\n"), 0o600)
	for _, tt := range []struct{ hub, want string }{
		{"{url: 'nats://h:4222', token_file: /no/such}", "line 1: hub: token_file: open /no/such"},
		{"{url: 'nats://h:4222', token_file: " + short + "}", "at least 16 characters"},
		{"{url: 'nats://h:4222', credentials: /no/such}", "line 1: hub: credentials: open /no/such"},
		{"{url: 'tls://h:4222', tls: {ca: /no/such}}", "line 1: hub: tls: ca: open /no/such"},
		{"{url: embedded, dir: " + short + "}", "is not a folder"},
	} {
		cfg, err := gateway.Load(strings.NewReader("hub: " + tt.hub + "\nroutes: [{backends: [{url: 'ws://b'}]}]\n"))
		if err != nil {
			t.Fatal(err)
		}
		if err := cfg.CheckFiles(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, not %s", tt.hub, err, tt.want)
		}
	}
}

// The word none is a time or a size that does not bound, and is printed so.
func TestNone(t *testing.T) {
	cfg, err := gateway.Load(strings.NewReader("drain: none\nlimits: {message: none}\nroutes: [{backends: [{url: 'ws://b'}], policy: {ping: none}}]\n"))
	if err != nil || cfg.Drain >= 0 || cfg.Limits.Message >= 0 || cfg.Routes[0].Policy.Ping >= 0 {
		t.Fatalf("%+v, %v", cfg, err)
	}
	var b strings.Builder
	cfg.Print(&b)
	for _, want := range []string{"drain: none\n", "message: none\n", "ping: none\n", "idle_timeout: none\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
}

// wholeExample is the example with the keys that are commented out.
func wholeExample() string {
	_, rest, _ := strings.Cut(gateway.Example, "\n\n") // the comment at the top
	var all []string
	for line := range strings.SplitSeq(rest, "\n") {
		if key, ok := strings.CutPrefix(strings.TrimLeft(line, " "), "# "); ok {
			line = line[:strings.Index(line, "#")] + key
		}
		all = append(all, line)
	}
	return strings.Join(all, "\n")
}

// The example is valid, as it is and with the keys that are commented out.
func TestExample(t *testing.T) {
	if _, err := gateway.Load(strings.NewReader(gateway.Example)); err != nil {
		t.Fatal(err)
	}
	cfg, err := gateway.Load(strings.NewReader(wholeExample()))
	if err != nil {
		t.Fatalf("with all keys: %v\n%s", err, wholeExample())
	}
	if len(cfg.Routes[0].Backends) != 4 || len(cfg.Listen[0].TLS.Certificates) != 2 || len(cfg.Versions["hixie-75"]) != 3 {
		t.Errorf("%+v", cfg)
	}
	if plan, err := cfg.Plan(); err != nil || len(plan) != 1 {
		t.Errorf("plan %v, %v", plan, err)
	}
}

// The example has every key of a configuration.
func TestExampleIsComplete(t *testing.T) {
	has := map[string]bool{} // "routes.policy.binary"
	var note func(path string, n *yaml.Node)
	note = func(path string, n *yaml.Node) {
		for i, below := range n.Content {
			if n.Kind != yaml.MappingNode {
				note(path, below)
			} else if i%2 == 1 {
				key := path + "." + n.Content[i-1].Value
				has[key] = true
				note(key, below)
			}
		}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(wholeExample()), &doc); err != nil {
		t.Fatal(err)
	}
	note("", &doc)
	var want func(path string, typ reflect.Type)
	want = func(path string, typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Slice, reflect.Pointer:
			want(path, typ.Elem())
		case reflect.Struct:
			for f := range typ.Fields() {
				if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name != "" && path != ".routes.http" { // which are like backends
					if !has[path+"."+name] {
						t.Errorf("the example has no key %s", path+"."+name)
					}
					want(path+"."+name, f.Type)
				}
			}
		}
	}
	want("", reflect.TypeFor[gateway.Config]())
	if len(has) < 80 {
		t.Errorf("only %d keys", len(has))
	}
}

// The values of these keys in the example are their defaults, as it says.
func TestExampleShowsDefaults(t *testing.T) {
	whole, bare := map[string]string{}, map[string]string{}
	for text, values := range map[string]map[string]string{wholeExample(): whole, gateway.Example: bare} {
		cfg, err := gateway.Load(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Routes = cfg.Routes[:1] // the others repeat the defaults
		var b bytes.Buffer
		if err := cfg.Print(&b); err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(b.String(), "\n") {
			if key, value, ok := strings.Cut(line, ": "); ok {
				values[strings.TrimLeft(key, " -")] += value + "\n"
			}
		}
	}
	for _, key := range []string{
		"pending", "message", "head", "handshake_timeout", "key3_timeout", "close_timeout", "write_timeout", "drain", "client", "clients",
		"dial_timeout", "check", "interval", "timeout", "cooldown", "preserve_host", "binary", "binary_back", "invalid_text", "fragments",
		"close_without_code", "raw_text", "ping", "ping_backend", "compression", "compression_backend", "flash_policy", "ignore_case", "pprof",
		"http_connections", "http_read_timeout", "http_idle_timeout",
	} {
		if whole[key] != bare[key] || bare[key] == "" {
			t.Errorf("%s: the example shows %q, the default is %q", key, whole[key], bare[key])
		}
	}
}

// A negative number, size or time is none, where there can be none.
func TestNegativeIsNone(t *testing.T) {
	cfg, err := gateway.Load(strings.NewReader("listen: [{address: 'front:80'}]\nadmin: {address: 'off'}\n" +
		"limits: {connections: -1, connections_per_address: -1, handshakes_per_second: -1, pending: -1, message: -1,\n" +
		"  handshake_timeout: -1s, key3_timeout: -1s, close_timeout: -1s, write_timeout: -1s, idle_timeout: -1s}\ndrain: -1s\n" +
		"routes: [{backends: [{url: 'ws://back'}], dial_timeout: -1s, connections: -1, message: -1, health: {check: 'off', timeout: -1s, cooldown: -1s}, policy: {ping: -1s}}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.echo("back:80", draftwire.AllVersions)
		w.start(cfg)
		c := w.mustClient(draftwire.RFC6455, draftwire.DialOptions{})
		if err := c.Write(bg, draftwire.OpText, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, p, err := c.Read(bg); err != nil || string(p) != "hello" {
			t.Errorf("%q, %v", p, err)
		}
		began := time.Now()
		drained := make(chan error, 1)
		go func() { drained <- w.gw.Drain(bg) }()
		if _, _, err := c.Read(bg); draftwire.CloseStatus(err) != draftwire.CodeGoingAway {
			t.Error(err)
		}
		if err := <-drained; err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("draining took %v", d)
		}
	})
}

// A printed configuration loads to the same configuration.
func TestPrint(t *testing.T) {
	full := "drain: 90s\nlimits: {message: 1536KiB, head: 1000, idle_timeout: 2m, connections: -1}\ntrust_forwarded: [10.0.0.0/8, 'fd00::/8']\n" +
		"listen: [{address: 'unix:/a b', tls: {certificates: [{cert: a, key: b}]}, proxy_protocol: {mode: require, from: [10.0.0.0/8]}}]\n" +
		"versions: {hixie-75: [{mode: warn}, {mode: \"off\", from: 2027-02-01}, {mode: sample 10%, from: 2027-01-01T12:00:00+01:00}]}\n" +
		"routes: [{backends: [{url: 'wss://b', insecure: true}], set_headers: {a: 'b: c'}, policy: {fatal: [boundaries], ping: -1s}, match: {paths: ['*', /a/*]}}]\n"
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
	again.Print(&second)
	if first.String() != second.String() {
		t.Errorf("printed again:\n%s\nfirst:\n%s", &second, &first)
	}
	if strings.Contains(first.String(), "0001-01-01") {
		t.Errorf("the zero time is printed:\n%s", &first)
	}
}

func TestSizesAndTimes(t *testing.T) {
	for text, want := range map[string]gateway.Size{"0": 0, "512": 512, "64KiB": 65536, "1 MiB": 1 << 20, "2GiB": 2 << 30, "7B": 7, "-1": -1, "-2KiB": -2048} {
		var s gateway.Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s is %d, %v", text, s, err)
		}
		var back gateway.Size
		p, _ := s.MarshalText()
		if err := back.UnmarshalText(p); err != nil || back != s && (back >= 0 || s > 0) { // one none is like another
			t.Errorf("%s is written %s, which is %d, %v", text, p, back, err)
		}
	}
	for _, text := range []string{"", "KiB", "1.5MiB", "1e9", "9223372036854775807GiB", "1 KB"} {
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
