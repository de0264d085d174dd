package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/cmd/draftwire/internal/console"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/usage"
)

// ask sends a request with fields, names and values, and returns the answer whole.
func ask(t *testing.T, method, url, body string, fields ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		if fields[i] == "Host" {
			r.Host = fields[i+1]
		}
		r.Header.Set(fields[i], fields[i+1])
	}
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	p, _ := io.ReadAll(resp.Body)
	return resp, string(p)
}

// serve has a console for this machine alone: by address, under a name of its own, and not through
// a proxy.
func TestServeConsole(t *testing.T) {
	url, p := serveOn(t)
	at := strings.Replace(url, "ws", "http", 1)
	c := dial(t, url+"/room?secret=1", draftwire.Hixie76)
	write(t, c, draftwire.OpText, "hello")
	wantMessage(t, c, "hello")
	if got := p.err.await(t, `"console":"([^"]+)"`)[1]; got != at+"/_console/" {
		t.Errorf("the log says %s", got)
	}
	// A message counts when the server's function for it has returned, which is behind its echo.
	body := eventually(t, `"messages_in":1\b`, func() string { _, body := ask(t, "GET", at+"/_console/api/connections", ""); return body })
	var l struct{ Rows []console.Row }
	if err := json.Unmarshal([]byte(body), &l); err != nil || len(l.Rows) != 1 {
		t.Fatal(body, err)
	}
	if r := l.Rows[0]; r.Version != "hixie-76" || r.Path != "/room?..." || r.MessagesIn != 1 || r.MessagesOut != 1 || r.Last < r.Opened || r.Opened == 0 {
		t.Errorf("%+v", r)
	}
	for _, path := range []string{"", "api/about", "api/history", "api/refusals", "api/losses", "api/plan", "api/audit", "api/whatif?off=hixie-76", "api/status", "api/connections/" + l.Rows[0].ID} {
		if resp, body := ask(t, "GET", at+"/_console/"+path, ""); resp.StatusCode != 200 || resp.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	for _, tt := range []struct {
		fields []string
		want   int
	}{
		{nil, 200}, {[]string{"Host", "localhost:80"}, 200}, {[]string{"Host", "[::1]"}, 200}, {[]string{"Host", "192.0.2.1:8080"}, 200},
		{[]string{"Host", "evil.example"}, 404}, {[]string{"Host", "localhost.evil.example"}, 404}, {[]string{"Host", "127.0.0.1.nip.io:8080"}, 404}, {[]string{"Host", "x"}, 404},
		{[]string{"X-Forwarded-For", "192.0.2.1"}, 404}, {[]string{"Forwarded", "for=192.0.2.1"}, 404}, {[]string{"Via", "1.1 x"}, 404},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403}, {[]string{"Origin", "https://evil.example"}, 403},
	} {
		if resp, _ := ask(t, "GET", at+"/_console/api/about", "", tt.fields...); resp.StatusCode != tt.want {
			t.Errorf("%v: %d", tt.fields, resp.StatusCode)
		}
	}
	if resp, _ := ask(t, "POST", at+"/_console/api/orders/drain", "{}", "Content-Type", "application/json"); resp.StatusCode < 400 {
		t.Errorf("an order: %d", resp.StatusCode)
	}
	if resp, _ := ask(t, "GET", at+"/_console", ""); resp.StatusCode != 308 || resp.Header.Get("Location") != "/_console/" {
		t.Errorf("%d to %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	for _, v := range draftwire.ServedVersions().List() { // as any page could
		for _, path := range []string{"/_console", "/_console/", "/_console/api/connections", "/_console/x"} {
			c, _, err := draftwire.Dial(deadline(t), url+path, &draftwire.DialOptions{Version: v})
			if err == nil {
				c.CloseNow()
			}
			if he, ok := errors.AsType[*draftwire.HandshakeError](err); !ok || he.Status != 404 {
				t.Errorf("%s %s: %v", v, path, err)
			}
		}
	}
	if resp, _ := ask(t, "GET", at+"/_consolex", ""); resp.StatusCode != 404 {
		t.Error(resp.StatusCode)
	}
	off, p := serveOn(t, "--console", "off")
	if resp, _ := ask(t, "GET", strings.Replace(off, "ws", "http", 1)+"/_console/", ""); resp.StatusCode != 404 || strings.Contains(p.err.String(), `"console"`) {
		t.Errorf("switched off: %d", resp.StatusCode)
	}
	if code, _, text := call(t, "", "serve", "--console", "x"); code != exitUsage || !strings.Contains(text, "--console") {
		t.Errorf("%d %s", code, text)
	}
}

// Who comes from another machine, or by a unix socket that a proxy may use, finds no console in
// serve.
func TestServeConsoleIsLocal(t *testing.T) {
	h := withConsole(http.NotFoundHandler(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }))
	for remote, want := range map[string]int{"127.0.0.1:1": 200, "127.8.9.1:1": 200, "[::1]:1": 200, "[::ffff:127.0.0.1]:1": 200, "192.0.2.1:1": 404, "[2001:db8::1]:1": 404, "@": 404, "": 404, "[::ffff:192.0.2.1]:1": 404} {
		r, _ := http.NewRequest("GET", "http://127.0.0.1/_console/", nil)
		r.RemoteAddr = remote
		w := &codeWriter{}
		h.ServeHTTP(w, r)
		if w.code != want {
			t.Errorf("%q: %d", remote, w.code)
		}
	}
}

