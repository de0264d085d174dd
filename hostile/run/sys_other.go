//go:build !unix

package main

import (
	"context"
	"net"
	"syscall"
)

func readBorrowed(c net.Conn, feed func([]byte)) (int, error) { return readPlain(c, feed) }

func smallReceiveBuffer(context.Context, string, string, syscall.RawConn) error { return nil }

func isWant(error) bool { return false }

func mostDescriptors() int { return 16384 }
