// Console-crowd are the clients that test/console looks at: some of every version that talk,
// and some of whose User-Agents, paths and messages are those of an attacker on the console's page.
//
//	console-crowd [-flood] ws://127.0.0.1:PORT
//
// It prints "open" when all are connected, and ends when its input does. With -flood one
// client of rfc6455, on /echo/flood, sends a thousand messages a second.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/draftwire/draftwire"
)

const hostile = "<img src=x onerror=window.hacked=1>"

var agents = []string{
	"Mozilla/5.0 (SMART-TV; X11; Linux i686) AppleWebKit/534.7 (KHTML, like Gecko) Version/5.0 Safari/534.7",
	"Mozilla/5.0 (iPad; CPU OS 5_1 like Mac OS X) AppleWebKit/534.46 (KHTML, like Gecko) Version/5.1 Mobile/9B176 Safari/7534.48.3",
	"Mozilla/5.0 (X11; Linux x86_64; rv:6.0) Gecko/20100101 Firefox/6.0",
	"Kiosk/2.1 (panel 7)", hostile,
}

func main() {
	flood := flag.Bool("flood", false, "one client sends a thousand messages a second")
	flag.Parse()
	if err := crowd(flag.Arg(0), *flood); err != nil {
		fmt.Fprintln(os.Stderr, "console-crowd:", err)
		os.Exit(1)
	}
}

func crowd(url string, flood bool) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	versions := draftwire.AllVersions.List()
	if err := talkers(ctx, url, versions, flood); err != nil {
		return err
	}
	fmt.Println("open")
	io.Copy(io.Discard, os.Stdin)
	return nil
}

// dial connects in a version, from an address of its own.
func dial(ctx context.Context, url string, v draftwire.Version, i int) (*draftwire.Conn, error) {
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i))}}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	header := http.Header{}
	if agent := agents[i%len(agents)]; i%11 != 0 {
		header["User-Agent"] = []string{agent}
	}
	c, _, err := draftwire.Dial(ctx, url, &draftwire.DialOptions{
		Version: v, Origin: "http://kiosk.example", Header: header,
		NetDial: from.DialContext, Limits: draftwire.Limits{HandshakeTimeout: time.Minute},
	})
	return c, err
}

// talkers opens two clients of each version that say something each second, and a room in which
// rfc6455 sends binary messages that hixie-76 cannot have. One client is refused.
func talkers(ctx context.Context, url string, versions []draftwire.Version, flood bool) error {
	for i, v := range versions {
		for j := range 2 {
			path := fmt.Sprintf("/echo/talk/%s/%d?q=%s", v, j, "%3Cimg%20src=x%20onerror=window.hacked=1%3E")
			c, err := dial(ctx, url+path, v, 2*i+j+1)
			if err != nil {
				return fmt.Errorf("%s: %w", v, err)
			}
			go say(ctx, c, time.Second, fmt.Sprintf(`{"from":%q,"text":"%s"}`, v, hostile))
			go listen(ctx, c)
		}
	}
	listener, err := dial(ctx, url+"/room/1", draftwire.Hixie76, 3)
	if err != nil {
		return err
	}
	go listen(ctx, listener)
	speaker, err := dial(ctx, url+"/room/1", draftwire.RFC6455, 2)
	if err != nil {
		return err
	}
	go listen(ctx, speaker)
	go func() {
		for ctx.Err() == nil {
			speaker.Write(ctx, draftwire.OpBinary, []byte{0, 1, 2, 0xff, '<', 'b', '>'})
			speaker.Write(ctx, draftwire.OpText, []byte("a text for the room "+hostile))
			speaker.Ping(ctx)
			pause(ctx, 500*time.Millisecond)
		}
	}()
	if _, err := dial(ctx, url+"/nowhere/"+"%3Cimg%20src=x%3E", draftwire.Hixie76, 4); err == nil {
		return fmt.Errorf("a client without a route was served")
	}
	if flood {
		c, err := dial(ctx, url+"/echo/flood", draftwire.RFC6455, 1)
		if err != nil {
			return err
		}
		go listen(ctx, c)
		go say(ctx, c, time.Millisecond, "a message of a flood")
	}
	return nil
}

func say(ctx context.Context, c *draftwire.Conn, every time.Duration, text string) {
	for n := 1; ctx.Err() == nil; n++ {
		if c.Write(ctx, draftwire.OpText, []byte(fmt.Sprintf("%d %s", n, text))) != nil {
			return
		}
		pause(ctx, every)
	}
}

func listen(ctx context.Context, c *draftwire.Conn) {
	c.ReadLoop(ctx, func(draftwire.Op, []byte) error { return nil })
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
