package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// addresses are those that a backend's name stands for. They are looked up once, and again in
// the background when they are needed and are older than addressTime, or at once after none of
// them could be connected to.
type addresses struct {
	mu      sync.Mutex
	list    []netip.AddrPort
	at      time.Time // when they were looked up
	looking bool      // a lookup is under way in the background
}

// addressTime is how old the addresses of a backend become, in use.
const addressTime = 10 * time.Second

// lookupTime bounds a lookup in the background.
const lookupTime = 10 * time.Second

// lookup is that of package net; tests have their own.
var lookup = net.DefaultResolver.LookupNetIP

// of returns the addresses of a HOST:PORT, and whether they were looked up before this call.
func (a *addresses) of(ctx context.Context, address string) (list []netip.AddrPort, known bool, err error) {
	now := time.Now()
	a.mu.Lock()
	list = a.list
	if len(list) > 0 && !a.looking && now.Sub(a.at) >= addressTime {
		a.looking = true
		go func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTime)
			defer cancel()
			a.renew(ctx, address) // a fault leaves the addresses as they are
		}()
	}
	a.mu.Unlock()
	if len(list) > 0 {
		return list, true, nil
	}
	list, err = a.renew(ctx, address)
	return list, false, err
}

// renew looks the addresses up.
func (a *addresses) renew(ctx context.Context, address string) ([]netip.AddrPort, error) {
	list, err := lookUp(ctx, address)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.looking, a.at = false, time.Now()
	if err == nil {
		a.list = list
	}
	return list, err
}

var errNoAddress = errors.New("the name has no address")

func lookUp(ctx context.Context, address string) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, err
	}
	ips, err := lookup(ctx, "ip", host)
	if err == nil && len(ips) == 0 {
		err = &net.AddrError{Err: errNoAddress.Error(), Addr: host}
	}
	if err != nil {
		return nil, err
	}
	list := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		list[i] = netip.AddrPortFrom(ip.Unmap(), uint16(port))
	}
	return list, nil
}