type codeWriter struct{ code int }

func (w *codeWriter) Header() http.Header         { return http.Header{} }
func (w *codeWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *codeWriter) WriteHeader(code int)        { w.code = code }

// The gateway's console shows its sessions, takes orders with the token alone, and notes them in
// the log.
func TestGatewayConsole(t *testing.T) {
	back, _ := serveOn(t)
	dir := t.TempDir()
	token, config := filepath.Join(dir, "token"), filepath.Join(dir, "gateway.yaml")
	os.WriteFile(token, []byte("a token of this test\n"), 0o600)
	text := "listen:\n  - {address: '127.0.0.1:0', name: front}\nadmin: {address: '127.0.0.1:0', hosts: ['*'], token_file: " + token + "}\nroutes:\n  - {name: chat, backends: [{url: '" + back + "'}]}\n"
	os.WriteFile(config, []byte(text), 0o640)
	p := start(t, "gateway", "--config", config, "--log-format", "json")
	at := p.err.await(t, `"console":"([^"]+)"`)[1]
	gw := "ws://" + p.err.await(t, `"msg":"listening","addr":"([^"]+)"`)[1]
	if resp, _ := ask(t, "GET", strings.TrimSuffix(at, "console/"), ""); resp.StatusCode != 302 || resp.Header.Get("Location") != "/console/" {
		t.Errorf("/: %d to %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	ask(t, "GET", at+"api/about", "") // from now on heads are kept
	c := dial(t, gw+"/room", draftwire.Hixie76)
	write(t, c, draftwire.OpText, "hello")
	wantMessage(t, c, "hello")
	var l struct{ Rows []console.Row }
	for end := time.Now().Add(patience); len(l.Rows) == 0 && time.Now().Before(end); {
		_, body := ask(t, "GET", at+"api/connections", "")
		json.Unmarshal([]byte(body), &l)
	}
	_, body := ask(t, "GET", at+"api/connections/"+l.Rows[0].ID, "")
	var one struct{ Handshake, Backend_Handshake []map[string]any }
	if err := json.Unmarshal([]byte(body), &one); err != nil || len(one.Handshake) < 3 || len(one.Backend_Handshake) < 3 {
		t.Errorf("%v %s", err, body)
	}
	order := []string{"Content-Type", "application/json", "Authorization", "Bearer a token of this test", "Origin", strings.TrimSuffix(at, "/console/"), "Sec-Fetch-Site", "same-origin"}
	if resp, body := ask(t, "POST", at+"api/orders/reload", "{}", order[:2]...); resp.StatusCode != 401 {
		t.Errorf("without the token: %d %s", resp.StatusCode, body)
	}
	if resp, body := ask(t, "POST", at+"api/orders/reload", "{}", append(order[:len(order):len(order)], "Host", "evil.example")...); resp.StatusCode < 400 {
		t.Errorf("under another name: %d %s", resp.StatusCode, body)
	}
	// A port that answers to any name shows what users say under none but its own.
	if resp, _ := ask(t, "GET", at+"api/connections/"+l.Rows[0].ID+"/frames", "", "Host", "evil.example"); resp.StatusCode != 401 {
		t.Errorf("frames under another name: %d", resp.StatusCode)
	}
	// Nor does it show them to whoever a proxy on this machine passes on.
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Server", "Forwarded", "Via"} {
		if resp, _ := ask(t, "GET", at+"api/connections/"+l.Rows[0].ID+"/frames", "", name, "192.0.2.1"); resp.StatusCode != 401 {
			t.Errorf("frames by a proxy that says %s: %d", name, resp.StatusCode)
		}
	}
	if resp, body := ask(t, "POST", at+"api/orders/retire", `{"version":"hixie-76","mode":"warn","from":"2027-03-01"}`, order...); resp.StatusCode != 200 {
		t.Errorf("retire: %d %s", resp.StatusCode, body)
	}
	p.err.await(t, `"event":"audit","result":"done","what":"retire hixie-76 warn from 2027-03-01","who":"127.0.0.1"`)
	with, _ := os.ReadFile(config)
	info, _ := os.Stat(config)
	if string(with) != text+"versions:\n    hixie-76:\n        - {mode: \"warn\", from: 2027-03-01}\n" || info.Mode().Perm() != 0o640 {
		t.Errorf("%v %s", info.Mode(), with)
	}
	if _, body := ask(t, "GET", at+"api/plan", ""); !strings.Contains(body, `"mode":"warn"`) {
		t.Errorf("the plan: %s", body)
	}
	if resp, _ := ask(t, "POST", strings.TrimSuffix(at, "console/")+"reload", ""); resp.StatusCode != 200 { // as ever
		t.Errorf("reload by the admin port: %d", resp.StatusCode)
	}
	_, body = ask(t, "GET", at+"api/audit", "")
	for _, want := range []string{`"what":"reload","result":"done"`, `"what":"retire hixie-76 warn from 2027-03-01"`, "no token"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	for _, path := range []string{"history", "refusals", "losses", "report", "status"} {
		if resp, body := ask(t, "GET", at+"api/"+path, ""); resp.StatusCode != 200 || !json.Valid([]byte(body)) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	// A WebSocket is not opened, not by the page's own origin either.
	nc, err := net.Dial("tcp", strings.Split(at, "/")[2])
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprintf(nc, "GET /console/api/connections HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", strings.Split(at, "/")[2], strings.TrimSuffix(at, "/console/"))
	nc.SetDeadline(time.Now().Add(patience))
	if line, _ := bufio.NewReader(nc).ReadString('\n'); !strings.Contains(line, " 400 ") {
		t.Errorf("an upgrade: %q", line)
	}
	os.WriteFile(config, []byte(strings.Replace(text, ", hosts: ['*']", "", 1)), 0o640)
	ask(t, "POST", strings.TrimSuffix(at, "console/")+"reload", "")
	if resp, _ := ask(t, "GET", at+"api/about", "", "Host", "evil.example"); resp.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("under another name: %d", resp.StatusCode)
	}
	os.WriteFile(config, []byte(strings.Replace(text, "admin: {", "admin: {console: 'off', ", 1)), 0o640)
	ask(t, "POST", strings.TrimSuffix(at, "console/")+"reload", "")
	if resp, _ := ask(t, "GET", at, ""); resp.StatusCode != 404 {
		t.Errorf("switched off by a reload: %d", resp.StatusCode)
	}
}

// The console writes a stage into a configuration and leaves all else as it is, or says that it
// cannot.
func TestAddStage(t *testing.T) {
	day := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	off, warn := usage.Stage{Mode: usage.Off, From: day}, usage.Stage{Mode: usage.Warn}
	item := `- {mode: "off", from: 2027-03-01}`
	for _, tt := range []struct {
		text  string
		stage usage.Stage
		want  string // "": it cannot
	}{
		{"a: 1\n", off, "a: 1\nversions:\n    hixie-76:\n        " + item + "\n"},
		{"a: 1 # no end of the line", warn, "a: 1 # no end of the line\nversions:\n    hixie-76:\n        - {mode: \"warn\"}\n"},
		{"versions:\n  # a comment\n  hixie-75:\n    - {mode: warn}\nb: 2\n", off, "versions:\n  hixie-76:\n      " + item + "\n  # a comment\n  hixie-75:\n    - {mode: warn}\nb: 2\n"},
		{"versions:\n  hixie-76: # of old TVs\n  - mode: warn\n    from: 2026-01-01\n  - {mode: sample 10%, from: 2026-06-01}\n", off, "versions:\n  hixie-76: # of old TVs\n  " + item + "\n  - mode: warn\n    from: 2026-01-01\n  - {mode: sample 10%, from: 2026-06-01}\n"},
		{"versions:\n  hixie-76:\n    - {mode: warn, from: 2027-03-01}\nb: 2\n", off, "versions:\n  hixie-76:\n    " + item + "\nb: 2\n"},
		{"versions:\n  hixie76:\n    - {mode: warn}\n", off, "versions:\n  hixie76:\n    " + item + "\n    - {mode: warn}\n"},
		{"versions: {hixie-76: [{mode: warn}]}\n", off, ""},
		{"versions:\n  hixie-76: [{mode: warn}]\n", off, ""},
		{"versions:\n  hixie-76:\n    - mode: warn\n      from: 2027-03-01\n", off, ""},
		{"versions:\n  hixie-76:\n    - {mode: warn, from: 2027-03-01} # as told\nb: 2\n", off, "versions:\n  hixie-76:\n    " + item + " # as told\nb: 2\n"},
		{"# a\rb: 1\rversions:\r  hixie-75:\r    - {mode: warn}\r", off, ""},
		{"# a\u2028versions:\n  hixie-76:\n    - {mode: warn}\n", off, ""},
		{"{a: 1}\n", off, ""}, {"versions:\n", off, ""}, {"- a\n", off, ""}, {"a: [\n", off, ""}, {"", off, ""},
	} {
		got, ok := addStage([]byte(tt.text), draftwire.Hixie76, tt.stage)
		if ok != (tt.want != "") || string(got) != tt.want {
			t.Errorf("%q: %v\n%s\nnot\n%s", tt.text, ok, got, tt.want)
		}
	}
}

// What the console writes is a configuration: of the example, too.
func TestAddStageToExample(t *testing.T) {
	for _, v := range draftwire.ServedVersions().List() {
		got, ok := addStage([]byte(gateway.Example), v, usage.Stage{Mode: usage.Sample, Share: 0.25, From: time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)})
		cfg, err := gateway.Load(strings.NewReader(string(got)))
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		plan, _ := cfg.Plan()
		if s := plan[v]; len(s) != 1 || s[0].String() != "sample 25%" {
			t.Errorf("%v", plan)
		}
	}
}

func FuzzAddStage(f *testing.F) {
	for _, s := range []string{gateway.Example, "versions:\n  hixie-76:\n    - {mode: warn}\n", "versions: {}\n", "a: |\n  versions:\n", "versions:\n  ? hixie-76\n  : - {mode: warn}\n", "versions: &a\n  hixie-76: &b\n  - *a\n", "---\na: 1\n...\n", "versions:\n  hixie-76:\n  - - {mode: warn}\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := addStage([]byte(s), draftwire.Hixie76, usage.Stage{Mode: usage.Off})
		if ok && len(got) <= len(s)-200 {
			t.Errorf("%q became %q", s, got)
		}
	})
}
