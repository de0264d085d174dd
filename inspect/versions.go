package inspect

import (
	"strings"

	"github.com/draftwire/draftwire/hixie75"
	"github.com/draftwire/draftwire/hixie76"
	"github.com/draftwire/draftwire/hybi02"
	"github.com/draftwire/draftwire/hybi04"
	"github.com/draftwire/draftwire/hybi05"
	"github.com/draftwire/draftwire/hybi07"
	"github.com/draftwire/draftwire/rfc6455"
	"github.com/draftwire/draftwire/wire"
)

// drafts are the versions that are read.
var drafts = map[wire.Version]*wire.Draft{
	wire.Hixie75: &hixie75.Draft, wire.Hixie76: &hixie76.Draft, wire.Hybi02: &hybi02.Draft,
	wire.Hybi04: &hybi04.Draft, wire.Hybi05: &hybi05.Draft, wire.Hybi06: &hybi05.Draft06,
	wire.Hybi07: &hybi07.Draft, wire.Hybi08: &hybi07.Draft08, wire.RFC6455: &rfc6455.Draft,
}

// chapters are the sections of a version's document, where they differ by version.
type chapters struct {
	doc      string // how it is cited
	request  string // what a client sends
	judge    string // how a server reads that
	response string // what a server answers
	check    string // how a client reads that
	frame    string // the form of a frame
	mask     string // "" where nothing is masked
	fragment string
	control  string
	closing  string
	ping     string
	text     string // text that is not UTF-8
}

var sections = map[wire.Version]chapters{
	wire.Hixie75: {doc: "hixie-75", request: "4.1", judge: "5.1", response: "5.2", check: "4.1 steps 12 to 23", frame: "5.3", closing: "6", text: "5.4"},
	wire.Hixie76: {doc: "hixie-76", request: "4.1", judge: "5.2", response: "5.2", check: "4.1", frame: "5.3", closing: "5.3", text: "5.4"},
	wire.Hybi02: {doc: "hybi-02", request: "5.1", judge: "5.2", response: "5.2.2", check: "5.1", frame: "4.2", fragment: "4.3",
		control: "4.4", closing: "4.4.1", ping: "4.4.2", text: "6"},
	wire.Hybi04: earlyHybi("hybi-04"), wire.Hybi05: earlyHybi("hybi-05"), wire.Hybi06: earlyHybi("hybi-06"),
	wire.Hybi07: lateHybi("hybi-07"), wire.Hybi08: lateHybi("hybi-08"),
	wire.RFC6455: {doc: "RFC 6455", request: "4.1", judge: "4.2.1", response: "4.2.2", check: "4.1", frame: "5.2", mask: "5.3",
		fragment: "5.4", control: "5.5", closing: "5.5.1", ping: "5.5.2", text: "8.1"},
}

func earlyHybi(doc string) chapters {
	return chapters{doc: doc, request: "5.1", judge: "5.2.1", response: "5.2.2", check: "5.1", frame: "4.3", mask: "4.2",
		fragment: "4.4", control: "4.5", closing: "4.5.1", ping: "4.5.2", text: "6"}
}

func lateHybi(doc string) chapters {
	c := earlyHybi(doc)
	c.frame, c.mask = "4.2", "4.3"
	return c
}

// cite returns a section of a version's document as it is cited; "" where there is none.
func cite(v wire.Version, section string) string {
	if section == "" {
		return ""
	}
	return sections[v].doc + " " + section
}

// citeAny is cite for a section that may name its document.
func citeAny(v wire.Version, section string) string {
	if strings.Contains(section, "RFC") || strings.HasPrefix(section, "h") {
		return section
	}
	return cite(v, section)
}
