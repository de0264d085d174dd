package conformance_test

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/internal/wstest"
)

// legal tells what is wrong with an answer to an offer (RFC 7692 7.1). offer is
// the element that was to be taken.
func legal(offer, answer string) error {
	read := func(s string) map[string]string {
		out := map[string]string{}
		for _, p := range strings.Split(s, ";") {
			k, v, _ := strings.Cut(strings.TrimSpace(p), "=")
			if _, twice := out[k]; twice {
				return nil
			}
			out[k] = strings.Trim(v, `"`)
		}
		return out
	}
	asked, got := read(offer), read(answer)
	if _, ok := got["permessage-deflate"]; !ok {
		return fmt.Errorf("no permessage-deflate, or a parameter twice, in %q", answer)
	}
	delete(got, "permessage-deflate")
	_, ask := asked["server_no_context_takeover"]
	if v, ok := got["server_no_context_takeover"]; ask && !ok || v != "" {
		return fmt.Errorf("RFC 7692 7.1.1.1: %q", answer)
	}
	delete(got, "server_no_context_takeover")
	if got["client_no_context_takeover"] != "" { // it may come unasked
		return fmt.Errorf("RFC 7692 7.1.1.2: %q", answer)
	}
	delete(got, "client_no_context_takeover")
	most, ask := asked["server_max_window_bits"]
	bits, ok := got["server_max_window_bits"]
	if ask && (!ok || number(bits) > number(most)) || ok && (number(bits) < 8 || number(bits) > 15) {
		return fmt.Errorf("RFC 7692 7.1.2.1: %q", answer)
	}
	delete(got, "server_max_window_bits")
	_, ask = asked["client_max_window_bits"]
	bits, ok = got["client_max_window_bits"]
	if ok && (!ask || number(bits) < 8 || number(bits) > 15) {
		return fmt.Errorf("RFC 7692 7.1.2.2: %q", answer)
	}
	delete(got, "client_max_window_bits")
	if len(got) > 0 {
		return fmt.Errorf("RFC 7692 7.1: %q", answer)
	}
	return nil
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

// RFC 7692 5, 7.1: what a server answers to offers.
func TestRFC7692Offers(t *testing.T) {
	const d = "permessage-deflate"
	cases := []struct{ name, offer, taken string }{ // taken: the element to take, "" for none
		{"RFC 7692 7.1: alone", d, d},
		{"RFC 7692 7.1.1.1: server_no_context_takeover", d + "; server_no_context_takeover", d + "; server_no_context_takeover"},
		{"RFC 7692 7.1.1.2: client_no_context_takeover", d + "; client_no_context_takeover", d},
		{"RFC 7692 7.1: all", d + "; client_max_window_bits=10; server_no_context_takeover; server_max_window_bits=12; client_no_context_takeover",
			d + ";client_max_window_bits=10;server_no_context_takeover;server_max_window_bits=12"},
		{"RFC 7692 7.1.2.2: client_max_window_bits without a value", d + "; client_max_window_bits", d + "; client_max_window_bits"},
		{"RFC 6455 9.1: a quoted value", d + `; server_max_window_bits="10"`, d + "; server_max_window_bits=10"},
		{"RFC 7692 5.1: spaces", d + " ;  server_max_window_bits=10\t; client_max_window_bits", d + ";server_max_window_bits=10;client_max_window_bits"},
		{"RFC 7692 5.2: behind one that is unknown", "x-unknown, " + d, d},
		{"RFC 7692 5.2: before one that is unknown", d + "; server_no_context_takeover, x-unknown; a=b", d + "; server_no_context_takeover"},
		{"RFC 7692 7.1.3: the first is malformed", d + "; server_max_window_bits=7, " + d, d},
		{"RFC 7692 7.1.3: the first has an unknown parameter", d + "; x=1, " + d + "; server_no_context_takeover", d + "; server_no_context_takeover"},
		{"RFC 7692 7.1.3: in two header lines", "x-unknown\r\nSec-WebSocket-Extensions: " + d, d},
		{"RFC 6455 9.1: only an unknown one", "x-unknown", ""},
		{"RFC 6455 9.1: only a longer name", d + "2", ""},
		{"RFC 7692 7.1: an unknown parameter", d + "; x", ""},
		{"RFC 7692 7.1: a parameter twice", d + "; server_no_context_takeover; server_no_context_takeover", ""},
		{"RFC 7692 7.1: a window twice", d + "; server_max_window_bits=10; server_max_window_bits=10", ""},
		{"RFC 7692 7.1.1.1: with a value", d + "; server_no_context_takeover=1", ""},
		{"RFC 7692 7.1.1.2: with a value", d + "; client_no_context_takeover=true", ""},
		{"RFC 7692 7.1.2.1: without a value", d + "; server_max_window_bits", ""},
	}
	for bits := 8; bits <= 15; bits++ {
		for _, p := range []string{"server_max_window_bits", "client_max_window_bits"} {
			offer := fmt.Sprintf("%s; %s=%d", d, p, bits)
			cases = append(cases, struct{ name, offer, taken string }{fmt.Sprintf("RFC 7692 7.1.2: %s=%d", p, bits), offer, offer})
		}
	}
	for _, bad := range []string{"0", "7", "16", "08", "010", "-8", "+9", "8.0", "a", "15x", "99999999999999999999", `""`} {
		for _, p := range []string{"server_max_window_bits", "client_max_window_bits"} {
			cases = append(cases, struct{ name, offer, taken string }{"RFC 7692 7.1.2: " + p + " of " + bad, d + "; " + p + "=" + bad, ""})
		}
	}
	for _, c := range cases {
		for _, o := range []draftwire.Compression{wstest.Deflate, wstest.DeflateTakeover, wstest.DeflateLarge} {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					nc, answer := offered(t, inMemory(t, &draftwire.Server{WebSocket: wstest.Echo, Options: draftwire.AcceptOptions{Compression: o}}), c.offer)
					defer nc.Close()
					if c.taken == "" && answer != "" {
						t.Errorf("offer %q got %q, not none", c.offer, answer)
					} else if c.taken != "" {
						if err := legal(c.taken, answer); err != nil {
							t.Errorf("offer %q: %v", c.offer, err)
						}
					}
				})
			})
		}
	}
}

