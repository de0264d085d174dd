package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/urfave/cli/v2"
)

// gatewayOn starts a gateway on free ports and returns its URL, and that of its
// admin port.
func gatewayOn(t *testing.T, args ...string) (url, admin string, p *process) {
	t.Helper()
	p = start(t, append([]string{"gateway", "--log-format", "json"}, args...)...)
	admin = p.err.await(t, `"admin":"([^"]+)"`)[1]
	return "ws://" + p.err.await(t, `"addr":"([^"]+)"`)[1], admin, p
}

var free = []string{"--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}

// The gateway from its flags: each version gets through, and is seen in the log,
// the status, the metrics and the report.
func TestGateway(t *testing.T) {
	back, _ := serveOn(t)
	url, admin, p := gatewayOn(t, append(free, "--to", back, "--ledger", filepath.Join(t.TempDir(), "usage.db"))...)
	for _, v := range draftwire.ServedVersions().List() {
		c := dialWith(t, url+"/a?secret=b", draftwire.DialOptions{Version: v, Header: http.Header{"User-Agent": {"TV/1"}}})
		write(t, c, draftwire.OpText, "grüße")
		wantMessage(t, c, "grüße")
		code, out, err := call(t, "", "status", "--admin", admin, "--json")
		var s gateway.Status
		if json.Unmarshal([]byte(out), &s); code != 0 || s.Versions[v.String()] != 1 || s.Connections != 1 || s.Routes[0].Backends[0].Connections != 1 {
			t.Errorf("%s: exit %d, %s%s", v, code, out, err)
		}
		c.Close(draftwire.CodeNormal, "")
		var line map[string]any
		json.Unmarshal([]byte(p.err.await(t, `(?m)^.*"msg":"connection".*"draft":"`+v.String()+`".*$`)[0]), &line)
		for field, want := range map[string]any{
			"event": "conn.close", "client_ip": "127.0.0.1", "route": "default", "backend": back, "close_by": "client",
			"path": "/a?...", "user_agent": "TV/1", "msgs_in": 1.0, "msgs_out": 1.0, "bytes_in": 7.0, "bytes_out": 7.0,
		} {
			if line[field] != want {
				t.Errorf("%s: %s is %v, want %v", v, field, line[field], want)
			}
		}
	}
	for path, want := range map[string]string{
		"/healthz": "ok\n", "/readyz": "ready\n",
		"/metrics": `draftwire_messages_total{direction="in",draft="hixie-76",type="text"} 1` + "\n",
	} {
		resp, err := http.Get(admin + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d, no %q in %s", path, resp.StatusCode, want, body)
		}
	}
	if code, out, err := call(t, "", "status", "--admin", admin); code != 0 || !strings.Contains(out, "ready, up") || !strings.Contains(out, back+" up") {
		t.Errorf("status: exit %d, %s%s", code, out, err)
	}
	if code, out, err := call(t, "", "report", "--admin", admin, "--json"); code != 0 || !strings.Contains(out, "TV/1") {
		t.Errorf("report: exit %d, %s%s", code, out, err)
	}
	if code, out, err := call(t, "", "drain", "--admin", admin, "--wait"); code != 0 || out != "draining\ndrained\n" {
		t.Errorf("drain: exit %d, %s%s", code, out, err)
	}
	if code := p.wait(t); code != 0 {
		t.Errorf("exit %d; %s", code, p.err)
	}
	if code, _, err := call(t, "", "status", "--admin", admin); code != exitConnect {
		t.Errorf("status after the end: exit %d, %s", code, err)
	}
}

// configFile writes a configuration in front of a backend.
func configFile(t *testing.T, file, backend string) {
	t.Helper()
	text := "listen: [{name: main, address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\ndrain: 100ms\n" +
		"routes: [{name: all, backends: [{url: '" + backend + "'}]}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A reload takes the file whole or not at all, by command and by SIGHUP.
func TestGatewayReload(t *testing.T) {
	one, _ := serveOn(t)
	two, second := serveOn(t)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	configFile(t, file, one)
	url, admin, p := gatewayOn(t, "--config", file)
	hello := func() {
		c := dial(t, url, draftwire.Hixie76)
		write(t, c, draftwire.OpText, "a")
		wantMessage(t, c, "a")
		c.Close(draftwire.CodeNormal, "")
	}
	hello()
	os.WriteFile(file, []byte("routs: []\n"), 0o600)
	if code, _, err := call(t, "", "reload", "--admin", admin); code != exitUsage || !strings.Contains(err, `did you mean "routes"?`) {
		t.Errorf("reload of a wrong file: exit %d, %s", code, err)
	}
	hello()
	configFile(t, file, two)
	if code, out, err := call(t, "", "reload", "--admin", admin); code != 0 || out != "reloaded\n" {
		t.Errorf("reload: exit %d, %s%s", code, out, err)
	}
	hello()
	second.err.await(t, `"msg":"connection"`)
	configFile(t, file, one)
	if self, err := os.FindProcess(os.Getpid()); err != nil || self.Signal(syscall.SIGHUP) != nil {
		t.Fatal(err)
	}
	p.err.await(t, `(?s)"msg":"reloaded".*"msg":"reloaded"`)
	if code := p.stop(t); code != 0 {
		t.Errorf("exit %d; %s", code, p.err)
	}
}

func TestConfigCommand(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	_, example, _ := call(t, "", "config", "init")
	if code, out, err := call(t, "", "config", "init", "new.yaml"); code != exitUsage || out != "" || !strings.Contains(err, "draftwire config init >new.yaml") {
		t.Errorf("config init with a file: exit %d, %s%s", code, out, err)
	}
	os.WriteFile(good, []byte(example), 0o600)
	os.WriteFile(bad, []byte("limits:\n  mesage: 5\n"), 0o600)
	for _, tt := range []struct {
		args []string
		in   string
		code int
		out  string // part of stdout
		err  string // part of stderr
	}{
		{[]string{"check", good}, "", exitDone, "", ""},
		{[]string{"print", good}, "", exitDone, "handshake_timeout: 10s", ""},
		{[]string{"print", "-"}, example, exitDone, "ping: 30s", ""},
		{[]string{"check", bad}, "", exitUsage, "", `line 2: unknown key "mesage"; did you mean "message"?`},
		{[]string{"check", "-"}, "routes: [{}]\n", exitUsage, "", "route 1: backends: at least one is needed"},
		{[]string{"check", filepath.Join(dir, "none")}, "", exitUsage, "", "no such file"},
		{[]string{"check", "-"}, "drain: 0s\nlisten: [{name: a, address: ':80', tls: {certificates: [{cert: /no/file, key: /no/key}]}}]\nroutes: [{}]\n", exitUsage, "",
			"-: line 1: 0s would mean the default; leave the key out, or write none\n-: line 2: listen a: tls: certificates: /no/file and /no/key: open /no/file: no such file or directory\n-: line 3: route 1: "},
		{[]string{"schema"}, "", exitDone, gateway.Schema, ""},
		{[]string{"chek"}, "", exitUsage, "", "not one of init, check, print, schema"},
		{nil, "", exitUsage, "", "missing"},
	} {
		code, out, err := call(t, tt.in, append([]string{"config"}, tt.args...)...)
		if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(err, tt.err) || tt.code != 0 && out != "" {
			t.Errorf("config %q: exit %d, stdout %.300s, stderr %s", tt.args, code, out, err)
		}
	}
	_, printed, _ := call(t, "", "config", "print", good)
	if code, again, err := call(t, printed, "config", "print", "-"); code != 0 || again != printed {
		t.Errorf("what print writes is not read as the same: exit %d, %s", code, err)
	}
}

func TestGatewayUsage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	configFile(t, file, "ws://127.0.0.1:1")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "no backend; give --to URL"},
		{[]string{"--to", "ftp://a"}, "is not a ws:, wss:, http:, https:, tcp: or unix: URL"},
		{[]string{"--to", "ws://a", "--http", "ftp://a"}, "is not a ws:, wss:, http:, https:, tcp: or unix: URL"},
		{[]string{"--to", "ws://a", "--http", "ws://a"}, "is not a http: or https: URL"},
		{[]string{"--to", "ws://a", "--http", "x", "--http", "y"}, "there can be only one"},
		{[]string{"--to", "ws://a", "--http", "x", "--http", "http://a"}, "only one of files, http can answer ordinary requests"},
		{[]string{"--to", "ws://a?version=99"}, "99"},
		{[]string{"--to", "ws://a", "--trust-forwarded", "x"}, "--trust-forwarded: \"x\" is not a network"},
		{[]string{"--to", "ws://a", "--proxy-protocol-from", "10.0.0.0/33"}, "is not a network"},
		{[]string{"--to", "ws://a", "--tls-profile", "legacy"}, "needs --tls-cert"},
		{[]string{"--to", "ws://a", "--max-pending", "0"}, "not from 1"},
		{[]string{"--to", "ws://a", "--max-head", "2GiB"}, "too much"},
		{[]string{"--to", "ws://a", "--proxy-protocol", "accept"}, "name the networks"},
		{[]string{"--to", "ws://a", "--binary", "rot13"}, `--binary: "rot13" is not one of reject, base64, hex, latin1, drop;`},
		{[]string{"--to", "ws://a", "--compression-backend", "both"}, `--compression-backend: "both" is not one of off, large, all;`},
		{[]string{"--config", file, "--log-format", "xml"}, `--log-format: "xml" is not one of auto, text, json;`},
		{[]string{"--to", "ws://a", "--tls-cert", "x"}, "go together"},
		{[]string{"--to", "ws://a", "--max-message", "x"}, "not a size"},
		{[]string{"--to", "ws://a", "--versions", "hixie-77"}, "hixie-77"},
		{[]string{"--to", "ws://a", "--listen", "nowhere"}, "HOST:PORT"},
		{[]string{"--config", file, "--to", "ws://a"}, "does not go with --config"},
		{[]string{"--config", file + "x"}, "no such file"},
	} {
		code, out, err := call(t, "", append([]string{"gateway"}, tt.args...)...)
		if hint := strings.HasSuffix(err, "see 'draftwire gateway --help'\n"); hint == strings.Contains(err, file) && !strings.Contains(err, "does not go with") {
			t.Errorf("%q: %s", tt.args, err) // what is wrong with a file, the help does not tell
		}
		if code != exitUsage || !strings.Contains(err, tt.want) || out != "" {
			t.Errorf("%q: exit %d, stdout %q, stderr %s", tt.args, code, out, err)
		}
	}
}

