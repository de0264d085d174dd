package gateway_test

import (
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
)

// A path of which no target for the backend can be made is refused, and is no backend's fault: a client could otherwise
// make the backends rest for all others.
func TestRoomsOutsidePrefix(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		ch := w.channel("back:80")
		cfg := inRooms(gateway.Rooms{}, gateway.Policy{}, "ws://back")
		cfg.Routes[0].Match.Paths, cfg.Routes[0].StripPrefix = []string{"/api/*"}, "/api"
		w.start(cfg)
		_, _, err := draftwire.Dial(bg, "ws://front/%61pi/x", &draftwire.DialOptions{NetDial: w.dial})
		if got := statusOf(err); got != 404 {
			t.Errorf("%v; want 404", err)
		}
		pass(time.Second)
		if s := w.gw.Status().Routes[0]; s.Backends[0].Error != "" || s.Rooms.Rooms != 0 {
			t.Errorf("status %+v", s)
		}
		c := w.enters(draftwire.RFC6455, "/api/x", draftwire.DialOptions{})
		pass(time.Second)
		ch.says(t, "1")
		gets(t, c, "1")
	})
}
