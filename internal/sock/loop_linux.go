//go:build linux && (amd64 || arm64) && !msan && !asan

package sock

import (
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/draftwire/draftwire/internal/pool"
)

// Loops take the connections of listeners and wait for all of them with as many goroutines
// as there are processors, each by its own epoll(7). An idle connection so has no goroutine, no
// stack and no buffer.
//
//	listener --> accept4 --> Socket --> Turner.Turn when there is news
//
// A socket is registered once, for both directions, and edge-triggered: the kernel tells of
// it when something has changed, and a socket that is busy costs no further call. So a
// Turner reads until a read got less than there was room for; what comes later is news.
//
// A process has one Loops, which all its servers and clients share.
type Loops struct {
	all  []*loop
	next atomic.Uint32 // the loop of the next socket that no loop has accepted

	mu  sync.Mutex
	own map[net.Listener]*acceptor
}

// shared is the Loops of the process, and how many use it.
var shared sharedLoops

type sharedLoops struct {
	mu    sync.Mutex
	loops *Loops // nil while nobody does
	users int
}

// loop is one goroutine and the sockets that it waits for.
type loop struct {
	of            *Loops
	epoll, wakeup int
	file          *os.File // of epoll, by which Go's own poller waits for it
	raw           syscall.RawConn
	self          uintptr // the goroutine
	take          func(listener uintptr)
	taken         taken // what take has accepted
	turning       Turn
	buf           *pool.Buf
	listeners     map[int]*acceptor
	accepted      bool      // there was news of a listener since the loop has looked for some
	ready         []*Socket // that get another turn, without news of the kernel
	repeated      []*Socket // those whose other turn it is
	begun         []*Socket // that connect, and have begun to since the loop has looked for news
	events        [256]syscall.EpollEvent
	open          atomic.Int64 // its sockets that are not closed
	holds         holds

	asleep atomic.Bool // the loop waits for the kernel: a post has to wake it
	mu     sync.Mutex
	posted []post
	ended  bool
}

// post is what another goroutine wants of a loop.
type post struct {
	s     *Socket
	on    Turner
	drive bool      // on is the socket's Turner from now on
	from  *acceptor // to be registered, or to be registered again
}

// acceptor is a listener.
type acceptor struct {
	raw    syscall.RawConn
	accept func(net.Conn)
	mu     sync.Mutex
	gone   bool           // Unlisten was called
	inHand sync.WaitGroup // loops that take a connection, until accept has it
}

// begin begins to take a connection, which inHand.Done ends. It returns false behind Unlisten.
func (a *acceptor) begin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return false
	}
	a.inHand.Add(1)
	return true
}

// taken is what one call of accept4 has given.
type taken struct {
	fd    int
	from  peer
	errno syscall.Errno
}

// isListener in an event's second word tells a listener from a socket.
const isListener = 1

// NewLoops returns the Loops of the process, with a loop for each processor that Go uses; nil
// where the system refuses. Each caller closes it.
func NewLoops() *Loops {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.loops == nil {
		ls := startLoops()
		if ls == nil {
			return nil
		}
		shared.loops = ls
	}
	shared.users++
	return shared.loops
}

func startLoops() *Loops {
	ls := new(Loops)
	for range runtime.GOMAXPROCS(0) {
		l, err := newLoop()
		if err != nil {
			for _, l := range ls.all {
				l.close()
			}
			return nil
		}
		l.of = ls
		ls.all = append(ls.all, l)
	}
	for _, l := range ls.all {
		go l.run()
	}
	return ls
}

// Close tells that the caller needs the loops no more. Behind the last one they end, each with
// its last socket.
func (ls *Loops) Close() { shared.leave() }

func (x *sharedLoops) leave() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.users--; x.users == 0 {
		x.loops.end()
		x.loops = nil
	}
}

func (ls *Loops) end() {
	for _, l := range ls.all {
		l.mu.Lock()
		l.ended = true
		l.mu.Unlock()
		l.wake()
	}
}

