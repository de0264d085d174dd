package console

import (
	"net/http"
	"strings"
	"testing"
)

// Every answer has the fields that keep the page to itself, whatever it says.
func TestEveryAnswer(t *testing.T) {
	w := newWorld(t, nil)
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{"GET", "", 200}, {"GET", "/console", 308}, {"GET", "index.html", 200}, {"HEAD", "", 200}, {"GET", "nothing.js", 404}, {"POST", "", 405}, {"PUT", "", 405}, {"DELETE", "api/about", 405},
		{"OPTIONS", "api/about", 405}, {"GET", "api", 404}, {"GET", "api/", 404}, {"GET", "api/nothing", 404}, {"GET", "api/about", 200}, {"HEAD", "api/about", 200}, {"GET", "api/about/", 404},
		{"GET", "api/connections", 200}, {"GET", "api/connections/x/y/z", 404}, {"GET", "api/connections?limit=x", 400}, {"GET", "/elsewhere", 404}, {"GET", "/consol", 404},
		{"GET", "../console.go", 404}, {"GET", "app/index.html", 404}, {"GET", "%2e%2e/console.go", 404}, {"GET", "..%2fconsole.go", 404}, {"GET", "./index.html", 404}, {"GET", "/console//etc/passwd", 404},
		{"GET", "uplot/../../console.go", 404}, {"GET", "index.html/", 404}, {"GET", "uplot", 404}, {"GET", "uplot/", 404},
	} {
		fields := []string{"Content-Type", "application/json", "Authorization", "Bearer " + token}
		want := tt.want
		rec := w.ask(tt.method, tt.path, "", fields...)
		h := rec.Result().Header
		if rec.Code != want {
			t.Errorf("%s %s: %d, want %d", tt.method, tt.path, rec.Code, want)
		}
		if h.Get("Content-Security-Policy") != policy || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" ||
			h.Get("Cache-Control") == "" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("%s %s: %v", tt.method, tt.path, h)
		}
		for name := range h {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s %s: %s", tt.method, tt.path, name)
			}
		}
		if want == 405 && h.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", tt.method, tt.path)
		}
	}
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %s", want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Error(policy)
	}
}

// A page of another site gets nothing, however its browser says so, and no WebSocket is opened,
// to the own page neither.
func TestPagesOfOthers(t *testing.T) {
	w := newWorld(t, nil)
	for _, tt := range []struct {
		fields []string
		read   int // the status of a GET of api/about
	}{
		{nil, 200},
		{[]string{"Sec-Fetch-Site", "same-origin"}, 200},
		{[]string{"Sec-Fetch-Site", "none"}, 200},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Sec-Fetch-Site", "same-site"}, 403},
		{[]string{"Origin", "http://127.0.0.1:9090"}, 200},
		{[]string{"Origin", "http://127.0.0.1:9091"}, 403},
		{[]string{"Origin", "https://evil.example"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Sec-Fetch-Site", "same-origin", "Origin", "https://evil.example"}, 403},
		{[]string{"Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Version", "13"}, 400},
		{[]string{"Upgrade", "websocket", "Connection", "keep-alive, Upgrade", "Origin", "http://127.0.0.1:9090", "Sec-Fetch-Site", "same-origin"}, 400},
		{[]string{"Upgrade", "WebSocket", "Origin", "https://evil.example"}, 400},
		{[]string{"Connection", "upgrade"}, 400},
	} {
		if rec := w.ask("GET", "api/about", "", tt.fields...); rec.Code != tt.read {
			t.Errorf("%v: %d", tt.fields, rec.Code)
		}
		if strings.Contains(strings.Join(tt.fields, " "), "pgrade") {
			for _, path := range []string{"", "api/connections", "api/connections/1", "api/connections/1/frames", "api/try", "nothing"} {
				if rec := w.ask("GET", path, "", tt.fields...); rec.Code < 400 || rec.Code >= 500 {
					t.Errorf("%s, %v: %d", path, tt.fields, rec.Code)
				}
			}
		}
	}
	if rec := w.ask("GET", "", "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"); rec.Code != 200 {
		t.Errorf("a link to the page: %d", rec.Code)
	}
}

// The page's files may be kept by the browser, but not unasked.
func TestAppTags(t *testing.T) {
	w := newWorld(t, nil)
	first := w.ask("GET", "", "")
	if tag := first.Result().Header.Get("ETag"); tag == "" || w.ask("GET", "", "", "If-None-Match", tag).Code != http.StatusNotModified {
		t.Errorf("ETag %q", tag)
	}
	if got := first.Result().Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Error(got)
	}
}
