package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

func (p *program) traceCommand() command {
	return command{
		name: "trace", usage: "show the handshakes, messages and frames of chosen clients of a running gateway",
		about: "Shows the heads of refused and of accepted handshakes as they came, with cookies, queries and passwords, and of " +
			"connections that are opened meanwhile the direction, type and length of each message, as its sender has sent it. " +
			"With --frames also the head of each frame from and to the client: operation, opcode, FIN, reserved bits, " +
			"mask and length, or the frame type of hixie. What is in the frames is shown only with --payload. " +
			"At most 4 traces run at a time.",
		examples: []example{
			{"draftwire trace --client 192.0.2.7", "one device, for a minute"},
			{"draftwire trace --path /feed --for 10m --json", "one path, for scripts"},
			{"draftwire trace --client 192.0.2.7 --frames", "the heads of frames too"},
		},
		flags: orderFlags(
			&cli.StringFlag{Name: "client", Usage: "only clients with this `ADDRESS` or of this network"},
			&cli.StringFlag{Name: "path", Usage: "only targets that begin with `PATH`"},
			&cli.DurationFlag{Name: "for", Value: maxTrace / 10, Usage: "how long, at most 10m"},
			&cli.BoolFlag{Name: "frames", Usage: "the heads of frames too"},
			&cli.IntFlag{Name: "payload", Usage: "frames, with the first `N` bytes of what is in each, at most 1024"},
			&cli.BoolFlag{Name: "json", Usage: "print a line of JSON for each event"},
		),
		run: p.trace,
	}
}

func (p *program) trace(c *cli.Context) error {
	q := url.Values{"client": {c.String("client")}, "path": {c.String("path")}, "for": {c.Duration("for").String()}, "payload": {strconv.Itoa(c.Int("payload"))}}
	if c.Bool("frames") || c.Int("payload") > 0 {
		q.Set("frames", "true")
	}
	a, err := orderPort(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context, c.Duration("for")+adminTimeout)
	defer cancel()
	go func() {
		select {
		case <-p.signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	resp, err := a.ask(ctx, http.MethodPost, "/trace?"+q.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return exitf(exitFailure, "the gateway says %d: %s", resp.StatusCode, strings.TrimSpace(string(why)))
	}
	err = p.printTrace(resp.Body, c.Bool("json"))
	if ctx.Err() != nil {
		return nil // interrupted, or over
	}
	return err
}

// printTrace prints the events of a trace as they come.
func (p *program) printTrace(body io.Reader, asJSON bool) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Bytes()
		var e traceEvent
		switch {
		case len(bytes.TrimSpace(line)) == 0: // the gateway has only shown that it is there
		case asJSON:
			fmt.Fprintf(p.out, "%s\n", visibleJSON(line))
		case json.Unmarshal(line, &e) != nil:
			return exitf(exitFailure, "this is not the trace of a gateway")
		default:
			io.WriteString(p.out, e.text())
		}
	}
	return lines.Err()
}