func newLoop() (*loop, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	wakeup, _, errno := syscall.RawSyscall(syscall.SYS_EVENTFD2, 0, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if errno != 0 {
		syscall.Close(epoll)
		return nil, errno
	}
	l := &loop{epoll: epoll, wakeup: int(wakeup), listeners: make(map[int]*acceptor)}
	l.take = func(listener uintptr) { l.taken.fd, l.taken.from, l.taken.errno = accept(listener) }
	syscall.SetNonblock(epoll, true) // which tells os.NewFile that it can be waited for
	l.file = os.NewFile(uintptr(epoll), "epoll")
	if l.raw, err = l.file.SyscallConn(); err == nil {
		err = l.watch(int(wakeup), syscall.EPOLLIN|edge, 0)
	}
	if err == nil {
		err = l.file.SetReadDeadline(time.Time{}) // fails where it cannot be waited for
	}
	if err != nil {
		l.close()
	}
	return l, err
}

func (l *loop) close() {
	l.file.Close()
	syscall.Close(l.wakeup)
}

// edge is EPOLLET, which package syscall has as a negative number.
const edge = 1 << 31

// exclusive is EPOLLEXCLUSIVE: a connection wakes one loop, not all.
const exclusive = 1 << 28

func (l *loop) watch(fd int, events uint32, mark int32) error {
	ev := syscall.EpollEvent{Events: events, Fd: int32(fd), Pad: mark}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_CTL, uintptr(l.epoll), syscall.EPOLL_CTL_ADD, uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("epoll_ctl", errno)
	}
	return nil
}

// Listen lets the loops accept the connections of l, each of which is given to accept by
// the goroutine of its loop. accept calls Drive. The loops stop to accept when l, which is a
// socket, is closed.
func (ls *Loops) Listen(l net.Listener, accept func(net.Conn)) error {
	raw, err := l.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	if err = inherit(raw, l.Addr()); err == nil {
		a := &acceptor{raw: raw, accept: accept}
		ls.mu.Lock()
		if ls.own == nil {
			ls.own = make(map[net.Listener]*acceptor)
		}
		ls.own[l] = a
		ls.mu.Unlock()
		for _, l := range ls.all {
			l.post(post{from: a})
		}
	}
	return err
}

// Unlisten makes the loops let go of a listener that is about to be closed. They would go on
// to be told of its connections where another descriptor, of another process maybe, is of the
// same socket. given waits until what they have taken from it was given to accept; a loop may not call it, nor
// who has a lock that accept needs.
func (ls *Loops) Unlisten(l net.Listener) (given func()) {
	ls.mu.Lock()
	a := ls.own[l]
	delete(ls.own, l)
	ls.mu.Unlock()
	if a == nil {
		return func() {}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone = true
	a.raw.Control(func(fd uintptr) {
		for _, l := range ls.all {
			syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_DEL, int(fd), nil)
		}
	})
	return a.inHand.Wait
}

// post leaves something to the loop.
func (l *loop) post(p post) {
	l.mu.Lock()
	l.posted = append(l.posted, p)
	l.mu.Unlock()
	l.wake()
}

// wake lets the loop look at what was posted. The loop says that it is asleep and then looks
// at what was posted; who posts does so first and then asks: so one sees the other.
func (l *loop) wake() {
	if l.asleep.Load() && l.asleep.Swap(false) {
		one := [8]byte{1}
		syscall.RawSyscall(syscall.SYS_WRITE, uintptr(l.wakeup), uintptr(unsafe.Pointer(&one)), 8)
	}
}

// run is the goroutine of the loop. It waits, as for any other descriptor, in Go's own poller: a thread that waits in a
// call of ours would cost more, since Go's scheduler has to take the processor away from it each time.
//
// All the work is done inside the poller's call, which forgets what it was told when it begins and not when it waits. So a
// loop that has looked for news once, and has handled it, waits without looking again: what has come
// meanwhile wakes it. That saves two of four system calls where each piece of news comes alone.
func (l *loop) run() {
	l.self = goroutine()
	running.add(l)
	defer running.remove(l)
	defer l.close()
	l.raw.Read(func(uintptr) (ended bool) { return l.work() })
}

