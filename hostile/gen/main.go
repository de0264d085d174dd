// Command gen writes the files of attacks; run it in the module's root as
//
//	go run ./hostile/gen          write the files
//	go run ./hostile/gen -check   exit 1 if a file is not what would be written
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/draftwire/draftwire/hostile/internal/gen"
)

func main() {
	check := flag.Bool("check", false, "compare, do not write")
	dir := flag.String("dir", "hostile", "the folder of the files")
	flag.Parse()
	if err := run(*dir, *check); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(dir string, check bool) error {
	for _, f := range gen.Files() {
		want, err := gen.Encode(f)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, f.Side+".json")
		if !check {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				return err
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("%s is not up to date; run go run ./hostile/gen", path)
		}
	}
	return nil
}
