package main

import (
	"io"
	"os"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/term"
)

type logOptions struct {
	level, format  string
	quiet, verbose bool
}

// newLogger returns a logger of its own; the global one of logrus is not
// touched.
func newLogger(w io.Writer, o logOptions) (*logrus.Logger, error) {
	level, err := logrus.ParseLevel(o.level)
	switch {
	case err != nil:
		return nil, usagef("--log-level: %q is none of error, warn, info, debug, trace", o.level)
	case o.quiet:
		level = logrus.ErrorLevel
	case o.verbose:
		level = max(level, logrus.DebugLevel)
	}
	log := logrus.New()
	log.SetOutput(w)
	log.SetLevel(level)
	text := isTerminal(w)
	switch o.format {
	case "auto":
	case "text", "json":
		text = o.format == "text"
	default:
		return nil, usagef("--log-format: %q is none of auto, text, json", o.format)
	}
	if !text {
		log.SetFormatter(jsonLines{&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano}})
		return log, nil
	}
	plain := os.Getenv("NO_COLOR") != "" || !isTerminal(w)
	log.SetFormatter(textLines{&logrus.TextFormatter{DisableColors: plain, FullTimestamp: true, TimestampFormat: time.TimeOnly}})
	return log, nil
}

// jsonLines writes lines of JSON that somebody may look at on a terminal.
type jsonLines struct{ logrus.Formatter }

func (f jsonLines) Format(e *logrus.Entry) ([]byte, error) {
	line, err := f.Formatter.Format(e)
	return visibleJSON(line), err
}

// textLines writes lines of text. logrus quotes fields, but with colours no message.
type textLines struct{ logrus.Formatter }

func (f textLines) Format(e *logrus.Entry) ([]byte, error) {
	e.Message = visible(e.Message)
	return f.Formatter.Format(e)
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
