package capture

import (
	"crypto/rsa"
	"errors"
	"io"
	"time"
)

// Options bound what Read holds, and have the keys of TLS. The zero value has the defaults, and
// no keys.
type Options struct {
	// Keys open TLS. Those that a pcapng file has in it are added. nil: none.
	Keys *KeyLog
	// RSA are private keys of servers, for connections whose keys were exchanged by RSA, as
	// devices did until about 2013.
	RSA []*rsa.PrivateKey
	// MaxHeld is how many bytes of a connection may wait for others that come before them,
	// with 64 bytes added for each packet; beyond, what is missing becomes a gap, until half of
	// them is left. They are also no more than 4096 packets a direction. Default 4 MiB.
	MaxHeld int
	// MaxHeldTotal is the same for all connections together, with what TLS holds of
	// records that are not whole. Default 8 MiB.
	MaxHeldTotal int
	// MaxConns is how many connections are followed at once. With one more, that ends (Cut)
	// of which nothing has come for longest. Default 16384.
	MaxConns int
	// Filter, if not nil, says which connections are followed, by their addresses. Which side
	// is the client may change later, for one that began before the capture.
	Filter func(Conn) bool
}

// Errors that TLS.Err wraps.
var (
	// ErrNoKey: no key given opens the connection.
	ErrNoKey = errors.New("no key for this connection")
	// ErrMidway: the capture does not have the handshake.
	ErrMidway = errors.New("the capture does not have the handshake of TLS")
	// ErrSuite: the cipher suite or the version is none that can be opened here.
	ErrSuite = errors.New("a cipher suite or version that cannot be opened here")
	// ErrAlert: the handshake failed, by an alert of one side.
	ErrAlert = errors.New("the handshake of TLS failed")
	// ErrBadKey: there is a key, and it does not open the records.
	ErrBadKey = errors.New("the key does not open the records")
)

// Report says what a file had.
type Report struct {
	Format  string // "pcap" or "pcapng"
	Packets int64  // all of them
	TCP     int64  // those of TCP over IP that could be read
	Conns   int    // connections that began, Options.Filter's too
	Evicted int    // those that ended because there were more than Options.MaxConns
	// Fragments are packets that are parts of larger ones of IP. Only the first part is
	// read; what the others had is a gap.
	Fragments int64
	// Cut are packets of TCP that the capture has only in part (the "snaplen" of tcpdump).
	// What they lack is a gap.
	Cut     int64
	Damaged int64 // packets whose heads cannot be read
	// OtherLink are packets of a link layer that is not read, and Link the first such type.
	OtherLink int64
	Link      int
	// CutShort says that the file ends inside a packet.
	CutShort bool
}

// Read reads a file of packets and gives its TCP connections to sink: pcap and pcapng, also
// compressed by gzip, with packets of Ethernet (with tags of VLANs, or PPPoE), of Linux's
// cooked captures, of the loopback of BSD and macOS, and of bare IP.
//
// The error is ErrFormat if it is no such file; another one says where the file is damaged or
// could not be read, and comes after everything before that was given to sink and all its
// streams ended. A file that ends inside a packet is no error.
func Read(r io.Reader, sink Sink, o Options) (Report, error) {
	o = o.withDefaults()
	var rep Report
	inFile := &KeyLog{max: maxKeysInFile}
	p, err := openFile(r, inFile)
	if err != nil {
		return rep, err
	}
	rep.Format = p.format()
	t := newTracker(sink, o, newOpener(o, inFile), &rep)
	last, err := t.read(p)
	t.finishAll(last)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		rep.CutShort, err = true, nil
	}
	return rep, err
}

// maxKeysInFile is how many keys of a file are kept.
const maxKeysInFile = 1 << 16

func (o Options) withDefaults() Options {
	if o.MaxHeld <= 0 {
		o.MaxHeld = defaultMaxHeld
	}
	if o.MaxHeldTotal <= 0 {
		o.MaxHeldTotal = defaultMaxHeldTotal
	}
	if o.MaxConns <= 0 {
		o.MaxConns = defaultMaxConns
	}
	return o
}

// read reads packets until the file ends or fails. It returns the time of the last one.
func (t *tracker) read(p packets) (last time.Time, err error) {
	var s tcpSegment
	for {
		pk, err := p.next()
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return last, err
		}
		t.report.Packets++
		if pk.at.After(last) {
			last = pk.at
		}
		switch s.tcp(pk) {
		case isTCP:
			t.report.TCP++
			if s.lost > 0 {
				t.report.Cut++
			}
			t.segment(&s)
		case isFragment:
			t.report.Fragments++
		case isDamaged:
			t.report.Damaged++
		case unknownLink:
			if t.report.OtherLink == 0 {
				t.report.Link = pk.link
			}
			t.report.OtherLink++
		}
	}
}
