package usage

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"strconv"
	"time"
)

// KeptDays is for how many days counts by day are kept, today included.
const KeptDays = 180

const secondsADay = 24 * 60 * 60

// Date is a day in UTC, as the number of days since 1970-01-01.
type Date int32

// DateOf returns the day of t.
func DateOf(t time.Time) Date {
	s := t.Unix()
	if s < 0 {
		s -= secondsADay - 1
	}
	return Date(s / secondsADay)
}

// Time returns the beginning of the day.
func (d Date) Time() time.Time { return time.Unix(int64(d)*secondsADay, 0).UTC() }

// String writes the day as 2006-01-02.
func (d Date) String() string { return d.Time().Format(time.DateOnly) }

// MarshalText writes what String does.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what ParseDate does.
func (d *Date) UnmarshalText(p []byte) (err error) {
	*d, err = ParseDate(string(p))
	return err
}

// ParseDate reads a day like 2027-01-01.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("usage: %q is not a date like 2027-01-01", s)
	}
	return DateOf(t), nil
}

// Day is what happened on one day.
type Day struct {
	Date    Date
	Opened  uint64 // handshakes that opened a connection
	Refused uint64 // handshakes that were refused
	Carried bool   // a connection was open, whenever it was opened
	In, Out uint64 // bytes from and to clients; only in the totals of a version
}

// merge adds the counts of x, a record of the same day.
func (d *Day) merge(x Day) {
	d.Opened = sum(d.Opened, x.Opened)
	d.Refused = sum(d.Refused, x.Refused)
	d.Carried = d.Carried || x.Carried
	d.In = sum(d.In, x.In)
	d.Out = sum(d.Out, x.Out)
}

// MarshalJSON writes [date, opened, refused, carried, in, out] without the zeros at its end.
// The date is the number of days since 1970-01-01.
func (d Day) MarshalJSON() ([]byte, error) { return d.append(nil), nil }

func (d Day) append(b []byte) []byte {
	n := [...]uint64{d.Opened, d.Refused, 0, d.In, d.Out}
	if d.Carried {
		n[2] = 1
	}
	last := len(n)
	for last > 0 && n[last-1] == 0 {
		last--
	}
	b = strconv.AppendInt(append(b, '['), int64(d.Date), 10)
	for _, x := range n[:last] {
		b = strconv.AppendUint(append(b, ','), x, 10)
	}
	return append(b, ']')
}

// UnmarshalJSON reads what MarshalJSON writes.
func (d *Day) UnmarshalJSON(p []byte) error {
	p, err := compact(p)
	if err != nil {
		return err
	}
	rest, err := d.parse(p)
	if err == nil && len(rest) > 0 {
		err = errDay(p)
	}
	return err
}

// compact removes white space, which other programs may have added.
func compact(p []byte) ([]byte, error) {
	if !bytes.ContainsAny(p, " \t\r\n") {
		return p, nil
	}
	var b bytes.Buffer
	err := json.Compact(&b, p)
	return b.Bytes(), err
}

func errDay(p []byte) error { return fmt.Errorf("usage: %.40q is not a record of a day", p) }

// parse reads a day at the beginning of p and returns what follows. It does not use package
// json, as a ledger has millions of days.
func (d *Day) parse(p []byte) (rest []byte, err error) {
	if len(p) == 0 || p[0] != '[' {
		return nil, errDay(p)
	}
	var n [6]uint64
	at := 1
	for i := range n {
		from := at
		for at < len(p) && p[at] >= '0' && p[at] <= '9' {
			at++
		}
		if n[i], err = strconv.ParseUint(string(p[from:at]), 10, 64); err != nil || at == len(p) {
			return nil, errDay(p)
		}
		at++
		if p[at-1] == ']' {
			if n[0] > maxDate {
				return nil, errDay(p)
			}
			*d = Day{Date: Date(n[0]), Opened: n[1], Refused: n[2], Carried: n[3] != 0, In: n[4], Out: n[5]}
			return p[at:], nil
		}
		if p[at-1] != ',' {
			return nil, errDay(p)
		}
	}
	return nil, errDay(p)
}

// maxDate is the last day of the year 9999, the last year of a time in JSON.
const maxDate = 2932896

