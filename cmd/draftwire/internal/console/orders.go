package console

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/usage"
)

// Orders are what an operator may order. Those that are nil are not possible.
type Orders struct {
	// Drain begins to drain the program, and does not wait.
	Drain func()
	// Reload reads the configuration again.
	Reload func() error
	// Retire notes a stage of the plan in the configuration, and puts it into force. Where that is
	// not possible the error is a *NotNoted.
	Retire func(v draftwire.Version, s usage.Stage) error
}

// NotNoted is the error of a stage that the operator has to write into the configuration.
type NotNoted struct {
	Why   string // a whole sentence
	Lines string // of the configuration
}

func (e *NotNoted) Error() string { return e.Why }

// Order is an order that was given, for the log.
type Order struct {
	At     time.Time `json:"at"`
	Who    string    `json:"who"`  // the address it came from
	What   string    `json:"what"` // "drain", "close ID"
	Result string    `json:"result"`
}

// maxOrders is how many orders are remembered, and maxBody how long the body of one may be.
const (
	maxOrders = 100
	maxBody   = 16 << 10
)

// audit remembers the last orders.
type audit struct {
	mu      sync.Mutex
	last    []Order // the oldest first
	refused time.Time
}

// Note notes an order, also one that came by another way than the console.
func (c *Console) Note(o Order) {
	c.audit.mu.Lock()
	c.audit.last = cut(append(c.audit.last, o), maxOrders)
	c.audit.mu.Unlock()
	if c.o.Audit != nil {
		c.o.Audit(o)
	}
}

// noteRefused notes an order without the token: one a second, as anybody can send them.
func (c *Console) noteRefused(r *http.Request) {
	now := time.Now()
	c.audit.mu.Lock()
	due := now.Sub(c.audit.refused) >= time.Second
	if due {
		c.audit.refused = now
	}
	c.audit.mu.Unlock()
	if due {
		c.Note(Order{now, Who(r), strings.ToValidUTF8(bounded(strings.TrimPrefix(r.URL.Path, c.o.Prefix+"api/")), "\ufffd"), "refused: no token, or a wrong one"})
	}
}

// Who is where a request comes from, for an Order.
func Who(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return "unix"
	}
	return host
}

func (c *Console) audits(w http.ResponseWriter, _ *http.Request) {
	c.audit.mu.Lock()
	rows := append([]Order{}, c.audit.last...)
	c.audit.mu.Unlock()
	for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 { // the latest first
		rows[i], rows[j] = rows[j], rows[i]
	}
	send(w, http.StatusOK, map[string]any{"rows": rows})
}

// possible are the orders that can be given.
func (c *Console) possible() []string {
	out := []string{}
	if !c.orders() {
		return out
	}
	for _, x := range []struct {
		name string
		ok   bool
	}{{"drain", c.o.Orders.Drain != nil}, {"reload", c.o.Orders.Reload != nil}, {"close", true}, {"retire", c.o.Orders.Retire != nil}} {
		if x.ok {
			out = append(out, x.name)
		}
	}
	return out
}

// order carries out an order, and notes it. What it does returns is the answer.
func (c *Console) order(what string, do func(r *http.Request) (string, *problem)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		detail, no := do(r)
		o := Order{At: time.Now(), Who: Who(r), What: strings.TrimSpace(what + " " + detail), Result: "done"}
		if no != nil {
			o.Result = "refused: " + no.Error
		}
		c.Note(o)
		if no != nil {
			no.answer(w)
			return
		}
		send(w, http.StatusOK, map[string]string{"done": o.What})
	}
}

// orderNamed returns what carries out an order; nil for none.
func (c *Console) orderNamed(name string) http.HandlerFunc {
	o := &c.o.Orders
	switch {
	case name == "drain" && o.Drain != nil:
		return c.order(name, func(r *http.Request) (string, *problem) {
			if no := read(r, new(struct{})); no != nil {
				return "", no
			}
			o.Drain()
			return "", nil
		})
	case name == "reload":
		return c.order(name, c.reload)
	case name == "close":
		return c.order(name, c.closeOne)
	case name == "retire":
		return c.order(name, c.retire)
	}
	return nil
}

func (c *Console) reload(r *http.Request) (string, *problem) {
	if no := read(r, new(struct{})); no != nil {
		return "", no
	}
	if c.o.Orders.Reload == nil {
		return "", &problem{http.StatusConflict, "The gateway has no configuration file.", "start it with --config FILE"}
	}
	if err := c.o.Orders.Reload(); err != nil {
		return "", &problem{http.StatusUnprocessableEntity, "The configuration was not accepted, and the old one stays in use: " + err.Error(), "mend the file, and order it again"}
	}
	return "", nil
}

// closedBy is the reason that a connection hears which the operator closes.
const closedBy = "closed by the operator"

func (c *Console) closeOne(r *http.Request) (string, *problem) {
	if no := read(r, new(struct{})); no != nil {
		return "", no
	}
	id := r.URL.Query().Get("id")
	x, ok := c.open(id)
	if !ok {
		return bounded(strings.ToValidUTF8(id, "\ufffd")), gone
	}
	go x.Conn.Close(draftwire.CodeGoingAway, closedBy) // it waits for the client, within the close timeout
	return id + " of " + x.Conn.Handshake().Remote(), nil
}

func (c *Console) retire(r *http.Request) (string, *problem) {
	var body struct{ Version, Mode, From string }
	if no := read(r, &body); no != nil {
		return "", no
	}
	v, err := draftwire.ParseVersion(body.Version)
	if err != nil {
		return "", &problem{http.StatusBadRequest, "There is no such version.", ""}
	}
	stage, err := usage.ParseMode(body.Mode)
	if err != nil {
		return "", &problem{http.StatusBadRequest, "There is no such mode.", "the modes are on, warn, sample 10% and off"}
	}
	if body.From != "" {
		day, err := usage.ParseDate(body.From[:min(len(body.From), len(time.DateOnly))])
		if err != nil {
			return "", &problem{http.StatusBadRequest, "The day cannot be read.", "write it as 2027-01-01"}
		}
		stage.From = day.Time()
	}
	what := v.String() + " " + stage.String()
	if !stage.From.IsZero() {
		what += " from " + stage.From.Format(time.DateOnly)
	}
	if c.o.Orders.Retire == nil {
		return what, &problem{http.StatusConflict, "This program has no plan.", ""}
	}
	err = c.o.Orders.Retire(v, stage)
	if e, ok := errors.AsType[*NotNoted](err); ok {
		return what, &problem{http.StatusConflict, e.Why, e.Lines}
	}
	if err != nil {
		return what, &problem{http.StatusUnprocessableEntity, "The plan was not changed: " + err.Error(), ""}
	}
	return what, nil
}

// read reads the body of an order; an empty one is {}.
func read(r *http.Request, into any) *problem {
	p, err := io.ReadAll(r.Body)
	if err != nil {
		return &problem{http.StatusRequestEntityTooLarge, "The body of an order has at most 16 KiB.", ""}
	}
	if len(p) == 0 {
		return nil
	}
	if unmarshal(p, into) != nil {
		return &problem{http.StatusBadRequest, "The body is not the JSON of this order.", ""}
	}
	return nil
}

func unmarshal(p []byte, into any) error { return json.Unmarshal(p, into) }
