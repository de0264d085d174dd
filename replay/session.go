package replay

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/draftwire/draftwire/internal/ascii"
	"github.com/draftwire/draftwire/internal/httphead"
	"github.com/draftwire/draftwire/recording"
	"github.com/draftwire/draftwire/wire"
)

// Session is a recorded connection.
type Session struct {
	Number  uint64
	Version wire.Version
	Client  string // its address
	// Of the request.
	Target, Host, Origin string
	Protocols            []string
	Fields               wire.Fields // without those of the handshake
	Began                time.Duration
	Steps                []Step
	// End is how the connection ended: "clean", "abnormal", "refused" and the like; "" where the
	// recording ends before it.
	End    string
	Closer recording.Side // who has closed it; Both where that is not known
	Code   int            // of the close; 0 for none
	Reason string
	// Incomplete says why the session cannot be played as it was: payload is missing.
	Incomplete string
}

// cut reports whether the recording ends before the session: its writer was ended or killed, or the
// file was full. The last answers of the other side may not be there.
func (s *Session) cut() bool { return s.End == "" || s.End == "open" }

// Step is a message.
type Step struct {
	At      time.Duration // since the session began
	From    recording.Side
	Op      wire.Op
	Payload []byte
}

// MaxLoad is how many bytes of payload Load keeps.
const MaxLoad = 1 << 30

// Load reads the sessions of a recording, in their order; with numbers, only those that have them.
// The error is io.ErrUnexpectedEOF beside the sessions where the recording's writer was killed.
func Load(r io.Reader, numbers ...uint64) ([]*Session, error) {
	in, err := recording.NewReader(r)
	if err != nil {
		return nil, err
	}
	l := loader{open: map[uint64]*loading{}, want: map[uint64]bool{}}
	for _, n := range numbers {
		l.want[n] = true
	}
	var e recording.Event
	for {
		switch err := in.Next(&e); {
		case err == io.EOF && in.Torn():
			return l.all, io.ErrUnexpectedEOF
		case err == io.EOF:
			return l.all, nil
		case err != nil:
			return nil, err
		}
		if err := l.add(&e); err != nil {
			return nil, err
		}
	}
}

// loader gathers sessions.
type loader struct {
	all  []*Session
	open map[uint64]*loading
	want map[uint64]bool // empty: all
	held int64
}

// loading is a session that is being read.
type loading struct {
	*Session
	head []byte // of the request
}

func (l *loader) add(e *recording.Event) error {
	if len(l.want) > 0 && !l.want[e.Conn] {
		return nil
	}
	if e.Kind == recording.KindConn {
		s := &loading{Session: &Session{Number: e.Conn, Version: e.Version, Client: e.ClientAt, Began: e.At}}
		l.open[e.Conn] = s
		l.all = append(l.all, s.Session)
		return nil
	}
	s := l.open[e.Conn]
	if s == nil {
		return nil // its beginning is not there
	}
	switch e.Kind {
	case recording.KindRequest:
		if s.head == nil {
			s.head = bytes.Clone(e.Head)
			s.request()
		}
	case recording.KindAnswer:
		if e.Version != wire.Unknown {
			s.Version = e.Version
		}
	case recording.KindFrame:
		if e.Op == wire.OpClose && s.Closer == recording.Both {
			s.Closer = e.From
		}
	case recording.KindMessage:
		if e.Withheld {
			s.Incomplete = "the payload of a message is not in the recording"
			return nil
		}
		if l.held += int64(len(e.Payload)); l.held > MaxLoad {
			return fmt.Errorf("replay: the messages have more than %d bytes: choose connections", MaxLoad)
		}
		s.Steps = append(s.Steps, Step{e.At - s.Began, e.From, e.Op, bytes.Clone(e.Payload)})
	case recording.KindLost:
		s.Incomplete = "bytes are not in the recording"
	case recording.KindEnd:
		if e.From == recording.Both {
			s.End, s.Code, s.Reason = e.How, e.Code, e.Reason
			delete(l.open, e.Conn)
		}
	}
	return nil
}

// ofHandshake are fields that a replay makes anew.
var ofHandshake = map[string]bool{"host": true, "upgrade": true, "connection": true, "origin": true, "content-length": true, "transfer-encoding": true}

// request reads the head of the request.
func (s *loading) request() {
	req := wire.Request{Tolerate: wire.AllTolerances}
	if err := httphead.ParseRequest(string(s.head), &req); err != nil {
		s.Incomplete = "the request cannot be read: " + err.Error()
		return
	}
	s.Target = req.Target
	s.Host = req.Fields.Get("Host")
	s.Origin = cmp.Or(req.Fields.Get("Origin"), req.Fields.Get("Sec-WebSocket-Origin"))
	for _, name := range []string{"Sec-WebSocket-Protocol", "WebSocket-Protocol"} {
		if v := req.Fields.Get(name); v != "" {
			s.Protocols = []string{v}
			if s.Version > wire.Hixie76 {
				s.Protocols = req.Fields.List(name)
			}
		}
	}
	for _, f := range req.Fields {
		name := ascii.ToLower(f.Name)
		if !ofHandshake[name] && !strings.HasPrefix(name, "sec-websocket-") && !strings.HasPrefix(name, "websocket-") {
			s.Fields = append(s.Fields, f)
		}
	}
}
