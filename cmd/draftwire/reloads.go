package main

import (
	"github.com/draftwire/draftwire/oldtls"
	"github.com/sirupsen/logrus"
)

// reloads logs what happens to a server's certificates, which are reloaded when their files
// change.
type reloads struct {
	profile oldtls.Profile
	log     *logrus.Logger
}

// tell sets the log, before anything is served, and warns about what old clients get.
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

// failed logs files that could not be reloaded.
func (r *reloads) failed(err error) {
	r.log.WithField("error", errorText(err)).Error("the certificate cannot be reloaded; the old one stays in use")
}
