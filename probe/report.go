package probe

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/draftwire/draftwire/browsers"
	"github.com/draftwire/draftwire/wire"
)

// Span is a length of time; in JSON a number of milliseconds.
type Span time.Duration

// MarshalJSON writes milliseconds, with three digits behind the point.
func (s Span) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Duration(s).Microseconds()) / 1000)
}

// UnmarshalJSON reads milliseconds.
func (s *Span) UnmarshalJSON(p []byte) error {
	var ms float64
	err := json.Unmarshal(p, &ms)
	*s = Span(ms * float64(time.Millisecond))
	return err
}

// String returns the time as time.Duration writes it, in steps of 10 microseconds.
func (s Span) String() string { return time.Duration(s).Round(10 * time.Microsecond).String() }

// Report is what a server showed. What was not asked for is absent.
type Report struct {
	URL         string    `json:"url"`
	Address     string    `json:"address,omitempty"` // of the first connection
	TLS         string    `json:"tls,omitempty"`     // the version and the suite of the first connection
	Began       time.Time `json:"began"`
	Took        Span      `json:"took_ms"`
	Connections int       `json:"connections"`
	// Gone counts how often nobody accepted a connection, though the first one was: a server that
	// went down and may have come again.
	Gone     int    `json:"gone,omitempty"`
	Software string `json:"software,omitempty"` // what its answers call it: the field Server
	// Versions has each version that was asked for, oldest first.
	Versions []Version `json:"versions"`
	// Unknown is the answer to a version that nobody has: 99. Named are those that it lists.
	Unknown *Answer `json:"unknown_version,omitempty"`
	// Plain is the answer to an ordinary request.
	Plain *Answer `json:"plain_request,omitempty"`
	// Silent is what the server does with a connection on which nothing comes, Half with one on
	// which half a head comes.
	Silent *Patience `json:"silent,omitempty"`
	Half   *Patience `json:"half_head,omitempty"`
	Head   *Limit    `json:"head,omitempty"` // the longest request head, in bytes
	// Vectors are the results of those that were played.
	Vectors *Vectors `json:"vectors,omitempty"`
	// Stopped says why the probe did not do all that it was asked for: it was interrupted, or its
	// time or its connections were used up.
	Stopped string `json:"stopped,omitempty"`
}

// Opens returns the versions that open.
func (r *Report) Opens() (vs wire.Versions) {
	for i := range r.Versions {
		if r.Versions[i].Opens() {
			vs = vs.With(r.Versions[i].Version)
		}
	}
	return vs
}

// Accepts reports whether the server accepts what is named: a version, by any name that
// wire.ParseVersion takes, or an extension in any version.
func (r *Report) Accepts(name string) bool {
	if v, err := wire.ParseVersion(name); err == nil {
		return r.Opens().Has(v)
	}
	for _, v := range r.Versions {
		for _, e := range v.Extensions {
			if e.Answer != "" && extensionName(e.Answer) == name {
				return true
			}
		}
	}
	return false
}

// Answer is what came of a request.
type Answer struct {
	Line    string   `json:"line,omitempty"` // the status line
	Status  int      `json:"status,omitempty"`
	Reason  string   `json:"reason,omitempty"`  // the code of Draftwire-Reason
	Named   []string `json:"named,omitempty"`   // the versions that it names: Sec-WebSocket-Version
	Fields  []Field  `json:"fields,omitempty"`  // as they are spelled, in their order
	Problem string   `json:"problem,omitempty"` // why there is none, or what is wrong with it
	After   Span     `json:"after_ms"`          // from the request to the end of the head
}

