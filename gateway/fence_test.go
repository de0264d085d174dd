package gateway_test

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/wire"
	"golang.org/x/crypto/bcrypt"
)

// networks reads networks.
func networks(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestNetworks(t *testing.T) {
	for _, tt := range []struct {
		allow, deny []netip.Prefix
		remote      string
		want        bool
	}{
		{nil, nil, "203.0.113.9:1234", true},
		{networks("10.0.0.0/8"), nil, "10.1.2.3:1234", true},
		{networks("10.0.0.0/8"), nil, "203.0.113.9:1234", false},
		{networks("10.0.0.0/8"), networks("10.1.0.0/16"), "10.1.2.3:1234", false},
		{nil, networks("203.0.113.0/24"), "203.0.113.9:1234", false},
		{nil, networks("203.0.113.0/24"), "[::ffff:203.0.113.9]:1234", false}, // the same address
		{networks("2001:db8::/32"), nil, "[2001:db8::1%eth0]:1234", true},
		{networks("2001:db8::/32"), nil, "10.1.2.3:1234", false},
		{nil, networks("0.0.0.0/0", "::/0"), "@", true}, // a unix socket
		{networks("10.0.0.0/8"), nil, "@", false},
	} {
		if got := gateway.IsAdmitted(tt.allow, tt.deny, tt.remote); got != tt.want {
			t.Errorf("allow %v, deny %v: %s: %v", tt.allow, tt.deny, tt.remote, got)
		}
	}
}

// secrets writes a file of users or tokens.
func secrets(t *testing.T, lines string) string {
	file := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func basic(user, password string) http.Header {
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}}
}

