package drafts

import (
	"fmt"
	"slices"
	"strings"

	"github.com/draftwire/draftwire/internal/suggest"
	"github.com/draftwire/draftwire/wire"
)

// Document is a draft or an RFC.
type Document struct {
	Name string `json:"name"` // "hybi-04", "RFC 6455"
	Full string `json:"full"` // "draft-ietf-hybi-thewebsocketprotocol-04"
	// Version is the version that the document has on the wire. That of an extension is the
	// version that it extends.
	Version wire.Version `json:"version"`
	// Number is what its clients send in Sec-WebSocket-Version, or in Sec-WebSocket-Draft in
	// hybi-02 and hybi-03; empty for none.
	Number string `json:"number,omitempty"`
	// Date is the document's own, "2011-01-11" or "2011-12"; empty where it is not known here.
	Date     string   `json:"date,omitempty"`
	DateFrom []string `json:"date_from,omitempty"` // where the date was found
	DateMark Mark     `json:"date_mark"`
	Editors  string   `json:"editors,omitempty"` // as far as its first page was read
	URL      string   `json:"url"`
	// Extends: it adds to a version, and is none of its own.
	Extends bool   `json:"extends,omitempty"`
	Notes   []Fact `json:"notes,omitempty"` // what its rules do not say
}

// Documents returns all documents, oldest first.
func Documents() []Document { return append([]Document(nil), documents...) }

// Find returns the document, or the version, of that name: "hybi-04", "hixie-47", "RFC 7692",
// "draft-ietf-hybi-thewebsocketprotocol-07", or any name or alias of a version, as "8". A name
// of both is the version's, and the document is then nil.
func Find(name string) (wire.Version, *Document, error) {
	wanted := plainName(name)
	// The name of a version is that of its documents; an alias that is a document's name, as
	// "hybi-09", is the document.
	v, err := wire.ParseVersion(name)
	if err == nil && plainName(v.String()) == wanted {
		return v, nil, nil
	}
	for i := range documents {
		d := &documents[i]
		if plainName(d.Name) == wanted || plainName(d.Full) == wanted {
			return d.Version, d, nil
		}
	}
	if err == nil {
		return v, nil, nil
	}
	return wire.Unknown, nil, fmt.Errorf("draftwire: no document or version %q%s", name, meant(wanted))
}

func meant(wanted string) string {
	var names []string
	for _, d := range documents {
		names = append(names, plainName(d.Name))
	}
	if i := slices.Index(names, suggest.Nearest(wanted, names)); i >= 0 {
		return fmt.Sprintf(" (did you mean %q?)", documents[i].Name)
	}
	return ""
}

// plainName makes the spellings of a name alike: "RFC 6455", "rfc-6455", "hybi07".
func plainName(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	s = strings.TrimSuffix(s, ".txt")
	s = strings.ReplaceAll(strings.ReplaceAll(s, "draft-ietf-hybi-thewebsocketprotocol", "hybi"), "draft-hixie-thewebsocketprotocol", "hixie")
	s = strings.ReplaceAll(strings.ReplaceAll(s, "draft-hybi", "hybi"), "draft-hixie", "hixie")
	for _, series := range []string{"hybi", "hixie", "rfc"} {
		if rest, ok := strings.CutPrefix(s, series); ok {
			rest = strings.TrimLeft(rest, "- ")
			if len(rest) == 1 && series != "rfc" {
				rest = "0" + rest
			}
			return series + rest
		}
	}
	return s
}

// documentsOf returns the documents of a version, oldest first, without those that extend it.
func documentsOf(v wire.Version) (out []*Document) {
	for i := range documents {
		if d := &documents[i]; d.Version == v && !d.Extends {
			out = append(out, d)
		}
	}
	return out
}

// order is the place of a document in the list; -1 if there is none of that name.
func order(name string) int {
	return slices.IndexFunc(documents, func(d Document) bool { return d.Name == name })
}

const (
	tracker     = "https://datatracker.ietf.org/doc/html/"
	hybiSeries  = "draft-ietf-hybi-thewebsocketprotocol-"
	hixieSeries = "draft-hixie-thewebsocketprotocol-"
)

// hixieDates are the dates of the hixie drafts that were found.
var hixieDates = map[int]string{
	47: "2009-10-13", 53: "2009-10-23", 54: "2009-10-23", 62: "2009-12-07", 63: "2009-12-07", 64: "2009-12-07", 65: "2009-12-09", 66: "2009-12-09",
	67: "2009-12-16", 68: "2009-12-16", 69: "2010-01-30", 70: "2010-01-31", 71: "2010-02-01", 72: "2010-02-01", 73: "2010-02-02",
	74: "2010-02-02", 75: "2010-02-04", 76: "2010-05-06",
}

// noHixie are the numbers between 0 and 76 that the IETF's list of the series lacks.
var noHixie = []int{4, 8, 9, 14, 37, 38}

func hixieDraft(n int) Document {
	name := fmt.Sprintf("%02d", n)
	d := Document{
		Name: "hixie-" + name, Full: hixieSeries + name, Version: wire.Hixie75,
		Date: hixieDates[n], URL: tracker + hixieSeries + name,
	}
	switch n {
	case 47, 53, 54, 68:
		d.DateFrom, d.DateMark, d.Editors = []string{d.Name}, Text, "I. Hickson"
	default:
		if d.Date != "" {
			d.DateFrom, d.DateMark = []string{"TRACKER"}, Told
		}
	}
	return d
}

