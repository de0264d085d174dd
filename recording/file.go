package recording

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"
	"time"
)

// Header is what a file says of itself.
type Header struct {
	Began    time.Time `json:"began"`              // the times of events count from here
	Program  string    `json:"program,omitempty"`  // that has written it
	Redacted []string  `json:"redacted,omitempty"` // names whose values are not in the file
}

// first is the first line of a file, without its LF.
const first = "draftwire recording 1"

// MaxRecord is the longest payload of a record, in bytes.
const MaxRecord = 256 << 20

const maxHeader = 64 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Errors of files.
var (
	ErrFormat  = errors.New("recording: this is no recording of draftwire, or one of a later format")
	ErrDamaged = errors.New("recording: a record is damaged")
	// ErrFull is for a record that would make a file longer than Writer.Max.
	ErrFull = errors.New("recording: the file is as long as it may be")
)

// Writer writes a recording. It may be used by several goroutines.
type Writer struct {
	// Max is the most bytes that the file may have; 0 is no limit. It is set before the first
	// Write.
	Max int64

	mu     sync.Mutex
	w      *bufio.Writer
	header Header
	size   int64
	buf    []byte
	open   map[frames]bool // directions with frames since the last message, all of them recorded
	err    error
}

// frames is a direction whose frames are being written.
type frames struct {
	conn uint64
	from Side
}

// NewWriter begins a recording. Began in h is now, if it is zero.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	if h.Began.IsZero() {
		h.Began = time.Now().Truncate(time.Microsecond)
	}
	line, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	x := &Writer{w: bufio.NewWriterSize(w, 64<<10), header: h, open: map[frames]bool{}}
	begin := first + "\n" + string(line) + "\n"
	x.size = int64(len(begin))
	if _, err := x.w.WriteString(begin); err != nil {
		return nil, err
	}
	return x, x.w.Flush()
}

// Append goes on with a recording, behind its last whole record: what follows that is cut off. A
// file of length 0 begins with h; otherwise it keeps its own header. Conns is how many connections
// the file has, whose numbers are taken.
func Append(f *os.File, h Header) (w *Writer, conns uint64, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if info.Size() == 0 {
		w, err = NewWriter(f, h)
		return w, 0, err
	}
	r, err := NewReader(f)
	if err != nil {
		return nil, 0, err
	}
	var e Event
	for err = r.Next(&e); err == nil; err = r.Next(&e) {
		conns = max(conns, e.Conn)
	}
	if err != io.EOF {
		return nil, 0, err
	}
	if err := f.Truncate(r.whole); err != nil {
		return nil, 0, err
	}
	if _, err := f.Seek(r.whole, io.SeekStart); err != nil {
		return nil, 0, err
	}
	return &Writer{w: bufio.NewWriterSize(f, 64<<10), header: r.header, size: r.whole, open: map[frames]bool{}}, conns, nil
}

// Began is the time from which events count.
func (w *Writer) Began() time.Time { return w.header.Began }

// Write writes an event. Its slices may be used again afterwards. The first error of the file is
// that of each later call; ErrFull is not one of these, as a shorter record may have room.
func (w *Writer) Write(e *Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	d := frames{e.Conn, e.From}
	x := *e
	whole, seen := w.open[d]
	if e.Kind == KindMessage && !e.Withheld && !e.Compressed && whole && seen {
		x.sameAsFrames = true
	}
	const most = binary.MaxVarintLen64
	w.buf = x.append(append(w.buf[:0], make([]byte, most)...)) // behind room for its length
	body := w.buf[most:]
	if len(body) > MaxRecord {
		return fmt.Errorf("recording: a record of %d bytes, more than %d", len(body), MaxRecord)
	}
	length := binary.AppendUvarint(w.buf[:0:most], uint64(len(body)))
	at := most - copy(w.buf[most-len(length):], length)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, crc32.Checksum(body, castagnoli))
	total := int64(len(w.buf) - at)
	if w.Max > 0 && w.size+total > w.Max {
		w.open[d] = false
		return ErrFull
	}
	if _, err := w.w.Write(w.buf[at:]); err != nil {
		w.err = err
		return err
	}
	w.size += total
	w.note(d, e, seen, whole)
	return nil
}

// note notes whether the next message of a direction is in its frames.
func (w *Writer) note(d frames, e *Event, seen, whole bool) {
	switch {
	case e.Kind == KindFrame && e.ofMessage():
		w.open[d] = (whole || !seen) && !e.Withheld
	case e.Kind == KindMessage:
		delete(w.open, d)
	case e.Kind == KindEnd && e.From == Both:
		delete(w.open, frames{e.Conn, Client})
		delete(w.open, frames{e.Conn, Server})
	case e.Kind == KindLost && e.From == Both:
		w.open[frames{e.Conn, Client}] = false
		w.open[frames{e.Conn, Server}] = false
	case e.Kind == KindLost:
		w.open[d] = false
	}
}