// A route that asks for credentials takes clients of each version that have them, and tells
// the others so.
func TestAuth(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("s3cret:päss"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	users := secrets(t, fmt.Sprintf("# devices\n\nset-top:%s\n", hash))
	chargers := secrets(t, fmt.Sprintf("CP 01:%s\nCP:02:%[1]s\n", hash))
	own := gateway.Auth{Users: chargers, User: "segment 2"}
	charger := func(target, user string) draftwire.DialOptions {
		return draftwire.DialOptions{Target: target, Header: basic(user, "s3cret:päss")}
	}
	also := func(field string, values ...string) draftwire.DialOptions {
		h := basic("set-top", "s3cret:päss")
		h[field] = values
		return draftwire.DialOptions{Header: h}
	}
	tokens := secrets(t, "0123456789abcdef\n fedcba9876543210 \n")
	token := func(field, value string) draftwire.DialOptions {
		return draftwire.DialOptions{Header: http.Header{field: {value}}}
	}
	for _, tt := range []struct {
		name string
		auth gateway.Auth
		dial draftwire.DialOptions
		want int // status; 101 where it opens
	}{
		{"no credentials asked", gateway.Auth{}, draftwire.DialOptions{}, 101},
		{"none sent", gateway.Auth{Users: users}, draftwire.DialOptions{}, 401},
		{"password", gateway.Auth{Users: users}, draftwire.DialOptions{Header: basic("set-top", "s3cret:päss")}, 101},
		{"wrong password", gateway.Auth{Users: users}, draftwire.DialOptions{Header: basic("set-top", "s3cret")}, 401},
		{"wrong user", gateway.Auth{Users: users}, draftwire.DialOptions{Header: basic("", "s3cret:päss")}, 401},
		{"no base64", gateway.Auth{Users: users}, token("Authorization", "Basic !"), 401},
		{"another scheme", gateway.Auth{Users: users}, token("Authorization", "Bearer 0123456789abcdef"), 401},
		{"token in the query", gateway.Auth{Tokens: tokens}, draftwire.DialOptions{Target: "/x?a=b&token=fedcba9876543210"}, 101},
		{"wrong token", gateway.Auth{Tokens: tokens}, draftwire.DialOptions{Target: "/x?token=fedcba987654321"}, 401},
		{"empty token", gateway.Auth{Tokens: tokens}, draftwire.DialOptions{Target: "/x?token="}, 401},
		{"comment as token", gateway.Auth{Users: users, Tokens: tokens}, draftwire.DialOptions{Target: "/x?token=%23%20devices"}, 401},
		{"token in a field", gateway.Auth{Tokens: tokens, Token: "header X-Device"}, token("x-device", "0123456789abcdef"), 101},
		{"token elsewhere", gateway.Auth{Tokens: tokens, Token: "header X-Device"}, draftwire.DialOptions{Target: "/x?token=0123456789abcdef"}, 401},
		{"token in a cookie", gateway.Auth{Tokens: tokens, Token: "cookie t"}, token("Cookie", `a=b; t="0123456789abcdef"; c`), 101},
		{"token in the path", gateway.Auth{Tokens: tokens, Token: "segment 1"}, draftwire.DialOptions{Target: "/0123456789abcdef/x"}, 101},
		{"its own path", own, charger("/ocpp/CP%2001", "CP 01"), 101},
		{"its own path with a query", own, charger("/ocpp/CP%2001/?x=/", "CP 01"), 101},
		{"a name with a colon", own, charger("/ocpp/CP:02", "CP:02"), 101},
		{"the path of another", own, charger("/ocpp/CP:02", "CP 01"), 401},
		{"the path of another behind its own", own, charger("/ocpp/CP%2001/CP:02", "CP 01"), 401},
		{"a part of its name", own, charger("/ocpp/CP", "CP:02"), 401},
		{"an escape in an escape", own, charger("/ocpp/CP%252001", "CP 01"), 401},
		{"a path without a name", own, charger("/ocpp/", ""), 401},
		{"a field of its own", gateway.Auth{Users: users, User: "query id"}, charger("/x?id=set-top", "set-top"), 101},
		{"the field of another", gateway.Auth{Users: users, User: "query id"}, charger("/x?id=other", "set-top"), 401},
		{"two fields", gateway.Auth{Users: users, User: "query id"}, charger("/x?id=set-top&id=other", "set-top"), 401},
		{"two fields, one escaped", gateway.Auth{Users: users, User: "query id"}, charger("/x?id=set-top&%69d=other", "set-top"), 401},
		{"a field that not all can read", gateway.Auth{Users: users, User: "query id"}, charger("/x?id=other%&id=set-top", "set-top"), 401},
		{"a field behind a semicolon", gateway.Auth{Users: users, User: "query id"}, charger("/x?y;id=other&id=set-top", "set-top"), 401},
		{"a header of its own", gateway.Auth{Users: users, User: "header X-Id"}, also("X-Id", "set-top"), 101},
		{"two headers", gateway.Auth{Users: users, User: "header X-Id"}, also("X-Id", "set-top", "other"), 401},
		{"a cookie of its own", gateway.Auth{Users: users, User: "cookie id"}, also("Cookie", "a=b; id=set-top"), 101},
		{"two cookies", gateway.Auth{Users: users, User: "cookie id"}, also("Cookie", "id=set-top; id=other"), 401},
		{"a slash in an escape", own, charger("/ocpp%2FCP:02/CP%2001", "CP 01"), 401},
		{"a backslash", own, charger("/ocpp\\CP:02/CP%2001", "CP 01"), 401},
		{"a query in an escape", own, charger("/CP:02%3F/CP%2001", "CP 01"), 401},
		{"two slashes", own, charger("//ocpp/CP%2001", "CP 01"), 401},
		{"parameters", own, charger("/ocpp/CP%2001;x", "CP 01"), 401},
		{"token or password", gateway.Auth{Users: users, Tokens: tokens}, draftwire.DialOptions{Header: basic("set-top", "s3cret:päss")}, 101},
	} {
		t.Run(tt.name, func(t *testing.T) {
			forVersions(t, func(t *testing.T, v draftwire.Version) {
				w := newWorld(t)
				w.echo("back:80", draftwire.AllVersions)
				cfg := to(gateway.Policy{}, "ws://back")
				cfg.Routes[0].Auth = tt.auth
				w.start(cfg)
				for range 2 { // the second time a password is known
					_, err := w.client(v, tt.dial)
					he, refused := errors.AsType[*draftwire.HandshakeError](err)
					if tt.want == 101 && err != nil || tt.want != 101 && statusOf(err) != tt.want {
						t.Fatalf("%v", err)
					}
					if refused && he.Fields.Get("Draftwire-Reason") != string(wire.ReasonAuth) {
						t.Errorf("reason %v", he.Fields)
					}
					if asks := refused && he.Fields.Get("WWW-Authenticate") != ""; refused && asks != (tt.auth.Users != "") {
						t.Errorf("asks for a password: %v", asks)
					}
				}
			})
		})
	}
}

// Guessing is slow.
func TestAuthGuessing(t *testing.T) {
	hash, _ := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	file := secrets(t, "u:"+string(hash)+"\n")
	bubble(t, func(t *testing.T) {
		gd, err := gateway.NewGuard(&gateway.Auth{Users: file})
		if err != nil {
			t.Fatal(err)
		}
		try := func(remote, password string) error {
			return gd.Admit(draftwire.RFC6455, remote, "/", wire.Fields{{Name: "Authorization", Value: basic("u", password).Get("Authorization")}})
		}
		checked := 0
		for i := range 100 {
			if statusOf(try("203.0.113.9:1", fmt.Sprint(i))) == 401 {
				checked++
			}
		}
		if checked != gateway.WrongPerMinute {
			t.Errorf("%d passwords were checked", checked)
		}
		if err := try("203.0.113.9:1", "right"); statusOf(err) != 503 {
			t.Errorf("the address may go on: %v", err)
		}
		if err := try("203.0.113.10:1", "right"); err != nil {
			t.Errorf("another address: %v", err)
		}
		if err := try("203.0.113.9:1", "right"); err != nil {
			t.Errorf("a password that is known to be right: %v", err)
		}
		time.Sleep(time.Minute)
		if err := try("203.0.113.9:1", "wrong"); statusOf(err) != 401 {
			t.Errorf("a minute later: %v", err)
		}
	})
}

// Files without a use are faults of the configuration, with their line.
func TestAuthFiles(t *testing.T) {
	for _, tt := range []struct {
		auth gateway.Auth
		want string
	}{
		{gateway.Auth{Users: "/nowhere"}, "no such file"},
		{gateway.Auth{Users: secrets(t, "# nobody\n")}, "no entry"},
		{gateway.Auth{Users: secrets(t, "\nname\n")}, "line 2: it is not NAME:HASH"},
		{gateway.Auth{Users: secrets(t, "name:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")}, "htpasswd -B"},
		{gateway.Auth{Tokens: secrets(t, "x"), Token: "body x"}, "header NAME, cookie NAME, query NAME, segment N"},
		{gateway.Auth{Users: secrets(t, "x"), User: "segment 0"}, "user: \"segment 0\" is not one of"},
		{gateway.Auth{User: "segment 2"}, "user: it is nothing without users"},
	} {
		cfg := to(gateway.Policy{}, "ws://back")
		cfg.Routes[0].Auth = tt.auth
		if err := errors.Join(cfg.Check(), cfg.CheckFiles()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt.auth, err)
		}
	}
}

