package usage

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire/wire"
)

// Totals is the use of a version by all clients, also by those whose records were evicted.
type Totals struct {
	Version wire.Version `json:"version"`
	First   time.Time    `json:"first,omitzero"` // zero: never
	Last    time.Time    `json:"last,omitzero"`
	Opened  uint64       `json:"opened,omitzero"`
	Refused uint64       `json:"refused,omitzero"`

	In          uint64 `json:"bytes_in,omitzero"`
	Out         uint64 `json:"bytes_out,omitzero"`
	MessagesIn  uint64 `json:"messages_in,omitzero"`
	MessagesOut uint64 `json:"messages_out,omitzero"`

	Evicted     uint64    `json:"evicted,omitzero"`      // records that were evicted
	EvictedLast time.Time `json:"evicted_last,omitzero"` // the latest Last of these records

	Days []Day `json:"days,omitempty"` // oldest first, at most KeptDays
}

// Client is the use of a version by one client.
type Client struct {
	Version wire.Version `json:"version"`
	Key     string       `json:"client"`
	First   time.Time    `json:"first"`
	Last    time.Time    `json:"last"`             // the last handshake or traffic
	Visited time.Time    `json:"visited,omitzero"` // the last handshake

	Opened      uint64 `json:"opened,omitzero"`
	Refused     uint64 `json:"refused,omitzero"`
	In          uint64 `json:"bytes_in,omitzero"`
	Out         uint64 `json:"bytes_out,omitzero"`
	MessagesIn  uint64 `json:"messages_in,omitzero"`
	MessagesOut uint64 `json:"messages_out,omitzero"`

	// Of the last handshake.
	UserAgent string `json:"user_agent,omitzero"`
	Path      string `json:"path,omitzero"`
	Host      string `json:"host,omitzero"`
	Origin    string `json:"origin,omitzero"`
	TLS       TLS    `json:"tls"`

	Tolerated wire.Tolerances `json:"-"` // ever
	Days      History         `json:"days"`

	Mirrors []Mirrored `json:"mirrors,omitempty"` // by name; not to be changed, as copies of the record share it
}

// clearTexts removes the texts of the last handshake.
func (c *Client) clearTexts() {
	c.UserAgent, c.Path = "", ""
	c.Host, c.Origin = "", ""
}

// plainClient is a client without its methods.
type plainClient Client

type clientJSON struct {
	plainClient
	Tolerated string `json:"tolerated,omitzero"`
}

// MarshalJSON writes the names of the tolerances instead of their bits.
func (c Client) MarshalJSON() ([]byte, error) {
	return json.Marshal(clientJSON{plainClient(c), c.Tolerated.String()})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Client) UnmarshalJSON(p []byte) (err error) {
	var j clientJSON
	if err := json.Unmarshal(p, &j); err != nil {
		return err
	}
	*c = Client(j.plainClient)
	if c.Tolerated, err = wire.ParseTolerances(j.Tolerated, wire.AllTolerances); err != nil {
		return fmt.Errorf("usage: no tolerances: %.80q", j.Tolerated)
	}
	return nil
}

// Snapshot is a copy of a ledger, or of several ledgers merged.
type Snapshot struct {
	Made     time.Time
	Sources  []Source // sorted by ID
	Versions []Totals // every version, oldest first
	Clients  []Client // sorted by version and key
}

func compareClients(a, b *Client) int {
	if c := cmp.Compare(a.Version, b.Version); c != 0 {
		return c
	}
	return strings.Compare(a.Key, b.Key)
}

func (s *Snapshot) sort() {
	slices.SortFunc(s.Clients, func(a, b Client) int { return compareClients(&a, &b) })
	slices.SortFunc(s.Versions, func(a, b Totals) int { return cmp.Compare(a.Version, b.Version) })
	slices.SortFunc(s.Sources, func(a, b Source) int { return strings.Compare(a.ID, b.ID) })
}

// check refuses a record that a ledger cannot have, and cleans its strings: somebody may have
// edited the export.
func (c *Client) check() error {
	if !wire.AllVersions.Has(c.Version) {
		return fmt.Errorf("usage: client %.40q has no version", c.Key)
	}
	c.Key = cleanKey(c.Key)
	c.UserAgent, c.Path = cleanText(c.UserAgent), cleanText(c.Path)
	c.Host, c.Origin = cleanText(c.Host), cleanText(c.Origin)
	if err := checkMirrors(c.Mirrors); err != nil {
		return err
	}
	return cleanTimes(&c.First, &c.Last, &c.Visited)
}

func (t *Totals) check() error {
	if !wire.AllVersions.Has(t.Version) {
		return fmt.Errorf("usage: the totals have no version")
	}
	if err := checkDays(t.Days); err != nil {
		return err
	}
	return cleanTimes(&t.First, &t.Last, &t.EvictedLast)
}

func (s *Source) check() error {
	s.ID, s.Name = cleanText(s.ID), cleanText(s.Name)
	if s.ID == "" || len(s.Watched) > maxSpans {
		return fmt.Errorf("usage: source %.40q has no ID, or too many watched times", s.Name)
	}
	for i := range s.Watched {
		if err := cleanTimes(&s.Watched[i].From, &s.Watched[i].To); err != nil {
			return err
		}
	}
	s.Watched = unite(s.Watched, nil)
	return nil
}

// cleanTimes changes times to whole seconds in UTC. A time that is set must be in the years
// 1970 to 9999, so that it can be added and written.
func cleanTimes(ts ...*time.Time) error {
	for _, t := range ts {
		if t.IsZero() {
			*t = time.Time{}
			continue
		}
		if s := t.Unix(); s < 0 || s > maxDate*secondsADay {
			return fmt.Errorf("usage: %s is not in the years 1970 to 9999", t)
		}
		*t = t.Truncate(time.Second).UTC()
	}
	return nil
}