// A gateway without a backend is not ready, and a client gets its status.
func TestGatewayNotReady(t *testing.T) {
	url, admin, _ := gatewayOn(t, append(free, "--to", "ws://127.0.0.1:1")...)
	_, resp, err := draftwire.Dial(deadline(t), url, nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusBadGateway || resp.Header.Get("Draftwire-Reason") != "backend" {
		t.Errorf("%v, %+v", err, resp)
	}
	if code, _, err := call(t, "", "reload", "--admin", admin); code != exitFailure || !strings.Contains(err, "no configuration file") {
		t.Errorf("reload: exit %d, %s", code, err)
	}
}

// The admin port answers under the names that it was given. A request by another name
// gets an answer that says how to allow it.
func TestAdminHost(t *testing.T) {
	back, _ := serveOn(t)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	configFile(t, file, back)
	for _, args := range [][]string{append(slices.Clone(free), "--to", back), {"--config", file}} {
		_, admin, _ := gatewayOn(t, append(args, "--admin-host", "gw.example", "--admin-host", "*.fleet.example")...)
		for host, want := range map[string]int{"gw.example": 200, "a.fleet.example:9090": 200, "evil.example": 421} {
			r, _ := http.NewRequestWithContext(deadline(t), http.MethodGet, admin+"/status", nil)
			r.Host = host
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			why, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != want || want == 421 && !strings.Contains(string(why), "--admin-host") {
				t.Errorf("%v, %s: %d %s", args, host, resp.StatusCode, why)
			}
		}
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusMisdirectedRequest)
		io.WriteString(w, "name it so\x1b[2J\n")
	}))
	defer other.Close()
	for _, command := range []string{"status", "drain", "reload", "report"} {
		code, out, err := call(t, "", command, "--admin", other.URL)
		if code != exitFailure || out != "" || !strings.Contains(err, `the gateway says 421: name it so\x1b[2J`) {
			t.Errorf("%s: exit %d, stdout %q, stderr %s", command, code, out, err)
		}
	}
}

