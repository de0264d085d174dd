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

// refusalOf sends a head to a server with these options and returns what it is
// told.
func refusalOf(t *testing.T, o draftwire.AcceptOptions, head string) (status int, h http.Header) {
	t.Helper()
	l := wstest.Serve(t, &draftwire.Server{WebSocket: wstest.Echo, Options: o})
	nc, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	io.WriteString(nc, head)
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header
}

// A version that Authorize refuses is told the same as one that is not enabled.
func TestNewVersionRefusal(t *testing.T) {
	for _, v := range draftwire.ServedVersions().List() {
		head := wstest.NewClient(v).Head
		synctest.Test(t, func(t *testing.T) {
			off := wstest.Options()
			off.Versions = draftwire.AllVersions.Without(v)
			status, fields := refusalOf(t, off, head)

			policy := wstest.Options()
			policy.Authorize = func(h *draftwire.Handshake, _ *draftwire.Answer) error {
				return draftwire.NewVersionRefusal(h.Version(), draftwire.AllVersions)
			}
			status2, fields2 := refusalOf(t, policy, head)
			if status != 426 || status2 != status || fmt.Sprint(fields2) != fmt.Sprint(fields) {
				t.Errorf("%s: told %d %v, by Authorize %d %v", v, status, fields, status2, fields2)
			}
			list := strings.Split(fields2.Get("Sec-WebSocket-Version"), ", ")
			if n := v.Info().HeaderValue; n != "" && slices.Contains(list, n) || len(list) < 5 {
				t.Errorf("%s: told to use %q", v, list)
			}
		})
	}
	if he := draftwire.NewVersionRefusal(draftwire.RFC6455, draftwire.VersionsOf(draftwire.Hixie76)); len(he.Fields) > 0 {
		t.Errorf("a list without numbers: %v", he.Fields)
	}
}
