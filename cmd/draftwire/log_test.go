package main

import (
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/sirupsen/logrus"
)

// everyRune has all that a peer may write, and bytes that are no UTF-8.
func everyRune() string {
	var b strings.Builder
	for r := range rune(0x3100) {
		b.WriteRune(r)
	}
	for _, r := range []rune{0xFEFF, 0xFFF9, 0xE000, 0x1D173, 0xE0001, 0x10FFFD} {
		b.WriteRune(r)
	}
	return b.String() + "\x80 \x9b \xff"
}

// obeyed returns what in s a terminal would not just show. U+FFFD may stand there as such,
// what is not UTF-8 may not.
func obeyed(s string) string {
	if !utf8.ValidString(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsGraphic(r) {
			return -1
		}
		return r
	}, s)
}

// No format of the log has a character that a terminal obeys, and what reads the
// JSON gets what was written.
func TestNoFormatOfTheLogHasWhatATerminalObeys(t *testing.T) {
	said := everyRune()
	for _, format := range []string{"json", "text", "colours"} {
		out := newStream()
		log, err := newLogger(out, logOptions{level: "info", format: strings.Replace(format, "colours", "text", 1)})
		if err != nil {
			t.Fatal(err)
		}
		if format == "colours" {
			log.SetFormatter(textLines{Formatter: &logrus.TextFormatter{ForceColors: true}})
		}
		log.WithField("user_agent", said).Warn(said)
		text := out.String()
		if format == "colours" {
			text = strings.NewReplacer("\x1b[33m", "", "\x1b[0m", "").Replace(text)
		}
		if bad := obeyed(text); bad != "" || strings.Count(text, "\n") != 1 {
			t.Errorf("%s: %+q in %d lines", format, bad, strings.Count(text, "\n"))
		}
		if format == "json" {
			if line := logged(t, out)[0]; line["user_agent"] != strings.ToValidUTF8(said, "\ufffd") {
				t.Errorf("it reads as something else: %.200q", line["user_agent"])
			}
		}
	}
}

func TestVisibleJSONReadsAsWhatItWas(t *testing.T) {
	for in, want := range map[string]string{
		"{\"a\":\"b\u00e9\u6f22\"}\n": "{\"a\":\"b\u00e9\u6f22\"}\n", "\"\x7f\"": `"\u007f"`, "\"\u009b\u2028\u202e\"": `"\u009b\u2028\u202e"`,
		"\"\U000e0001\"": `"\udb40\udc01"`, "\"\xff\x9b\"": `"\ufffd\ufffd"`, "\"\ufffd\"": "\"\ufffd\"", "": "",
	} {
		if got := string(visibleJSON([]byte(in))); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestAClientsJSONHasNothingThatATerminalObeys(t *testing.T) {
	url, _ := serveOn(t)
	said := "\u009b2J\u202e\x7f\u2028"
	code, out, err := call(t, "", "client", "--json", "-x", said, url)
	if bad := obeyed(out); code != 0 || bad != "" {
		t.Errorf("exit %d, %+q in %q, %s", code, bad, out, err)
	}
	var m struct{ Data string }
	for line := range strings.Lines(out) {
		if strings.Contains(line, `"message"`) {
			json.Unmarshal([]byte(line), &m)
		}
	}
	if m.Data != said {
		t.Errorf("%q in %s", m.Data, out)
	}
}

// A line of JSON begins with what is read first, and then has its fields in the order of the
// alphabet.
func TestJSONLineBeginsWithTimeLevelAndMessage(t *testing.T) {
	out := newStream()
	log, err := newLogger(out, logOptions{level: "info", format: "json"})
	if err != nil {
		t.Fatal(err)
	}
	log.WithFields(logrus.Fields{"zone": "<\x1b>", "a": 1, "error": io.EOF, "msg": "another"}).Warn("hello")
	line := regexp.MustCompile(`"time":"[^"]+"`).ReplaceAllString(out.String(), `"time":0`)
	if !strings.HasPrefix(line, `{"time":0,"level":"warning","msg":"hello","a":1,"error":"EOF","zone":"`) || strings.ContainsRune(line, 0x1b) || !strings.HasSuffix(line, "\"}\n") {
		t.Errorf("wrote %q", line)
	}
	if logged(t, out)[0]["zone"] != "<\x1b>" {
		t.Errorf("read as %q", logged(t, out)[0]["zone"])
	}
}
