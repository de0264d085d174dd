package gateway

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/draftwire/draftwire"
	"github.com/pires/go-proxyproto"
)

// proxyMost is more than a PROXY header of version 1 can have, and what is taken
// of one of version 2, whose length allows 64 KiB.
const (
	proxyMost1 = 108
	proxyMost2 = 4 << 10
)

// readProxy reads the PROXY header that p begins with: 0 where it is not there
// whole.
func readProxy(p []byte) (n int, h draftwire.ProxyHeader, err error) {
	n, err = proxyLength(p)
	if err != nil || n == 0 || n > len(p) {
		return 0, h, err
	}
	r := bufio.NewReaderSize(bytes.NewReader(p[:n]), max(n, 16))
	head, err := proxyproto.Read(r)
	if err != nil {
		return 0, h, err
	}
	if r.Buffered() > 0 {
		return 0, h, proxyproto.ErrInvalidLength
	}
	h.Local = head.Command.IsLocal() || head.SourceAddr == nil
	if a, ok := head.SourceAddr.(*net.TCPAddr); ok && !h.Local {
		ap := a.AddrPort()
		h.Client = netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
	} else {
		h.Local = true // UNKNOWN, or a family that names no client
	}
	tlvs, err := head.TLVs()
	if err != nil {
		return 0, draftwire.ProxyHeader{}, err
	}
	for _, t := range tlvs {
		// PP2_TYPE_SSL: the first byte's lowest bit says that the client spoke TLS.
		if t.Type == proxyproto.PP2_TYPE_SSL && len(t.Value) > 0 && t.Value[0]&1 != 0 {
			h.Secure = true
		}
	}
	return n, h, nil
}

// proxyLength is how long the header is that p begins with, 0 while that cannot
// be seen.
func proxyLength(p []byte) (int, error) {
	if len(p) > 0 && p[0] == 'P' {
		if i := bytes.IndexByte(p[:min(len(p), proxyMost1)], '\n'); i >= 0 {
			return i + 1, nil
		}
		if len(p) >= proxyMost1 {
			return 0, proxyproto.ErrInvalidLength
		}
		return 0, nil
	}
	const fixed = 16
	if len(p) < fixed {
		return 0, nil
	}
	n := fixed + int(binary.BigEndian.Uint16(p[fixed-2:]))
	if n > proxyMost2 {
		return 0, proxyproto.ErrInvalidLength
	}
	return n, nil
}