// sum adds without overflow: a count stays at its maximum.
func sum(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

// maxADay bounds the handshakes that are counted for one client on one day.
const maxADay = 1 << 60

// History is the days of a client, oldest first, at most KeptDays of them. A day takes three
// or four bytes. The zero value is empty.
type History struct {
	past []byte // the days before last, each: days since the one before, opened<<2 | carried<<1 | refused > 0, refused
	base Date   // from which the first day in past is counted
	tail Date   // the last day in past
	last Day
	some bool // last is set
}

// add counts d. If the clock went back and its date is before the last day, it counts for
// the last day.
func (h *History) add(d Day) {
	d.In, d.Out = 0, 0
	if h.some && d.Date <= h.last.Date {
		h.last.merge(d)
		h.last.Opened, h.last.Refused = min(h.last.Opened, maxADay), min(h.last.Refused, maxADay)
		return
	}
	if h.some {
		h.push(h.last)
		h.trim(d.Date)
	}
	d.Opened, d.Refused = min(d.Opened, maxADay), min(d.Refused, maxADay)
	h.last, h.some = d, true
}

func (h *History) push(d Day) {
	if len(h.past) == 0 {
		h.base, h.tail = d.Date, d.Date
	}
	code := d.Opened << 2
	if d.Carried {
		code |= 2
	}
	if d.Refused > 0 {
		code |= 1
	}
	h.past = binary.AppendUvarint(h.past, uint64(d.Date-h.tail))
	h.past = binary.AppendUvarint(h.past, code)
	if d.Refused > 0 {
		h.past = binary.AppendUvarint(h.past, d.Refused)
	}
	h.tail = d.Date
}

// trim removes the days that are too old today.
func (h *History) trim(today Date) {
	for len(h.past) > 0 {
		d, n := pull(h.past, h.base)
		if d.Date > today-KeptDays {
			return
		}
		h.past, h.base = h.past[n:], d.Date
	}
	h.past = nil
}

// pull reads one day from p, which is n bytes long.
func pull(p []byte, from Date) (d Day, n int) {
	gap, a := binary.Uvarint(p)
	code, b := binary.Uvarint(p[a:])
	d = Day{Date: from + Date(gap), Opened: code >> 2, Carried: code&2 != 0}
	n = a + b
	if code&1 != 0 {
		refused, c := binary.Uvarint(p[n:])
		d.Refused, n = refused, n+c
	}
	return d, n
}

// All returns the days, oldest first.
func (h History) All() iter.Seq[Day] {
	return func(yield func(Day) bool) {
		for p, date := h.past, h.base; len(p) > 0; {
			d, n := pull(p, date)
			if !yield(d) {
				return
			}
			p, date = p[n:], d.Date
		}
		if h.some {
			yield(h.last)
		}
	}
}

// Sum adds up the days from first to last, both included. The Date of the total is the
// latest of these days; seen is false if there are none.
func (h History) Sum(first, last Date) (total Day, seen bool) {
	return sumDays(h.All(), first, last)
}

func sumDays(days iter.Seq[Day], first, last Date) (total Day, seen bool) {
	for d := range days {
		if d.Date >= first && d.Date <= last {
			total.merge(d)
			total.Date, seen = d.Date, true
		}
	}
	return total, seen
}

// MarshalJSON writes an array of days.
func (h History) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	for d := range h.All() {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = d.append(b)
	}
	return append(b, ']'), nil
}

// UnmarshalJSON reads an array of days.
func (h *History) UnmarshalJSON(p []byte) (err error) {
	*h = History{}
	if p, err = compact(p); err != nil {
		return err
	}
	if len(p) < 2 || p[0] != '[' || p[len(p)-1] != ']' {
		return errDay(p)
	}
	days := make([]Day, 0, KeptDays)
	for p = p[1:]; len(p) > 1; p = p[1:] {
		var d Day
		if p, err = d.parse(p); err != nil {
			return err
		}
		if len(days) == KeptDays || len(p) == 0 || p[0] != ',' && string(p) != "]" {
			return errDay(p)
		}
		days = append(days, d)
	}
	if err := checkDays(days); err != nil {
		return err
	}
	for _, d := range days {
		h.add(d)
	}
	return nil
}

// checkDays refuses days that a ledger cannot have.
func checkDays(days []Day) error {
	for i, d := range days {
		if i > 0 && d.Date <= days[i-1].Date {
			return fmt.Errorf("usage: day %s follows day %s", d.Date, days[i-1].Date)
		}
	}
	if n := len(days); n > 0 && days[n-1].Date-days[0].Date >= KeptDays {
		return fmt.Errorf("usage: the days from %s to %s are more than %d", days[0].Date, days[n-1].Date, KeptDays)
	}
	return nil
}

// addDay counts d in days, which are in order, and removes the days that are too old.
func addDay(days []Day, d Day) []Day {
	if n := len(days); n > 0 && d.Date <= days[n-1].Date {
		days[n-1].merge(d)
		return days
	}
	days = append(days, d)
	for days[0].Date <= d.Date-KeptDays {
		days = days[1:]
	}
	return days
}

// mergeDays adds up two sequences day by day. Both are in order.
func mergeDays(a, b []Day) []Day {
	out := make([]Day, 0, max(len(a), len(b)))
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Date < b[0].Date:
			out, a = append(out, a[0]), a[1:]
		case len(a) == 0 || b[0].Date < a[0].Date:
			out, b = append(out, b[0]), b[1:]
		default:
			d := a[0]
			d.merge(b[0])
			out, a, b = append(out, d), a[1:], b[1:]
		}
	}
	for len(out) > 0 && out[0].Date <= out[len(out)-1].Date-KeptDays {
		out = out[1:]
	}
	return out
}
