package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/term"
)

type logOptions struct {
	level, format  string
	quiet, verbose bool
}

// newLogger returns a new logger; the global one of logrus is not touched.
func newLogger(w io.Writer, o logOptions) (*logrus.Logger, error) {
	level, err := logrus.ParseLevel(o.level)
	switch {
	case err != nil:
		return nil, usagef("--log-level: %w", err)
	case o.quiet:
		level = logrus.ErrorLevel
	case o.verbose:
		level = max(level, logrus.DebugLevel)
	}
	log := logrus.New()
	log.SetOutput(w)
	log.SetLevel(level)
	log.SetFormatter(formatter(log, o.format))
	out := newLogOut(w)
	out.told = func(lost uint64) []byte { return lostLine(log, lost) }
	log.SetOutput(out)
	return log, nil
}

// formatter returns the formatter for the output of a log.
func formatter(log *logrus.Logger, format string) logrus.Formatter {
	terminal := isTerminal(log.Out)
	if format == "json" || format == "auto" && !terminal {
		return jsonLines{}
	}
	coloured := terminal && os.Getenv("NO_COLOR") == ""
	f := &logrus.TextFormatter{DisableColors: !coloured, FullTimestamp: true, TimestampFormat: time.TimeOnly}
	f.Format(logrus.NewEntry(log)) // which looks once whether the output is a terminal, and prepares it
	return textLines{Formatter: f, coloured: coloured}
}

// lostLine is the line about lines that are lost, for want of somebody who reads them.
func lostLine(log *logrus.Logger, n uint64) []byte {
	e := log.WithField("lines", n)
	e.Time, e.Level, e.Message = time.Now(), logrus.WarnLevel, "lines of the log are lost: it was not read, or could not be written"
	p, err := e.Bytes()
	if err != nil || !log.IsLevelEnabled(e.Level) {
		return nil
	}
	return p
}

// writeBehind makes a goroutine write the lines of a log of newLogger, until stop is called,
// or one of the deadly signals comes, which the caller does not handle.
func writeBehind(log *logrus.Logger, deadly ...os.Signal) (stop func()) {
	out := log.Out.(*logOut)
	surviveLog(out.w)
	flush := out.start()
	forget := flushBeforeDeath(out.w, flush, deadly...)
	return func() {
		forget()
		flush()
	}
}

// jsonLines writes lines of JSON that are safe to show on a terminal. They begin with time,
// level and msg, which logrus would put among the other fields.
type jsonLines struct{}

func (jsonLines) Format(e *logrus.Entry) ([]byte, error) {
	var b bytes.Buffer
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(e.Data)), func(k string) bool { return slices.Contains(firstKeys, k) })
	field := func(key string, value any) error {
		if err, ok := value.(error); ok {
			value = err.Error()
		}
		v, err := json.Marshal(value)
		fmt.Fprintf(&b, ",%q:%s", key, v)
		return err
	}
	field(firstKeys[0], e.Time.Format(time.RFC3339Nano))
	field(firstKeys[1], e.Level.String())
	field(firstKeys[2], e.Message)
	for _, k := range keys {
		if err := field(k, e.Data[k]); err != nil {
			return nil, err
		}
	}
	line := b.Bytes()
	line[0] = '{'
	return visibleJSON(append(line, "}\n"...)), nil
}

// firstKeys are those that each line begins with.
var firstKeys = []string{"time", "level", "msg"}

// textLines writes lines of text. With colours logrus quotes fields, but not the message.
type textLines struct {
	logrus.Formatter
	coloured bool
}

func (f textLines) Format(e *logrus.Entry) ([]byte, error) {
	e.Message = visible(e.Message)
	return f.Formatter.Format(e)
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