// The plan of a configuration is put to what a gateway has seen.
func TestReportOfConfig(t *testing.T) {
	back, _ := serveOn(t)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	configFile(t, file, back)
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "versions: {hixie-76: [{mode: warn}], hybi-08: [{mode: 'off'}]}\n")
	f.Close()
	url, admin, p := gatewayOn(t, "--config", file)
	c := dial(t, url, draftwire.Hixie76)
	write(t, c, draftwire.OpText, "a")
	wantMessage(t, c, "a")
	if _, resp, err := draftwire.Dial(deadline(t), url, &draftwire.DialOptions{Version: draftwire.Hybi08}); err == nil || resp.StatusCode != http.StatusUpgradeRequired ||
		strings.Contains(strings.Join(resp.Header.Values("Sec-WebSocket-Version"), ","), "8") {
		t.Errorf("a version that is off: %v, %+v", err, resp)
	}
	p.err.await(t, `"draft":"hixie-76".*"mode":"warn".*"refused":false`)
	p.err.await(t, `"draft":"hybi-08".*"mode":"off".*"refused":true`)
	code, out, say := call(t, "", "report", "--admin", admin, "--config", file, "--dry-run", "--day", time.Now().UTC().Format(time.DateOnly))
	if code != 0 || !strings.Contains(out, "hybi-08") || !strings.Contains(out, "127.0.0.1") {
		t.Errorf("exit %d, %s%s", code, out, say)
	}
	c.Close(draftwire.CodeNormal, "")
}

