package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"
)

func (p *program) upgradeCommand() command {
	return command{
		name: "upgrade", usage: "start the binary of a running gateway again, without closing a connection",
		about: "The gateway starts its binary again, from the same path and with the same arguments, and passes its listening sockets to the new process. " +
			"That reads the configuration, and says when it serves; then the old process accepts no more clients, and keeps the sessions that it has until they end, " +
			"at most for drain_after (24h). status, report and the metrics show both as one gateway.\n" +
			"If the new process does not serve within upgrade_timeout (30s), it is killed and everything is as it was. " +
			"Exits with 2 if the configuration is wrong, with 1 if the new process failed otherwise, if another upgrade is under way, or where the system cannot do it (Windows, and process 1 of a container). " +
			"SIGUSR2 to the gateway does the same.",
		examples: []example{
			{"install draftwire /usr/bin/ && draftwire upgrade", "a new version"},
			{"draftwire upgrade --wait", "and wait for the last session of the old process"},
		},
		flags: orderFlags(&cli.BoolFlag{Name: "wait", Usage: "wait until the replaced processes have ended"}),
		run:   p.runUpgrade,
	}
}

// upgradePatience is for the answer to the order: the gateway itself bounds an upgrade.
const upgradePatience = 10 * time.Minute

func (p *program) runUpgrade(c *cli.Context) error {
	ctx, stop := interruptible(c.Context, p.signals)
	defer stop()
	err := p.orderWithin(ctx, upgradePatience, c, "upgrade")
	if err == nil && c.Bool("wait") {
		err = p.waitForOlder(ctx, c.String("admin"))
	}
	if context.Cause(ctx) == errInterrupted {
		return &exitError{code: exitInterrupted}
	}
	return err
}

// waitForOlder waits until the gateway is one process.
func (p *program) waitForOlder(ctx context.Context, admin string) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		s, _, err := askStatus(ctx, admin)
		switch {
		case err != nil:
			return err
		case len(s.Generations) < 2:
			fmt.Fprintln(p.out, "the replaced processes have ended")
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
