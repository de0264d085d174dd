package draftwire

import (
	"sync/atomic"

	"github.com/draftwire/draftwire/internal/intern"
	"github.com/draftwire/draftwire/internal/origin"
)

// config is AcceptOptions as they are used: compiled once, with their defaults.
type config struct {
	AcceptOptions
	public   origin.PublicURL
	bad      error      // what Check said
	heads    *headTable // the Server's; nil where there is none
	settings *settings  // for connections, which so hold nothing else of a config
	counted  atomic.Pointer[countedSettings]
}

// headTable lets the connections of a Server share what is equal in their heads, and in what
// is told of them.
type headTable struct {
	requests, answers intern.Table
	outlines          outlines
}

// countedSettings are settings for connections that a Server counts.
type countedSettings struct {
	server *Server
	settings
}

func compile(o *AcceptOptions) *config {
	c := new(config)
	if o != nil {
		c.AcceptOptions = *o
		c.bad = o.Check()
		c.public, _ = origin.ParsePublicURL(o.PublicURL)
	}
	def(&c.Versions, ModernVersions)
	c.Versions &= ServedVersions()
	c.Limits = c.Limits.withDefaults()
	if c.Observer == nil {
		c.Observer = &noObserver
	}
	c.settings = (&settings{
		limits: c.Limits, engine: c.Limits.engineLimits(), tolerate: c.Tolerate, obs: c.Observer, dropHeads: c.DropHeads, text: c.InvalidText,
	}).own()
	return c
}

// settingsOf returns the settings for connections of s, or where s is nil, for those of
// no Server. A config is nearly always used below one Server, so it keeps those of the
// last.
func (c *config) settingsOf(s *Server) *settings {
	if s == nil || c.settings.forget != nil { // nobody's, or the config of s itself
		return c.settings
	}
	x := c.counted.Load()
	if x == nil || x.server != s {
		x = &countedSettings{s, *c.settings}
		x.forget, x.logPanic = s.forget, s.logPanic
		x.own()
		c.counted.Store(x)
	}
	return &x.settings
}
