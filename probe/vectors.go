package probe

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// Why vectors are not played.
const (
	skipVersion  = "of a version that does not open"
	skipSettings = "for other settings of a server"
	skipTLS      = "for the other of TLS and plain TCP"
	skipNonce    = "masked for a nonce that only a test chooses"
)

// players is how many vectors are played at a time.
const players = 8

// patienceFor is how long an answer to a vector is waited for: most servers answer at once, and those
// that never answer some vectors are many.
func (p *prober) patienceFor() time.Duration { return min(p.o.Timeout, time.Second) }

// job is a vector to play.
type job struct {
	v    *vectors.Vector
	file string
	play func(context.Context, *vectors.Vector, wire.Version) (want, got string, ok bool, err error)
	of   wire.Version
}

// playVectors plays what a server can be asked: requests that it has to accept or to refuse, frames
// that it has to fail on, and whole connections with an echo server.
func (p *prober) playVectors(ctx context.Context, r *Report) error {
	out := &Vectors{Skipped: map[string]int{}, By: map[string][2]int{}}
	r.Vectors = out
	jobs, err := p.jobs(r, out.Skipped)
	if err != nil {
		return err
	}
	p.say("%d vectors", len(jobs))
	return p.playAll(ctx, jobs, out)
}

// jobs are the vectors that can be played.
func (p *prober) jobs(r *Report, skipped map[string]int) (jobs []job, err error) {
	files, err := vectors.All()
	if err != nil {
		return nil, err
	}
	opens := r.Opens()
	echoes := map[wire.Version]bool{}
	for _, v := range r.Versions {
		echoes[v.Version] = v.Echoes
	}
	for _, f := range files {
		version, _ := wire.ParseVersion(f.Version) // Unknown for those of extensions, and detect
		for i := range f.Vectors {
			v := &f.Vectors[i]
			j := job{v: v, file: f.Version, of: version}
			switch {
			case v.Kind == vectors.KindSession:
				j.play = p.playSession
			case v.Kind == vectors.KindDetect || v.Kind == vectors.KindHandshake && v.Result == vectors.Invalid:
				j.play = p.playRequest
				if v.Version != "" {
					j.of, _ = wire.ParseVersion(v.Version)
				}
			case v.Kind == vectors.KindFrames && v.Role == "server" && v.Result == vectors.Invalid && version != wire.Unknown:
				j.play = p.playFrames
			default:
				continue
			}
			if why := p.skips(&j, opens, echoes); why != "" {
				skipped[why]++
				continue
			}
			jobs = append(jobs, j)
		}
	}
	return jobs, nil
}

// skips says why a vector cannot be played.
func (p *prober) skips(j *job, opens wire.Versions, echoes map[wire.Version]bool) string {
	v := j.v
	switch {
	case j.of != wire.Unknown && !opens.Has(j.of):
		return skipVersion
	case v.Tolerate != nil || v.Enabled != nil || v.Limit != 0 || v.Extension != "" || v.Result == vectors.Acceptable:
		return skipSettings
	case v.Kind == vectors.KindHandshake && v.Reason == "subprotocol":
		return skipSettings
	case v.Kind == vectors.KindSession && !echoes[j.of]:
		return "for a server that echoes"
	case (v.Kind == vectors.KindDetect || v.Kind == vectors.KindHandshake) && v.Secure != (p.u.Scheme == "wss"):
		return skipTLS
	case v.Kind == vectors.KindSession && p.u.Scheme == "wss":
		return skipTLS
	case j.of == wire.Hybi04 && v.Kind != vectors.KindDetect:
		return skipNonce
	}
	return ""
}

