package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/draftwire/draftwire/usage"
	"github.com/draftwire/draftwire/wire"
	"github.com/urfave/cli/v2"
)

// defaultAdmin is the admin port of a gateway on this machine.
const defaultAdmin = "http://" + adminAddress

const formatText = "text"

// reportOptions are what the report command needs to know.
type reportOptions struct {
	ledgers []string // files
	admins  []adminPort
	format  string
	timeout time.Duration
	asked   bool // for a fleet
	report  usage.ReportOptions
	require wire.Versions // to be safe, or off already
	dryRun  bool
	dry     usage.DryRunOptions
}

func (p *program) reportCommand() command {
	return command{
		name: "report", usage: "list which versions are still in use, and which may be switched off",
		about: "Reads the ledgers of gateways and prints a line for each version: how many clients used it in the time of --since, when the last was seen, " +
			"how that compares with the period before it, and a verdict. A running gateway is asked at its admin port; of one that does not run the file is read. Several are merged.\n" +
			"Verdicts: 'safe to disable' if no client was seen and the gateways watched all the time; 'too early' if they did not; 'ask' if there are a few clients, and getting fewer; " +
			"'keep' if there are clients; 'already off' if all were refused. JSON and CSV have a code for each (safe, too-early, ask, keep, already-off, current) and how far it may be trusted (low, medium, high). " +
			"A '+' after the number of clients means at least that many: there were more than the ledger holds.\n" +
			"TLS is the lowest version that these clients need; none means that some use no TLS.\n" +
			"--dry-run applies a plan to the handshakes of one day, and lists which it would have refused, and of which clients.",
		examples: []example{
			{"draftwire report", "the gateway on this machine"},
			{"draftwire report --list hixie-76", "with the clients of a version"},
			{"draftwire report --admin http://gw-1:9090 --admin http://gw-2:9090 --format html > report.html", "two gateways as a page"},
			{"draftwire report --fleet", "all gateways of its fleet, those too that are no more"},
			{"draftwire report --ledger /var/lib/draftwire/usage.db --since 90d --json", "a gateway that is not running"},
			{"draftwire report --ledger usage.db --on 2026-10-31", "what it would have said then"},
			{"draftwire report --dry-run --plan 'hixie-76=off,hybi-08=sample 10%'", "what would that have refused yesterday?"},
			{"draftwire report --require hixie-75", "a test: exit code 7 if it is still needed"},
		},
		flags: reportFlags(),
		run: func(c *cli.Context) error {
			if _, err := p.logger(c); err != nil {
				return err // its flags are wrong
			}
			o, err := reportOptionsOf(c)
			if err != nil {
				return err
			}
			return runReport(c.Context, o, p.stdio, p.signals)
		},
	}
}

func reportFlags() []cli.Flag {
	from := []cli.Flag{
		&cli.StringSliceFlag{Name: "ledger", DefaultText: "none", Usage: "read the ledger `FILE`, or an export of one"},
		&cli.StringSliceFlag{Name: "admin", DefaultText: defaultAdmin + " without --ledger", Usage: "ask the gateway whose admin port is at `URL`, or HOST:PORT"},
		&cli.DurationFlag{Name: "timeout", Value: 30 * time.Second, Usage: "`TIME` for each gateway's answer"},
		&cli.BoolFlag{Name: "fleet", Usage: "the gateways share the load: what one of them watched counts as watched. One gateway is asked for all of its fleet, if it is in one; exits with 7 if the report has less than one of them has counted"},
	}
	what := []cli.Flag{
		&cli.StringFlag{Name: "since", Value: "30d", Usage: "look at that `TIME`, in whole days, at most 180d"},
		&cli.StringFlag{Name: "list", DefaultText: "none", Usage: "list the clients of `VERSIONS` too"},
		&cli.IntFlag{Name: "few", Value: usage.DefaultFew, Usage: "up to `N` clients are few: they can be asked one by one"},
		&cli.StringFlag{Name: "require", DefaultText: "none", Usage: "exit with 7 unless each of `VERSIONS` is safe to disable or off"},
		&cli.StringFlag{Name: "plan", DefaultText: "none", Usage: "stages joined by commas, a `PLAN` like 'hixie-76=off@2027-01-01,hybi-08=sample 10%'"},
		&cli.StringFlag{Name: "config", DefaultText: "none", Usage: "take the plan from a gateway's configuration `FILE`"},
		&cli.BoolFlag{Name: "dry-run", Usage: "list what the plan would have refused"},
		&cli.StringFlag{Name: "on", DefaultText: "today", Usage: "look at clients and plan as of the end of `DATE`, if the TIME of --since before it is not more than 180 days ago; with --dry-run, at the plan alone"},
		&cli.StringFlag{Name: "day", DefaultText: "yesterday", Usage: "apply the plan to the handshakes of `DATE`"},
	}
	how := []cli.Flag{
		&cli.StringFlag{Name: "format", Value: formatText, Usage: "print `text|json|csv|html`; csv with --list has a line for each client"},
		&cli.BoolFlag{Name: "json", Usage: "the same as --format json"},
	}
	return slices.Concat(from, what, how)
}

