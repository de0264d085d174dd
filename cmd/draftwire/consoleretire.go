package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/cmd/draftwire/internal/console"
	"github.com/draftwire/draftwire/gateway"
	"github.com/draftwire/draftwire/usage"
	"go.yaml.in/yaml/v3"
)

// noteStage notes a stage of the plan in the configuration file, and puts it into force. In a fleet it makes the fleet's
// next plan instead.
func (r *runningGateway) noteStage(v draftwire.Version, s usage.Stage) error {
	if n := r.fleet.node(); n != nil {
		return r.fleet.noteStage(n, v, s, "console")
	}
	lines := fmt.Sprintf("versions:\n    %s:\n        - %s\n", v, stageText(s))
	if r.file == "" {
		return &console.NotNoted{Why: "The gateway has no configuration file in which the stage could be noted.", Lines: lines}
	}
	text, err := os.ReadFile(r.file)
	if err != nil {
		return err
	}
	if _, err := gateway.Load(bytes.NewReader(text)); err != nil {
		return fmt.Errorf("the configuration file has faults: %w", err)
	}
	with, ok := addStage(text, v, s)
	if !ok {
		return &console.NotNoted{Why: "The configuration file has a plan that is not written line by line, so the console does not change it: write the stage yourself, and reload.", Lines: lines}
	}
	if !hasStage(with, v, s) {
		return &console.NotNoted{Why: "The stage cannot be added to the plan in the configuration file: write it yourself, and reload.", Lines: lines}
	}
	if err := replaceFile(r.file, with); err != nil {
		return &console.NotNoted{Why: "The configuration file cannot be written: " + err.Error() + ".", Lines: lines}
	}
	if err := r.reload(); err != nil {
		return fmt.Errorf("%w; the file has the stage, the gateway goes on with what it had", err)
	}
	return nil
}

// hasStage reports whether a text is a configuration whose plan has a stage.
func hasStage(text []byte, v draftwire.Version, s usage.Stage) bool {
	cfg, err := gateway.Load(bytes.NewReader(text))
	if err != nil {
		return false
	}
	plan, err := cfg.Plan()
	return err == nil && slices.Contains(plan[v], s)
}

// stageText is a stage as an item of a list in the configuration.
func stageText(s usage.Stage) string {
	if s.From.IsZero() {
		return fmt.Sprintf("{mode: %q}", s.String())
	}
	return fmt.Sprintf("{mode: %q, from: %s}", s.String(), s.From.UTC().Format(time.DateOnly))
}

// addStage adds a stage to the plan in a configuration, and leaves every other line as it is. A
// stage of that version from the same day is replaced. It is false where the plan is written in a
// form in which no line can be added, or has ends of lines that YAML knows and files seldom have, as
// lines are counted.
func addStage(text []byte, v draftwire.Version, s usage.Stage) ([]byte, bool) {
	if all := string(text); strings.ContainsAny(all, "\u0085\u2028\u2029") || strings.Count(all, "\r") != strings.Count(all, "\r\n") {
		return nil, false
	}
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode || doc.Content[0].Style&yaml.FlowStyle != 0 {
		return nil, false
	}
	lines := strings.SplitAfter(string(text), "\n")
	if last := lines[len(lines)-1]; last != "" {
		lines[len(lines)-1] = last + "\n"
		lines = append(lines, "")
	}
	insert := func(behind int, what ...string) []byte { // behind that line, counted from 1
		out := append([]string{}, lines[:behind]...)
		return []byte(strings.Join(append(append(out, what...), lines[behind:]...), ""))
	}
	item := "- " + stageText(s) + "\n"
	key, plan := member(doc.Content[0], "versions")
	switch {
	case plan == nil:
		return insert(len(lines)-1, "versions:\n", "    "+v.String()+":\n", "        "+item), true
	case plan.Kind != yaml.MappingNode || plan.Style&yaml.FlowStyle != 0 || len(plan.Content) == 0:
		return nil, false
	}
	indent := func(n int) string { return strings.Repeat(" ", n-1) }
	var name, stages *yaml.Node
	for i := 0; i+1 < len(plan.Content); i += 2 {
		if of, err := draftwire.ParseVersion(plan.Content[i].Value); err == nil && of == v {
			name, stages = plan.Content[i], plan.Content[i+1]
		}
	}
	switch {
	case stages == nil:
		at := plan.Content[0].Column
		return insert(key.Line, indent(at)+v.String()+":\n", indent(at+4)+item), true
	case stages.Kind != yaml.SequenceNode || stages.Style&yaml.FlowStyle != 0 || len(stages.Content) == 0 || name.Line == stages.Content[0].Line:
		return nil, false
	}
	column := stages.Content[0].Column
	for _, old := range stages.Content {
		if old.Line < 1 || old.Line > len(lines) {
			return nil, false
		}
		if from, ok := stageDay(old); ok && from == dayOf(s.From) {
			line := lines[old.Line-1]
			if old.Style&yaml.FlowStyle == 0 { // of several lines
				return nil, false
			}
			dash := strings.Index(line, "-")
			lines[old.Line-1] = line[:dash] + withComment(item, old.LineComment)
			return []byte(strings.Join(lines, "")), true
		}
	}
	first := lines[stages.Content[0].Line-1]
	dash := strings.Index(first, "-")
	if dash < 0 || dash >= column {
		return nil, false
	}
	return insert(stages.Content[0].Line-1, first[:dash]+item), true
}

// withComment is a line with the comment that stood at its end before.
func withComment(line, comment string) string {
	if comment == "" {
		return line
	}
	return strings.TrimSuffix(line, "\n") + " " + comment + "\n"
}

// member returns a member of a mapping; nil where there is none.
func member(of *yaml.Node, name string) (key, value *yaml.Node) {
	for i := 0; i+1 < len(of.Content); i += 2 {
		if of.Content[i].Value == name {
			return of.Content[i], of.Content[i+1]
		}
	}
	return nil, nil
}

// stageDay returns the day from which a stage holds, "" for always.
func stageDay(stage *yaml.Node) (string, bool) {
	var x gateway.Stage
	if stage.Decode(&x) != nil {
		return "", false
	}
	return dayOf(x.From), true
}

func dayOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

// replaceFile puts another text in the place of a file's, whole or not at all, with its mode.
func replaceFile(name string, text []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	for _, next := range []func() error{func() error { return f.Chmod(info.Mode().Perm()) }, f.Sync, f.Close} {
		if e := next(); err == nil {
			err = e
		}
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
