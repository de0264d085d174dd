package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
)

// own are the fields of an order of the console's page.
var own = []string{"Content-Type", "application/json", "Authorization", "Bearer " + token, "Origin", "http://127.0.0.1:9090", "Sec-Fetch-Site", "same-origin"}

// with replaces fields; "" takes one out.
func with(fields []string, more ...string) []string {
	out := append([]string{}, fields...)
	for i := 0; i < len(more); i += 2 {
		for j := 0; j < len(out); j += 2 {
			if out[j] == more[i] {
				out = append(out[:j], out[j+2:]...)
				break
			}
		}
		if more[i+1] != "" {
			out = append(out, more[i], more[i+1])
		}
	}
	return out
}

// An order needs the token wherever it comes from, and no page of another site can give one.
func TestOrdersRights(t *testing.T) {
	w := newWorld(t, nil)
	for _, tt := range []struct {
		name   string
		fields []string
		want   int
	}{
		{"the page's own", own, 200},
		{"a program", with(own, "Origin", "", "Sec-Fetch-Site", ""), 200},
		{"from elsewhere, with the token", with(own, "from", "192.0.2.1:4"), 200},
		{"no token, from here", with(own, "Authorization", ""), 401},
		{"another token", with(own, "Authorization", "Bearer another token here"), 401},
		{"no Bearer", with(own, "Authorization", token), 401},
		{"a form", with(own, "Content-Type", "application/x-www-form-urlencoded"), 415},
		{"a form of text", with(own, "Content-Type", "text/plain"), 415},
		{"a form of parts", with(own, "Content-Type", "multipart/form-data"), 415},
		{"no type", with(own, "Content-Type", ""), 415},
		{"another site", with(own, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"), 403},
		{"another site, without Origin", with(own, "Sec-Fetch-Site", "cross-site", "Origin", ""), 403},
		{"the same site", with(own, "Sec-Fetch-Site", "same-site"), 403},
		{"typed by the user", with(own, "Sec-Fetch-Site", "none"), 403},
		{"another origin that says it is the same", with(own, "Origin", "https://evil.example"), 403},
		{"another port", with(own, "Origin", "http://127.0.0.1:1"), 403},
		{"a null origin", with(own, "Origin", "null"), 403},
		{"the page's own, as browsers send it to another machine without TLS", with(own, "Sec-Fetch-Site", "", "from", "192.0.2.1:4"), 200},
		{"another origin without Sec-Fetch-Site", with(own, "Sec-Fetch-Site", "", "Origin", "https://evil.example"), 403},
		{"a null origin without Sec-Fetch-Site", with(own, "Sec-Fetch-Site", "", "Origin", "null"), 403},
		{"an upgrade", with(own, "Connection", "Upgrade", "Upgrade", "websocket"), 400},
	} {
		w.given = nil
		rec := w.ask("POST", "api/orders/drain", "{}", tt.fields...)
		if rec.Code != tt.want || (len(w.given) == 1) != (tt.want == 200) {
			t.Errorf("%s: %d %s, %v", tt.name, rec.Code, rec.Body, w.given)
		}
		if tt.want != 200 && !strings.Contains(rec.Body.String(), `"error":"`) {
			t.Errorf("%s: %s", tt.name, rec.Body)
		}
	}
	for _, method := range []string{"GET", "PUT", "DELETE", "PATCH"} {
		if rec := w.ask(method, "api/orders/drain", "{}", own...); rec.Code != 405 || rec.Result().Header.Get("Allow") != "POST" {
			t.Errorf("%s: %d", method, rec.Code)
		}
	}
	w.token = false
	w.given = nil
	if rec := w.ask("POST", "api/orders/drain", "{}", own...); rec.Code != 409 || len(w.given) > 0 || !strings.Contains(rec.Body.String(), "--config FILE") || !strings.Contains(rec.Body.String(), "token_file") {
		t.Errorf("without a token in the configuration: %d %s", rec.Code, rec.Body)
	}
	has := w.console.o.Token
	w.console.o.Token = nil // as serve has it
	if rec := w.ask("POST", "api/orders/drain", "{}", own...); rec.Code != 409 || strings.Contains(rec.Body.String(), "token_file") {
		t.Errorf("without orders: %d %s", rec.Code, rec.Body)
	}
	w.console.o.Token = has
	var a about
	w.get("about", &a)
	if a.Token || len(a.Orders) > 0 {
		t.Errorf("%+v", a)
	}
}

// Orders do what they say, and each is noted.
func TestOrders(t *testing.T) {
	w := newWorld(t, nil)
	var a about
	w.get("about", &a)
	if !a.Token || strings.Join(a.Orders, " ") != "drain reload close retire" || len(a.Versions) != 9 || a.Kind != "gateway" {
		t.Errorf("%+v", a)
	}
	c := w.dial(draftwire.Hixie76, "/", draftwire.DialOptions{})
	id := w.ids()[0]
	refused := errors.New("line 5: no")
	for _, tt := range []struct {
		path, body string
		refuses    error
		status     int
		want, note string // in the answer, and in the audit
	}{
		{"drain", "", nil, 200, `"done":"drain"`, "drain: done"},
		{"drain", "{", nil, 400, "JSON", "drain: refused"},
		{"reload", "{}", nil, 200, "reload", "reload: done"},
		{"reload", "{}", refused, 422, "line 5: no", "reload: refused: The configuration was not accepted"},
		{"close?id=" + id, "{}", nil, 200, id, "close " + id + " of 127.0.0.1:"},
		{"close?id=1", "", nil, 404, "no such connection", "close 1: refused"},
		{"close", "", nil, 404, "no such connection", "close: refused"},
		{"retire", `{"version":"hixie-76","mode":"off","from":"2027-03-01"}`, nil, 200, "retire hixie-76 off", "retire hixie-76 off from 2027-03-01: done"},
		{"retire", `{"version":"hixie-76","mode":"sample 10%"}`, &NotNoted{"There is no file.", "versions:"}, 409, `"hint":"versions:"`, "retire hixie-76 sample 10%: refused: There is no file."},
		{"retire", `{"version":"hixie-76","mode":"off"}`, refused, 422, "line 5", "refused"},
		{"retire", `{"version":"x","mode":"off"}`, nil, 400, "version", "refused"},
		{"retire", `{"version":"hixie-76","mode":"x"}`, nil, 400, "mode", "refused"},
		{"retire", `{"version":"hixie-76","mode":"off","from":"soon"}`, nil, 400, "day", "refused"},
		{"retire", `{"version":"hixie-76","mode":"off","from":"` + strings.Repeat("2", maxBody) + `"}`, nil, 413, "16 KiB", "refused"},
	} {
		w.refuses, w.logged = tt.refuses, nil
		rec := w.ask("POST", "api/orders/"+tt.path, tt.body, own...)
		if rec.Code != tt.status || !strings.Contains(rec.Body.String(), tt.want) {
			t.Errorf("%s %.60s: %d %s", tt.path, tt.body, rec.Code, rec.Body)
		}
		if len(w.logged) != 1 || !strings.Contains(w.logged[0].What+": "+w.logged[0].Result, tt.note) || w.logged[0].Who != "127.0.0.1" || w.logged[0].At.IsZero() {
			t.Errorf("%s: noted %+v", tt.path, w.logged)
		}
	}
	if _, _, err := c.Read(t.Context()); draftwire.CloseStatus(err) == 0 {
		t.Errorf("the connection was not closed: %v", err)
	}
	if rec := w.ask("POST", "api/orders/nothing", "", own...); rec.Code != 404 {
		t.Error(rec.Code)
	}
	var l struct{ Rows []Order }
	w.get("audit", &l)
	if len(l.Rows) != 14 || !strings.HasPrefix(l.Rows[0].What, "retire") || l.Rows[13].What != "drain" {
		t.Errorf("%+v", l)
	}
}

// The audit is bounded, and orders without the token fill it only slowly.
func TestAuditIsBounded(t *testing.T) {
	w := newWorld(t, nil)
	for range 50 {
		w.ask("POST", "api/orders/drain", "{}", with(own, "Authorization", "")...)
	}
	if n := len(w.console.audit.last); n < 1 || n > 3 {
		t.Errorf("%d orders without the token are noted", n)
	}
	for i := range 150 {
		w.console.Note(Order{What: fmt.Sprint("order ", i)})
	}
	var l struct{ Rows []Order }
	w.get("audit", &l)
	if len(l.Rows) != maxOrders || l.Rows[0].What != "order 149" || l.Rows[99].What != "order 50" {
		t.Errorf("%d, %+v", len(l.Rows), l.Rows[0])
	}
}

// The console of a program without orders takes none.
func TestNoOrders(t *testing.T) {
	c := New(Options{Prefix: "/_console/", Kind: "serve", Live: func(l []Live) []Live { return l }, Here: func(*http.Request) bool { return true }, Payload: func() bool { return true }})
	defer c.Close()
	w := &world{T: t, console: c, o: Options{Prefix: "/_console/"}}
	var a about
	w.get("about", &a)
	if a.Token || a.Kind != "serve" || !a.Payload {
		t.Errorf("%+v", a)
	}
	for _, path := range []string{"orders/drain", "orders/close?id=1", "try"} {
		if rec := w.ask("POST", "api/"+path, "{}", own...); rec.Code < 400 {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
	for path, want := range map[string]int{"status": 404, "report": 404, "plan": 200, "losses": 200, "refusals": 200, "history": 200, "audit": 200, "connections": 200, "try/1/frames": 404} {
		rec := w.ask("GET", "api/"+path, "")
		if rec.Code != want || !json.Valid(rec.Body.Bytes()) {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
}
