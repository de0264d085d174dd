package console

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// The list shows what is open, sorted, filtered and in pages.
func TestConnections(t *testing.T) {
	w := newWorld(t, nil)
	versions := []draftwire.Version{draftwire.Hixie75, draftwire.Hixie76, draftwire.RFC6455, draftwire.RFC6455}
	for i, v := range versions {
		c := w.dial(v, fmt.Sprintf("/room/%d?token=secret", i), draftwire.DialOptions{Origin: "http://Pages.example", Fields: draftwire.Fields{{Name: "User-Agent", Value: fmt.Sprintf("TV/%d", i)}}})
		for range 4 - i {
			w.echo(c, strings.Repeat("x", 10))
		}
	}
	var l listed
	w.until(func() bool { // a message is counted behind its writing
		l = listed{}
		w.get("connections", &l)
		var out uint64
		for _, r := range l.Rows {
			out += uint64(r.Out)
		}
		return out == 100
	})
	if l.Total != 4 || l.Matched != 4 || l.Versions["rfc6455"] != 2 || l.Versions["hixie-76"] != 1 || l.Routes["chat"] != 4 || len(l.Rows) != 4 || l.Now == 0 {
		t.Errorf("%+v", l)
	}
	row := l.Rows[3] // the latest comes first
	if row.Version != "hixie-75" || row.Path != "/room/0?..." || row.Listener != "front" || row.Route != "chat" || row.BackendVersion != "rfc6455" ||
		!strings.HasPrefix(row.Backend, "ws://127.0.0.1:") || row.UserAgent != "TV/0" || !strings.EqualFold(row.Origin, "http://pages.example") ||
		row.MessagesIn != 4 || row.MessagesOut != 4 || row.In != 40 || row.Out != 40 || row.Opened == 0 || row.Last < row.Opened || row.Losses == nil || row.Tolerated == nil {
		t.Errorf("%+v", row)
	}
	for _, tt := range []struct {
		query   string
		want    []string // paths
		matched int
	}{
		{"sort=messages_in", []string{"3", "2", "1", "0"}, 4},
		{"sort=out&desc=1", []string{"0", "1", "2", "3"}, 4},
		{"sort=opened", []string{"0", "1", "2", "3"}, 4},
		{"sort=version&desc=1", []string{"3", "2", "1", "0"}, 4},
		{"sort=client&limit=2", nil, 4},
		{"sort=route&offset=1&limit=2", []string{"1", "2"}, 4},
		{"sort=last&offset=9", []string{}, 4},
		{"version=rfc6455", []string{"3", "2"}, 2},
		{"route=chat&limit=0", []string{}, 4},
		{"route=other", []string{}, 0},
		{"q=tv%2F1", []string{"1"}, 1},
		{"q=/ROOM/2", []string{"2"}, 1},
		{"q=127.0.0.1", []string{"3", "2", "1", "0"}, 4},
		{"q=pages.EXAMPLE", []string{"3", "2", "1", "0"}, 4},
		{"q=secret", []string{}, 0},
	} {
		var l listed
		w.get("connections?"+tt.query, &l)
		got := []string{}
		for _, r := range l.Rows {
			got = append(got, r.Path[len("/room/"):len("/room/")+1])
		}
		if l.Matched != tt.matched || tt.want != nil && !slices.Equal(got, tt.want) || l.Total != 4 {
			t.Errorf("%s: %d of %d, %v", tt.query, l.Matched, l.Total, got)
		}
	}
	for _, bad := range []string{"version=x", "version=unknown", "sort=x", "desc=x", "offset=-1", "limit=501", "limit=x", "q=" + strings.Repeat("x", 201)} {
		if rec := w.ask("GET", "api/connections?"+bad, ""); rec.Code != 400 || !strings.Contains(rec.Body.String(), `"error":"`) {
			t.Errorf("%s: %d %s", bad, rec.Code, rec.Body)
		}
	}
}

