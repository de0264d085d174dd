package input

import (
	"regexp"
	"strconv"
	"strings"
)

// straceCall is a line of strace with a call that moves bytes.
var straceCall = regexp.MustCompile(`^(?:\[pid +(\d+)\] +|(\d+) +)?(?:[\d:.]+ +)?(read|write|recv|send|recvfrom|sendto|recvmsg|sendmsg|readv|writev)\((\d+)(<[^>]*>)?(.*)$`)

// straceRest is the rest of a call that another one has interrupted.
var straceRest = regexp.MustCompile(`^(?:\[pid +(\d+)\] +|(\d+) +)?(?:[\d:.]+ +)?<\.\.\. (read|write|recv|send|recvfrom|sendto|recvmsg|sendmsg|readv|writev) resumed>(.*)$`)

var straceClose = regexp.MustCompile(`^(?:\[pid +\d+\] +|\d+ +)?(?:[\d:.]+ +)?close\((\d+)`)

var straceResult = regexp.MustCompile(`\) += (-?\d+)`)

func looksStrace(text string) bool {
	calls := 0
	mostly := mostly(text, func(line string) bool {
		if straceCall.MatchString(line) && strings.Contains(line, `"`) {
			calls++
		}
		return strings.Contains(line, "(") && (strings.Contains(line, ") = ") || strings.Contains(line, "unfinished")) || straceRest.MatchString(line)
	})
	return mostly && calls > 0
}

// strace gathers the calls of a program.
type strace struct {
	open    map[int]*Conn
	order   []*Conn
	sockets map[*Conn]bool            // calls say that they are
	waiting map[string]straceCallHead // by pid
}

type straceCallHead struct {
	name, args string
	fd         int
}

// readStrace reads calls that move bytes. Each descriptor is a connection, until it is closed;
// those that are none, such as files, are left out.
func readStrace(text string) (*Recording, error) {
	x := strace{open: map[int]*Conn{}, sockets: map[*Conn]bool{}, waiting: map[string]straceCallHead{}}
	for line := range lines(text) {
		if m := straceRest.FindStringSubmatch(line); m != nil {
			pid := m[1] + m[2]
			if head, ok := x.waiting[pid]; ok && head.name == m[3] {
				delete(x.waiting, pid)
				x.call(head, head.args+m[4])
			}
			continue
		}
		if m := straceCall.FindStringSubmatch(line); m != nil {
			fd, err := strconv.Atoi(m[4])
			if err != nil {
				continue
			}
			head := straceCallHead{m[3], m[6], fd}
			if before, ok := strings.CutSuffix(strings.TrimSpace(m[6]), "<unfinished ...>"); ok {
				head.args = before
				if len(x.waiting) < 1000 {
					x.waiting[m[1]+m[2]] = head
				}
				continue
			}
			x.call(head, head.args)
			continue
		}
		if m := straceClose.FindStringSubmatch(line); m != nil {
			fd, _ := strconv.Atoi(m[1])
			delete(x.open, fd)
		}
	}
	return x.recording(), nil
}

// call adds the bytes of a call.
func (x *strace) call(head straceCallHead, args string) {
	m := straceResult.FindStringSubmatch(args)
	if m == nil {
		return
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	p, found, _ := quotedIn(args)
	if err != nil || n <= 0 || !found || n > MaxSize {
		return
	}
	c := x.open[head.fd]
	if c == nil {
		c = new(Conn)
		x.open[head.fd] = c
		x.order = append(x.order, c)
	}
	if head.name != "read" && head.name != "write" && head.name != "readv" && head.name != "writev" {
		x.sockets[c] = true
	}
	from := Out
	if head.name[0] == 'r' {
		from = In
	}
	p = p[:min(int64(len(p)), n)]
	k := len(c.Pieces)
	if k > 0 && c.Pieces[k-1].From == from && len(c.Pieces[k-1].Bytes) == 0 { // what the call before it has lost
		c.Pieces[k-1].Bytes = p
	} else {
		c.Pieces = append(c.Pieces, Piece{From: from, Bytes: p})
	}
	if lost := n - int64(len(p)); lost > 0 {
		c.Pieces = append(c.Pieces, Piece{From: from, Lost: lost})
		if len(c.Notes) == 0 {
			c.Notes = []string{"strace has cut strings: -s 65535 makes it write them whole"}
		}
	}
}

// recording returns the connections that have a line of HTTP, or the sockets where none has, or
// all.
func (x *strace) recording() *Recording {
	http := map[*Conn]bool{}
	for _, c := range x.order {
		for _, p := range c.Pieces {
			first, _, _ := strings.Cut(string(p.Bytes[:min(len(p.Bytes), 8<<10)]), "\n")
			if strings.Contains(first, "HTTP/") {
				http[c] = true
			}
		}
	}
	keep := http
	if len(keep) == 0 {
		keep = x.sockets
	}
	r := new(Recording)
	for _, c := range x.order {
		if keep[c] || len(keep) == 0 {
			r.Conns = append(r.Conns, *c)
		}
	}
	return r
}