// An address that comes too often is refused, and others are not.
func TestHandshakeRate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.echo("back:80", draftwire.AllVersions)
		cfg := to(gateway.Policy{}, "ws://back")
		cfg.TrustForwarded = networks("0.0.0.0/0", "::/0")
		cfg.Limits.HandshakesPerSecondPerAddress = 0.5
		w.start(cfg)
		from := func(addr string) int {
			_, err := w.client(draftwire.Hixie76, draftwire.DialOptions{Header: http.Header{"X-Forwarded-For": {addr}}})
			return statusOf(err)
		}
		for i := range 7 {
			if status := from("203.0.113.9"); status != map[bool]int{true: 503}[i >= 5] {
				t.Errorf("handshake %d: %d", i, status)
			}
		}
		if status := from("203.0.113.10"); status != 0 {
			t.Errorf("another address: %d", status)
		}
		time.Sleep(2 * time.Second)
		if status := from("203.0.113.9"); status != 0 {
			t.Errorf("two seconds later: %d", status)
		}
	})
}

// So it is with ordinary requests, which do not count as handshakes.
func TestRequestRate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.page("back:80", func(http.ResponseWriter, *http.Request) {})
		cfg := to(gateway.Policy{}, "http://back")
		cfg.TrustForwarded = networks("0.0.0.0/0", "::/0")
		cfg.Limits.HandshakesPerSecondPerAddress, cfg.Limits.RequestsPerSecondPerAddress, cfg.Limits.RequestsPerSecond = 0.1, 0.5, 8
		w.start(cfg)
		from := func(addr string) string {
			nc := w.front()
			defer nc.Close()
			fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: front\r\nX-Forwarded-For: %s\r\nConnection: close\r\n\r\n", addr)
			line, _ := bufio.NewReader(nc).ReadString('\n')
			return strings.TrimSpace(line)
		}
		const ok, many = "HTTP/1.1 200 OK", "HTTP/1.1 429 Too Many Requests"
		for i := range 7 {
			if got := from("203.0.113.9"); got != map[bool]string{false: ok, true: many}[i >= 5] {
				t.Errorf("request %d: %s", i, got)
			}
		}
		for i := range 4 { // 3 more for all
			if got := from(fmt.Sprintf("203.0.113.%d", 20+i)); got != map[bool]string{false: ok, true: many}[i >= 3] {
				t.Errorf("another address, %d: %s", i, got)
			}
		}
		if _, err := w.client(draftwire.Hixie75, draftwire.DialOptions{Header: http.Header{"X-Forwarded-For": {"203.0.113.9"}}}); err != nil {
			t.Errorf("a handshake: %v", err)
		}
	})
}