// One connection is shown with its handshake, explained, and without what is secret.
func TestConnection(t *testing.T) {
	w := newWorld(t, nil)
	w.dial(draftwire.Hixie76, "/a?token=s3cret&room=7", draftwire.DialOptions{Fields: draftwire.Fields{{Name: "Cookie", Value: "id=s3cret"}, {Name: "Authorization", Value: "Bearer s3cret"}}})
	var l listed
	w.get("connections", &l)
	for _, tt := range []struct{ from, has, lacks string }{
		{"127.0.0.1:4", "room=7", "s3cret"}, {"192.0.2.1:4", "Sec-WebSocket-Key1", "room=7"},
	} {
		rec := w.ask("GET", "api/connections/"+l.Rows[0].ID, "", "from", tt.from)
		text := rec.Body.String()
		var s shownJSON
		if err := json.Unmarshal(rec.Body.Bytes(), &s); err != nil || rec.Code != 200 {
			t.Fatal(rec.Code, err)
		}
		if s.ID != l.Rows[0].ID || s.Version != "hixie-76" || s.Ended || len(s.Handshake) < 3 {
			t.Errorf("%s: %+v", tt.from, s)
		}
		if !strings.Contains(text, tt.has) || strings.Contains(text, tt.lacks) || strings.Contains(text, "s3cret") || !strings.Contains(text, "hixie-76 5.2") {
			t.Errorf("%s: %s", tt.from, text)
		}
	}
	for _, id := range []string{"1", "", "x!", strings.ToUpper(l.Rows[0].ID), "0" + l.Rows[0].ID, l.Rows[0].ID + "0", "99999999999999999999"} {
		if rec := w.ask("GET", "api/connections/"+url.PathEscape(id), ""); rec.Code != 404 {
			t.Errorf("%q: %d", id, rec.Code)
		}
	}
}

// What is chosen of many is what sorting all of them would give.
func TestChoose(t *testing.T) {
	for range 300 {
		l := new(list)
		for i := range rand.IntN(3000) {
			l.found = append(l.found, place{major: rand.Uint64N(20), minor: rand.Uint64N(3), id: uint64(i), i: int32(i)})
		}
		rand.Shuffle(len(l.found), func(i, j int) { l.found[i], l.found[j] = l.found[j], l.found[i] })
		q := &query{offset: rand.IntN(400), limit: rand.IntN(200), desc: rand.IntN(2) == 0}
		all := slices.Clone(l.found)
		slices.SortFunc(all, place.compare)
		if q.desc {
			slices.Reverse(all)
		}
		from := min(q.offset, len(all))
		want := all[from:min(q.offset+q.limit, len(all))]
		if got := l.choose(q); !slices.Equal(got, want) {
			t.Fatalf("%d of %d from %d: not what sorting gives", q.limit, len(all), q.offset)
		}
	}
}

func TestContainsFold(t *testing.T) {
	for _, tt := range []struct {
		s, text string
		want    bool
	}{{"", "", true}, {"abc", "", true}, {"", "a", false}, {"xABCx", "abc", true}, {"ab", "abc", false}, {"aabab", "abab", true}, {"Ä", "ä", false}, {"ä", "ä", true}} {
		if got := containsFold(tt.s, tt.text); got != tt.want {
			t.Errorf("%q in %q: %v", tt.text, tt.s, got)
		}
	}
	if q, err := parseQuery(url.Values{"q": {"ÄB"}}); err != nil || q.text != "Äb" {
		t.Errorf("%q, %v", q.text, err)
	}
}

// The parameters of a list come from whoever can reach the port.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"", "version=hixie-76&route=a&q=TEXT&sort=in&desc=1&offset=100&limit=100", "sort=last&desc=true", "limit=-1", "offset=99999999999999999999", "version=%00", "q=%ff&q=b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := url.ParseQuery(s)
		if err != nil {
			return
		}
		q, err := parseQuery(v)
		if err != nil {
			return
		}
		if q.limit < 0 || q.limit > maxLimit || q.offset < 0 || q.offset > 1<<30 || len(q.text) > maxText+maxText || !slices.Contains(sorts, q.sort) ||
			q.version != wire.Unknown && !wire.AllVersions.Has(q.version) {
			t.Errorf("%q: %+v", s, q)
		}
		l := &list{found: []place{{id: 1}, {id: 2}, {id: 3}}}
		if got := l.choose(&q); len(got) > q.limit {
			t.Errorf("%q: %d places", s, len(got))
		}
	})
}
