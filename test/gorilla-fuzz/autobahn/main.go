// Autobahn plays cases at an echo server of RFC 6455, in the groups of the Autobahn test suite, whose
// numbers they have. Their frames are made by gobwas/ws and, where messages are compressed, by
// coder/websocket, so that nothing of it is of the library that is tested.
//
//	autobahn URL...
//
// Prints what failed, and how many cases there were. Exit status: 0, or 1 if a case failed.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
)

const patience = 20 * time.Second

// step is what a case sends: frames, in pieces of so many bytes.
type step struct {
	frames []ws.Frame
	piece  int // 0: all at once
}

// want is what has to come of it: frames, and then the end.
type want struct {
	frames []ws.Frame
	// fails: what comes next is a close with one of these codes, or the end of the stream.
	fails []ws.StatusCode
	// closes: the close is answered with this one.
	closes *ws.StatusCode
}

type play struct {
	name string
	step
	want
}

func text(p string) ws.Frame   { return ws.NewTextFrame([]byte(p)) }
func binary(p []byte) ws.Frame { return ws.NewBinaryFrame(p) }

// part is a frame of a message in several.
func part(op ws.OpCode, fin bool, p string) ws.Frame { return ws.NewFrame(op, fin, []byte(p)) }

func code(c ws.StatusCode) *ws.StatusCode { return &c }

var (
	protocol = []ws.StatusCode{ws.StatusProtocolError}
	utf8     = []ws.StatusCode{ws.StatusInvalidFramePayloadData, ws.StatusProtocolError}
)