// work does what there is to do, until the loop has to wait. It reports whether the loop has ended.
func (l *loop) work() (ended bool) {
	for {
		l.asleep.Store(false)
		if l.takePosted() {
			return true
		}
		clear(l.begun)
		l.begun = l.begun[:0]
		n := l.poll()
		for i := range l.events[:n] {
			l.news(&l.events[i])
		}
		l.repeat()
		if n == len(l.events) || len(l.ready) > 0 || l.accepted {
			l.accepted = false
			continue
		}
		l.asleep.Store(true)
		l.mu.Lock()
		posted := len(l.posted) > 0 || l.ended && l.open.Load() == 0 // behind the last socket's end: see leave
		l.mu.Unlock()
		if !posted {
			return false
		}
	}
}

func (l *loop) poll() int {
	r, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events)), uintptr(len(l.events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(r)
}

// takePosted does what other goroutines have left. It reports whether the loop has ended.
func (l *loop) takePosted() (ended bool) {
	empty := l.open.Load() == 0 // before: a socket that is closed posts its last turn, and then is not counted
	l.mu.Lock()
	posted := l.posted
	l.posted = nil
	ended = l.ended
	l.mu.Unlock()
	for _, p := range posted {
		switch {
		case p.from != nil:
			l.listen(p.from)
		case p.drive:
			p.s.DriveHere(p.on)
			l.turn(p.s)
		default:
			p.s.set(again, false)
			l.turn(p.s)
		}
	}
	return ended && empty
}

// news is called with what the kernel tells of a socket.
func (l *loop) news(ev *syscall.EpollEvent) {
	fd := int(ev.Fd)
	switch {
	case ev.Pad == isListener: // this is no edge: there may be more that is told of only to who asks
		l.accepted = true
		l.accept(fd)
		return
	case fd == l.wakeup: // it counts on, as each write to it is news
		return
	}
	s := sockets.of(fd)
	if s == nil || s.loop.Load() != l { // the descriptor has another socket meanwhile, or this one another loop
		return
	}
	if s.connecting && slices.Contains(l.begun, s) { // it is of a socket that was closed since, and had the descriptor
		return
	}
	const ends = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
	if ev.Events&ends != 0 {
		s.set(peerEnded, true)
	}
	switch {
	case ev.Events&(syscall.EPOLLIN|ends) != 0:
		s.drained = false
	case s.connecting:
		s.drained = newsIsSure
	}
	if w := s.waits.Load(); w != nil {
		if ev.Events&(syscall.EPOLLIN|ends) != 0 {
			w.news(reads)
		}
		if ev.Events&(syscall.EPOLLOUT|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
			w.news(writes)
		}
	}
	switch {
	case s.connecting: // so nobody moves it
		s.connecting = false
		l.turn(s)
	case ev.Events&(syscall.EPOLLIN|ends) != 0:
		l.turn(s)
	}
}

// turn gives a socket its turn.
func (l *loop) turn(s *Socket) {
	open := s.hold()
	if !open {
		sockets.forget(s)
	}
	switch {
	case !s.is(driven):
	case s.loop.Load() != l: // Join has moved it
		s.Again()
	default:
		l.turnOf(s, open)
	}
	if open {
		s.release()
	}
}

// turnOf gives a socket that is driven its turn. open says that it is not closed.
func (l *loop) turnOf(s *Socket, open bool) {
	if l.buf == nil {
		l.buf = pool.Get(turnRead)
	}
	t := &l.turning
	*t = Turn{Socket: s, FD: uintptr(s.fd), Buf: l.buf}
	if !open {
		t.FD = NoSocket
	}
	l.buf = nil
	s.on.Turn(t)
	l.buf = t.Buf
	if open && t.Again && s.on != nil && !s.repeats {
		s.repeats = true
		l.ready = append(l.ready, s)
	}
}

// repeat gives a turn to those who have more to read: one to each, however many it has had for news.
func (l *loop) repeat() {
	l.ready, l.repeated = l.repeated[:0], l.ready
	for i, s := range l.repeated {
		if s.is(driven) && s.loop.Load() == l { // otherwise Join may move it
			s.repeats = false
		}
		l.turn(s)
		l.repeated[i] = nil
	}
}

// Accepting.

// listen begins to accept the connections of a listener, unless it is closed.
func (l *loop) listen(a *acceptor) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return
	}
	a.raw.Control(func(fd uintptr) {
		l.listeners[int(fd)] = a
		l.watch(int(fd), syscall.EPOLLIN|exclusive, isListener)
	})
}

