package generation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Parent is the process whose place this one takes. A nil Parent is that of a process that was
// not started by an upgrade: it has no sockets, its steps do nothing, and it is never gone.
type Parent struct {
	link    *link
	client  *http.Client
	names   []string
	sockets []net.Listener // by the index of names; nil where it is taken
	taken   []string
	decided bool
}

// Inherit takes what the parent has passed. It returns nil if this process was not started by
// an upgrade. It is called once, before sockets of systemd are asked for.
func Inherit() (*Parent, error) {
	text, ok := os.LookupEnv(envPair)
	if !ok {
		return nil, nil
	}
	os.Unsetenv(envPair)
	if os.Getenv("LISTEN_FDS") != "" {
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())) // which the parent could not know
	}
	fd, err := strconv.Atoi(text)
	if err != nil || fd < firstDescriptor {
		return nil, fmt.Errorf("%s: %q is not the number of a descriptor", envPair, text)
	}
	nc, err := inheritPair(fd)
	if err != nil {
		return nil, fmt.Errorf("%s: descriptor %d: %w", envPair, fd, err)
	}
	p := &Parent{link: newLink(nc)}
	p.client = p.link.client()
	return p, p.greet()
}

// greet asks for the sockets.
func (p *Parent) greet() error {
	body, err := p.Ask(context.Background(), http.MethodGet, "/generation", nil)
	if err != nil {
		return err
	}
	var h hello
	if err := json.Unmarshal(body, &h); err != nil || h.Protocol != protocol {
		return errors.New("the process that runs is of a version with another protocol of upgrades: stop it and start this one")
	}
	for i, name := range h.Sockets {
		l, err := inheritSocket(h.First+i, name)
		if err != nil {
			return fmt.Errorf("socket %s: %w", name, err)
		}
		p.names, p.sockets = append(p.names, name), append(p.sockets, l)
	}
	return nil
}

// Listener returns the parent's socket of that name, for the first call; nil if there is none.
func (p *Parent) Listener(name string) net.Listener {
	if p == nil {
		return nil
	}
	i := slices.Index(p.names, name)
	if i < 0 || p.sockets[i] == nil {
		return nil
	}
	l := p.sockets[i]
	p.sockets[i] = nil
	p.taken = append(p.taken, name)
	return l
}

// Checked says that this process could serve, and waits for the parent to release what one
// process at a time may have.
func (p *Parent) Checked() error {
	if p == nil {
		return nil
	}
	for _, l := range p.sockets {
		if l != nil {
			l.Close()
		}
	}
	p.sockets = nil
	p.names = nil
	_, err := p.Ask(context.Background(), http.MethodPost, "/checked", nil)
	return err
}

// Ready says that this process serves, and waits for the parent to close its sockets.
func (p *Parent) Ready() error {
	if p == nil {
		return nil
	}
	taken, err := json.Marshal(append([]string{}, p.taken...))
	if err == nil {
		_, err = p.Ask(context.Background(), http.MethodPost, "/ready", taken)
	}
	p.decided = err == nil
	return err
}

// Failed says why this process ends. After Ready it does nothing.
func (p *Parent) Failed(f Failure) {
	if p == nil || p.decided {
		return
	}
	p.decided = true
	if body, err := json.Marshal(f); err == nil {
		p.Ask(context.Background(), http.MethodPost, "/failed", body)
	}
}

// Close tells the parent that this process has no more questions.
func (p *Parent) Close() {
	if p != nil {
		p.link.Close()
	}
}

// Gone is closed when the parent has ended.
func (p *Parent) Gone() <-chan struct{} {
	if p == nil {
		return nil
	}
	return p.link.gone
}

// maxBody bounds what is read of a parent's answer.
const maxBody = 1 << 30

// Do sends a request to the parent. The caller closes the body of the answer, whose status
// is 200.
func (p *Parent) Do(ctx context.Context, method, path string, body []byte) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://parent"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the process before this one does not answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		why, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		return nil, fmt.Errorf("the process before this one says %d: %s", resp.StatusCode, strings.TrimSpace(string(why)))
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxBody), resp.Body}, nil
}

// Ask sends a request to the parent and reads the answer.
func (p *Parent) Ask(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	r, err := p.Do(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
