package main

import (
	"bytes"
	"net"
	"sync"
	"syscall"
)

// answer is the fixed answer of raw: the accept is that of the key which the
// load generator always sends, the one in RFC 6455.
const answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

// serveRaw is what any server does at least: it takes bytes and gives them
// back, and knows of the protocol that a head ends with a blank line.
func serveRaw(l net.Listener, _ options) error {
	var room room[net.Conn]
	return acceptEach(l, func(nc net.Conn) {
		defer nc.Close()
		head, err := readHead(nc)
		if err != nil {
			return
		}
		if _, err := nc.Write([]byte(answer)); err != nil {
			return
		}
		if bytes.HasPrefix(head, []byte("GET "+roomPath)) {
			room.join(nc)
			defer room.leave(nc)
			copyBytes(nc, func(p []byte) error {
				room.each(func(nc net.Conn) error { _, err := nc.Write(p); return err })
				return nil
			})
			return
		}
		copyBytes(nc, func(p []byte) error { _, err := nc.Write(p); return err })
	})
}

func readHead(nc net.Conn) ([]byte, error) {
	head := make([]byte, 0, 1024)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if len(head) == cap(head) {
			return nil, syscall.EMSGSIZE
		}
		n, err := nc.Read(head[len(head):cap(head)])
		if err != nil {
			return nil, err
		}
		head = head[:len(head)+n]
	}
	return head, nil
}

var rawBuffers = sync.Pool{New: func() any { b := make([]byte, 128<<10); return &b }}

// copyBytes gives what comes to write. It borrows a buffer when there are bytes
// to read, so that an idle connection holds none.
func copyBytes(nc net.Conn, write func(p []byte) error) {
	rc, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		return
	}
	var buf *[]byte
	var n int
	var fault error
	read := func(fd uintptr) bool {
		buf = rawBuffers.Get().(*[]byte)
		n, fault = syscall.Read(int(fd), *buf)
		if fault == syscall.EAGAIN {
			rawBuffers.Put(buf)
			return false
		}
		return true
	}
	for {
		if err := rc.Read(read); err != nil {
			return
		}
		if fault == nil && n > 0 {
			fault = write((*buf)[:n])
		}
		rawBuffers.Put(buf)
		if fault != nil || n <= 0 {
			return
		}
	}
}
