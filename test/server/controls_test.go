package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// repeatedFields are the fields whose values answers repeat, in some version.
var repeatedFields = []string{"Origin", "Sec-WebSocket-Origin", "WebSocket-Protocol", "Sec-WebSocket-Protocol"}

// answerTo is what a server answers to a request of that version in which this field
// stands in the place of any other by its name.
func answerTo(t *testing.T, v draftwire.Version, field, value string) (status int, head string) {
	t.Helper()
	o := wstest.Options()
	o.Protocols, o.Origins = []string{"*"}, []string{"*"}
	l, _ := proxyServer(t, o, nil, false)
	nc, _ := l.Dial()
	defer nc.Close()
	client := wstest.NewClient(v)
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSuffix(client.Head, "\r\n\r\n"), "\r\n") {
		if name, _, _ := strings.Cut(line, ":"); !slices.Contains(repeatedFields, name) {
			lines = append(lines, line)
		}
	}
	lines = append(lines, field+": "+value)
	switch {
	case v != draftwire.Hixie75 || field == "Origin":
	case field == "Sec-WebSocket-Origin":
		lines = append(lines, "Origin: "+value) // one has to be there, and be the same
	default:
		lines = append(lines, "Origin: http://example.com")
	}
	io.WriteString(nc, strings.Join(lines, "\r\n")+"\r\n\r\n"+client.Key3)
	var said strings.Builder
	resp, err := http.ReadResponse(bufio.NewReader(io.TeeReader(nc, &said)), nil)
	if err != nil {
		t.Fatalf("%s, %s %q: %v in %q", v, field, value, err, said.String())
	}
	if resp.StatusCode != 101 {
		return resp.StatusCode, resp.Header.Get("Draftwire-Reason")
	}
	head, _, _ = strings.Cut(said.String(), "\r\n\r\n")
	return resp.StatusCode, head
}

func TestControlCharactersInRepeatedFieldsAreRefused(t *testing.T) {
	for _, v := range draftwire.ServedVersions().List() {
		for _, field := range repeatedFields {
			for c := range 0x80 {
				if c >= ' ' && c != 0x7F || c == '\t' || c == '\r' || c == '\n' {
					continue
				}
				synctest.Test(t, func(t *testing.T) {
					if status, reason := answerTo(t, v, field, fmt.Sprintf("a%cb", c)); status != 400 || reason != "bad_head" {
						t.Errorf("%s, %s with %02x: %d %q", v, field, c, status, reason)
					}
				})
			}
		}
	}
}

// Bytes from 80 on, NEL among them, go back as they came, and end no line.
func TestHighBytesInRepeatedFieldsComeBackAsTheyWere(t *testing.T) {
	const value = "\x80\x85\xc2\x85\xe2\x80\xa8\xff"
	for _, v := range draftwire.ServedVersions().List() {
		for _, field := range repeatedFields {
			synctest.Test(t, func(t *testing.T) {
				status, head := answerTo(t, v, field, value)
				hixie := v == draftwire.Hixie75 || v == draftwire.Hixie76 || v == draftwire.Hybi02
				repeats := field == "Sec-WebSocket-Protocol" && v != draftwire.Hixie75 ||
					field == "WebSocket-Protocol" && hixie || field == "Origin" && hixie ||
					field == "Sec-WebSocket-Origin" && v == draftwire.Hixie75
				if status != 101 || repeats != strings.Contains(head+"\r\n", ": "+value+"\r\n") {
					t.Errorf("%s, %s: %d, %q", v, field, status, head)
				}
			})
		}
	}
}
