package server_test

import (
	"strings"
	"sync"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

// refusals are those that an Observer is told of.
type refusals struct {
	mu  sync.Mutex
	got []refusal
}

type refusal struct {
	remote string
	reason wire.Reason
}

func (r *refusals) observer() *draftwire.Observer {
	return &draftwire.Observer{Refused: func(remote string, _ []byte, err *draftwire.HandshakeError) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, refusal{remote, err.Reason})
	}}
}

func (r *refusals) reasons() (all []wire.Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.got {
		all = append(all, x.reason)
	}
	return all
}

// String is whom the Observer was told of, and why.
func (r *refusals) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, x := range r.got {
		all = append(all, x.remote+" "+string(x.reason))
	}
	return strings.Join(all, ", ")
}
