package main

import (
	"github.com/draftwire/draftwire/oldtls"
	"github.com/sirupsen/logrus"
)

// reloads is how a server's certificates, which are read again when their files
// change, reach its log.
type reloads struct {
	profile oldtls.Profile
	log     *logrus.Logger
}

// tell sets the log, before anything is served, and warns of what old clients
// get.
func (r *reloads) tell(log *logrus.Logger) {
	if r == nil {
		return
	}
	r.log = log
	if text := r.profile.Warning(); text != "" {
		level := logrus.InfoLevel
		if r.profile == oldtls.Museum {
			level = logrus.WarnLevel
		}
		log.WithField("tls_profile", r.profile.String()).Log(level, text)
	}
}

// failed logs files that could not be read again.
func (r *reloads) failed(err error) {
	r.log.WithField("error", errorText(err)).Error("a certificate was not reloaded; the one before stays")
}
