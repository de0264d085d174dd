package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/draftwire/draftwire/cmd/draftwire/internal/generation"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/usage"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/sirupsen/logrus"
)

// ancestry is what a process of the gateway knows of those before it. It asks its parent,
// whose answers are for all of them.
type ancestry struct {
	*generation.Parent // nil: there is none
	log                *logrus.Logger
	book               *book
	ended              chan struct{} // closed when the parent has ended, and those before it

	pulling sync.Mutex // held while visits are asked for
	batch   int        // the last batch of visits that is in the book

	mu     sync.Mutex
	counts []*dto.MetricFamily   // as they were asked for last
	served gateway.RequestStatus // likewise; none of it is in flight
}

func newAncestry(p *generation.Parent, b *book, log *logrus.Logger) *ancestry {
	a := &ancestry{Parent: p, log: log, book: b, ended: make(chan struct{})}
	if p == nil {
		close(a.ended)
	}
	return a
}

// What the processes ask each other. An answer that takes longer is done without.
const (
	askTimeout    = 2 * time.Second
	visitsTimeout = 20 * time.Second
)

// over reports whether no process before this one is left.
func (a *ancestry) over() bool {
	select {
	case <-a.ended:
		return true
	default:
		return false
	}
}

// follow waits for the end of the parent, and takes what it leaves.
func (a *ancestry) follow() {
	if a.over() {
		return
	}
	_, err := a.Ask(context.Background(), http.MethodGet, "/end", nil)
	if err == nil {
		_, counted := a.askStatus(visitsTimeout)
		err = errors.Join(a.pull(), a.count(visitsTimeout), counted)
	}
	a.Parent.Close()
	close(a.ended)
	if err != nil {
		a.log.WithField("error", errorText(err)).Warn("the process before this one has ended early: what it did since it was last asked is not counted")
		return
	}
	a.log.Info("the process before this one has ended")
}

// pull takes the visits of the processes before this one into the book.
func (a *ancestry) pull() error {
	if a.over() {
		return nil
	}
	a.pulling.Lock()
	defer a.pulling.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), visitsTimeout)
	defer cancel()
	body, err := a.Do(ctx, http.MethodGet, "/visits?after="+strconv.Itoa(a.batch), nil)
	if err != nil {
		return err
	}
	defer body.Close()
	in := bufio.NewReader(body)
	line, err := in.ReadString('\n')
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return err
	}
	visits, err := usage.Import(in)
	if err != nil || n <= a.batch {
		return err
	}
	a.book.add(visits)
	a.batch = n
	return nil
}

// count remembers the counters of the processes before this one.
func (a *ancestry) count(wait time.Duration) error {
	if a.over() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	body, err := a.Ask(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return err
	}
	list, err := readFamilies(body)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.counts = list
	a.mu.Unlock()
	return nil
}

// addCounts adds the counters of the processes before this one to its own.
func (a *ancestry) addCounts(own []*dto.MetricFamily) []*dto.MetricFamily {
	live := !a.over()
	if live && a.count(askTimeout) != nil {
		live = false // the counters as they were asked for last
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return addFamilies(own, a.counts, live)
}

// addStatus adds the state of the processes before this one to its own.
func (a *ancestry) addStatus(s *gateway.Status) {
	older, err := a.askStatus(askTimeout)
	if err != nil || a.over() { // what it has served counts on
		a.mu.Lock()
		defer a.mu.Unlock()
		older = &gateway.Status{Ready: s.Ready, Requests: a.served}
	}
	s.Add(older)
}

// askStatus asks for the state of the processes before this one, and remembers how many
// requests they have served.
func (a *ancestry) askStatus(wait time.Duration) (*gateway.Status, error) {
	if a.over() {
		return nil, errGone
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	body, err := a.Ask(ctx, http.MethodGet, "/status", nil)
	if err != nil {
		return nil, err
	}
	older := new(gateway.Status)
	if err := json.Unmarshal(body, older); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.served = gateway.RequestStatus{Total: older.Requests.Total, Failed: older.Requests.Failed}
	return older, nil
}

// errGone is why a process that has ended cannot be asked.
var errGone = errors.New("the process before this one has ended")

// drain drains the processes before this one, and waits for their end.
func (a *ancestry) drain(ctx context.Context) {
	if a.over() {
		return
	}
	a.Ask(ctx, http.MethodPost, "/drain", nil)
	select {
	case <-a.ended:
	case <-ctx.Done():
	}
}

// readFamilies reads what writeFamilies writes.
func readFamilies(p []byte) (list []*dto.MetricFamily, err error) {
	d := expfmt.NewDecoder(bytes.NewReader(p), expfmt.NewFormat(expfmt.TypeProtoDelim))
	for {
		f := &dto.MetricFamily{}
		if err := d.Decode(f); err == io.EOF {
			return list, nil
		} else if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
}

// writeFamilies writes metrics for another process.
func writeFamilies(w io.Writer, list []*dto.MetricFamily) error {
	e := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeProtoDelim))
	for _, f := range list {
		if err := e.Encode(f); err != nil {
			return err
		}
	}
	return nil
}
