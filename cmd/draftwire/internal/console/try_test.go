package console

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// triedJSON is the answer to a try, as a page reads it.
type triedJSON struct {
	ID, Version, Request, Answer, Error, Hint string
	Annotated                                 []map[string]any
}

func (w *world) tryTo(body string) triedJSON {
	w.Helper()
	var x triedJSON
	rec := w.ask("POST", "api/try", body, own...)
	if err := json.Unmarshal(rec.Body.Bytes(), &x); rec.Code != 200 || err != nil {
		w.Fatalf("%d %s", rec.Code, rec.Body)
	}
	return x
}

// The console is a client of any version: it connects, sends, shows all frames and closes.
func TestTry(t *testing.T) {
	w := newWorld(t, nil)
	srv := w.serve()
	for _, v := range draftwire.ServedVersions().List() {
		x := w.tryTo(fmt.Sprintf(`{"version":%q,"path":"/a?b=c","subprotocols":["chat"],"origin":"http://page.example"}`, v))
		if x.ID == "" || x.Version != v.String() || len(x.Annotated) < 3 || !strings.HasPrefix(x.Answer, "485454502f312e3120313031") || x.Error != "" {
			t.Fatalf("%s: %+v", v, x)
		}
		if v == draftwire.Hixie76 && !strings.Contains(fmt.Sprint(x.Annotated), "challenge") {
			t.Errorf("%s: %v", v, x.Annotated)
		}
		say := func(body string, want int) {
			t.Helper()
			if rec := w.ask("POST", "api/try/"+x.ID+"/send", body, own...); rec.Code != want {
				t.Errorf("%s: %s: %d %s", v, body, rec.Code, rec.Body)
			}
		}
		binary := 200
		if !v.Supports(draftwire.CapBinary) {
			binary = 409
		}
		say(`{"text":"hello"}`, 200)
		w.until(func() bool { // the close of hixie-75 is the end of everything
			list, _, _, _ := w.console.tries.find(x.ID).watch.next(0)
			return slices.ContainsFunc(list, func(f frame) bool { return !f.sent })
		})
		say(`{"hex":"01 02"}`, binary)
		say(`{"hex":"0"}`, 409)
		say(`{}`, 409)
		say(`{"close":{"code":1005}}`, 200)
		req, _ := http.NewRequest("GET", srv.URL+"/console/api/try/"+x.ID+"/frames", nil)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(err, resp)
		}
		var seen []string
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			seen = append(seen, s.Text())
		}
		resp.Body.Close()
		all := strings.Join(seen, "\n")
		if !strings.Contains(seen[0], `"armed":true`) || !strings.Contains(seen[1], `"dir":"out","op":"text"`) || !strings.Contains(all, `"dir":"in","op":"text"`) ||
			!strings.Contains(seen[len(seen)-1], `"ended":true`) || strings.Count(all, "hello") != 2 || strings.Contains(all, `"op":"binary"`) != (binary == 200) {
			t.Errorf("%s: %s", v, all)
		}
		w.console.tries.leave(x.ID) // which it does by itself later
	}
	w.console.tries.n += len(draftwire.ServedVersions().List())
}

// A handshake that is refused is explained too.
func TestTryRefused(t *testing.T) {
	w := newWorld(t, func(c *gateway.Config) { c.Listen[0].Versions = "modern" })
	x := w.tryTo(`{"version":"hixie-76"}`)
	if x.ID != "" || x.Error == "" || !strings.Contains(fmt.Sprint(x.Annotated), "hixie-76") || x.Answer == "" {
		t.Errorf("%+v", x)
	}
	if w.console.tries.n != 0 {
		t.Error("it counts")
	}
}

// Everybody can read the audit: it has no query of a URL, as an error of one may have.
func TestTryAudit(t *testing.T) {
	w := newWorld(t, nil)
	w.tryTo(`{"version":"rfc6455","path":"/a?token=s3cret"}`)
	w.tryTo(`{"version":"rfc6455","path":"/b?token=s3cret\u0001"}`)
	got := fmt.Sprint(w.logged)
	if strings.Contains(got, "s3cret") || !strings.Contains(got, "try rfc6455 /a?... done") || !strings.Contains(got, "try rfc6455 /b?... refused") {
		t.Error(got)
	}
}

// There are four at a time, and what a page says of one is judged.
func TestTryIsBounded(t *testing.T) {
	w := newWorld(t, nil)
	var ids []string
	for range maxTries {
		ids = append(ids, w.tryTo(`{"version":"rfc6455"}`).ID)
	}
	for body, want := range map[string]int{
		`{"version":"rfc6455"}`: 429, `{"version":"x"}`: 400, `{"version":"rfc6455","path":"x"}`: 400, `{`: 400, `{"path":"` + strings.Repeat("/", maxBody) + `"}`: 413,
		`{"version":"rfc6455","subprotocols":["` + strings.Repeat(`a","`, 40) + `"]}`: 400,
	} {
		if rec := w.ask("POST", "api/try", body, own...); rec.Code != want {
			t.Errorf("%.50s: %d %s", body, rec.Code, rec.Body)
		}
	}
	for _, fields := range [][]string{with(own, "Authorization", ""), with(own, "Content-Type", "text/plain"), with(own, "Origin", "https://evil.example")} {
		for _, path := range []string{"api/try", "api/try/" + ids[0] + "/send"} {
			if rec := w.ask("POST", path, `{"text":"x"}`, fields...); rec.Code < 400 {
				t.Errorf("%s %v: %d", path, fields, rec.Code)
			}
		}
	}
	if rec := w.ask("GET", "api/try/"+ids[0]+"/frames", ""); rec.Code != 401 {
		t.Errorf("frames without the token: %d", rec.Code)
	}
	for _, id := range []string{"x", "", ids[0] + "0"} {
		if rec := w.ask("POST", "api/try/"+id+"/send", `{"text":"x"}`, own...); rec.Code != 404 {
			t.Errorf("%q: %d", id, rec.Code)
		}
	}
	if rec := w.ask("POST", "api/try/"+ids[0]+"/send", `{"text":"`+strings.Repeat("x", 3*tryMessage)+`"}`, own...); rec.Code != 413 {
		t.Errorf("a long message: %d", rec.Code)
	}
	for _, body := range []string{`{"version":"rfc6455","origin":"a\r\nb: c"}`, `{"version":"rfc6455","path":"/\r\nX: y"}`, `{"version":"rfc6455","host":"a\r\nX: y"}`, `{"version":"rfc6455","subprotocols":["a\r\nX: y"]}`, `{"version":"rfc6455","path":"/ HTTP/1.1\r\n"}`} {
		w.console.tries.leave("")
		x := w.tryTo(body)
		if x.ID != "" || x.Request != "" || x.Annotated == nil {
			t.Errorf("%s: %+v", body, x)
		}
		w.console.tries.enter()
	}
	w.console.Close()
	w.until(func() bool { return len(w.gw.Sessions()) == 0 })
}
