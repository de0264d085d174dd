package main

import (
	"net"
	"os"
	"strings"
	"testing"
)

// The server readme is the program in README.md, of which only the port is changed.
func TestReadmeExample(t *testing.T) {
	got, err := readmeExample("..")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```go\n"+strings.Replace(got, anyPort, readmePort, 1)+"```\n") {
		t.Errorf("it is\n%s", got)
	}
	if _, err := readmeExample(t.TempDir()); err == nil {
		t.Error("no README.md, no error")
	}
}

func TestListening(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if addr, err := listening(t.Context(), os.Getpid()); addr != l.Addr().String() || err != nil {
		t.Errorf("%s, %v, not %s", addr, err, l.Addr())
	}
	l.Close()
	if addr := listeningAt(os.Getpid()); addr != "" {
		t.Errorf("then it listens on %s", addr)
	}
}
