package generation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// ErrUnsupported is the error where a process cannot pass its sockets to another.
var ErrUnsupported = errors.New("this system cannot pass listening sockets to another process: stop the program and start it again")

// Failure is what a successor says when it cannot take its parent's place.
type Failure struct {
	Code int    `json:"code"` // with which it exits
	Text string `json:"text"`
}

func (f *Failure) Error() string { return f.Text }

// Program says how a program is started.
type Program struct {
	Path string
	Args []string // with the name of the program
	Dir  string
}

// Self returns how this process was started. It is called when the process begins: later the
// working directory may be another, and the file that was started may have been replaced.
func Self() (Program, error) {
	dir, err := os.Getwd()
	if err != nil {
		return Program{}, err
	}
	path, err := exec.LookPath(os.Args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil { // started under another name
		path, err = os.Executable()
	}
	return Program{path, os.Args, dir}, err
}

// Socket is a listening socket with the name by which the successor asks for it.
type Socket struct {
	Name     string
	Listener net.Listener
}

// Upgrade is what Start needs.
type Upgrade struct {
	Program Program
	Sockets []Socket
	Systemd []Socket      // as sd_listen_fds(3) passes them
	Timeout time.Duration // until the successor is ready

	// Release gives up what one process at a time may have, and TakeBack gets it again
	// if the successor then fails.
	Release  func() error
	TakeBack func()
	// Retire is called when the successor serves; taken are the names of the sockets that
	// it uses. It closes the listening sockets.
	Retire func(pid int, taken []string)
	// Control answers all other requests of the successor.
	Control http.Handler
}

// Successor is a process that has taken this one's place.
type Successor struct {
	PID  int
	link *link
}

// Gone is closed when the successor has ended, or no longer wants to know its parent.
func (s *Successor) Gone() <-chan struct{} { return s.link.gone }

// Start starts the program again, and returns when the new process is ready. After an error,
// for example as ctx has ended, everything is as it was.
func (u *Upgrade) Start(ctx context.Context) (*Successor, error) {
	p, nc, err := u.launch()
	if err != nil {
		return nil, fmt.Errorf("the program cannot be started again: %w", err)
	}
	s := &steps{Upgrade: u, pid: p.Pid, decided: make(chan struct{})}
	l := newLink(nc)
	go l.serve(s.handler())
	late := time.NewTimer(u.Timeout)
	defer late.Stop()
	select {
	case <-s.decided:
	case <-l.gone:
		s.fail(errors.New("the new process has ended before it was ready; its log may say why"))
	case <-ctx.Done():
		s.fail(context.Cause(ctx))
	case <-late.C:
		s.fail(fmt.Errorf("the new process was not ready within %s", u.Timeout))
	}
	if err := s.result(); err != nil {
		p.Kill()
		l.Close()
		if s.released {
			u.TakeBack()
		}
		return nil, err
	}
	p.Release()
	return &Successor{s.pid, l}, nil
}

// steps are those of one upgrade, as the parent sees them.
type steps struct {
	*Upgrade
	pid int

	mu       sync.Mutex // held while a step is made
	released bool
	over     bool
	err      error
	decided  chan struct{} // closed when over is set
}

func (s *steps) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /generation", s.hello)
	mux.HandleFunc("POST /checked", s.step(s.checked))
	mux.HandleFunc("POST /ready", s.step(s.ready))
	mux.HandleFunc("POST /failed", s.failed)
	mux.Handle("/", s.Control)
	return mux
}

func (s *steps) hello(w http.ResponseWriter, _ *http.Request) {
	h := hello{Protocol: protocol, First: firstDescriptor + len(s.Systemd) + 1}
	for _, x := range s.Sockets {
		h.Sockets = append(h.Sockets, x.Name)
	}
	json.NewEncoder(w).Encode(h)
}

// firstDescriptor is the number of the first descriptor that is passed.
const firstDescriptor = 3

// maxAnswer bounds what is read of a step.
const maxAnswer = 64 << 10

// step makes a step, unless the upgrade has been decided before.
func (s *steps) step(f func(r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		err := errors.New("the upgrade is over")
		if !s.over {
			err = f(r)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	}
}

func (s *steps) checked(*http.Request) error {
	if s.released {
		return errors.New("the step was made before")
	}
	s.released = true
	return s.Release()
}

func (s *steps) ready(r *http.Request) error {
	var taken []string
	if err := json.NewDecoder(io.LimitReader(r.Body, maxAnswer)).Decode(&taken); err != nil {
		return err
	}
	if !s.released {
		return errors.New("a step is missing")
	}
	s.Retire(s.pid, taken)
	s.decide(nil)
	return nil
}

func (s *steps) failed(_ http.ResponseWriter, r *http.Request) {
	f := &Failure{}
	if err := json.NewDecoder(io.LimitReader(r.Body, maxAnswer)).Decode(f); err != nil || f.Text == "" {
		f.Text = "the new process has failed"
	}
	s.fail(f)
}

func (s *steps) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decide(err)
}

// decide ends the steps. The caller holds s.mu.
func (s *steps) decide(err error) {
	if !s.over {
		s.over, s.err = true, err
		close(s.decided)
	}
}

func (s *steps) result() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
