package main

import (
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// On a terminal lines are in colour, those of logrus and those of connections alike, and each
// is there at once.
func TestLogOnATerminal(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer master.Close()
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Skip(err)
	}
	terminal, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer terminal.Close()
	t.Setenv("NO_COLOR", "")
	log, err := newLogger(terminal, logOptions{level: "info", format: "auto"})
	if err != nil {
		t.Fatal(err)
	}
	j := newJournal(log)
	stop := writeBehind(log)
	shown := newStream()
	go io.Copy(shown, master)
	if !j.out.eager || j.style != colourStyle {
		t.Errorf("style %d, eager %t", j.style, j.out.eager)
	}
	log.WithField("a", 1).Info("serving")
	const head = "\x1b\\[36mINFO\x1b\\[0m\\[[0-9:]{8}\\] "
	shown.await(t, head+"serving +\x1b\\[36ma\x1b\\[0m=1\r\n")
	var l line
	l.begin(j.style, time.Now(), "connection")
	l.number("b", 2)
	l.finish()
	j.out.add(l.b)
	shown.await(t, head+"connection +\x1b\\[36mb\x1b\\[0m=2\r\n")
	stop()
}