// RFC 7692 5.1, 7.1: which answers a client takes; it asks for no takeover on
// both sides, or for nothing.
func TestRFC7692Answers(t *testing.T) {
	const d, s = "permessage-deflate", "; server_no_context_takeover"
	for _, c := range []struct {
		name, answer string
		keeps, fresh bool // taken by a client with takeover, and by one without
	}{
		{"RFC 7692 5.1: none", "", true, true},
		{"RFC 7692 7.1.3: alone, to the second choice", d, true, true},
		{"RFC 7692 7.1.1.1: server_no_context_takeover", d + s, true, true},
		{"RFC 7692 7.1.1.2: client_no_context_takeover", d + "; client_no_context_takeover", true, true},
		{"RFC 7692 7.1.1: both", d + s + "; client_no_context_takeover", true, true},
		{"RFC 7692 7.1.2.2: client_max_window_bits=8", d + s + "; client_max_window_bits=8", true, true},
		{"RFC 7692 7.1.2.2: client_max_window_bits=15", d + s + "; client_max_window_bits=15", true, true},
		{"RFC 7692 7.1.2.1: server_max_window_bits=8, unasked", d + s + "; server_max_window_bits=8", true, true},
		{"RFC 7692 7.1.2.1: server_max_window_bits=15, unasked", d + s + "; server_max_window_bits=15", true, true},
		{"RFC 6455 9.1: a quoted value", d + s + `; client_max_window_bits="9"`, true, true},
		{"RFC 7692 7.1.2.2: without a value", d + s + "; client_max_window_bits", false, false},
		{"RFC 7692 7.1.2.2: of 7", d + s + "; client_max_window_bits=7", false, false},
		{"RFC 7692 7.1.2.2: of 16", d + s + "; client_max_window_bits=16", false, false},
		{"RFC 7692 7.1.2.2: of 08", d + s + "; client_max_window_bits=08", false, false},
		{"RFC 7692 7.1.2.1: without a value", d + s + "; server_max_window_bits", false, false},
		{"RFC 7692 7.1.2.1: of 7", d + s + "; server_max_window_bits=7", false, false},
		{"RFC 7692 7.1.2.1: of 16", d + s + "; server_max_window_bits=16", false, false},
		{"RFC 7692 7.1.1.1: with a value", d + "; server_no_context_takeover=1", false, false},
		{"RFC 7692 7.1.1.2: with a value", d + s + "; client_no_context_takeover=1", false, false},
		{"RFC 7692 7.1: a parameter twice", d + s + s, false, false},
		{"RFC 7692 7.1: an unknown parameter", d + s + "; x", false, false},
		{"RFC 7692 5.1: twice", d + s + ", " + d + s, false, false},
		{"RFC 6455 4.1: not offered", "x-unknown", false, false},
		{"RFC 6455 4.1: not offered, beside", d + s + ", x-unknown", false, false},
	} {
		for _, o := range []draftwire.Compression{wstest.DeflateTakeover, wstest.Deflate, {}} {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					nc, dialled := answered(t, draftwire.DialOptions{Compression: o}, c.answer)
					taken := map[draftwire.Compression]bool{wstest.DeflateTakeover: c.keeps, wstest.Deflate: c.fresh, {}: c.answer == ""}[o]
					if err := <-dialled; (err == nil) != taken {
						t.Errorf("answer %q to %+v: %v", c.answer, o, err)
					}
					nc.Close()
				})
			})
		}
	}
}

