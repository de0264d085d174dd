package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/draftwire/draftwire"
)

// What passes between a client and a server is explained as it comes, in any version, and
// neither side sees anything of it.
func TestInspectLive(t *testing.T) {
	url, _ := serveOn(t)
	p := start(t, "inspect", "--live", "--listen", "127.0.0.1:0", "--to", url, "--width", "80")
	front := p.err.await(t, `comes to (ws://[^/]+)/ goes to `)[1]
	for i, v := range []draftwire.Version{draftwire.Hixie76, draftwire.RFC6455} {
		c := dial(t, front, v)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := c.Write(ctx, draftwire.OpText, []byte("hello there")); err != nil {
			t.Fatal(err)
		}
		if _, got, err := c.Read(ctx); err != nil || string(got) != "hello there" {
			t.Fatalf("%s: %q, %v", v, got, err)
		}
		p.out.await(t, `(?s)`+strings.Repeat(`"hello there".*"hello there".*`, i+1)) // while it is open
		if err := c.Close(draftwire.CodeNormal, ""); err != nil {
			t.Fatal(err)
		}
		p.out.await(t, `(?s)`+strings.Repeat(`closing: clean.*`, i+1))
	}
	p.signals <- os.Interrupt
	if code := p.wait(t); code != exitDone {
		t.Errorf("exit %d, %s", code, p.err)
	}
	out := p.out.String()
	for _, want := range []string{"Sec-WebSocket-Key1", "hixie-76", "connection 2", "Sec-WebSocket-Accept"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "goes on") || !strings.Contains(p.err.String(), "2 connections, ") {
		t.Errorf("%s\n%s", out, p.err)
	}
}

// Over TLS on both sides, and as lines of JSON.
func TestInspectLiveTLS(t *testing.T) {
	cert, key := certificate(t)
	_, server := serveOn(t, "--tls-cert", cert, "--tls-key", key)
	url := strings.TrimSuffix(server.err.await(t, `"tls_url":"([^"]+)"`)[1], "/")
	p := start(t, "inspect", "--live", "--listen", "127.0.0.1:0", "--to", url, "--insecure", "--tls-cert", cert, "--tls-key", key, "--json")
	front := p.err.await(t, `comes to (wss://[^/]+)/ goes to `)[1]
	if code, out, err := call(t, "hi\n", "client", "--insecure", front+"/"); code != exitDone || !strings.Contains(out, "hi") {
		t.Fatalf("exit %d, %s%s", code, out, err)
	}
	p.out.await(t, `"event":"closing"`)
	p.signals <- os.Interrupt
	if code := p.wait(t); code != exitDone {
		t.Errorf("exit %d, %s", code, p.err)
	}
}

func TestInspectLiveUsage(t *testing.T) {
	for args, want := range map[string]string{
		"":                                      "argument FILE|- [FILE] is missing",
		"--live":                                "--live needs --to",
		"--live --to nosuch":                    "is not a URL",
		"--live --to ws://a/path":               "more than a host and a port",
		"--live --to ws://a x.pcap":             "--live takes no file",
		"--to ws://a -":                         "--to needs --live",
		"--live --to ws://a --listen 127.0.0.1": "missing port",
		"--live --to ws://a --tls-profile museum": "--tls-cert",
	} {
		if code, _, err := call(t, "", append([]string{"inspect"}, strings.Fields(args)...)...); code != exitUsage || !strings.Contains(err, want) {
			t.Errorf("%s: exit %d, %q", args, code, err)
		}
	}
}