// playAll plays them, some at a time.
func (p *prober) playAll(ctx context.Context, jobs []job, out *Vectors) error {
	var (
		mu    sync.Mutex
		fault error
		wg    sync.WaitGroup
	)
	queue := make(chan job)
	for range players {
		wg.Go(func() {
			for j := range queue {
				want, got, ok, err := j.play(ctx, j.v, j.of)
				mu.Lock()
				if err != nil && fault == nil {
					fault = err
				}
				if err == nil {
					out.note(&j, want, got, ok)
				}
				mu.Unlock()
			}
		})
	}
	for _, j := range jobs {
		mu.Lock()
		stopped := fault != nil
		mu.Unlock()
		if stopped {
			break
		}
		queue <- j
	}
	close(queue)
	wg.Wait()
	slices.SortFunc(out.Failed, func(a, b VectorFault) int {
		if c := strings.Compare(a.Version, b.Version); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return fault
}

// note counts a vector.
func (o *Vectors) note(j *job, want, got string, ok bool) {
	of := j.file
	if j.of != wire.Unknown {
		of = j.of.String()
	}
	by := o.By[of]
	by[0]++
	o.Played++
	if ok {
		by[1]++
		o.Passed++
	} else {
		o.Failed = append(o.Failed, VectorFault{
			ID: j.v.ID, Version: of, Kind: j.v.Kind, Section: j.v.Section, Comment: j.v.Comment, Want: want, Got: got,
		})
	}
	o.By[of] = by
}

// playRequest sends a request that has to be accepted, or refused.
func (p *prober) playRequest(ctx context.Context, v *vectors.Vector, _ wire.Version) (want, got string, ok bool, err error) {
	l, err := p.connect(ctx)
	if err != nil {
		return "", "", false, err
	}
	defer l.close()
	began := time.Now()
	head, until := vectors.Latin1(v.Request), began.Add(p.patienceFor())
	tail := []byte(v.Tail)
	if v.Version != "" && v.Body > 0 && len(tail) == 0 { // detection alone does not need them
		tail = []byte("draftwir")
	}
	l.send(append(head, tail...))
	var resp wire.Response
	herr := l.head(until, &resp)
	switch {
	case herr != nil:
		got = problem(herr, l)
	case resp.Status == http.StatusSwitchingProtocols:
		got = "101"
	default:
		got = clip(resp.Line, 100)
	}
	if v.Result == vectors.Invalid {
		want = fmt.Sprintf("%d or another refusal (%s)", v.Status, v.Reason)
		return want, got, resp.Status > 101 || errors.Is(herr, errEnd) && l.end != Noise, ctx.Err()
	}
	want = "101, as a client of " + v.Version + " takes it"
	if resp.Status != http.StatusSwitchingProtocols {
		return want, got, false, ctx.Err()
	}
	version, _ := wire.ParseVersion(v.Version)
	hs := drafts[version].NewClient(p.o.Rand).(witness)
	if err := sawRequest(hs, append(vectors.Latin1(v.Request), tail...), v.Secure); err != nil {
		return want, got, true, ctx.Err() // no client sends it, and the 101 cannot be judged
	}
	t := &try{resp: resp}
	t.judge(hs, l, version, until)
	if t.outcome != Opens && t.fault != nil {
		got = "101, but " + plain(t.fault)
	} else if t.outcome == Excused {
		got = "101, but a client has to tolerate " + t.resp.Tolerated.String()
	}
	return want, got, t.outcome == Opens, ctx.Err()
}

// playFrames sends frames that a server has to fail on.
func (p *prober) playFrames(ctx context.Context, v *vectors.Vector, version wire.Version) (want, got string, ok bool, err error) {
	want = "the connection fails: " + v.Error
	l, err := p.again(ctx, &Version{Version: version})
	if err != nil {
		return want, "", false, err
	}
	if l == nil {
		return want, "it does not open", false, nil
	}
	defer l.close()
	var r Reaction
	began := time.Now()
	l.send(append(v.Payload(), l.marker()...))
	l.watchFault(&r, began, func(r *Reaction) bool { return r.marked() || r.Pongs > 1 })
	got = r.String()
	return want, got, r.Close || r.End == FIN || r.End == RST, ctx.Err()
}

// playSession plays a whole connection with an echo server.
func (p *prober) playSession(ctx context.Context, v *vectors.Vector, version wire.Version) (want, got string, ok bool, err error) {
	l, err := p.connect(ctx)
	if err != nil {
		return "", "", false, err
	}
	defer l.close()
	until := time.Now().Add(p.patienceFor())
	for i, s := range v.Steps {
		switch {
		case s.From == "client" && s.Event == "fin":
			l.half()
		case s.From == "client":
			l.send(s.Bytes)
		case s.Event == "fin":
			for l.fill(until) == nil {
			}
			if len(l.buf) > 0 || l.end != FIN && l.end != RST {
				return "the server ends the stream", fmt.Sprintf("step %d: %s", i+1, said(l.buf, l.end)), false, ctx.Err()
			}
		default:
			if want, got, ok = l.expect(s.Bytes, until); !ok {
				return want, fmt.Sprintf("step %d: %s", i+1, got), false, ctx.Err()
			}
		}
	}
	return "", "", true, ctx.Err()
}

// said describes what came.
func said(b []byte, end End) string {
	s := "nothing"
	if len(b) > 0 {
		s = hex.EncodeToString(b[:min(len(b), 40)])
	}
	if end != "" {
		s += ", " + string(end)
	}
	return s
}

// expect reads what the server has to say. Of a head only the fields of the version are compared,
// in any order; those that a server chooses by itself may be others.
func (l *link) expect(due []byte, until time.Time) (want, got string, ok bool) {
	if bytes.HasPrefix(due, []byte("HTTP/")) {
		end := httphead.End(due, 0)
		raw, err := l.rawHead(until)
		if err != nil {
			return head(string(due[:end])), problem(err, l), false
		}
		if want, got, ok = sameHead(string(due[:end]), raw); !ok {
			return want, got, false
		}
		due = due[end:]
	}
	b, err := l.take(len(due), until)
	if err != nil || !bytes.Equal(b, due) {
		end := l.end
		return hex.EncodeToString(due[:min(len(due), 40)]), said(b, end), false
	}
	return "", "", true
}

func head(raw string) string {
	first, _ := headLines(raw)
	return first
}

// sameHead compares two answers: their status and the fields of the protocol, whose names have to
// be spelled as they stand.
func sameHead(due, came string) (want, got string, ok bool) {
	line, fields := headLines(due)
	first, others := headLines(came)
	if len(first) < 12 || first[8:12] != line[8:12] {
		return line, clip(first, 100), false
	}
	for _, f := range fields {
		if f.Name == "Sec-WebSocket-Nonce" || f.Name == "Sec-WebSocket-Protocol" || f.Name == "WebSocket-Protocol" {
			continue // chosen by the server
		}
		i := slices.IndexFunc(others, func(o wire.Field) bool { return o.Name == f.Name })
		switch {
		case i < 0:
			if other := others.Get(f.Name); other != "" {
				return f.Name, "it is spelled otherwise", false
			}
			return f.Name + ": " + f.Value, "it is not there", false
		case !sameValue(f, others[i].Value):
			return f.Name + ": " + f.Value, clip(others[i].Value, 100), false
		}
	}
	return "", "", true
}

// sameValue compares a field of an answer. Where the version's field is read without case, it is
// compared so.
func sameValue(f wire.Field, value string) bool {
	if f.Name == "Connection" || f.Name == "Upgrade" && f.Value == "websocket" {
		return strings.EqualFold(f.Value, value)
	}
	return f.Value == value
}
