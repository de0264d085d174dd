// Year lets a year pass for a made-up fleet of devices that come to three gateways, and looks at
// what the reports of each day say: the verdict on a version must change on the day that is
// planted in the fleet, and name the last client, which is planted too.
//
//	go run ./test/year -o DIR               # a year that ends today, for draftwire report and the console
//	go run ./test/year -o DIR -end 2026-11-30
//
// DIR gets gw-1.db, gw-2.db and gw-3.db, the ledgers at the end of the year, and year.html, the
// verdicts of all days on one page. The devices, what becomes of them and what has to be found
// stand in fleet.go and planted.go; docs/a-year.md tells it with pictures. It is the same year each
// time but for the names of the days. Exit status: 0; 1 if something else was found.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/draftwire/draftwire/usage"
)

func main() {
	dir := flag.String("o", "", "the `DIR` for ledgers and page; it must not have ledgers yet")
	end := flag.String("end", time.Now().UTC().Format(time.DateOnly), "the last `DATE` of the year")
	flag.Parse()
	if err := year(*dir, *end); err != nil {
		fmt.Fprintln(os.Stderr, "year:", err)
		os.Exit(1)
	}
}

func year(dir, end string) error {
	last, err := usage.ParseDate(end)
	if err != nil {
		return fmt.Errorf("-end: %w", err)
	}
	if dir == "" {
		return errors.New("-o DIR is needed")
	}
	for i := range gateways {
		if _, err := os.Stat(file(dir, i)); err == nil {
			return fmt.Errorf("%s is there already", file(dir, i))
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	start := last.Time().AddDate(0, 0, 1-days)
	each, together, err := play(dir, start)
	if err != nil {
		return err
	}
	if err := writePage(filepath.Join(dir, "year.html"), start, together); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DRAFT\tSAFE FROM\tLAST CLIENT\tPLANTED")
	for _, p := range plants {
		from, name := "never", "-"
		if p.safe != never {
			from = fmt.Sprintf("%s (day %d)", usage.DateOf(start)+usage.Date(p.safe), p.safe)
		}
		if p.last != "" {
			name = p.last
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.version, from, name, p.why)
	}
	w.Flush()
	if faults := check(each, together); len(faults) > 0 {
		return errors.New("found something else:\n" + strings.Join(faults, "\n"))
	}
	fmt.Println("the reports of all days have found what is planted")
	return nil
}