// acceptMost is how many connections a loop accepts in a row.
const acceptMost = 64

// acceptPause is how long a loop waits after accept4 has failed, for lack of descriptors
// mostly: the connections wait in the socket's queue.
const acceptPause = 50 * time.Millisecond

// accept takes connections from a listener.
func (l *loop) accept(listener int) {
	a := l.listeners[listener]
	for range acceptMost {
		if !l.acceptOne(a) {
			return
		}
	}
}

// acceptOne takes a connection, and gives it to accept. It reports whether there may be another one.
func (l *loop) acceptOne(a *acceptor) (more bool) {
	if !a.begin() {
		return false
	}
	defer a.inHand.Done()
	switch c := l.takeFrom(a); c.errno {
	case 0:
		if s, err := newSocket(l.forNext(), c.fd, c.from, nil); err == nil {
			a.accept(s)
		}
	case syscall.EAGAIN, syscall.EBADF, syscall.EINVAL: // the latter two: it is closed
		return false
	case syscall.ECONNABORTED, syscall.EINTR:
	default:
		l.pauseAccept(a)
		return false
	}
	return true
}

// takeFrom takes a connection from the system. It borrows the listener's descriptor, as the news may be old, and the number that
// of another listener by now; and for no longer than the call takes, as who closes the listener waits for that, maybe with
// a lock that the new connection needs.
func (l *loop) takeFrom(a *acceptor) *taken {
	if a.raw.Control(l.take) != nil {
		l.taken.errno = syscall.EBADF
	}
	return &l.taken
}

// forNext returns the loop that gets the next connection that l accepts: l, unless it has far more
// than another one. The kernel tells the same loop of all connections that come one by one.
func (l *loop) forNext() *loop {
	least := l
	for _, x := range l.of.all {
		if x.open.Load() < least.open.Load() {
			least = x
		}
	}
	if n := least.open.Load(); l.open.Load() <= n+n/8+leastApart {
		return l
	}
	return least
}

// leastApart is how many connections more a loop may always have than another one.
const leastApart = 32

// accept accepts a connection. The runtime is told of the call: it waits in the kernel where
// another process that has the socket too has made it blocking.
func accept(listener uintptr) (fd int, from peer, errno syscall.Errno) {
	var at syscall.RawSockaddrAny
	size := uint32(unsafe.Sizeof(at))
	r, _, errno := syscall.Syscall6(syscall.SYS_ACCEPT4, listener, uintptr(unsafe.Pointer(&at)), uintptr(unsafe.Pointer(&size)), syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0, 0)
	from.set(&at)
	return int(r), from, errno
}

// pauseAccept lets a listener rest.
func (l *loop) pauseAccept(a *acceptor) {
	a.raw.Control(func(fd uintptr) { syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_DEL, int(fd), nil) })
	time.AfterFunc(acceptPause, func() { l.post(post{from: a}) })
}

// loops are all that run.
type loops struct {
	mu  sync.Mutex
	all atomic.Pointer[[]*loop]
}

var running loops

func (ls *loops) change(f func([]*loop) []*loop) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	var all []*loop
	if was := ls.all.Load(); was != nil {
		all = append(all, *was...)
	}
	all = f(all)
	ls.all.Store(&all)
}

func (ls *loops) add(l *loop) {
	ls.change(func(all []*loop) []*loop { return append(all, l) })
}

func (ls *loops) remove(l *loop) {
	ls.change(func(all []*loop) []*loop { return slices.DeleteFunc(all, func(x *loop) bool { return x == l }) })
}

// onLoop reports whether the caller is the goroutine of a loop.
func onLoop() bool { return thisLoop() != nil }

// thisLoop returns the loop whose goroutine the caller is, nil where it is none's.
func thisLoop() *loop {
	all := running.all.Load()
	if all == nil {
		return nil
	}
	self := goroutine()
	for _, l := range *all {
		if l.self == self {
			return l
		}
	}
	return nil
}

// goroutine returns the address of the runtime's structure of the goroutine that calls, by
// which it can be told from others as long as it runs.
func goroutine() uintptr
