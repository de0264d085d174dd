package gateway

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net"
	"net/netip"

	"github.com/draftwire/draftwire"
	"github.com/pires/go-proxyproto"
)

const (
	// maxProxy1 is more than a PROXY header of version 1 can have, in bytes.
	maxProxy1 = 108
	// maxProxy2 is what is accepted of version 2, whose length field allows 64 KiB.
	maxProxy2 = 4 << 10
	// proxy2Fixed is what each header of version 2 begins with: twelve bytes that tell it
	// from everything else, then command, address family and length.
	proxy2Fixed = 16
	commandAt   = 12
	familyAt    = 13
)

// readProxy reads the PROXY header at the beginning of p; n is 0 while it is not whole.
func readProxy(p []byte) (n int, h draftwire.ProxyHeader, err error) {
	n, err = proxyLength(p)
	if err != nil || n == 0 || n > len(p) {
		return 0, h, err
	}
	if isOwn(p) {
		return n, draftwire.ProxyHeader{Local: true}, nil
	}
	if err := checkSum(p[:n]); err != nil {
		return 0, h, err
	}
	r := bufio.NewReaderSize(bytes.NewReader(p[:n]), max(n, proxy2Fixed))
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
		h.Local = true // UNKNOWN, or an address family without IP addresses
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

// isOwn reports whether a header of version 2 names no client: it is the balancer's own (LOCAL),
// or has no address family, for which the specification (section 2.2) lets a receiver take
// the peer's address. What else is in such a header is skipped, whatever it is.
func isOwn(p []byte) bool {
	const local, proxied, unspecified = 0x20, 0x21, 0x00
	if p[0] == 'P' {
		return false
	}
	return p[commandAt] == local || p[commandAt] == proxied && p[familyAt] == unspecified
}

// addressSize is the length of the addresses in a header of version 2, by the address family.
var addressSize = [16]int{1: 12, 2: 36, 3: 216}

// errChecksum is the error of a header that has changed on its way.
var errChecksum = errors.New("the checksum of the PROXY header is wrong")

// checkSum verifies the checksum of a header of version 2 that has one (section 2.2.3): the
// CRC-32C of the header, with zeros in its own place.
func checkSum(p []byte) error {
	if p[0] == 'P' {
		return nil
	}
	const tlvHead = 3 // type and length
	for at := proxy2Fixed + addressSize[p[familyAt]>>4]; at+tlvHead <= len(p); {
		n := int(binary.BigEndian.Uint16(p[at+1:]))
		value := at + tlvHead
		if proxyproto.PP2Type(p[at]) == proxyproto.PP2_TYPE_CRC32C {
			if n != crc32.Size || value+n > len(p) {
				return errChecksum
			}
			table := crc32.MakeTable(crc32.Castagnoli)
			sum := crc32.Update(crc32.Checksum(p[:value], table), table, make([]byte, crc32.Size))
			if sum = crc32.Update(sum, table, p[value+n:]); sum != binary.BigEndian.Uint32(p[value:]) {
				return errChecksum
			}
		}
		at = value + n
	}
	return nil
}

// proxyLength returns the length of the header at the beginning of p; 0 while that is not
// known.
func proxyLength(p []byte) (int, error) {
	if len(p) > 0 && p[0] == 'P' {
		if i := bytes.IndexByte(p[:min(len(p), maxProxy1)], '\n'); i >= 0 {
			return i + 1, nil
		}
		if len(p) >= maxProxy1 {
			return 0, proxyproto.ErrInvalidLength
		}
		return 0, nil
	}
	if len(p) < proxy2Fixed {
		return 0, nil
	}
	n := proxy2Fixed + int(binary.BigEndian.Uint16(p[proxy2Fixed-2:]))
	if n > maxProxy2 {
		return 0, proxyproto.ErrInvalidLength
	}
	return n, nil
}
