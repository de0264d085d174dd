package gateway

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/time/rate"
)

// rates bounds how often something may happen in a second, for all and for each address.
type rates struct {
	all       atomic.Pointer[rate.Limiter] // nil: no bound
	perSecond int                          // of all; for set
	each      addressRates
}

// set sets the bounds; 0 or less is none. One that stays the same is not begun anew, as that
// would allow a burst.
func (r *rates) set(all int, each float64) {
	r.each.set(rate.Limit(each), max(int(each), leastBurst))
	if all == r.perSecond {
		return
	}
	r.perSecond = all
	if all > 0 {
		r.all.Store(rate.NewLimiter(rate.Limit(all), all))
	} else {
		r.all.Store(nil)
	}
}

// leastBurst is how many may come at once from one address, however rare they may be: a page
// opens several connections.
const leastBurst = 5

// take counts one, and reports whether it is within the bound of all, and of its address. What
// an address may not is not taken from all others.
func (r *rates) take(key netip.Prefix) (all, each bool) {
	if !r.each.take(key) {
		return true, false
	}
	l := r.all.Load()
	return l == nil || l.Allow(), true
}

// addressRates bounds how often something may happen for one address, of as many addresses
// as come.
type addressRates struct {
	mu        sync.Mutex
	perSecond rate.Limit // 0: no bound
	burst     int
	// Two generations: when the younger one is full it becomes the older, whose addresses
	// were not heard of for longest.
	young, old map[netip.Prefix]*rate.Limiter
}

// ratesMost bounds the addresses of a generation.
const ratesMost = 20_000

func (a *addressRates) set(perSecond rate.Limit, burst int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.perSecond == perSecond && a.burst == burst {
		return // new limiters would allow a burst
	}
	a.perSecond, a.burst = perSecond, burst
	a.young, a.old = nil, nil
}

// of returns the limiter of an address; nil where there is no bound.
func (a *addressRates) of(key netip.Prefix) *rate.Limiter {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.perSecond <= 0 || !key.IsValid() {
		return nil
	}
	r := a.young[key]
	if r == nil {
		if r = a.old[key]; r == nil {
			r = rate.NewLimiter(a.perSecond, a.burst)
		}
		if a.young == nil || len(a.young) >= ratesMost {
			a.young, a.old = make(map[netip.Prefix]*rate.Limiter), a.young
		}
		a.young[key] = r
	}
	return r
}

// take counts one more for an address, and reports whether it is within the bound.
func (a *addressRates) take(key netip.Prefix) bool {
	r := a.of(key)
	return r == nil || r.Allow()
}

// has reports whether an address has one left.
func (a *addressRates) has(key netip.Prefix) bool {
	r := a.of(key)
	return r == nil || r.Tokens() >= 1
}