func hybiDraft(n int, v wire.Version, number, date, editors string, notes ...Fact) Document {
	name := fmt.Sprintf("%02d", n)
	d := Document{
		Name: "hybi-" + name, Full: hybiSeries + name, Version: v, Number: number, Date: date,
		DateFrom: []string{"PERL"}, DateMark: Told, Editors: editors, URL: tracker + hybiSeries + name, Notes: notes,
	}
	if editors != "" { // its first page was read
		d.DateFrom, d.DateMark = []string{d.Name}, Text
	}
	return d
}

// documents are all, oldest first; so a rule that begins in one holds until another form of
// it begins.
var documents = makeDocuments()

func makeDocuments() (all []Document) {
	for n := range 76 {
		if !slices.Contains(noHixie, n) {
			all = append(all, hixieDraft(n))
		}
	}
	note := func(says string, mark Mark, from ...string) Fact { return Fact{says, from, mark} }
	all[0].Date, all[0].DateFrom, all[0].DateMark = "2009-01", []string{"PERL"}, Told
	all[0].Notes = []Fact{
		note("the numbers 04, 08, 09, 14, 37 and 38 are missing in the IETF's list of the series", Text, "TOOLS"),
		note("before it the protocol was a chapter of the HTML specification: its frames are those of 2008-07-07", Text, "WHATWG 41b1f18a"),
	}
	all[len(all)-1].Notes = []Fact{note("the text is that of the HTML specification of 2010-02-01", Text, "WHATWG 6e951d8a")}

	h76 := hixieDraft(76)
	h76.Version = wire.Hixie76
	h76.Notes = []Fact{note("the text is that of the HTML specification of 2010-04-30", Text, "WHATWG 26110c20")}
	both, one := "I. Fette, A. Melnikov", "I. Fette"
	all = append(all, h76,
		hybiDraft(0, wire.Hixie76, "", "2010-05-23", "I. Hickson",
			note("the same text as hixie-76, now a document of the IETF's HyBi group", Text, "WDIFF", "PWN")),
		hybiDraft(1, wire.Hybi02, "", "2010-08-31", one,
			note("two days later the HTML specification gave the protocol away, to I. Fette", Text, "R5409"),
			note("its own first page says that there is no consensus yet, on frames least of all", Text, "hybi-01"),
			note("its handshake is that of hixie-76 to the byte: only the first frame tells it from that", Program, "PWN")),
		hybiDraft(2, wire.Hybi02, "2", "2010-09-24", one),
		hybiDraft(3, wire.Hybi02, "2", "2010-10-17", one,
			note("its clients still send 2 as the number of the draft", Program, "PWN")),
		hybiDraft(4, wire.Hybi04, "4", "2011-01-11", one,
			note("the answer in its sample handshake does not follow from its own algorithm: it hashes 16 decoded bytes and a GUID in binary", Program, "PERL", "COMPUTED")),
		hybiDraft(5, wire.Hybi05, "5", "2011-02-08", one),
		hybiDraft(6, wire.Hybi06, "6", "2011-02-25", one),
		hybiDraft(7, wire.Hybi07, "7", "2011-04-22", one,
			note("the authors of pywebsocket noted no list of its changes: what is said of them here is from programs", Program, "PWN")),
		hybiDraft(8, wire.Hybi08, "8", "2011-06-07", one),
		hybiDraft(9, wire.Hybi08, "8", "2011-06-13", one),
		hybiDraft(10, wire.Hybi08, "8", "2011-07-11", both),
		hybiDraft(11, wire.Hybi08, "8", "2011-08-23", ""),
		hybiDraft(12, wire.Hybi08, "8", "2011-08-24", both, note("editorial changes only", Program, "PWN")),
		hybiDraft(13, wire.RFC6455, "13", "2011-08-31", both),
		hybiDraft(14, wire.RFC6455, "13", "2011-09-08", ""),
		hybiDraft(15, wire.RFC6455, "13", "2011-09-17", ""),
		hybiDraft(16, wire.RFC6455, "13", "2011-09-27", "", note("editorial changes only", Program, "PWN")),
		hybiDraft(17, wire.RFC6455, "13", "2011-09-30", "", note("editorial changes only", Program, "PWN")),
		rfc(6455, "The WebSocket Protocol", "2011-12", both,
			note("9, 10, 11 and 12 are reserved as numbers of versions and were never used", Text, "RFC 6455 4.1", "RFC 6455 11.6"),
			note("the key in its chapter 4.1 is not canonical base64; erratum 3150 corrects it", Text, "ERRATA")),
	)
	for _, d := range []Document{
		rfc(7692, "Compression Extensions for WebSocket", "2015-12", "T. Yoshino"),
		rfc(8441, "Bootstrapping WebSockets with HTTP/2", "2018-09", ""),
		rfc(9220, "Bootstrapping WebSockets with HTTP/3", "2022-06", "R. Hamilton"),
	} {
		d.Extends = true
		all = append(all, d)
	}
	return all
}

func rfc(n int, title, date, editors string, notes ...Fact) Document {
	return Document{
		Name: fmt.Sprintf("RFC %d", n), Full: fmt.Sprintf("RFC %d, %s", n, title), Version: wire.RFC6455, Number: "13",
		Date: date, DateFrom: []string{fmt.Sprintf("RFC %d", n)}, DateMark: Text, Editors: editors,
		URL: fmt.Sprintf("https://www.rfc-editor.org/rfc/rfc%d", n), Notes: notes,
	}
}