// configOfArgs is the configuration that flags of the gateway describe.
func configOfArgs(t *testing.T, args ...string) *gateway.Config {
	t.Helper()
	var cfg *gateway.Config
	app := (&program{stdio: stdio{out: io.Discard, err: io.Discard}}).app()
	app.Command("gateway").Action = func(c *cli.Context) error {
		o, err := gatewayOptionsOf(c)
		cfg = o.config
		return err
	}
	if err := app.Run(append([]string{"draftwire", "gateway", "--to", "ws://b"}, args...)); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// configOfFile is the configuration of a file with one backend and more lines.
func configOfFile(t *testing.T, route, more string) *gateway.Config {
	t.Helper()
	cfg, err := gateway.Load(strings.NewReader("routes: [{name: default, backends: [{url: 'ws://b'}]" + route + "}]\n" + more))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// Flags mean what the same keys of the file mean, and a flag that is not given what a missing
// key means. A ping of 0 is refused in both.
func TestGatewayFlagsMeanWhatTheKeysMean(t *testing.T) {
	print := func(cfg *gateway.Config) string {
		var b strings.Builder
		if err := cfg.Print(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for _, c := range []struct{ args, route, more string }{
		{"", "", ""},
		{"--ping 7s", ", policy: {ping: 7s}", ""},
		{"--ping -1s", ", policy: {ping: -1s}", ""},
		{"--dial-timeout 7s", ", dial_timeout: 7s", ""},
		{"--compression large --compression-backend all", ", policy: {compression: large, compression_backend: all}", ""},
		{"--rooms one", ", rooms: {}", ""},
		{"--rooms none --hub embedded --hub-name n --hub-dir /d --hub-history 7 --hub-age 8s --hub-replicas 1", ", rooms: {backend: none}",
			"hub: {url: embedded, name: n, dir: /d, history: 7, age: 8s, replicas: 1}"},
		{"--hub embedded --hub-token-file t --hub-listen :1 --hub-cluster :2 --hub-route a:2 --hub-route b:2 --hub-tls-cert c --hub-tls-key k --hub-tls-ca r", "",
			"hub: {url: embedded, token_file: t, listen: ':1', cluster: ':2', routes: ['a:2', 'b:2'], tls: {cert: c, key: k, ca: r}}"},
		{"--hub nats://h:1 --fleet gw-1", "", "hub: {url: 'nats://h:1'}\nfleet: {name: gw-1}"},
		{"--hub tls://h:1 --hub-credentials c", "", "hub: {url: 'tls://h:1', credentials: c}"},
		{"--max-message 1KiB --max-head 2KiB --max-pending 3", "", "limits: {message: 1KiB, head: 2KiB, pending: 3}"},
		{"--max-connections 4 --max-connections-per-address 5 --max-handshakes-per-second 6", "",
			"limits: {connections: 4, connections_per_address: 5, handshakes_per_second: 6}"},
		{"--handshake-timeout 1s --key3-timeout 2s --close-timeout 3s --write-timeout 4s --idle-timeout 6s", "",
			"limits: {handshake_timeout: 1s, key3_timeout: 2s, close_timeout: 3s, write_timeout: 4s, idle_timeout: 6s}"},
	} {
		said := print(configOfArgs(t, strings.Fields(c.args)...))
		if want := print(configOfFile(t, c.route, c.more)); said != want {
			t.Errorf("%q says\n%s\nthe file\n%s", c.args, said, want)
		}
	}
}

// A flag of the gateway is called as its key in the file, with - for _; a number or size that
// bounds something is --max-KEY, and a key of hub is --hub-KEY.
func TestGatewayFlagsAreCalledAsTheKeys(t *testing.T) {
	keys := map[string]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Map {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || !strings.HasSuffix(typ.PkgPath(), "/gateway") {
			return
		}
		for f := range typ.Fields() {
			key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			keys[strings.ReplaceAll(key, "_", "-")] = true
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[gateway.Config]())
	others := map[string]string{ // the flag, and the key that it stands for
		"to": "url", "tls-cert": "cert", "tls-key": "key", "tls-ca": "ca", "tls-profile": "profile", "proxy-protocol-from": "from", "admin-host": "hosts", "tolerate-backend": "tolerate",
	}
	for _, f := range gatewayFlags() {
		name := f.Names()[0]
		if name == "config" {
			continue
		}
		key := strings.TrimPrefix(strings.TrimPrefix(name, "max-"), "hub-")
		if other := others[key]; other != "" {
			key = other
		}
		if !keys[key] && !keys[key+"s"] {
			t.Errorf("--%s: the file has no key %s", name, key)
		}
	}
}
