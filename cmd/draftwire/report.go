package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/draftwire/draftwire/usage"
)

// maxExport bounds what is read from one gateway.
const maxExport = 1 << 30

// runReport reads the ledgers, merges them and prints the report.
func runReport(ctx context.Context, o reportOptions, std stdio, signals <-chan os.Signal) error {
	ctx, stop := interruptible(ctx, signals)
	defer stop()
	s, states, err := gather(ctx, o)
	if context.Cause(ctx) == errInterrupted {
		return &exitError{code: exitInterrupted}
	}
	if err != nil {
		return err
	}
	less, old := missing(states)
	for _, line := range slices.Concat(less, old) {
		fmt.Fprintln(std.err, visible(line))
	}
	if o.dryRun {
		return errors.Join(writeFormat(std.out, o.format, s.DryRun(o.dry), nil), lessThanCounted(less))
	}
	if o.report.Now.IsZero() {
		if o.report.Now = time.Now(); s.Made.After(o.report.Now) {
			o.report.Now = s.Made // the gateway's clock is ahead
		}
	}
	r := s.Report(o.report)
	if err := writeFormat(std.out, o.format, r, r.HTML); err != nil {
		return err
	}
	return cmp.Or(required(r, o), lessThanCounted(less))
}

// lessThanCounted is the error of a report of a fleet that has less than the gateways have counted.
func lessThanCounted(less []string) error {
	if len(less) == 0 {
		return nil
	}
	return exitf(exitCondition, "the report has less than the fleet has counted")
}

// table prints itself in several formats.
type table interface {
	Text(io.Writer) error
	JSON(io.Writer) error
	CSV(io.Writer) error
}

func writeFormat(w io.Writer, format string, t table, html func(io.Writer) error) error {
	b, write := bufio.NewWriter(w), t.Text
	switch format {
	case "json":
		write = t.JSON
	case "csv":
		write = t.CSV
	case "html":
		write = html
	}
	if err := write(b); err != nil {
		return err
	}
	return b.Flush()
}

// required is the error of versions that --require names and that are still needed.
func required(r *usage.Report, o reportOptions) error {
	var errs []error
	for _, row := range r.Rows {
		if v := row.Verdict; o.require.Has(row.Version) && v.Code != usage.SafeToOff && v.Code != usage.IsOff {
			errs = append(errs, fmt.Errorf("%s: %s", row.Version, v.Text))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return &exitError{code: exitCondition, err: errors.Join(errs...)}
}

// gather reads all ledgers and merges them: those of a fleet where one gateway of it is asked, with what is known of each.
func gather(ctx context.Context, o reportOptions) (*usage.Snapshot, []bookState, error) {
	if o.asked && len(o.ledgers) == 0 && len(o.admins) == 1 {
		ctx, cancel := context.WithTimeout(ctx, max(o.timeout, fleetTimeout))
		defer cancel()
		if s, states, ok, err := fetchFleet(ctx, o.admins[0]); ok || err != nil {
			return s, states, err
		}
	}
	var all []*usage.Snapshot
	from := map[string]string{} // source to where it was read
	add := func(where string, s *usage.Snapshot, err error) error {
		if err != nil {
			return err
		}
		for _, src := range s.Sources {
			if other, twice := from[src.ID]; twice {
				return usagef("%s and %s are the same ledger, %s: it would be counted twice", other, where, src.Name)
			}
			from[src.ID] = where
		}
		all = append(all, s)
		return nil
	}
	for _, name := range o.ledgers {
		s, err := readLedger(name, o.timeout)
		if err := add(name, s, err); err != nil {
			return nil, nil, err
		}
	}
	for _, from := range o.admins {
		s, err := fetchLedger(ctx, from, o)
		if err := add(from.url.String(), s, err); err != nil {
			return nil, nil, err
		}
	}
	return usage.Merge(all...), nil, nil
}

// readLedger reads the file of a ledger, or an export.
func readLedger(name string, wait time.Duration) (*usage.Snapshot, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := bufio.NewReader(io.LimitReader(f, maxExport))
	if first, err := in.Peek(1); err == nil && first[0] == '{' {
		s, err := usage.Import(in)
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
		return s, err
	}
	s, err := usage.ReadFile(name, min(wait, usage.DefaultLockWait))
	if errors.Is(err, usage.ErrLocked) {
		return nil, fmt.Errorf("%w; a gateway has it open: ask the gateway, with --admin %s", err, defaultAdmin)
	}
	return s, err
}

// fetchLedger asks a gateway.
func fetchLedger(ctx context.Context, from adminPort, o reportOptions) (*usage.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	resp, err := from.ask(ctx, http.MethodGet, "/usage")
	if err != nil {
		if len(o.ledgers) == 0 {
			err = fmt.Errorf("%w; --admin URL asks another gateway, --ledger FILE reads a file", err)
		}
		return nil, err
	}
	url := resp.Request.URL
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusServiceUnavailable {
		return nil, fmt.Errorf("%s: the gateway is answering another report; ask again later", url)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: the answer is %s; is that the admin listener of a gateway that keeps a ledger?", url, cmp.Or(resp.Status, "no status"))
	}
	s, err := usage.Import(io.LimitReader(resp.Body, maxExport))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	return s, nil
}