// Field is a header line: its name as it was spelled, and its value.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// get returns the value of the first field with that name, in any case.
func (a *Answer) get(name string) string {
	for _, f := range a.Fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// clipped is a field as a report has it.
func clipped(f wire.Field) Field { return Field{clip(f.Name, 100), clip(f.Value, 300)} }

// Outcome is what came of an opening handshake.
type Outcome string

// The outcomes.
const (
	Opens    Outcome = "opens"
	Excused  Outcome = "opens with a fault" // a client has to tolerate something
	Refused  Outcome = "refused"            // an answer that is not a 101
	Broken   Outcome = "broken"             // a 101 that no client of the version takes
	NoAnswer Outcome = "no answer"          // nothing came, or the connection ended
	Unasked  Outcome = "not asked"          // the probe was stopped before
)

// Version is what a server does with a version.
type Version struct {
	Version wire.Version `json:"version"`
	Outcome Outcome      `json:"outcome"`
	Answer  Answer       `json:"answer"`
	// HeadFirst, in hixie-76 and hybi-02, says whether the head of the answer came before the
	// eight bytes were sent: proxies of the time hold them back until they see it.
	HeadFirst *bool `json:"head_first,omitempty"`
	// OnePiece: it opens only where the eight bytes come in one piece with the head.
	OnePiece  bool     `json:"one_piece,omitempty"`
	Tolerance string   `json:"tolerance,omitempty"` // of the fault that a client has to tolerate
	Notes     []string `json:"notes,omitempty"`     // what clients of the time may stumble over
	// Handshakes are those behind the first one that opened, and those before it that did not;
	// Failed are those that did not open though others did.
	Handshakes int `json:"handshakes"`
	Failed     int `json:"failed"`

	// Browsers are what the browsers that spoke the version make of the answer.
	Browsers []Browser `json:"browsers,omitempty"`

	Timing     *Timing     `json:"timing,omitempty"`
	Echoes     bool        `json:"echoes"`          // it sends messages back
	Greets     bool        `json:"greets"`          // it speaks first
	Pongs      *bool       `json:"pongs,omitempty"` // it answers a ping, in versions that have it
	Closing    *Closing    `json:"closing,omitempty"`
	Protocols  []Offered   `json:"subprotocols,omitempty"`
	Extensions []Offered   `json:"extensions,omitempty"`
	Message    *Limit      `json:"message,omitempty"` // the largest message in one frame, in bytes
	Frames     *Limit      `json:"frames,omitempty"`  // the largest message in frames of 4 KiB
	Idle       *Patience   `json:"idle,omitempty"`    // how long it leaves an open connection alone
	Faults     []FaultTest `json:"faults,omitempty"`
}

// Opens reports whether a connection of the version opens.
func (v *Version) Opens() bool { return v.Outcome == Opens || v.Outcome == Excused }

// Browser is what a browser makes of an answer, as package browsers says it.
type Browser struct {
	Name  string        `json:"name"` // "safari5.1"
	Opens bool          `json:"opens"`
	Rule  string        `json:"rule,omitempty"` // the comparison that fails
	Why   string        `json:"why,omitempty"`
	Sure  browsers.Mark `json:"sure"` // how well that is known
}

// Timing is how long each step took.
type Timing struct {
	Connect Span `json:"connect_ms"` // TCP, and TLS
	Answer  Span `json:"answer_ms"`  // from the request to the first byte of the answer
	Open    Span `json:"open_ms"`    // to the last byte of the handshake
	Echo    Span `json:"echo_ms,omitempty"`
	Ping    Span `json:"ping_ms,omitempty"`
}

// Offered is what was offered, and what came of it: "" where the server ignored it.
type Offered struct {
	Offer   string `json:"offer"`
	Answer  string `json:"answer"`
	Problem string `json:"problem,omitempty"` // the connection did not open, or no client takes the answer
}

// End says how a stream ended.
type End string

// The ends.
const (
	Open  End = "open"  // not, as long as it was watched
	FIN   End = "FIN"   // the end of its data
	RST   End = "RST"   // it was reset
	Noise End = "noise" // it sent more than is read, or what is no frame
	// Unopened: the connection did not open, though one of the version did before.
	Unopened End = "did not open"
)

// Reaction is what the server did.
type Reaction struct {
	Status int            `json:"status,omitempty"` // of an HTTP answer
	Reason string         `json:"reason,omitempty"` // its Draftwire-Reason
	Close  bool           `json:"close"`            // it sent a close
	Code   wire.CloseCode `json:"code,omitempty"`   // of that close; 1005 for none
	Text   string         `json:"text,omitempty"`   // its reason
	Echoes int            `json:"echoes,omitempty"` // messages that came
	Pongs  int            `json:"pongs,omitempty"`
	End    End            `json:"end"`
	After  Span           `json:"after_ms"`        // until its close, or its end where there was none
	EndsIn Span           `json:"ends_in_ms"`      // from then until TCP ended
	Noise  string         `json:"noise,omitempty"` // what it sent that is no frame
	first  time.Time      // when its close, or its end, came
	data   []byte         // the last message, as far as it is kept
	size   int64          // of it
	pieces map[int64]bool // sizes of the messages that came
	// longPong: a pong came that is longer than one can be.
	longPong bool
}

// Closing is how a server closes.
type Closing struct {
	// Answer is what it does with a close of code 1000, or the one that the version has.
	Answer Reaction `json:"answer"`
	// Own is what it does with a close of code 4001, in versions that have codes.
	Own *Reaction `json:"own_code,omitempty"`
	// HalfClosed is what it does where TCP ends without a close.
	HalfClosed Reaction `json:"half_closed"`
}

// Limit is a size that was found by doubling.
type Limit struct {
	Taken   int64     `json:"taken"`             // the largest that was taken
	Refused int64     `json:"refused,omitempty"` // the smallest that was not; 0: none was
	How     *Reaction `json:"how,omitempty"`     // it was refused
	// Sure is false where nothing shows that it was taken but that the connection stayed open:
	// the server neither echoes nor pongs.
	Sure bool `json:"sure"`
}

// Patience is how long a server waits.
type Patience struct {
	Ended    bool     `json:"ended"` // it ended; otherwise it was watched for so long
	After    Span     `json:"after_ms"`
	Reaction Reaction `json:"reaction"`
}

// FaultTest is a fault, and what the server did with it.
type FaultTest struct {
	Name string `json:"name"`
	// Want says what the document has a server do, with its section.
	Want string `json:"want"`
	// Fails: it refused the handshake, or failed the connection.
	Fails bool `json:"fails"`
	// Goes: it went on as if nothing was wrong. Neither is set where it did nothing that can be
	// seen.
	Goes    bool     `json:"goes_on"`
	Verdict Verdict  `json:"verdict"`
	Got     Reaction `json:"got"`
}

// Verdict compares what a server does with what the documents have it do.
type Verdict string

// The verdicts.
const (
	AsWritten Verdict = "as written"
	Stricter  Verdict = "stricter" // it refuses what it may accept
	Laxer     Verdict = "laxer"    // it accepts what it has to refuse
	Unseen    Verdict = "unseen"   // it did nothing that can be seen
)

// Vectors are the results of the vectors that were played.
type Vectors struct {
	Played  int            `json:"played"`
	Passed  int            `json:"passed"`
	Skipped map[string]int `json:"skipped,omitempty"` // why, and how many
	Failed  []VectorFault  `json:"failed,omitempty"`
	// By has the numbers of each version: those that were played and those that passed.
	By map[string][2]int `json:"by_version"`
}

// VectorFault is a vector that failed.
type VectorFault struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
	Section string `json:"section"` // where the rule stands
	Comment string `json:"comment"` // what is tested
	Want    string `json:"want"`
	Got     string `json:"got"`
}
