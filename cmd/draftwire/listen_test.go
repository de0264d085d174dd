package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"testing"
)

// A port that is in use is the same failure whichever command wants it, and no fault in how
// the command was called.
func TestPortInUse(t *testing.T) {
	url, _ := serveOn(t)
	addr := strings.TrimPrefix(url, "ws://")
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{exitFailure, "address already in use", []string{"serve", "--listen", addr}},
		{exitFailure, "address already in use", []string{"gateway", "--to", "ws://b", "--admin", "off", "--listen", addr}},
		{exitFailure, "address already in use", []string{"gateway", "--to", "ws://b", "--listen", "127.0.0.1:0", "--admin", addr}},
		{exitUsage, "missing port", []string{"serve", "--listen", "nowhere"}},
		{exitUsage, "nowhere", []string{"gateway", "--to", "ws://b", "--listen", "nowhere"}},
		{exitUsage, "no-such", []string{"serve", "--listen", "fd:no-such"}},
		{exitUsage, "no-such", []string{"gateway", "--to", "ws://b", "--admin", "off", "--listen", "fd:no-such"}},
	} {
		code, _, err := call(t, "", append(c.args, "--log-level", "error")...)
		if code != c.code || !strings.Contains(err, c.want) || strings.Count(err, "\n") != 1 || code == exitFailure && strings.Contains(err, "--help") {
			t.Errorf("%q: exit %d, want %d with %q: %s", c.args, code, c.code, c.want, err)
		}
	}
}

func TestListenError(t *testing.T) {
	low := &net.OpError{Op: "listen", Net: "tcp", Addr: &net.TCPAddr{Port: 80}, Err: fs.ErrPermission}
	for _, c := range []struct {
		err   error
		usage bool
		want  string
	}{
		{fmt.Errorf("admin: %w", low), false, "CAP_NET_BIND_SERVICE"},
		{&net.OpError{Op: "listen", Net: "tcp", Addr: &net.TCPAddr{Port: 8080}, Err: fs.ErrPermission}, false, ""},
		{&net.OpError{Op: "listen", Net: "tcp", Err: &net.AddrError{Err: "missing port"}}, true, ""},
		{errors.New("no such socket"), true, ""},
	} {
		err := listenError(c.err)
		var e *exitError
		if usage := errors.As(err, &e) && e.code == exitUsage; usage != c.usage || !errors.Is(err, c.err) && !usage {
			t.Errorf("%v: %v", c.err, err)
		}
		if hint := strings.Contains(err.Error(), "CAP_NET"); hint != (c.want != "") {
			t.Errorf("%v: %v", c.err, err)
		}
	}
}

func TestErrorTextHasNoEchoes(t *testing.T) {
	for in, want := range map[string]string{
		"draftwire: dial: dial tcp 127.0.0.1:1: connect: connection refused": "dial tcp 127.0.0.1:1: connect: connection refused",
		"draftwire: dial: tls: tls: bad record":                              "dial: tls: bad record",
		"a: b: a: b":                                                         "a: b: a: b", "a: ab": "a: ab", "": "", "a": "a", "a: a": "a",
	} {
		if got := errorText(errors.New(in)); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
