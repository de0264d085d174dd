package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// buildInfo is what the go command wrote into the program.
type buildInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func readBuild() buildInfo {
	b := buildInfo{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

type buildOptions struct{ json bool }

func writeBuild(w io.Writer, o buildOptions) error {
	b := readBuild()
	if o.json {
		return json.NewEncoder(w).Encode(b)
	}
	line := "draftwire " + b.Version
	if b.Revision != "" {
		line += " (" + b.Revision[:min(12, len(b.Revision))]
		if b.Modified {
			line += ", modified"
		}
		line += ")"
	}
	_, err := fmt.Fprintln(w, line, b.Go, b.Platform)
	return err
}

func (p *program) versionCommand() command {
	return command{
		name: "version", usage: "print what this program was built from",
		examples: []example{{"draftwire version --json", "for bug reports"}},
		flags:    []cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print JSON"}},
		run:      func(c *cli.Context) error { return writeBuild(p.out, buildOptions{json: c.Bool("json")}) },
	}
}
