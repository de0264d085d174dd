// Soak lets a gateway live for a while: clients of all versions, ordinary requests, peers that
// misbehave, backends that are killed, reloads and upgrades, and looks at what remains.
//
//	go run ./test/soak                 # twenty minutes
//	go run ./test/soak -d 1m
//
// Nothing may go wrong but what a killed backend explains, and in the end there are no
// sessions, no processes but one, and no more descriptors, goroutines and memory than its work
// needs. Everything runs on 127.0.0.1 and ends with the program. It builds the gateway and the
// backend, which uses gorilla/websocket, from the directory of the repository. Linux only.
//
// Each ten seconds it prints a line. Exit status: 0, or 1 with the reasons.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

func main() {
	d := flag.Duration("d", 20*time.Minute, "how long the load lasts")
	binary := flag.String("draftwire", "", "the program, instead of a new build")
	flag.Parse()
	dir, err := os.MkdirTemp("", "soak")
	if err == nil {
		err = soak(dir, *binary, *d)
		os.RemoveAll(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
	fmt.Println("passed")
}

// settle is how long the gateway has, behind the load, to come to rest. Idle connections to
// backends close after 90 seconds.
const settle = 2 * time.Minute

func soak(dir, binary string, d time.Duration) error {
	var err error
	if binary == "" {
		if binary, err = build(dir, "draftwire", ".", "./cmd/draftwire"); err != nil {
			return err
		}
	}
	echo, err := build(dir, "gateway-backend", "test/gateway-backend", ".")
	if err != nil {
		return err
	}
	site, err := newSite()
	if err != nil {
		return err
	}
	defer site.close()
	var backends []*backend
	for range 2 {
		b, err := startBackend(echo, dir)
		if err != nil {
			return err
		}
		defer b.stop()
		backends = append(backends, b)
	}
	g, err := startGateway(binary, dir, site, backends)
	if err != nil {
		return err
	}
	defer g.stop()
	before, err := g.sample()
	if err != nil {
		return err
	}
	fmt.Println("at rest:  ", before)

	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	l := &load{g: g, began: time.Now()}
	var wg sync.WaitGroup
	l.start(ctx, &wg)
	trouble := trouble(ctx, &wg, g, backends, l, d)
	var half sample // when the upgrades had ended
	for tick := time.NewTicker(min(10*time.Second, d/5)); ctx.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-tick.C:
			s, err := g.sample()
			if err != nil {
				return err
			}
			if half.rss == 0 && time.Since(l.began) > d*3/4 {
				half = s
			}
			fmt.Printf("%8v  %v  %v\n", time.Since(l.began).Round(time.Second), s, l)
		}
	}
	last, err := g.sample()
	if err != nil {
		return err
	}
	wg.Wait()
	fmt.Printf("%d upgrades, %d reloads, %d kills of a backend\n", trouble.upgrades, trouble.reloads, trouble.kills)
	if err := l.verdict(); err != nil {
		return err
	}
	if len(trouble.errors) > 0 {
		return fmt.Errorf("%d orders failed, first: %v", len(trouble.errors), trouble.errors[0])
	}
	if last.rss > half.rss+half.rss/4+8<<20 {
		return fmt.Errorf("the gateway grows: from %s to %s in the last quarter", mib(half.rss), mib(last.rss))
	}
	return g.atRest(before, l)
}

// build builds a command of the repository.
func build(dir, name, module, pkg string) (string, error) {
	path := filepath.Join(dir, name)
	cmd := exec.Command("go", "-C", module, "build", "-o", path, pkg)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%v: %v\n%s", cmd, err, out)
	}
	return path, nil
}