// The log says why a user with the right password does not come in at the path of another.
func TestAuthOfAnother(t *testing.T) {
	hash, _ := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	gd, err := gateway.NewGuard(&gateway.Auth{Users: secrets(t, "CP01:"+string(hash)+"\n"), User: "segment 2"})
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{"/ocpp/CP01": "", "/ocpp/CP02": "the user is not that of the request's segment 2"} {
		for _, password := range []string{"right", "wrong"} {
			err := gd.Admit(draftwire.RFC6455, "203.0.113.9:1", target, wire.Fields{{Name: "Authorization", Value: basic("CP01", password).Get("Authorization")}})
			he, refused := errors.AsType[*wire.HandshakeError](err)
			if refused != (want != "" || password == "wrong") || refused && he.Detail != want {
				t.Errorf("%s with the %s password: %v", target, password, err)
			}
		}
	}
	err = gd.Admit(draftwire.RFC6455, "203.0.113.9:1", "/ocpp/CP02", nil)
	if he, ok := errors.AsType[*wire.HandshakeError](err); !ok || he.Detail != "" {
		t.Errorf("without credentials: %v", err)
	}
}

// What tells clients apart, of their requests.
func TestClientOf(t *testing.T) {
	fields := wire.Fields{{Name: "X-Device", Value: "tv-7"}, {Name: "Cookie", Value: "a=b; id=42"}}
	for how, want := range map[string]string{
		"address": "", "header X-Device": "tv-7", "cookie id": "42", "query d": "q 1",
		"segment 1": "ocpp", "segment 2": "CP 01", "segment 3": "", " segment  2 ": "CP 01",
	} {
		ledger := gateway.Ledger{Client: how}
		if got := ledger.ClientOf("/ocpp/CP%2001/?d=q+1&x=/y/z", fields); got != want {
			t.Errorf("%q: %q, not %q", how, got, want)
		}
	}
}
