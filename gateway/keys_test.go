package gateway

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/draftwire/draftwire"
	"github.com/draftwire/draftwire/wire"
)

var update = flag.Bool("update", false, "TestReference writes docs/config.md and the JSON Schema")

// A form is what the values of some keys look like, by the name that the tag "is" has: in words
// for docs/config.md, and as a pattern for the schema. Each value that check accepts matches the
// pattern; check refuses more.
type form struct {
	words   string
	pattern string // of ECMA 262 and package regexp; "": any text
	not     string // a pattern that no value matches
}

// Parts of patterns.
const (
	hostPattern  = `([^\s:/\[\]*]+|\[[0-9A-Fa-f:.%]+\])`
	tokenPattern = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
	portPattern  = `[0-9A-Za-z-]+`
	sentPattern  = `(header|cookie|query)\s+` + tokenPattern + `|segment\s+\+?0*[1-9][0-9]*`
)

var forms = map[string]form{
	"":               {words: "text"},
	"address":        {words: "HOST:PORT, unix:PATH or fd:NAME", pattern: `^(unix:.+|fd:.+|([^:/\s]*|\[[^\]/\s]*\]):` + portPattern + `)$`},
	"address or off": {words: "HOST:PORT, unix:PATH, fd:NAME or `off`", pattern: `^(off|unix:.+|fd:.+|([^:/\s]*|\[[^\]/\s]*\]):` + portPattern + `)$`},
	"file":           {words: "path of a file"},
	"folder":         {words: "path of a folder"},
	"path":           {words: "path that begins with /", pattern: `^/[^?#]*$`},
	"path pattern":   {words: "/PATH, /PATH/* or *", pattern: `^(\*|/\*|(/[^*?#]*)+(/\*)?)$`},
	"host":           {words: "NAME, *.NAME or *", pattern: `^(\*|(\*\.)?` + hostPattern + `)$`},
	"domain":         {words: "name of a host", pattern: `^[^\s:/*\[\]]+\.[^\s:/*\[\]]+$`},
	"email":          {words: "email address", pattern: `^\S+@\S+$`},
	"https URL":      {words: "https: URL", pattern: `^[Hh][Tt][Tt][Pp][Ss]://.+`},
	"public URL":     {words: "ws: or wss: URL", pattern: `^[Ww][Ss][Ss]?://[^/?#@\s]+/*$`},
	"backend URL":    {words: "ws:, wss:, http: or https: URL, tcp://HOST:PORT or unix:PATH", pattern: `^(unix:.+|([Ww][Ss][Ss]?|[Hh][Tt][Tt][Pp][Ss]?|[Tt][Cc][Pp])://.+)$`},
	"redirect":       {words: "http: or https: URL", pattern: `^[Hh][Tt][Tt][Pp][Ss]?://[^*]+(/\*)?$`},
	"origin pattern": {words: "pattern of an origin", pattern: `^[^\s]+$`},
	"field":          {words: "name of a field", pattern: "^" + tokenPattern + "$"},
	"subprotocol":    {words: "name of a subprotocol", pattern: `^[^\s,]+$`},
	"sent":           {words: "header NAME, cookie NAME, query NAME or segment N", pattern: `^\s*(` + sentPattern + `)\s*$`},
	"client":         {words: "address, header NAME, cookie NAME, query NAME or segment N", pattern: `^\s*(address|` + sentPattern + `)\s*$`},
	"balance":        {words: "least, or hash with one of address, path, header NAME, cookie NAME, query NAME, segment N", pattern: `^\s*(least|hash\s+(address|path|` + sentPattern + `))\s*$`},
	"mode":           {words: "on, warn, sample N% or off", pattern: `^\s*([Oo][Nn]|[Ww][Aa][Rr][Nn]|[Oo][Ff][Ff]|[Ss][Aa][Mm][Pp][Ll][Ee]\s+[+0-9.eE_x-]+\s*%)\s*$`},
	"versions":       {words: "all, modern, or names of versions joined by commas; -NAME leaves one out", pattern: `^\s*-?(` + versionNames + `)\s*(,\s*(-?(` + versionNames + `))?\s*)*$`},
	"version":        {words: "version", pattern: `^\s*(` + versionNames + `)\s*$`},
	"fleet name":     {words: "name of letters, digits and hyphens", pattern: `^[0-9A-Za-z-]{1,64}$`},
	"client fault":   {words: "name of a tolerance of clients", pattern: `^\s*(` + faultNames(wire.ClientFaults()) + `)\s*$`},
	"server fault":   {words: "name of a tolerance of servers", pattern: `^\s*(` + faultNames(wire.ServerFaults()) + `)\s*$`},
	"hub URL":        {words: "`embedded`, or nats: or tls: URLs joined by commas", pattern: `^(embedded|\s*(nats|tls)://[^\s/?#@,]+\s*(,\s*(nats|tls)://[^\s/?#@,]+\s*)*)$`},
	"hub address":    {words: "HOST:PORT", pattern: `^([^:/\s]*|\[[^\]/\s]*\]):` + portPattern + `$`},
	"hub prefix":     {words: "letters, digits and hyphens", pattern: `^[0-9A-Za-z-]{1,64}$`},
	"ignore":         {words: "JSON pointer, or re: and a regular expression", pattern: `^(/|re:)`},
	"positive":       {}, // of numbers and times
	"ping":           {},
}

