package usage

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/draftwire/draftwire/wire"
)

// DryRunOptions are the options of a dry run.
type DryRunOptions struct {
	Plan Plan

	// On is the time whose stages of the plan are applied. Default: when the snapshot was
	// made.
	On time.Time

	// First and Last are the days to whose traffic the plan is applied. Default of both:
	// the day before the snapshot was made, which is the last whole day.
	First, Last Date
}

// DryRun is what a plan would have refused.
type DryRun struct {
	Format string    `json:"format"` // "draftwire-dryrun/1"
	On     time.Time `json:"on"`     // the time whose stages were applied
	First  Date      `json:"first"`  // the first day
	Last   Date      `json:"last"`
	Rows   []DryRow  `json:"versions"` // the versions that the plan names, oldest first
}

// DryRow is a version in a dry run.
type DryRow struct {
	Version  wire.Version `json:"version"`
	Stage    Stage        `json:"stage"`
	Asked    uint64       `json:"handshakes"` // all that were tried, also those that were refused
	Expected float64      `json:"expected"`   // how many of them the plan refuses; more if clients try again
	Clients  []DryClient  `json:"clients"`    // the clients that it may refuse, the most affected first
	AtLeast  bool         `json:"at_least"`   // there were more clients, whose records were evicted
	Open     int          `json:"open"`       // clients that only had an open connection, which the plan does not touch
}

// DryClient is a client that a plan may refuse.
type DryClient struct {
	Key       string    `json:"client"`
	Asked     uint64    `json:"handshakes"`
	Expected  float64   `json:"expected"`
	Hit       float64   `json:"hit"` // the chance that at least one is refused
	LastSeen  time.Time `json:"last_seen"`
	UserAgent string    `json:"user_agent"`
	Path      string    `json:"path"`
}

// DryRun returns what a plan would have refused of the traffic of some days. Only
// handshakes count, as open connections stay open.
func (s *Snapshot) DryRun(o DryRunOptions) *DryRun {
	if o.On.IsZero() {
		o.On = s.Made
	}
	if o.First == 0 && o.Last == 0 {
		o.First = DateOf(s.Made) - 1
		o.Last = o.First
	}
	r := &DryRun{Format: "draftwire-dryrun/1", On: o.On.UTC(), First: o.First, Last: o.Last, Rows: []DryRow{}}
	for _, t := range s.Versions {
		if o.Plan[t.Version] == nil {
			continue
		}
		row := DryRow{Version: t.Version, Stage: o.Plan.At(t.Version, o.On), Clients: []DryClient{}}
		total, _ := sumDays(slices.Values(t.Days), o.First, o.Last)
		row.Asked = sum(total.Opened, total.Refused)
		row.Expected = float64(row.Asked) * row.Stage.Refused()
		var known uint64
		for i := range s.Clients {
			if c := &s.Clients[i]; c.Version == t.Version {
				known = sum(known, row.client(c, o))
			}
		}
		row.AtLeast = known < row.Asked
		slices.SortFunc(row.Clients, func(a, b DryClient) int {
			return cmp.Or(cmp.Compare(b.Expected, a.Expected), strings.Compare(a.Key, b.Key))
		})
		r.Rows = append(r.Rows, row)
	}
	return r
}

// client adds a client to the row, and returns how many handshakes it tried.
func (r *DryRow) client(c *Client, o DryRunOptions) uint64 {
	d, ok := c.Days.Sum(o.First, o.Last)
	asked := sum(d.Opened, d.Refused)
	share := r.Stage.Refused()
	switch {
	case !ok:
	case asked == 0:
		r.Open++
	case share > 0:
		r.Clients = append(r.Clients, DryClient{Key: c.Key, Asked: asked, Expected: float64(asked) * share, Hit: 1 - math.Pow(1-share, float64(asked)),
			LastSeen: c.Last, UserAgent: c.UserAgent, Path: c.Path})
	}
	return asked
}

func (r *DryRun) head() string {
	days := r.First.String()
	if r.Last != r.First {
		days += " to " + r.Last.String()
	}
	return fmt.Sprintf("What the plan as of %s would have refused of the handshakes of %s (UTC):", r.On.Format("2006-01-02 15:04"), days)
}

// Text writes a table of the versions, and one of the clients that the plan may refuse.
func (r *DryRun) Text(w io.Writer) error {
	fmt.Fprintf(w, "%s\n\n", r.head())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DRAFT\tMODE\tHANDSHAKES\tREFUSED\tCLIENTS HIT\tOPEN")
	hit := false
	for _, row := range r.Rows {
		n := strconv.Itoa(len(row.Clients))
		if row.AtLeast && row.Expected > 0 {
			n += "+"
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%d\n", row.Version, row.Stage, row.Asked, expected(row.Expected), n, row.Open)
		hit = hit || len(row.Clients) > 0
	}
	if hit {
		fmt.Fprintln(t)
		if err := t.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(t, "DRAFT\tCLIENT\tHANDSHAKES\tREFUSED\tHIT\tUSER AGENT\tPATH")
	}
	for _, row := range r.Rows {
		for _, c := range row.Clients {
			fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%.0f %%\t%s\t%s\n", row.Version, c.Key, c.Asked, expected(c.Expected), math.Floor(c.Hit*100), AgentName(c.UserAgent), dash(c.Path))
		}
	}
	return t.Flush()
}

func expected(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) }

// JSON writes the dry run as one object.
func (r *DryRun) JSON(w io.Writer) error { return writeJSON(w, r) }

// CSV writes a line for each client that the plan may refuse.
func (r *DryRun) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	out.Write([]string{"version", "mode", "client", "handshakes", "expected", "hit", "last_seen", "user_agent", "path"})
	for _, row := range r.Rows {
		for _, c := range row.Clients {
			out.Write([]string{row.Version.String(), row.Stage.String(), cell(c.Key), count(c.Asked), strconv.FormatFloat(c.Expected, 'f', 4, 64),
				strconv.FormatFloat(c.Hit, 'f', 4, 64), c.LastSeen.Format(time.RFC3339), cell(c.UserAgent), cell(c.Path)})
		}
	}
	out.Flush()
	return out.Error()
}
