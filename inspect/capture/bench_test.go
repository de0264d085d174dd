package capture

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// nobody takes connections and does nothing with them.
type nobody struct{ bytes int64 }

func (n *nobody) Open(Conn) Stream                                 { return n }
func (n *nobody) Data(_ time.Time, _ Direction, _ int64, p []byte) { n.bytes += int64(len(p)) }
func (n *nobody) Gap(time.Time, Direction, int64, int64)           {}
func (n *nobody) End(time.Time, Direction, End)                    {}

// crowd writes many connections at once, in packets of a size.
func crowd(conns, rounds, size int) []byte {
	var file bytes.Buffer
	crowdTo(&file, conns, rounds, size)
	return file.Bytes()
}

func crowdTo(file io.Writer, conns, rounds, size int) {
	w := NewWriter(file)
	said := text(rand.New(rand.NewPCG(1, 1)), size)
	var clock tick
	streams := make([]Stream, conns)
	for i := range streams {
		client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 12), byte(i >> 4)}), uint16(40000+i&15))
		streams[i] = w.Open(Conn{Client: client, Server: v4server, Number: i})
	}
	for round := range rounds {
		for _, s := range streams {
			s.Data(clock.next(), Direction(round&1), int64(round/2*size), said)
		}
	}
	for _, s := range streams {
		s.End(clock.next(), FromClient, Fin)
		s.End(clock.next(), FromServer, Fin)
	}
}

func BenchmarkRead(b *testing.B) {
	for _, size := range []int{100, 1400} {
		b.Run(fmt.Sprint(size, " bytes a packet"), func(b *testing.B) {
			file := crowd(1000, 20, size)
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Read(bytes.NewReader(file), new(nobody), Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// One GiB is read in 20 seconds and 64 MiB of memory: CAPTURE_GIB=1 go test -run GiB -v
func TestGiB(t *testing.T) {
	if os.Getenv("CAPTURE_GIB") == "" {
		t.Skip("CAPTURE_GIB is not set")
	}
	for _, size := range []int{60, 300, 1400} {
		f, err := os.Create(filepath.Join(t.TempDir(), "pcap"))
		if err != nil {
			t.Fatal(err)
		}
		w := bufio.NewWriterSize(f, 1<<20)
		crowdTo(w, 10000, (1<<30)/10000/(size+2*70), size)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		n, _ := f.Seek(0, io.SeekCurrent)
		f.Seek(0, io.SeekStart)
		debug.FreeOSMemory()
		os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // begins the peak anew
		began := time.Now()
		rep, err := Read(f, new(nobody), Options{})
		took := time.Since(began)
		status, _ := os.ReadFile("/proc/self/status")
		peak := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
		t.Logf("%d MiB in %v, %d packets of %d bytes and their acknowledgements, %d connections; peak %s kB; %v", n>>20, took, rep.Packets, size, rep.Conns, peak[1], err)
		if took > 20*time.Second {
			t.Error("more than 20 seconds")
		}
		f.Close()
		os.Remove(f.Name())
	}
}

func BenchmarkTLS(b *testing.B) {
	for name, x := range map[string]struct{ version, suite uint16 }{
		"1.3 AES-GCM": {tls.VersionTLS13, 0}, "1.2 ChaCha": {tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256},
		"1.0 AES-CBC": {tls.VersionTLS10, tls.TLS_RSA_WITH_AES_128_CBC_SHA}, "1.0 RC4": {tls.VersionTLS10, tls.TLS_RSA_WITH_RC4_128_SHA},
		"1.0 3DES": {tls.VersionTLS10, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA},
	} {
		b.Run(name, func(b *testing.B) {
			var log, file bytes.Buffer
			client, server := confs(x.version, x.suite, &log)
			long := strings.Repeat("0123456789abcdef", 1<<16)
			speakOf(b, [2][]string{{long, long}, {long, long}}, &wire{to: NewWriter(&file).Open(simpleV4)}, client, server)
			keys := keyLog(b, log.Bytes())
			b.SetBytes(int64(file.Len()))
			for b.Loop() {
				var n nobody
				if _, err := Read(bytes.NewReader(file.Bytes()), &n, Options{Keys: keys}); err != nil || n.bytes != int64(4*len(long)) {
					b.Fatal(err, n.bytes)
				}
			}
		})
	}
}