// versionNames are all names of versions as one pattern, in any case.
var versionNames = func() string {
	names := []string{"all", "modern"}
	for _, v := range draftwire.AllVersions.List() {
		names = append(append(names, v.Info().Name), v.Info().Aliases...)
	}
	return anyCase(names)
}()

func faultNames(among wire.Tolerances) string {
	var names []string
	for _, i := range wire.ToleranceTable() {
		if among.Has(i.Tolerance) {
			names = append(names, i.Name)
		}
	}
	return strings.Join(names, "|")
}

// anyCase is a pattern of names in any case; patterns of JSON Schema have no flag for that.
func anyCase(names []string) string {
	var b strings.Builder
	for _, r := range strings.Join(names, "|") {
		if up := strings.ToUpper(string(r)); up != string(r) {
			fmt.Fprintf(&b, "[%s%c]", up, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Forms of types.
var (
	timeForm    = form{words: "time", pattern: `^(none|[-+]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`, not: `^[-+]?([0.]+(ns|us|µs|μs|ms|s|m|h))+$`}
	sizeForm    = form{words: "size", pattern: `^(none|[-+]?[0-9]+|[-+]?[0-9]+\s*([KMG]iB|B))$`, not: `^[-+]?0+\s*([KMG]iB|B)?$`}
	networkForm = form{words: "network", pattern: `^((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])){3}/(3[0-2]|[12]?[0-9])|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))$`}
	dateForm    = form{words: "date or time", pattern: `^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?$`}
)

// document is what the reference and the schema are made from.
type document struct {
	docs     map[string]map[string]string // of fields, by type and name
	about    map[string]string            // of types
	defaults map[reflect.Type]reflect.Value
}

func newDocument(t *testing.T) *document {
	d := &document{docs: map[string]map[string]string{}, about: map[string]string{}, defaults: map[reflect.Type]reflect.Value{}}
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range file.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, spec := range g.Specs {
			s := spec.(*ast.TypeSpec)
			st, ok := s.Type.(*ast.StructType)
			if !ok {
				continue
			}
			d.about[s.Name.Name], d.docs[s.Name.Name] = g.Doc.Text(), map[string]string{}
			for _, f := range st.Fields.List {
				for _, name := range f.Names {
					d.docs[s.Name.Name][name.Name] = f.Doc.Text()
				}
			}
		}
	}
	c := Config{Listen: []Listener{{TLS: &TLS{ACME: &ACME{}}}}, Routes: []Route{{Backends: []Backend{{}}, Mirror: &Mirror{}, Rooms: &Rooms{}}}}
	c.withDefaults()
	for _, v := range []any{c, c.Listen[0], *c.Listen[0].TLS, *c.Listen[0].TLS.ACME, KeyPair{}, c.Listen[0].Proxy, c.Admin, c.Limits, c.Ledger, c.Fleet, c.Record, c.Hub, c.Hub.TLS, *c.Routes[0].Rooms, Stage{},
		c.Routes[0], c.Routes[0].Match, c.Routes[0].Auth, c.Routes[0].Health, c.Routes[0].Policy, c.Routes[0].Backends[0], *c.Routes[0].Mirror, BackendTLS{}} {
		d.defaults[reflect.TypeOf(v)] = reflect.ValueOf(v)
	}
	return d
}

// fieldName is what may be the name of a field.
var fieldName = regexp.MustCompile(`\b[A-Z][A-Za-z0-9]+\b`)

// noFields are names of fields that also are other words of their documentation.
var noFields = []string{"TLS", "HTTP", "Forwarded", "Origin", "URL", "Host"}

// inWords writes names of fields as their keys.
func (d *document) inWords(t reflect.Type, s string) string {
	names := map[string]string{}
	for _, section := range []reflect.Type{reflect.TypeFor[Config](), t} {
		for _, x := range keysOf(section) {
			names[section.Field(x.field).Name] = x.name
		}
	}
	return fieldName.ReplaceAllStringFunc(s, func(word string) string {
		if yaml, ok := names[word]; ok && (!slices.Contains(noFields, word) || strings.Contains(s, word+", Files")) {
			return "`" + yaml + "`"
		}
		return word
	})
}

// text returns what a key means and its default, of the field's documentation.
func (d *document) text(t reflect.Type, k key) (meaning, byDefault string) {
	name := t.Field(k.field).Name
	all := strings.Join(strings.Fields(d.docs[t.Name()][name]), " ")
	if before, after, ok := strings.Cut(all, " Default"); ok {
		all, byDefault = before, strings.TrimSuffix(strings.TrimSpace(strings.TrimPrefix(after, ":")), ".")
	}
	first, rest, _ := strings.Cut(all, " ")
	if first != name {
		return "?" + all, byDefault // which the test finds
	}
	meaning = "`" + k.name + "` " + d.inWords(t, rest)
	value := d.defaults[t].Field(k.field)
	switch x := value.Interface().(type) {
	case Duration:
		if x > 0 && !strings.HasPrefix(byDefault, "the same") {
			byDefault = "`" + strings.Replace(strings.Replace(x.String(), "m0s", "m", 1), "h0m", "h", 1) + "`"
		}
	case Size:
		if x > 0 && (t != reflect.TypeFor[Route]()) {
			p, _ := x.MarshalText()
			byDefault = "`" + string(p) + "`"
		}
	case bool:
		byDefault = "`false`"
	case string:
		if x != "" && name != "Name" {
			byDefault = "`" + x + "`"
		}
	case int:
		if x != 0 {
			byDefault = fmt.Sprintf("`%d`", x)
		}
	}
	return meaning, d.inWords(t, byDefault)
}

// looks says what the value of a key looks like, in words.
func looks(k key) string {
	t := k.typ
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case k.words != nil:
		return "`" + strings.Join(k.words, "`, `") + "`"
	case k.most != 0:
		return kindOf(t, k) + ", " + strings.Replace(k.is, "..", " to ", 1)
	case k.is == "positive":
		return kindOf(t, k) + " above 0"
	case k.is == "ping":
		return "time, at least 1s"
	}
	return kindOf(t, k)
}

func kindOf(t reflect.Type, k key) string {
	switch {
	case t == reflect.TypeFor[Duration]():
		return timeForm.words
	case t == reflect.TypeFor[Size]():
		return sizeForm.words
	case t == reflect.TypeFor[netip.Prefix]():
		return networkForm.words
	case t == reflect.TypeFor[time.Time]():
		return dateForm.words
	case t == reflect.TypeFor[Loss]():
		return "name of a loss"
	case t == reflect.TypeFor[map[string][]Stage]():
		return "mapping: version to a list of stages"
	case t.Kind() == reflect.Map:
		return "mapping: name of a field to its value"
	case t.Kind() == reflect.Slice && isSection(t.Elem()):
		return "list"
	case t.Kind() == reflect.Slice:
		return "list: " + kindOf(t.Elem(), k)
	case isSection(t):
		return "mapping"
	case t.Kind() == reflect.Bool:
		return "`true`, `false`"
	case t.Kind() == reflect.Int:
		return "number"
	case t.Kind() == reflect.Float64:
		return "number, may have a fraction"
	}
	return forms[k.is].words
}

// sectionOf returns the struct that a key's value, or each item of it, is; nil if it is none.
func sectionOf(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if isSection(t) {
		return t
	}
	return nil
}

const head = `# All keys of a configuration

<!-- Made from gateway/config.go by: go test ./gateway -run TestReference -update -->

This is the reference of the file that ` + "`draftwire gateway --config`" + ` reads. [gateway.md](gateway.md) says
how the gateway works, and has the shortest file; ` + "`draftwire config init`" + ` writes one with every key, and
` + "`draftwire config check`" + ` says what is wrong with one. An unknown key is an error.

Editors complete the keys, and mark wrong ones, with the JSON Schema [config.schema.json](config.schema.json),
which ` + "`draftwire config schema`" + ` prints too. Those with yaml-language-server find it by the first line of
the file that ` + "`config init`" + ` writes.

- A **time** is written like ` + "`500ms`, `30s`, `1m30s` or `24h`" + `.
- A **size** is a number of bytes, or written like ` + "`64KiB`, `1MiB` or `1GiB`" + `.
- A **network** is an address and the number of bits that count: ` + "`10.0.0.0/8`, `192.0.2.7/32`, `2001:db8::/32`" + `.
- **None** means no limit, no timeout, no ping. It is a negative number, and for times and sizes the
  word ` + "`none`" + ` too. A number of 0 means the default; a time or a size of 0 is an error: write ` + "`none`" + `, or leave the key out.
- A **version** has the names that ` + "`draftwire versions`" + ` lists; a **tolerance** those of
  ` + "[the tables](gateway.md#tolerances)" + `.
- Keys in **bold** are required if their section is present.
`

// reference returns docs/config.md.
func (d *document) reference(t *testing.T) string {
	var b strings.Builder
	b.WriteString(head)
	done := map[reflect.Type]string{}
	var write func(path string, typ reflect.Type)
	write = func(path string, typ reflect.Type) {
		title := "The top of the file"
		if path != "" {
			title = "`" + path + "`"
		}
		fmt.Fprintf(&b, "\n## %s\n\n", title)
		if at, ok := done[typ]; ok {
			fmt.Fprintf(&b, "The keys are those of [`%s`](#%s).\n", at, anchor(at))
			return
		}
		done[typ] = path
		if more := d.more(typ); more != "" {
			fmt.Fprintf(&b, "%s\n\n", marks.Replace(more))
		}
		b.WriteString("| key | value | default | meaning |\n| --- | --- | --- | --- |\n")
		var below []func()
		for _, k := range keysOf(typ) {
			meaning, byDefault := d.text(typ, k)
			if strings.HasPrefix(meaning, "?") {
				t.Errorf("the documentation of %s.%s does not begin with its name: %q", typ, k.name, meaning)
			}
			name, looks := "`"+k.name+"`", looks(k)
			if slices.Contains(k.words, byDefault) {
				byDefault = "`" + byDefault + "`"
			}
			if k.needs {
				name, byDefault = "**"+name+"**", "-"
			}
			if s := sectionOf(k.typ); s != nil {
				at := strings.TrimPrefix(path+": "+k.name, ": ")
				looks = fmt.Sprintf("[%s](#%s)", looks, anchor(at))
				if byDefault == "" || byDefault == "``" {
					byDefault = "-"
				}
				below = append(below, func() { write(at, s) })
			}
			if byDefault == "" {
				t.Errorf("%s.%s: its default is not documented", typ, k.name)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, marks.Replace(looks), marks.Replace(byDefault), marks.Replace(meaning))
		}
		for _, f := range below {
			f()
		}
	}
	write("", reflect.TypeFor[Config]())
	return inDocs.ReplaceAllString(b.String(), "[gateway.md]($1)")
}

// inDocs is how comments name a place in docs/gateway.md, to which docs/config.md has a link.
var inDocs = regexp.MustCompile(`docs/(gateway\.md#[a-z-]+)`)

// marks escapes what would be marks of Markdown.
var marks = strings.NewReplacer("*", `\*`, "<", "`<", ">", ">`", "|", `\|`)

// more is what the documentation of a section says beyond its first sentence, which is in the
// table above it.
func (d *document) more(typ reflect.Type) string {
	if typ == reflect.TypeFor[Config]() {
		return ""
	}
	_, rest, _ := strings.Cut(strings.Join(strings.Fields(d.about[typ.Name()]), " "), ". ")
	return d.inWords(typ, rest)
}

// anchor is what a heading is called in a link.
func anchor(title string) string {
	return strings.NewReplacer(":", "", " ", "-").Replace(strings.ToLower(title))
}

// ordered is an object of JSON whose members stay in their order.
type ordered [][2]any

func (o ordered) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		k, _ := json.Marshal(m[0])
		var v bytes.Buffer
		e := json.NewEncoder(&v)
		e.SetEscapeHTML(false)
		if err := e.Encode(m[1]); err != nil {
			return nil, err
		}
		b.Write(k)
		b.WriteByte(':')
		b.Write(bytes.TrimSpace(v.Bytes()))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// schema returns the JSON Schema. It is one of draft 07, which editors know best.
func (d *document) schema(t *testing.T) string {
	o := append(ordered{
		{"$schema", "http://json-schema.org/draft-07/schema#"},
		{"$id", schemaURL},
		{"title", "A draftwire gateway"},
	}, d.section(reflect.TypeFor[Config]())...)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const schemaURL = "https://raw.githubusercontent.com/draftwire/draftwire/main/docs/config.schema.json"

// section returns the schema of a mapping with known keys. One with nothing below it is null in
// YAML, and the same as none.
func (d *document) section(typ reflect.Type) ordered {
	var needed []string
	var properties ordered
	for _, k := range keysOf(typ) {
		meaning, byDefault := d.text(typ, k)
		if byDefault != "" && !k.needs {
			meaning += " Default: " + byDefault + "."
		}
		properties = append(properties, [2]any{k.name, append(ordered{{"description", strings.ReplaceAll(meaning, "`", "")}}, d.value(k, k.typ)...)})
		if k.needs {
			needed = append(needed, k.name)
		}
	}
	kinds := any([]string{"object", "null"})
	if needed != nil {
		kinds = "object"
	}
	o := ordered{{"type", kinds}, {"additionalProperties", false}, {"properties", properties}}
	if needed != nil {
		o = append(o, [2]any{"required", needed})
	}
	return o
}

// value returns the schema of a key's value, or of an item of it.
func (d *document) value(k key, t reflect.Type) ordered {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	text := func(f form) (o ordered) {
		o = ordered{{"type", "string"}}
		if f.pattern != "" {
			o = append(o, [2]any{"pattern", f.pattern})
		}
		if f.not != "" {
			o = append(o, [2]any{"not", ordered{{"pattern", f.not}}})
		}
		return o
	}
	switch {
	case k.words != nil:
		return ordered{{"enum", k.words}}
	case t == reflect.TypeFor[Duration]():
		f := timeForm
		if k.is == "positive" {
			f.pattern = strings.ReplaceAll(strings.Replace(f.pattern, "none|", "", 1), "[-+]?", `\+?`)
		}
		return text(f)
	case t == reflect.TypeFor[Size]():
		number := ordered{{"type", "integer"}, {"not", ordered{{"const", 0}}}}
		f := sizeForm
		if k.most != 0 {
			number = ordered{{"type", "integer"}, {"minimum", int64(k.least)}, {"maximum", int64(k.most)}}
			f.pattern = strings.ReplaceAll(strings.Replace(f.pattern, "none|", "", 1), "[-+]?", `\+?`)
		}
		return ordered{{"anyOf", []ordered{number, text(f)}}}
	case t == reflect.TypeFor[netip.Prefix]():
		return text(networkForm)
	case t == reflect.TypeFor[time.Time]():
		return text(dateForm)
	case t == reflect.TypeFor[Loss]():
		var names []string
		for _, l := range lossTable {
			names = append(names, string(l.Loss))
		}
		return ordered{{"enum", names}}
	case t == reflect.TypeFor[Backend]():
		return ordered{{"anyOf", []ordered{text(forms["backend URL"]), d.section(t)}}}
	case isSection(t):
		return d.section(t)
	case t == reflect.TypeFor[map[string][]Stage]():
		return ordered{{"type", []string{"object", "null"}}, {"propertyNames", ordered{{"pattern", forms[k.is].pattern}}},
			{"additionalProperties", d.value(key{}, t.Elem())}}
	case t.Kind() == reflect.Map:
		return ordered{{"type", []string{"object", "null"}}, {"propertyNames", ordered{{"pattern", forms[k.is].pattern}}},
			{"additionalProperties", ordered{{"type", []string{"string", "number", "boolean"}}}}}
	case t.Kind() == reflect.Slice:
		kinds, least := any([]string{"array", "null"}), 0
		if k.needs {
			kinds, least = "array", 1
		}
		item := k
		item.needs = false
		return ordered{{"type", kinds}, {"minItems", least}, {"items", d.value(item, t.Elem())}}
	case t.Kind() == reflect.Bool:
		return ordered{{"type", "boolean"}}
	case t.Kind() == reflect.Int && k.most != 0:
		return ordered{{"anyOf", []ordered{{{"const", 0}}, {{"type", "integer"}, {"minimum", int64(k.least)}, {"maximum", int64(k.most)}}}}}
	case t.Kind() == reflect.Int && k.is == "positive":
		return ordered{{"type", "integer"}, {"minimum", 0}}
	case t.Kind() == reflect.Int:
		return ordered{{"type", "integer"}}
	case t.Kind() == reflect.Float64:
		return ordered{{"type", "number"}}
	}
	return text(forms[k.is])
}

// The reference of all keys and the schema are what the types of the configuration say.
func TestReference(t *testing.T) {
	d := newDocument(t)
	for name, want := range map[string]string{"../docs/config.md": d.reference(t), "../docs/config.schema.json": d.schema(t), "config.schema.json": d.schema(t)} {
		if *update {
			if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, _ := os.ReadFile(name); string(got) != want {
			t.Errorf("%s is not what the types say; run: go test ./gateway -run TestReference -update", strings.TrimPrefix(name, "../"))
		}
	}
	if !strings.HasPrefix(Example, "# yaml-language-server: $schema="+schemaURL+"\n") {
		t.Error("the example does not begin with the address of the schema")
	}
}
