package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// What cannot be served is told, in words that name it.
func TestCheckAcceptOptions(t *testing.T) {
	for want, o := range map[string]draftwire.AcceptOptions{
		"none of the versions":     {Versions: 1 << 15},
		"no slash at its end":      {Origins: []string{"https://example.com/"}},
		"leave it out":             {Origins: []string{"https://example.com:443"}},
		`subprotocol "a b"`:        {Protocols: []string{"chat", "a b"}},
		`subprotocol ""`:           {Protocols: []string{""}},
		"IdleTimeout is negative":  {Limits: draftwire.Limits{IdleTimeout: -1}},
		"HeadLimit is negative":    {Limits: draftwire.Limits{HeadLimit: -1}},
		"WriteTimeout is negative": {Limits: draftwire.Limits{WriteTimeout: -time.Second}},
		"PostLimit is negative":    {Limits: draftwire.Limits{PostLimit: -1}},
		"the scheme is not ws":     {PublicURL: "https://example.com"},
	} {
		err := o.Check()
		if err == nil || !strings.HasPrefix(err.Error(), "draftwire: options: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, not %q", o, err, want)
			continue
		}
		if _, err2 := draftwire.NewUpgrader(&o); err2 == nil || err2.Error() != err.Error() {
			t.Errorf("Check says %v, NewUpgrader %v", err, err2)
		}
	}
	for _, o := range []draftwire.AcceptOptions{{}, {Protocols: []string{"*"}}, {Versions: draftwire.AllVersions, Protocols: []string{"a b"}}, {Limits: draftwire.Limits{ReadLimit: -1}}} {
		if err := o.Check(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestCheckDialOptions(t *testing.T) {
	for want, o := range map[string]draftwire.DialOptions{
		"is not spoken here":      {Version: 200},
		"version":                 {Fallback: []draftwire.Version{draftwire.Hixie76, 201}},
		`target "a b"`:            {Target: "a b"},
		`field "X Y"`:             {Header: http.Header{"X Y": {"1"}}},
		`with value "a\r\nb"`:     {Header: http.Header{"X-Y": {"a\r\nb"}}},
		`field "Origin"`:          {Origin: "a\nb"},
		`subprotocol "a,b"`:       {Protocols: []string{"a,b"}},
		"Key3Timeout is negative": {Limits: draftwire.Limits{Key3Timeout: -1}},
	} {
		err := o.Check()
		if err == nil || !strings.HasPrefix(err.Error(), "draftwire: dial: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, not %q", o, err, want)
			continue
		}
		if _, _, err2 := draftwire.Dial(context.Background(), "ws://127.0.0.1:1", &o); err2 == nil || err2.Error() != err.Error() {
			t.Errorf("Check says %v, Dial %v", err, err2)
		}
	}
	for _, o := range []draftwire.DialOptions{{Limits: draftwire.Limits{ReadLimit: -1}}, {Version: draftwire.Hixie76, Protocols: []string{"a b"}}} {
		if err := o.Check(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// 0 is what the options say, negative is no limit.
func TestSetReadLimit(t *testing.T) {
	for _, tt := range []struct {
		set  []int64
		n    int
		fits bool
	}{
		{nil, 101, false}, {nil, 100, true}, {[]int64{10}, 11, false}, {[]int64{10, 0}, 100, true}, {[]int64{10, 0}, 101, false}, {[]int64{-1}, 1000, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			client, server := wstest.Pair(t, draftwire.RFC6455, draftwire.AcceptOptions{Limits: draftwire.Limits{ReadLimit: 100}}, draftwire.DialOptions{})
			for _, n := range tt.set {
				server.SetReadLimit(n)
			}
			wstest.Write(t, client, strings.Repeat("x", tt.n))
			if _, _, err := server.Read(bg); (err == nil) != tt.fits {
				t.Errorf("%v, %d bytes: %v", tt.set, tt.n, err)
			}
		})
	}
}
