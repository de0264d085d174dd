package usage

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Text writes the report as a table, followed by the clients of the listed versions. The
// texts of peers have nothing in them that a terminal would obey.
func (r *Report) Text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "DRAFT\tCLIENTS\tLAST SEEN\tTREND %dd\tHANDSHAKES\tBYTES\tTLS\tTOP USER AGENTS\tVERDICT\n", r.Days)
	for i := range r.Rows {
		row := &r.Rows[i]
		fmt.Fprintln(t, strings.Join([]string{row.Version.String(), row.clients(), r.ago(row.LastSeen), row.trend(), strconv.FormatUint(row.Handshakes, 10),
			row.share(), row.tls(), row.agents(2), row.Verdict.Text}, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "\n%s\n", r.summary()); err != nil {
		return err
	}
	for i := range r.Rows {
		if row := &r.Rows[i]; row.List != nil {
			if err := r.listText(w, row); err != nil {
				return err
			}
		}
	}
	return r.mirrorText(w)
}

// mirrorText writes what the mirrors of routes have said, a line for each kind of client.
func (r *Report) mirrorText(w io.Writer) error {
	var b strings.Builder
	for i := range r.Mirrors {
		row := &r.Mirrors[i]
		if i == 0 || row.Mirror != r.Mirrors[i-1].Mirror {
			all := slices.IndexFunc(r.Mirrors, func(x MirrorRow) bool { return x.Mirror == row.Mirror && x.Kind == "" })
			fmt.Fprintf(&b, "\nOn the mirror %s, since %s:\n", row.Mirror, DateOf(r.Mirrors[all].Since))
		}
		fmt.Fprintf(&b, "  %s\n", row.Text())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// summary returns the window of the report, and how much of it was watched.
func (r *Report) summary() string {
	s := fmt.Sprintf("%s to %s UTC, %d days and today; watched %.1f of %d days", r.From, r.To, r.Days, r.Watched, r.Days)
	if len(r.Sources) > 0 {
		s += ", by " + strings.Join(r.Sources, ", ")
	}
	return s
}

func (r *Report) listText(w io.Writer, row *Row) error {
	fmt.Fprintf(w, "\nClients of %s:\n", row.Version)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CLIENT\tFIRST SEEN\tLAST SEEN\tHANDSHAKES\tREFUSED\tBYTES\tTLS\tTOLERATED\tUSER AGENT\tHOST\tPATH")
	for i := range row.List {
		c := &row.List[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", c.Key, DateOf(c.First), r.ago(&c.Last), c.Opened, c.Refused, sum(c.In, c.Out), c.TLS,
			dash(c.Tolerated.String()), dash(AgentName(c.UserAgent)), dash(c.Host), dash(c.Path))
	}
	return t.Flush()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (r *Row) clients() string {
	if r.AtLeast {
		return strconv.Itoa(r.Clients) + "+"
	}
	return strconv.Itoa(r.Clients)
}

// ago returns how long ago a time was.
func (r *Report) ago(t *time.Time) string {
	if t == nil {
		return "never"
	}
	switch d := r.Made.Sub(*t); {
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	default:
		return fmt.Sprintf("%d days", d/(secondsADay*time.Second))
	}
}

func (r *Row) trend() string {
	if r.Trend == nil {
		return "-"
	}
	s := fmt.Sprintf("%+.0f %%", *r.Trend*100)
	if r.AtLeast {
		s = "~" + s
	}
	return s
}

func (r *Row) share() string {
	switch p := r.BytesShare * 100; {
	case p == 0:
		return "0 %"
	case p < 0.1:
		return "<0.1 %"
	case p < 10:
		return fmt.Sprintf("%.1f %%", p)
	default:
		return fmt.Sprintf("%.0f %%", math.Round(p))
	}
}

// tls returns the lowest version of TLS that these clients need.
func (r *Row) tls() string {
	plain := len(r.TLS) > 0 && r.TLS[0].Name == TLS(0).String()
	switch {
	case r.TLSFloor == "" && !plain:
		return "-"
	case r.TLSFloor == "":
		return "none"
	case plain:
		return r.TLSFloor + ", none"
	}
	return r.TLSFloor
}

func (r *Row) agents(n int) string {
	var out []string
	for _, a := range r.Agents[:min(n, len(r.Agents))] {
		out = append(out, fmt.Sprintf("%s (%d)", a.Name, a.Clients))
	}
	return dash(strings.Join(out, ", "))
}

// JSON writes the report as one object.
func (r *Report) JSON(w io.Writer) error { return writeJSON(w, r) }

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// CSV writes a line for each version or, if versions are listed, a line for each of their
// clients. No text of a peer can begin a formula.
func (r *Report) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	listed := false
	for i := range r.Rows {
		listed = listed || r.Rows[i].List != nil
	}
	if listed {
		r.listCSV(out)
	} else {
		r.rowsCSV(out)
	}
	out.Flush()
	return out.Error()
}

func (r *Report) rowsCSV(w *csv.Writer) {
	w.Write([]string{"version", "clients", "at_least", "clients_before", "trend", "last_seen", "handshakes", "refused", "clients_refused",
		"bytes_in", "bytes_out", "bytes_share", "tls_floor", "user_agents", "tolerated", "mode", "verdict", "confidence", "text"})
	for i := range r.Rows {
		row := &r.Rows[i]
		trend, last := "", ""
		if row.Trend != nil {
			trend = strconv.FormatFloat(*row.Trend, 'f', 4, 64)
		}
		if row.LastSeen != nil {
			last = row.LastSeen.Format(time.RFC3339)
		}
		w.Write([]string{row.Version.String(), strconv.Itoa(row.Clients), strconv.FormatBool(row.AtLeast), strconv.Itoa(row.ClientsBefore), trend, last,
			count(row.Handshakes), count(row.Refused), strconv.Itoa(row.Turned), count(row.BytesIn), count(row.BytesOut), strconv.FormatFloat(row.BytesShare, 'f', 6, 64),
			row.TLSFloor, cell(row.agents(topAgents)), row.Tolerated, row.Stage.String(), string(row.Verdict.Code), string(row.Verdict.Confidence), cell(row.Verdict.Text)})
	}
}

func (r *Report) listCSV(w *csv.Writer) {
	w.Write([]string{"version", "client", "first_seen", "last_seen", "handshakes", "refused", "bytes_in", "bytes_out", "tls", "tolerated", "user_agent", "host", "path", "origin"})
	for i := range r.Rows {
		for _, c := range r.Rows[i].List {
			w.Write([]string{c.Version.String(), cell(c.Key), c.First.Format(time.RFC3339), c.Last.Format(time.RFC3339), count(c.Opened), count(c.Refused),
				count(c.In), count(c.Out), c.TLS.String(), c.Tolerated.String(), cell(c.UserAgent), cell(c.Host), cell(c.Path), cell(c.Origin)})
		}
	}
}

func count(n uint64) string { return strconv.FormatUint(n, 10) }

// cell returns a peer's text so that a spreadsheet does not take it for a formula.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) && s != "-" {
		return "'" + s
	}
	return s
}