// echoed sends a message, and returns its echo and how many octets that has on
// the wire.
func echoed(t *testing.T, w io.Writer, p *peer, u unit) (back unit, size int) {
	t.Helper()
	go w.Write(u.octets(p.isClient))
	back, err := p.next()
	if err != nil || back.b0&^0x40 != u.b0&^0x40 || back.body != u.body {
		t.Fatalf("the echo of %d octets has %d, %v", len(u.body), len(back.body), err)
	}
	synctest.Wait()
	return back, p.packed
}

// RFC 7692 7.1.2: a sender does not reach further back than the window that was
// agreed on: what does not compress, and comes again too far behind, is not
// found.
func TestRFC7692Windows(t *testing.T) {
	for bits := 8; bits <= 15; bits++ {
		window := 1 << bits
		once, far := noise(200), noise(window+300)
		messages := []struct {
			body  string
			least int // octets on the wire: those that are not in the window
		}{
			{once, 200},
			{far + far, 2 * len(far)},
			{once, 200},
			{noise(window) + once, window + 200},
			{once + strings.Repeat("z", window) + once, 200}, // the first stands just before
		}
		for _, role := range []string{"server", "client"} {
			t.Run(fmt.Sprintf("RFC 7692 7.1.2: %s_max_window_bits=%d", role, bits), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ext := fmt.Sprintf("permessage-deflate; %s_max_window_bits=%d", role, bits)
					nc := underTest(t, role, setup{ext: ext, c: wstest.DeflateTakeover}, 0)
					defer nc.Close()
					nc.SetDeadline(time.Now().Add(time.Minute))
					p := &peer{r: bufio.NewReader(nc), isClient: role == "server", deflate: true, keeps: true}
					for i, m := range messages {
						if _, n := echoed(t, nc, p, unit{b0: 0x82, body: m.body}); n < m.least {
							t.Errorf("message %d: %d octets have become %d, fewer than the %d that are new", i+1, len(m.body), n, m.least)
						}
					}
				})
			})
		}
	}
}

// RFC 7692 6.1: a sender may leave a message as it is; small ones here, from the
// threshold on the others are smaller.
func TestRFC7692Threshold(t *testing.T) {
	for _, role := range []string{"server", "client"} {
		for _, least := range []int{0, 1, 100, 4096} {
			t.Run(fmt.Sprintf("%s/RFC 7692 6.1: threshold %d", role, least), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := draftwire.Compression{Mode: draftwire.CompressLarge, Threshold: least}
					nc := underTest(t, role, setup{ext: fresh.ext, c: c}, 0)
					defer nc.Close()
					nc.SetDeadline(time.Now().Add(time.Minute))
					p := &peer{r: bufio.NewReader(nc), isClient: role == "server", deflate: true}
					if least == 0 {
						least = draftwire.DefaultCompressionThreshold
					}
					for _, n := range []int{0, least - 1, least, least + 1, 10 * least} {
						for _, u := range []unit{{b0: 0x81, body: letters(n)}, {b0: 0x82, body: strings.Repeat("\xff", n)}} {
							back, size := echoed(t, nc, p, u)
							if on := back.b0&0x40 != 0; on != (n >= least) || on && n >= 100 && size >= n {
								t.Errorf("the echo of %d octets has %d, compressed %v", n, size, on)
							}
						}
					}
				})
			})
		}
	}
}