// reportOptionsOf reads the flags; what is wrong with them is a usage error.
func reportOptionsOf(c *cli.Context) (reportOptions, error) {
	o := reportOptions{ledgers: c.StringSlice("ledger"), dryRun: c.Bool("dry-run"), format: c.String("format")}
	o.report.Fleet = c.Bool("fleet")
	o.asked = o.report.Fleet
	for _, read := range []func(*cli.Context, *reportOptions) error{readSources, readWindow, readSets, readPlan, readFormat} {
		if err := read(c, &o); err != nil {
			return o, err
		}
	}
	return o, nil
}

func readSources(c *cli.Context, o *reportOptions) (err error) {
	admins := c.StringSlice("admin")
	if len(admins)+len(o.ledgers) == 0 {
		admins = []string{defaultAdmin}
	}
	for _, a := range admins {
		port, err := parseAdmin(a)
		if err != nil {
			return err
		}
		o.admins = append(o.admins, port)
	}
	o.timeout, err = timeFlag(c, "timeout")
	return err
}

func readWindow(c *cli.Context, o *reportOptions) (err error) {
	if o.report.Since, err = parseDays(c.String("since")); err != nil {
		return usagef("--since: %w", err)
	}
	if o.report.Since > usage.MaxSince {
		return usagef("--since: %s is above %dd, as far back as counts are kept", c.String("since"), usage.KeptDays)
	}
	o.report.Few, err = countFlag(c, "few", 1000)
	return err
}

// parseDays reads a time that may be in days: "30d", "12h".
func parseDays(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		if n > 36500 {
			err = strconv.ErrRange
		}
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is not a time like 30d or 12h", s)
	}
	return d, nil
}

func readSets(c *cli.Context, o *reportOptions) (err error) {
	for _, f := range []struct {
		name string
		to   *wire.Versions
	}{{"list", &o.report.List}, {"require", &o.require}} {
		if !c.IsSet(f.name) {
			continue
		}
		if *f.to, err = wire.ParseVersions(c.String(f.name), wire.AllVersions); err != nil {
			return usagef("--%s: %w", f.name, err)
		}
	}
	return nil
}

func readPlan(c *cli.Context, o *reportOptions) (err error) {
	switch file := c.String("config"); {
	case file != "" && c.IsSet("plan"):
		return usagef("--plan and --config exclude each other")
	case file != "":
		cfg, err := loadConfig(file)
		if err != nil {
			return err
		}
		if o.report.Plan, err = cfg.Plan(); err != nil {
			return configf("%s: %w", file, err)
		}
	case c.IsSet("plan"):
		if o.report.Plan, err = usage.ParsePlan(c.String("plan")); err != nil {
			return usagef("--plan: %w", err)
		}
	}
	if !o.dryRun {
		if c.IsSet("day") {
			return usagef("--day belongs to --dry-run")
		}
		return readOn(c, o)
	}
	if len(o.report.Plan) == 0 {
		return usagef("--dry-run needs --plan, or --config with versions")
	}
	if o.report.List != 0 || o.require != 0 {
		return usagef("--dry-run goes with neither --list nor --require: it lists whom the plan would refuse")
	}
	now := time.Now().UTC()
	o.dry = usage.DryRunOptions{Plan: o.report.Plan, On: now, First: usage.DateOf(now) - 1}
	if c.IsSet("on") {
		day, err := usage.ParseDate(c.String("on"))
		if err != nil {
			return usagef("--on: %w", err)
		}
		o.dry.On = day.Time()
	}
	if c.IsSet("day") {
		if o.dry.First, err = usage.ParseDate(c.String("day")); err != nil {
			return usagef("--day: %w", err)
		}
	}
	o.dry.Last = o.dry.First
	return nil
}

// readOn reads the day at whose end the window ends.
func readOn(c *cli.Context, o *reportOptions) error {
	if !c.IsSet("on") {
		return nil
	}
	day, err := usage.ParseDate(c.String("on"))
	if err != nil {
		return usagef("--on: %w", err)
	}
	const aDay = 24 * time.Hour
	window := usage.Date((o.report.Since + aDay - 1) / aDay)
	switch today := usage.DateOf(time.Now()); {
	case day > today:
		return usagef("--on: %s is in the future", day)
	case day == today: // as without it
	case day-window <= today-usage.KeptDays:
		return usagef("--on: %s: the %d days before it (--since) begin more than %d days ago, as far back as counts are kept", day, window, usage.KeptDays-1)
	default:
		o.report.Now = (day + 1).Time().Add(-time.Second)
	}
	return nil
}

func readFormat(c *cli.Context, o *reportOptions) error {
	if c.Bool("json") {
		if c.IsSet("format") && o.format != "json" {
			return usagef("--json and --format %s exclude each other", o.format)
		}
		o.format = "json"
	}
	if o.dryRun && o.format == "html" {
		return usagef("--format: --dry-run prints text, json or csv")
	}
	return nil
}
