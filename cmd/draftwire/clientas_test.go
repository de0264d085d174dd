package main

import (
	"strings"
	"testing"

	"github.com/draftwire/draftwire/drafts"
	"github.com/draftwire/draftwire/wire"
)

// Each device talks to our own server, and closes as it does.
func TestClientAs(t *testing.T) {
	url, _ := serveOn(t)
	for _, d := range drafts.Clients(wire.Unknown) {
		code, out, err := call(t, "", "client", "--as", d.Name, "-x", "hello", "--protocol", "chat", url+"/echo")
		if code != 0 || out != "hello\n" || !strings.HasPrefix(err, "connected: "+d.Version.String()+" subprotocol=chat\nclosed: ") {
			t.Errorf("%s: exit %d, %q, %q", d.Name, code, out, err)
		}
		if want := map[drafts.Ending]string{drafts.EndsNormal: "closed: 1000"}[d.Sending.Ends]; !strings.Contains(err, want) {
			t.Errorf("%s: %q, not %q", d.Name, err, want)
		}
		code, _, err = call(t, "", "client", "--as", d.Name, "--wait", "20s", "--timeout", "2s", "-q", url+"/close?code=1000")
		if code != 0 || err != "" {
			t.Errorf("%s: the server closes: exit %d, %q", d.Name, code, err)
		}
	}
}

// --as chooses the version and the request, so that other flags cannot.
func TestClientAsFlags(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--as", "safari5", "ws://h/"}, `did you mean "safari5.0"?`},
		{[]string{"--as", "netscape", "ws://h/"}, `no device "netscape"`},
		{[]string{"--as", "ios5", "--version", "13", "ws://h/"}, "--as and --version exclude each other"},
		{[]string{"--as", "ios5", "--fallback", "13", "ws://h/"}, "--as and --fallback exclude each other"},
		{[]string{"--as", "ios5", "--compression", "all", "ws://h/"}, "--as and --compression exclude each other"},
	} {
		if code, _, err := call(t, "", append([]string{"client"}, tt.args...)...); code != exitUsage || !strings.Contains(err, tt.want) {
			t.Errorf("%q: exit %d, %q, not %q", tt.args, code, err, tt.want)
		}
	}
}
