package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/recorder"
	"github.com/draftwire/draftwire/recording"
	"github.com/sirupsen/logrus"
)

// tape is what is recorded of clients, as a gateway's configuration or the flags of serve ask for it.
type tape struct {
	cfg gateway.Record
	log *logrus.Logger
	*recorder.Recorder
}

// openTape begins a recording; nil where none is configured.
func openTape(cfg gateway.Record, log *logrus.Logger) (*tape, error) {
	if cfg.Folder == "" {
		return nil, nil
	}
	t := &tape{cfg: cfg.WithDefaults(), log: log}
	name := filepath.Join(cfg.Folder, fmt.Sprintf("%s-%d.dwr", time.Now().UTC().Format("20060102T150405"), os.Getpid()))
	var err error
	t.Recorder, err = recorder.Create(name, recorder.Options{
		Program: "draftwire " + readBuild().Version,
		Redaction: recording.Redaction{
			Fields:  append(slices.Clone(recording.DefaultFields), cfg.Redact...),
			Names:   append(slices.Clone(recording.DefaultNames), cfg.Redact...),
			Payload: cfg.RedactPayload,
		},
		Message: int(t.cfg.Message), File: int64(t.cfg.File),
		Begin: t.begin, Failed: t.failed, Dropped: t.dropped,
	})
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	log.WithField("file", name).Info("recording")
	return t, nil
}

// observer is what makes clients be recorded; it does nothing where nothing is.
func (t *tape) observer() *draftwire.Observer {
	if t == nil {
		return &draftwire.Observer{}
	}
	return t.Observer()
}

// close ends the recording.
func (t *tape) close() {
	if t != nil {
		t.Close() // what could not be written was said
	}
}

// begin says where a client goes, and whether it is recorded.
func (t *tape) begin(c *draftwire.Conn, e *recording.Event) bool {
	h := c.Handshake()
	if s, ok := h.Value().(*gateway.Session); ok {
		e.ServerAt, e.Listener, e.Route = s.Backend, s.Listener, s.Route
	}
	if len(t.cfg.Routes) > 0 && !slices.Contains(t.cfg.Routes, e.Route) {
		return false
	}
	if len(t.cfg.Clients) > 0 {
		a, err := netip.ParseAddr(ipOf(h.Remote()))
		if err != nil || !slices.ContainsFunc(t.cfg.Clients, func(p netip.Prefix) bool { return p.Contains(a.Unmap().WithZone("")) }) {
			return false
		}
	}
	return t.cfg.Sample >= 100 || rand.IntN(100) < t.cfg.Sample
}

func (t *tape) failed(err error) {
	if errors.Is(err, recording.ErrFull) {
		err = fmt.Errorf("%w (record: file)", err)
	}
	t.log.WithError(err).Error("the recording ends")
}

func (t *tape) dropped(n int64) {
	t.log.WithField("events", n).Warn("the recording lacks what came while its queue was full, or too many connections were recorded")
}
