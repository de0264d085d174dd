package main

import (
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
)

// A year has days, and a report looks at window of them.
const (
	days   = 365
	window = 30
)

// kind is a kind of device, and what becomes of it in the year. Days are counted from 0.
type kind struct {
	name    string
	version wire.Version
	agent   string
	tls     usage.TLS
	count   int
	office  bool // half of them are off on Saturdays and Sundays

	// The devices leave one after the other: the first on day leave, and none is seen after
	// day end, on which the last one is seen for the last time. With both 0 they stay.
	leave, end int
	// last is the number of the device that is seen on day end.
	last int
	// on says on which days the devices come; nil: on all.
	on func(day int) bool
}

// fleet is what the operator has, and what is planted in it.
var fleet = []kind{
	{name: "panel-hall", version: wire.Hixie75, agent: "Mozilla/5.0 (QNX; U; en) AppleWebKit/533.4 (KHTML, like Gecko)", count: 3, leave: 40, end: 82, last: 2},
	{name: "tv-lobby", version: wire.Hixie76, agent: "Mozilla/5.0 (SMART-TV; Linux i686) AppleWebKit/534.7 (KHTML, like Gecko) Version/5.0 Safari/534.7", count: 40, leave: 30, end: 262, last: 7},
	{name: "wall-pad", version: wire.Hixie76, agent: "Mozilla/5.0 (iPad; U; CPU OS 4_3_5 like Mac OS X) AppleWebKit/533.17.9 Mobile/8L1", tls: 0x0301, count: 15, office: true, leave: 20, end: 150},
	{name: "cinema-bar", version: wire.Hybi05, agent: "panel/2.1", count: 1, on: func(day int) bool { return day == 40 || day == 75 || day == 76 }},
	{name: "kiosk-ferry", version: wire.Hybi07, agent: "Mozilla/5.0 (X11; Linux i686; rv:6.0) Gecko/20100101 Firefox/6.0", count: 2, on: func(day int) bool { return day%20 == 5 }},
	{name: "signage", version: wire.Hybi08, agent: "Mozilla/5.0 (X11; Linux i686) AppleWebKit/535.1 (KHTML, like Gecko) Chrome/14.0.835.202 Safari/535.1", tls: 0x0301, count: 20},
	{name: "browser", version: wire.RFC6455, agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36", tls: 0x0304, count: 40, office: true},
}

// gateways is how many share the devices; gateway number 1 is down for some days.
const gateways = 3

var down = struct{ gateway, from, to int }{1, 200, 203}

// comes reports whether device number i is seen on a day. It is the same in each run.
func (k *kind) comes(i, day int, weekend bool) bool {
	if k.on != nil {
		return k.on(day)
	}
	if k.end > 0 && day >= k.leaves(i) {
		return i == k.last && day == k.end
	}
	return !k.office || !weekend || dice(k.name, i, day).IntN(2) == 0
}

// leaves is the first day on which device number i is not seen, but for the last one on day end.
// The last one leaves with the others, so that it is seen again when nobody expects it.
func (k *kind) leaves(i int) int { return k.leave + (k.end-k.leave)*i/k.count }

func (k *kind) device(i int) string { return k.name + "-" + two(i) }

func two(i int) string {
	if i < 10 {
		return "0" + strconv.Itoa(i)
	}
	return strconv.Itoa(i)
}

// dice returns the chances of a device on a day.
func dice(name string, i, day int) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(h.Sum64(), uint64(day)<<32|uint64(i)))
}

// live lets the devices come to the gateways on a day: a load balancer gives each of them to any
// gateway that is up.
func live(ledgers []*usage.Ledger, clock *time.Time, start time.Time, day int) {
	midnight := start.AddDate(0, 0, day)
	weekend := midnight.Weekday() == time.Saturday || midnight.Weekday() == time.Sunday
	for hour := 6; hour < 22; hour += 4 {
		*clock = midnight.Add(time.Duration(hour) * time.Hour)
		for k := range fleet {
			for i := range fleet[k].count {
				if fleet[k].comes(i, day, weekend) {
					fleet[k].visit(ledgers, i, day, hour)
				}
			}
		}
	}
}

// visit is one connection of a device: two handshakes a day and more.
func (k *kind) visit(ledgers []*usage.Ledger, i, day, hour int) {
	rnd := dice(k.name, i, day<<8|hour)
	if hour != 6 && hour != 18 && rnd.IntN(2) == 0 {
		return
	}
	l := ledgers[rnd.IntN(len(ledgers))]
	if l == nil {
		l = ledgers[0]
	}
	v := usage.Visit{Version: k.version, Client: k.device(i), UserAgent: k.agent, Path: "/feed", Host: "feed.example", TLS: k.tls}
	l.Opened(v)
	in, out := rnd.Uint64N(2000), rnd.Uint64N(20_000)
	l.Traffic(k.version, v.Client, usage.Traffic{In: in, Out: out, MessagesIn: in / 20, MessagesOut: out / 200})
}