func cases() (all []play) {
	add := func(name string, s step, w want) { all = append(all, play{name, s, w}) }
	echo := func(name string, piece int, frames ...ws.Frame) {
		add(name, step{frames, piece}, want{frames: frames})
	}
	for _, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
		s := strings.Repeat("*", n)
		echo(fmt.Sprint("1.1 text of ", n), 0, text(s))
		echo(fmt.Sprint("1.2 binary of ", n), 0, binary([]byte(s)))
	}
	echo("1.1.8 text in pieces of 997", 997, text(strings.Repeat("*", 65536)))
	for _, n := range []int{0, 5, 125} {
		p := bytes.Repeat([]byte{0xfe}, n)
		add(fmt.Sprint("2 ping of ", n), step{frames: []ws.Frame{ws.NewPingFrame(p)}}, want{frames: []ws.Frame{ws.NewPongFrame(p)}})
	}
	add("2.5 ping of 126", step{frames: []ws.Frame{ws.NewPingFrame(make([]byte, 126))}}, want{fails: protocol})
	add("2.6 ping, byte by byte", step{[]ws.Frame{ws.NewPingFrame(make([]byte, 125))}, 1}, want{frames: []ws.Frame{ws.NewPongFrame(make([]byte, 125))}})
	add("2.8 pong that nobody asked for", step{frames: []ws.Frame{ws.NewPongFrame([]byte("x")), ws.NewPingFrame([]byte("y"))}}, want{frames: []ws.Frame{ws.NewPongFrame([]byte("y"))}})
	for rsv := byte(1); rsv < 8; rsv++ {
		f := text("reserved")
		f.Header.Rsv = rsv
		add(fmt.Sprint("3 reserved bits ", rsv), step{frames: []ws.Frame{f}}, want{fails: protocol})
	}
	for _, op := range []ws.OpCode{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		add(fmt.Sprint("4 opcode ", op), step{frames: []ws.Frame{ws.NewFrame(op, true, nil)}}, want{fails: protocol})
	}
	add("5.1 ping in two frames", step{frames: []ws.Frame{part(ws.OpPing, false, "a"), part(ws.OpContinuation, true, "b")}}, want{fails: protocol})
	add("5.3 text in two frames", step{frames: []ws.Frame{part(ws.OpText, false, "frag"), part(ws.OpContinuation, true, "ment")}}, want{frames: []ws.Frame{text("fragment")}})
	add("5.5 the same, byte by byte", step{[]ws.Frame{part(ws.OpText, false, "frag"), part(ws.OpContinuation, true, "ment")}, 1}, want{frames: []ws.Frame{text("fragment")}})
	add("5.6 a ping within", step{frames: []ws.Frame{part(ws.OpText, false, "frag"), ws.NewPingFrame([]byte("p")), part(ws.OpContinuation, true, "ment")}},
		want{frames: []ws.Frame{ws.NewPongFrame([]byte("p")), text("fragment")}})
	add("5.9 a continuation of nothing", step{frames: []ws.Frame{part(ws.OpContinuation, true, "x"), text("y")}}, want{fails: protocol})
	add("5.18 text within text", step{frames: []ws.Frame{part(ws.OpText, false, "x"), text("y")}}, want{fails: protocol})
	echo("6.1 nothing in three frames", 0, text(""))
	for i, s := range []string{"κόσμε", "\U0010ffff", "\U00010000", "�", "Hello-µ@ßöäüàá-UTF-8!!"} {
		echo(fmt.Sprint("6.2 UTF-8 ", i), 0, text(s))
		cut := len(s) - 1 // in a character
		add(fmt.Sprint("6.2 UTF-8, cut ", i), step{frames: []ws.Frame{part(ws.OpText, false, s[:cut]), part(ws.OpContinuation, true, s[cut:])}}, want{frames: []ws.Frame{text(s)}})
	}
	for i, s := range []string{"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", "\xff", "\xc0\xaf", "\xf4\x90\x80\x80", "\xed\xbf\xbf", "\xce", "\xf8\x88\x80\x80\x80"} {
		add(fmt.Sprint("6.3 no UTF-8 ", i), step{frames: []ws.Frame{text(s)}}, want{fails: utf8})
	}
	closing := func(body []byte) step { return step{frames: []ws.Frame{ws.NewCloseFrame(body)}} }
	for _, c := range []ws.StatusCode{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		add(fmt.Sprint("7.7 close ", c), closing(ws.NewCloseFrameBody(c, "bye")), want{closes: code(c)})
	}
	for _, c := range []ws.StatusCode{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535} {
		add(fmt.Sprint("7.9 close ", c), closing(ws.NewCloseFrameBody(c, "")), want{fails: protocol})
	}
	add("7.1.1 text, then close", step{frames: []ws.Frame{text("x"), ws.NewCloseFrame(ws.NewCloseFrameBody(1000, ""))}}, want{frames: []ws.Frame{text("x")}, closes: code(1000)})
	add("7.1.2 two closes", step{frames: []ws.Frame{ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "")), ws.NewCloseFrame(ws.NewCloseFrameBody(1000, ""))}}, want{closes: code(1000)})
	add("7.1.3 a ping behind the close", step{frames: []ws.Frame{ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "")), ws.NewPingFrame(nil)}}, want{closes: code(1000)})
	add("7.3.1 a close without code", closing(nil), want{closes: code(0)})
	add("7.3.4 a reason of 123", closing(ws.NewCloseFrameBody(1000, strings.Repeat("*", 123))), want{closes: code(1000)})
	add("7.3.6 a reason of 124", closing([]byte("\x03\xe8"+strings.Repeat("*", 124))), want{fails: protocol})
	add("7.5.1 a reason that is no UTF-8", closing(ws.NewCloseFrameBody(1000, "\xce\xba\xed\xa0\x80")), want{fails: utf8})
	big := strings.Repeat("*", 1<<20)
	echo("9.1 text of 1 MiB", 0, text(big))
	echo("9.2 binary of 4 MiB", 0, binary([]byte(strings.Repeat(big, 4))))
	var cut []ws.Frame
	for i := 0; i < len(big); i += 4096 {
		op := ws.OpContinuation
		if i == 0 {
			op = ws.OpText
		}
		cut = append(cut, part(op, i+4096 == len(big), big[i:i+4096]))
	}
	add("9.3 1 MiB in frames of 4 KiB", step{frames: cut}, want{frames: []ws.Frame{text(big)}})
	return all
}

