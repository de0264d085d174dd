package main

import (
	"path/filepath"
	"strings"

	"github.com/draftwire/draftwire/gateway"
	"github.com/sirupsen/logrus"
)

// requestEnded reports an ordinary request: one line at debug level, and one at warn level,
// folded, for each kind of failure of a route.
func (w *watch) requestEnded(r *gateway.Request) {
	w.metrics.RequestEnded(r.Listener, r.Route, r.Status, r.Reason, r.Took)
	level := logrus.DebugLevel
	if r.Failed() {
		level = logrus.WarnLevel
	}
	if !w.log.IsLevelEnabled(level) || r.Failed() && !w.journal.fold.pass("request "+r.Route+" "+string(r.Reason)) {
		return
	}
	h := r.Handshake
	fields := logrus.Fields{
		"event": "http.request", "listener": r.Listener, "route": r.Route, "backend": r.Backend, "client_ip": ipOf(h.Remote()),
		"method": short(r.Method), "path": redact(h.Target()), "host": short(h.Host()), "user_agent": short(h.Field("User-Agent")),
		"status": r.Status, "bytes_out": r.Sent, "duration_s": seconds(r.Took), "secure": h.Secure(),
	}
	if h.Via() != "" {
		fields["via"] = ipOf(h.Via())
	}
	if r.Reason != "" {
		fields["reason"], fields["hint"] = string(r.Reason), r.Reason.Info().Cure
	}
	if r.Err != nil {
		fields["error"] = short(errorText(r.Err))
	}
	w.log.WithFields(fields).Log(level, "request")
}

// pages are what --http says of ordinary requests.
func pages(r *gateway.Route, list []string) error {
	for _, s := range list {
		switch {
		case strings.Contains(s, "://"):
			r.HTTP = append(r.HTTP, gateway.Backend{URL: s})
		case r.Files != "":
			return usagef("--http: %q and %q are two folders, but there can be only one", r.Files, s)
		default:
			r.Files = filepath.Clean(s)
		}
	}
	return nil
}