// Flush writes what is buffered to the file.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = w.w.Flush()
	}
	return w.err
}

// Size is how many bytes the file has, with what is buffered.
func (w *Writer) Size() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.size
}

// Reader reads a recording.
type Reader struct {
	r      *bufio.Reader
	header Header
	whole  int64 // bytes up to the end of the last whole record
	torn   bool
	buf    bytes.Buffer
	parts  map[frames][]byte // of frames since the last message
	held   int               // bytes in parts
}

// NewReader reads the beginning of a recording.
func NewReader(r io.Reader) (*Reader, error) {
	x := &Reader{r: bufio.NewReaderSize(r, 64<<10), parts: map[frames][]byte{}}
	line, err := x.line(len(first) + 1)
	if err != nil || line != first {
		return nil, ErrFormat
	}
	if line, err = x.line(maxHeader); err != nil {
		return nil, ErrFormat
	}
	if err := json.Unmarshal([]byte(line), &x.header); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return x, nil
}

// line reads a line of at most n bytes, with its LF.
func (r *Reader) line(n int) (string, error) {
	var b []byte
	for len(b) < n {
		c, err := r.r.ReadByte()
		if err != nil {
			return "", err
		}
		r.whole++
		if c == '\n' {
			return string(b), nil
		}
		b = append(b, c)
	}
	return "", ErrFormat
}

// Header is what the file says of itself.
func (r *Reader) Header() Header { return r.header }

// Torn reports, behind io.EOF, that the file ends within a record: its writer was killed.
func (r *Reader) Torn() bool { return r.torn }

// Next reads the next event, io.EOF where there is none. Its slices are valid until the next call.
// ErrDamaged is for a record that was changed.
func (r *Reader) Next(e *Event) error {
	for {
		p, err := r.record()
		if err != nil {
			return err
		}
		if err := e.parse(p); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if _, known := kindNames[e.Kind]; known {
			return r.join(e)
		}
	}
}

// record reads the payload of a record.
func (r *Reader) record() ([]byte, error) {
	n, size, err := r.uvarint()
	if err != nil {
		return nil, r.end(err, size)
	}
	if n > MaxRecord {
		return nil, fmt.Errorf("%w: it has %d bytes, more than %d", ErrDamaged, n, MaxRecord)
	}
	r.buf.Reset()
	// Memory grows with what is there, not with what is announced.
	if k, err := io.CopyN(&r.buf, r.r, int64(n)+crc32.Size); err != nil {
		return nil, r.end(err, size+int(k))
	}
	p := r.buf.Bytes()
	if crc32.Checksum(p[:n], castagnoli) != binary.LittleEndian.Uint32(p[n:]) {
		if _, err := r.r.Peek(1); err == io.EOF { // a crash of the machine leaves blocks of zeros
			return nil, r.end(err, 1)
		}
		return nil, ErrDamaged
	}
	r.whole += int64(size) + int64(n) + crc32.Size
	return p[:n], nil
}

// end is the end of the file, after so many bytes of a record.
func (r *Reader) end(err error, bytes int) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		r.torn = bytes > 0
		return io.EOF
	}
	return err
}

func (r *Reader) uvarint() (v uint64, n int, err error) {
	for shift := uint(0); ; shift += 7 {
		c, err := r.r.ReadByte()
		if err != nil {
			return 0, n, err
		}
		n++
		if shift > 56 {
			return 0, n, ErrDamaged
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, n, nil
		}
	}
}

// maxParts is how much of the payload of frames is kept for their messages.
const maxParts = 2 * MaxRecord

// join gives a message the payload of its frames.
func (r *Reader) join(e *Event) error {
	d := frames{e.Conn, e.From}
	switch {
	case e.Kind == KindFrame && e.ofMessage() && !e.Withheld:
		if r.held += len(e.Payload); r.held > maxParts {
			return fmt.Errorf("%w: more than %d bytes are in frames whose message does not come", ErrDamaged, maxParts)
		}
		r.parts[d] = append(r.parts[d], e.Payload...)
	case e.Kind == KindMessage:
		if e.payloadFromFrames {
			e.Payload = r.parts[d]
		}
		r.forget(d)
	case e.Kind == KindEnd && e.From == Both:
		r.forget(frames{e.Conn, Client})
		r.forget(frames{e.Conn, Server})
	}
	return nil
}

func (r *Reader) forget(d frames) {
	r.held -= len(r.parts[d])
	delete(r.parts, d)
}