// run plays one case.
func (c *play) run(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	nc, br, _, err := ws.Dial(ctx, url)
	if err != nil {
		return err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	var in io.Reader = nc
	if br != nil {
		in = io.MultiReader(br, nc)
	}
	sent := make(chan error, 1)
	go func() { sent <- c.send(nc) }()
	for _, w := range c.want.frames {
		f, err := message(in)
		if err != nil {
			return fmt.Errorf("in place of %d bytes: %w", len(w.Payload), err)
		}
		if f.Header.OpCode != w.Header.OpCode || !bytes.Equal(f.Payload, w.Payload) {
			return fmt.Errorf("got %v of %d bytes, want %v of %d", f.Header.OpCode, len(f.Payload), w.Header.OpCode, len(w.Payload))
		}
	}
	if c.fails == nil && c.closes == nil {
		return <-sent
	}
	f, err := message(in)
	switch {
	case err != nil && c.fails != nil && !isTimeout(err):
		return nil // it has left
	case err != nil:
		return err
	case f.Header.OpCode != ws.OpClose:
		return fmt.Errorf("got %v of %d bytes, want a close", f.Header.OpCode, len(f.Payload))
	}
	got, _ := ws.ParseCloseFrameData(f.Payload)
	if c.closes != nil && got != *c.closes {
		return fmt.Errorf("answered with %d", got)
	}
	if c.fails != nil {
		ok := false
		for _, want := range c.fails {
			ok = ok || got == want
		}
		if !ok {
			return fmt.Errorf("failed with %d", got)
		}
	}
	if _, err := message(in); err == nil || isTimeout(err) {
		return errors.New("the server does not end the stream")
	}
	return nil
}

// send sends the frames, masked.
func (c *play) send(nc net.Conn) error {
	var b bytes.Buffer
	for _, f := range c.step.frames {
		f.Payload = bytes.Clone(f.Payload) // the mask is applied where it is
		if err := ws.WriteFrame(&b, ws.MaskFrameInPlace(f)); err != nil {
			return err
		}
	}
	for b.Len() > 0 {
		n := b.Len()
		if c.piece > 0 {
			n = min(n, c.piece)
		}
		if _, err := nc.Write(b.Next(n)); err != nil {
			return err
		}
	}
	return nil
}

// message reads a message, in however many frames it comes, or a control frame before it.
func message(r io.Reader) (whole ws.Frame, err error) {
	begun := false
	for {
		f, err := ws.ReadFrame(r)
		if err != nil {
			return f, err
		}
		switch {
		case f.Header.OpCode.IsControl():
			if begun {
				return f, errors.New("a control frame within an echo")
			}
			return f, nil
		case !begun:
			whole, begun = f, true
		default:
			whole.Payload = append(whole.Payload, f.Payload...)
		}
		if f.Header.Fin {
			return whole, nil
		}
	}
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

// compressed plays groups 12 and 13: messages that are compressed.
func compressed(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{CompressionMode: websocket.CompressionNoContextTakeover, CompressionThreshold: 1})
	if err != nil {
		return err
	}
	defer c.CloseNow()
	if resp.Header.Get("Sec-WebSocket-Extensions") == "" {
		return errors.New("compression was not agreed on")
	}
	c.SetReadLimit(1 << 20)
	for _, n := range []int{16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072} {
		p := []byte(strings.Repeat("{\"a\": [1, 2, 3]} and ", n/20+1))[:n]
		for range 10 {
			if err := c.Write(ctx, websocket.MessageText, p); err != nil {
				return err
			}
			kind, got, err := c.Read(ctx)
			if err != nil {
				return err
			}
			if kind != websocket.MessageText || !bytes.Equal(got, p) {
				return fmt.Errorf("%d bytes come back as %d", n, len(got))
			}
		}
	}
	return c.Close(websocket.StatusNormalClosure, "")
}

func main() {
	all, failed := cases(), 0
	for _, url := range os.Args[1:] {
		for _, c := range all {
			if err := c.run(url); err != nil {
				failed++
				fmt.Printf("%s %s: %v\n", url, c.name, err)
			}
		}
		if err := compressed(url); err != nil {
			failed++
			fmt.Printf("%s 12 compressed: %v\n", url, err)
		}
	}
	fmt.Printf("%d cases at %d URLs, %d failed\n", len(all)+1, len(os.Args)-1, failed)
	if failed > 0 {
		os.Exit(1)
	}
}
