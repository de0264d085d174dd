//go:build unix

package generation

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// launch starts the program with these sockets, and returns the process and the parent's end
// of the pair. Its descriptors are those of sd_listen_fds(3) from 3 on, then the pair, then
// the other sockets.
func (u *Upgrade) launch() (p *os.Process, nc net.Conn, err error) {
	if os.Getpid() == 1 {
		return nil, nil, errors.New("the program is the first process of a container, which ends with it: replace the container")
	}
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for _, s := range u.Systemd {
		if files, err = appendSocket(files, s); err != nil {
			return nil, nil, err
		}
	}
	own, pair, err := socketPair()
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			own.Close()
		}
	}()
	files = append(files, pair)
	for _, s := range u.Sockets {
		if files, err = appendSocket(files, s); err != nil {
			return nil, nil, err
		}
	}
	cmd := &exec.Cmd{
		Path: u.Program.Path, Args: u.Program.Args, Dir: u.Program.Dir, Env: u.environ(),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		ExtraFiles: files, SysProcAttr: attributes(),
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	reap(cmd.Process)
	return cmd.Process, own, nil
}

// environ is the environment of the successor.
func (u *Upgrade) environ() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "LISTEN_") {
			env = append(env, v)
		}
	}
	env = append(env, envPair+"="+strconv.Itoa(firstDescriptor+len(u.Systemd)))
	if len(u.Systemd) > 0 {
		var names []string
		for _, s := range u.Systemd {
			names = append(names, s.Name)
		}
		env = append(env, "LISTEN_FDS="+strconv.Itoa(len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	}
	return env
}

// appendSocket appends a duplicate of a socket. Neither that nor starting a process with it
// makes the socket blocking, not even for a moment: the mode is of the socket, which the
// accepting goroutines of this process have too, and one that blocks would not notice that its
// listener is closed. (The File method of a listener marks its duplicate for blocking mode;
// os.NewFile leaves a socket as it is.)
func appendSocket(files []*os.File, s Socket) ([]*os.File, error) {
	c, ok := s.Listener.(syscall.Conn)
	if !ok {
		return files, fmt.Errorf("socket %s: %T has no descriptor", s.Name, s.Listener)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return files, fmt.Errorf("socket %s: %w", s.Name, err)
	}
	fd, dup := 0, error(nil)
	if err := errors.Join(raw.Control(func(own uintptr) { fd, dup = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, firstDescriptor) }), dup); err != nil {
		return files, fmt.Errorf("socket %s: %w", s.Name, err)
	}
	return append(files, os.NewFile(uintptr(fd), s.Name)), nil
}

// socketPair returns the parent's end and the successor's.
func socketPair() (net.Conn, *os.File, error) {
	syscall.ForkLock.RLock()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(pair[0])
		syscall.CloseOnExec(pair[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	own := os.NewFile(uintptr(pair[0]), "pair")
	defer own.Close()
	other := os.NewFile(uintptr(pair[1]), "pair")
	nc, err := net.FileConn(own)
	if err != nil {
		other.Close()
	}
	return nc, other, err
}

// inheritSocket makes a listener of a descriptor that the parent has passed.
func inheritSocket(fd int, name string) (net.Listener, error) {
	syscall.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	return net.FileListener(f)
}

// inheritPair makes a connection of the descriptor of the pair.
func inheritPair(fd int) (net.Conn, error) {
	syscall.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), "pair")
	defer f.Close()
	return net.FileConn(f)
}
