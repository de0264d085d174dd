package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// The bounds of questions.
const (
	// AnswerTimeout is how long a node may take for an answer; its function's context ends then.
	AnswerTimeout = time.Minute

	maxAsked = 16      // questions that a node answers at a time; it refuses more
	maxHead  = 4 << 10 // of a question or an answer, before its body
	maxError = 1000    // bytes of an error
	maxBody  = MaxValue - maxHead
)

// Errors of Ask.
var (
	ErrSilent = errors.New("fleet: no answer")
	ErrGone   = errors.New("fleet: not heard any more")
	errBusy   = errors.New("the gateway answers too many questions already")
)

// question is the head of what a node is asked, a line, and answer that of its answer. A body follows.
type question struct {
	From string `json:"from"`
	Kind string `json:"kind"`
}

type answer struct {
	Name  string `json:"name"`
	Error string `json:"error,omitempty"`
}

// Answer is what a node has answered.
type Answer struct {
	Member
	Body []byte
	Err  error // ErrSilent, ErrGone, the bus's, or what the node says is wrong: then a *AnswerError
}

// AnswerError is an error that a node has answered with.
type AnswerError struct {
	Text string // at most 1000 bytes
}

func (e *AnswerError) Error() string { return e.Text }

// frame joins a head and a body.
func frame(head any, body []byte) ([]byte, error) {
	line, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	if len(line) > maxHead-1 || len(body) > maxBody {
		return nil, ErrTooLarge
	}
	return append(append(line, '\n'), body...), nil
}

// unframe takes a head and a body apart.
func unframe(data []byte, head any) (body []byte, err error) {
	line, body, ok := bytes.Cut(data[:min(len(data), MaxValue)], []byte("\n"))
	if !ok || len(line) >= maxHead {
		return nil, errors.New("fleet: a message without a head")
	}
	return body, json.Unmarshal(line, head)
}

// Ask asks a node for something, by its kind, and returns its answer's body. It waits until ctx ends at most. The
// node itself is asked without the bus. Errors are those of Answer.
func (n *Node) Ask(ctx context.Context, name, kind string, body []byte) ([]byte, error) {
	if name == n.o.Name {
		return n.do(ctx, name, kind, body)
	}
	data, err := frame(question{From: n.o.Name, Kind: kind}, body)
	if err != nil {
		return nil, err
	}
	list, err := n.bus.Ask(ctx, n.subject("ask."+name), data, 1)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, ErrSilent
	}
	var a answer
	body, err = unframe(list[0], &a)
	switch {
	case err != nil:
		return nil, err
	case a.Error != "":
		return nil, &AnswerError{cleanLines(a.Error)}
	}
	return body, nil
}

// cleanLines bounds the text of an error.
func cleanLines(s string) string {
	var out []byte
	for line := range bytes.SplitSeq([]byte(s[:min(len(s), maxError)]), []byte("\n")) {
		out = append(append(out, cleanText(string(line))...), '\n')
	}
	return string(bytes.TrimSpace(out))
}

// AskAll asks all nodes that have not said farewell at the same time, and returns what each answers, by name. Of those
// that are gone it does not wait for an answer.
func (n *Node) AskAll(ctx context.Context, kind string, body []byte) []Answer {
	var list []Answer
	for _, m := range n.Members() {
		if m.State != Left {
			list = append(list, Answer{Member: m})
		}
	}
	var all sync.WaitGroup
	for i := range list {
		a := &list[i]
		if a.State == Gone {
			a.Err = ErrGone
			continue
		}
		all.Go(func() { a.Body, a.Err = n.Ask(ctx, a.Name, kind, body) })
	}
	all.Wait()
	return list
}

// do carries out what the node is asked for.
func (n *Node) do(ctx context.Context, from, kind string, body []byte) ([]byte, error) {
	f := n.o.Answers[kind]
	if f == nil {
		return nil, &AnswerError{fmt.Sprintf("this gateway does not know what %.40q is", kind)}
	}
	out, err := f(ctx, from, body)
	if err == nil && len(out) > maxBody {
		err = ErrTooLarge
	}
	if err != nil {
		return nil, &AnswerError{cleanLines(err.Error())}
	}
	return out, nil
}

// answer answers a question from the bus.
func (n *Node) answer(data []byte) []byte {
	var q question
	body, err := unframe(data, &q)
	if err == nil {
		err = CheckName(q.From)
	}
	if err != nil {
		n.tell(BadPeers, "", err)
		return nil
	}
	a := answer{Name: n.o.Name}
	var out []byte
	select {
	case n.asked <- struct{}{}:
		ctx, cancel := context.WithTimeout(n.ctx, AnswerTimeout)
		out, err = n.do(ctx, q.From, q.Kind, body)
		cancel()
		<-n.asked
	default:
		err = errBusy
	}
	if err != nil {
		a.Error, out = cleanLines(err.Error()), nil
	}
	p, err := frame(a, out)
	if err != nil {
		return nil
	}
	return p
}
