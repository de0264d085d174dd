package gen

import (
	"github.com/draftwire/draftwire/vectors"
	"github.com/draftwire/draftwire/wire"
)

// offered is one vector of kind extension: a server's answer; "" declines.
func offered(id, section, comment, offer string, takeover bool, answer string) vectors.Vector {
	v := vectors.Vector{ID: id, Kind: vectors.KindExtension, Section: section, Role: wire.Server.String(), Comment: comment,
		Result: vectors.Valid, Offered: offer, Takeover: takeover, Answer: answer}
	if answer == "" {
		v.Result = vectors.Invalid
	}
	return v
}

// answered is one vector of kind extension: a client's judgement.
func answered(id, section, comment, offer, answer string, ok bool) vectors.Vector {
	v := vectors.Vector{ID: id, Kind: vectors.KindExtension, Section: section, Role: wire.Client.String(), Comment: comment,
		Result: vectors.Valid, Offered: offer, Answer: answer}
	if !ok {
		v.Result, v.Error = vectors.Invalid, string(wire.ReasonNotOffered)
	}
	return v
}

// offersMessage: what a server answers.
func offersMessage() []vectors.Vector {
	const (
		name  = "permessage-deflate"
		fresh = name + "; server_no_context_takeover; client_no_context_takeover"
		asked = "; server_max_window_bits="
	)
	var l list
	for _, c := range []struct {
		id, section, comment, offer string
		keeping, without            string // the answer of a server that wants to keep windows, and of one that does not
		choice                      bool
	}{
		{"bare", "7.1", "no parameters", name, name, fresh, false},
		{"client-window", "7.1.2.2", "what browsers offer", name + "; client_max_window_bits", name, fresh, false},
		{"client-window-10", "7.1.2.2", "a hint that the client's window is small", name + "; client_max_window_bits=10", name, fresh, false},
		{"server-no-takeover", "7.1.1.1", "the server must not keep its window", name + "; server_no_context_takeover", name + "; server_no_context_takeover", fresh, false},
		{"client-no-takeover", "7.1.1.2", "the client will not keep its window; to answer without that hint is legal", name + "; client_no_context_takeover", name + "; client_no_context_takeover", fresh, true},
		{"both-no-takeover", "7.1.1", "neither is to keep its window", name + "; client_no_context_takeover; server_no_context_takeover", fresh, fresh, false},
		{"server-window-8", "7.1.2.1", "the smallest window for the server", name + asked + "8", name + asked + "8", fresh + asked + "8", false},
		{"server-window-10", "7.1.2.1", "a small window for the server; a smaller one in the answer is legal", name + asked + "10", name + asked + "10", fresh + asked + "10", true},
		{"server-window-15", "7.1.2.1", "the largest window for the server, said; a smaller one in the answer is legal", name + asked + "15", name + asked + "15", fresh + asked + "15", true},
		{"server-window-client", "7.1.2", "a window for the server, and a hint for the client's; a smaller one in the answer is legal",
			name + "; client_max_window_bits" + asked + "10", name + asked + "10", fresh + asked + "10", true},
		{"everything", "7.1", "every parameter there is; a smaller window in the answer is legal",
			name + "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; client_max_window_bits=9", fresh + asked + "12", fresh + asked + "12", true},
		{"quoted", "RFC 6455 9.1", "a quoted value is the value", name + asked + `"8"`, name + asked + "8", fresh + asked + "8", false},
		{"spaces", "RFC 6455 9.1", "white space between words means nothing", name + " ;  server_max_window_bits = 8\t; client_max_window_bits", name + asked + "8", fresh + asked + "8", false},
		{"no-spaces", "RFC 6455 9.1", "white space is not needed", name + ";server_max_window_bits=8;client_max_window_bits", name + asked + "8", fresh + asked + "8", false},
		{"older-first", "7.1", "the older kind stands first, and is not taken; to take it is legal", "x-webkit-deflate-frame, " + name, name, fresh, true},
	} {
		for _, takeover := range []bool{true, false} {
			id, answer := "pmd-offer-"+c.id, c.keeping
			if !takeover {
				id, answer = id+"-fresh", c.without
			}
			v := offered(id, in7692(c.section), c.comment, c.offer, takeover, answer)
			if c.choice {
				v = choice(v)
			}
			l.add(v)
		}
	}
	for _, c := range []struct{ id, section, comment, offer, answer string }{
		{"window-7-then-good", "5.1", "an alternative that is malformed is passed over", name + asked + "7, " + name, name},
		{"unknown-then-good", "5.1", "an alternative with a parameter that nobody knows is passed over", name + "; foo, " + name + "; client_max_window_bits", name},
		{"twice-then-good", "5.1", "an alternative with a parameter twice is passed over", name + "; client_max_window_bits; client_max_window_bits, " + name, name},
		{"other-then-good", "RFC 6455 9.1", "an extension that nobody knows is passed over", "permessage-foo; level=9, " + name, name},
		{"good-then-other", "RFC 6455 9.1", "an extension that nobody knows behind a good offer", name + ", permessage-foo", name},
		{"stream-then-good", "RFC 6455 9.1", "deflate-stream of the drafts is passed over", "deflate-stream, " + name, name},
		{"malformed-then-older", "5.1", "a malformed offer, and a good one of the older kind", name + asked + "16, x-webkit-deflate-frame", "x-webkit-deflate-frame"},
		{"empty-elements", "RFC 6455 9.1", "empty elements of a list are none", ", " + name + ",, ", name},
	} {
		l.add(offered("pmd-offer-"+c.id, in7692(c.section), c.comment, c.offer, true, c.answer))
	}
	l.add(
		choice(offered("pmd-offer-two", "RFC 7692 5.1", "of two good offers the first is taken; to take the second is legal", name+asked+"10, "+name, true, name+asked+"10")),
		choice(offered("pmd-offer-older-last", "RFC 7692 7.1", "the older kind stands last; to take it is legal", name+", x-webkit-deflate-frame", true, name)),
	)
	for _, c := range bad(name, "server_max_window_bits", "server_no_context_takeover", "client_no_context_takeover") {
		l.add(offered("pmd-offer-"+c.id, in7692(c.section), c.comment, c.value, true, ""))
	}
	for _, c := range []struct{ id, section, comment, value string }{
		{"server-window-bare", "7.1.2.1", "a window for the server without a number", name + "; server_max_window_bits"},
		{"client-window-7", "7.1.2.2", "a hint that is below the least window", name + "; client_max_window_bits=7"},
		{"client-window-16", "7.1.2.2", "a hint that is above the largest window", name + "; client_max_window_bits=16"},
		{"client-window-08", "7.1.2.2", "a hint with a zero in front", name + "; client_max_window_bits=08"},
		{"client-window-empty", "7.1.2.2", "a hint with an equals sign and no number", name + "; client_max_window_bits="},
		{"client-window-twice", "7.1", "a hint twice", name + "; client_max_window_bits; client_max_window_bits=10"},
		{"all-bad", "5.1", "every alternative is malformed", name + "; foo, " + name + asked + "7"},
		{"other", "RFC 6455 9.1", "an extension that nobody knows", "permessage-foo"},
		{"prefix", "RFC 6455 9.1", "a name that begins like one that is known", name + "2"},
		{"nothing", "RFC 6455 9.1", "parameters without a name", "; client_max_window_bits"},
	} {
		l.add(offered("pmd-offer-"+c.id, in7692(c.section), c.comment, c.value, true, ""))
	}
	return l
}

// in7692 returns a section in full: of RFC 7692 where no document is named.
func in7692(section string) string {
	if section[0] == 'R' {
		return section
	}
	return "RFC 7692 " + section
}

// malformed is a value that nobody may take.
type malformed struct{ id, section, comment, value string }

// bad are ways to say an extension wrong: bits is a parameter that wants a
// number, flags want none.
func bad(name, bits string, flags ...string) []malformed {
	with := func(p string) string { return name + "; " + p }
	out := []malformed{
		{"unknown-parameter", "7.1", "a parameter that nobody knows", with("foo")},
		{"unknown-parameter-set", "7.1", "a parameter that nobody knows, with a value", with("foo=1")},
		{"window-7", "7.1.2", "a window below the least", with(bits + "=7")},
		{"window-16", "7.1.2", "a window above the largest", with(bits + "=16")},
		{"window-0", "7.1.2", "a window of no bits", with(bits + "=0")},
		{"window-08", "7.1.2", "a window with a zero in front", with(bits + "=08")},
		{"window-plus", "7.1.2", "a window with a sign", with(bits + "=+8")},
		{"window-minus", "7.1.2", "a window below nothing", with(bits + "=-8")},
		{"window-dot", "7.1.2", "a window that is not whole", with(bits + "=8.5")},
		{"window-word", "7.1.2", "a window in letters", with(bits + "=ten")},
		{"window-hex", "7.1.2", "a window in hexadecimal digits", with(bits + "=0xA")},
		{"window-huge", "7.1.2", "a window that no integer holds", with(bits + "=18446744073709551626")},
		{"window-empty", "7.1.2", "an equals sign and no number", with(bits + "=")},
		{"window-quoted-nothing", "RFC 6455 9.1", "quotes with nothing in them", with(bits + `=""`)},
		{"window-quoted-7", "7.1.2", "a window below the least, in quotes", with(bits + `="7"`)},
		{"window-quote-open", "RFC 6455 9.1", "a quote that does not end", with(bits + `="10`)},
		{"window-apostrophes", "RFC 6455 9.1", "apostrophes are no quotes", with(bits + "='10'")},
		{"window-twice", "7.1", "a parameter twice", with(bits + "=10; " + bits + "=10")},
		{"semicolon", "RFC 6455 9.1", "a semicolon and no parameter", name + ";"},
		{"value-alone", "RFC 6455 9.1", "a value without a parameter", with("=10")},
	}
	for _, f := range flags {
		id := map[string]string{"server_no_context_takeover": "server-flag", "client_no_context_takeover": "client-flag", "no_context_takeover": "flag"}[f]
		out = append(out,
			malformed{id + "-value", "7.1.1", f + " with a value", with(f + "=1")},
			malformed{id + "-empty", "7.1.1", f + " with an equals sign", with(f + "=")},
			malformed{id + "-twice", "7.1", f + " twice", with(f + "; " + f)})
	}
	return out
}

// answersMessage: what a client takes for an answer to its offer.
func answersMessage() []vectors.Vector {
	const (
		name    = "permessage-deflate"
		keeping = name + "; client_max_window_bits"
		fresh   = name + "; server_no_context_takeover; client_no_context_takeover; client_max_window_bits, " + keeping
	)
	var l list
	for _, c := range []struct {
		id, section, comment, answer string
		ok                           bool
	}{
		{"declined", "7.1", "nothing: no compression", "", true},
		{"bare", "7.1", "no parameters", name, true},
		{"server-no-takeover", "7.1.1.1", "the server says unasked that it does not keep its window", name + "; server_no_context_takeover", true},
		{"client-no-takeover", "7.1.1.2", "the client is not to keep its window", name + "; client_no_context_takeover", true},
		{"both-no-takeover", "7.1.1", "neither keeps its window", name + "; client_no_context_takeover; server_no_context_takeover", true},
		{"server-window-8", "7.1.2.1", "the server says unasked that its window is small", name + "; server_max_window_bits=8", true},
		{"client-window-8", "7.1.2.2", "the client is to take the smallest window", name + "; client_max_window_bits=8", true},
		{"client-window-15", "7.1.2.2", "the client may take the largest window", name + "; client_max_window_bits=15", true},
		{"both-windows", "7.1.2", "a window for each", name + "; client_max_window_bits=10; server_max_window_bits=12", true},
		{"window-quoted", "RFC 6455 9.1", "a quoted value is the value", name + `; client_max_window_bits="10"`, true},
		{"client-window-bare", "7.1.2.2", "in an answer the client's window needs its number", name + "; client_max_window_bits", false},
		{"server-window-bare", "7.1.2.1", "a window for the server without a number", name + "; server_max_window_bits", false},
		{"server-window-7", "7.1.2.1", "a window for the server below the least", name + "; server_max_window_bits=7", false},
		{"server-window-16", "7.1.2.1", "a window for the server above the largest", name + "; server_max_window_bits=16", false},
		{"twice", "7.1", "the extension twice", name + ", " + name, false},
		{"other", "RFC 6455 9.1", "an extension that was not offered", "permessage-foo", false},
		{"older", "RFC 6455 9.1", "the older kind, which was not offered", "x-webkit-deflate-frame", false},
		{"stream", "RFC 6455 9.1", "deflate-stream, which was not offered", "deflate-stream", false},
		{"and-other", "RFC 6455 9.1", "beside a good answer an extension that was not offered", name + ", permessage-foo", false},
	} {
		l.add(answered("pmd-answer-"+c.id, in7692(c.section), c.comment, keeping, c.answer, c.ok))
	}
	for _, c := range bad(name, "client_max_window_bits", "server_no_context_takeover", "client_no_context_takeover") {
		l.add(answered("pmd-answer-"+c.id, in7692(c.section), c.comment, keeping, c.value, false))
	}
	for _, c := range []struct {
		id, section, comment, answer string
		ok                           bool
	}{
		{"declined", "7.1", "nothing: no compression, so no window either", "", true},
		{"server", "7.1.1.1", "the server says what it was asked to", name + "; server_no_context_takeover", true},
		{"both", "7.1.1", "the server says what both do", name + "; server_no_context_takeover; client_no_context_takeover", true},
		{"window", "7.1.2", "and a window for the client", name + "; server_no_context_takeover; client_max_window_bits=9", true},
		{"bare", "7.1.3", "the server takes the second choice", name, true},
		{"client-only", "7.1.3", "the second choice, and the client keeps nothing", name + "; client_no_context_takeover", true},
		{"window-only", "7.1.3", "the second choice, and the server's window is small", name + "; server_max_window_bits=8", true},
		{"both-choices", "5.1", "both choices at a time", name + "; server_no_context_takeover, " + name, false},
		{"offer-back", "7.1.2.2", "the offer comes back as it was: the client's window needs its number", name + "; server_no_context_takeover; client_no_context_takeover; client_max_window_bits", false},
	} {
		l.add(answered("pmd-answer-fresh-"+c.id, in7692(c.section), c.comment, fresh, c.answer, c.ok))
	}
	return l
}

// offersFrame: what a server answers to the older kind.
func offersFrame() []vectors.Vector {
	const (
		webkit = "x-webkit-deflate-frame"
		plain  = "deflate-frame"
		fresh  = "; no_context_takeover"
	)
	var l list
	for _, c := range []struct{ id, comment, offer, name string }{
		{"webkit", "what Safari offered until 14", webkit, webkit},
		{"name", "the name without a prefix", plain, plain},
		{"no-takeover", "the server must not keep its window, which the answer does not repeat", webkit + fresh, webkit},
		{"window-8", "the smallest window for the server, which the answer does not repeat", webkit + "; max_window_bits=8", webkit},
		{"window-15", "the largest window for the server, which the answer does not repeat", plain + "; max_window_bits=15", plain},
		{"both", "both parameters, which the answer does not repeat", plain + "; max_window_bits=9; no_context_takeover", plain},
		{"window-quoted", "a quoted value is the value", webkit + `; max_window_bits="8"`, webkit},
		{"two-names", "both names: the answer has the one that stands first", plain + ", " + webkit, plain},
		{"two-names-turned", "both names, the other way round", webkit + ", " + plain, webkit},
	} {
		l.add(
			offered("dff-offer-"+c.id, tyoshino, c.comment, c.offer, true, c.name),
			offered("dff-offer-"+c.id+"-fresh", tyoshino, c.comment+"; in the answer the parameter binds the client", c.offer, false, c.name+fresh))
	}
	for _, c := range []struct{ id, comment, offer, answer string }{
		{"window-7-then-good", "a malformed offer is passed over", webkit + "; max_window_bits=7, " + webkit, webkit},
		{"unknown-then-name", "an offer with a parameter that nobody knows is passed over", webkit + "; foo, " + plain, plain},
		{"stream-then-good", "deflate-stream is passed over", "deflate-stream, " + webkit, webkit},
		{"private-then-good", "Jetty's private format is passed over", "x-deflate-frame, " + plain, plain},
	} {
		l.add(offered("dff-offer-"+c.id, tyoshino, c.comment, c.offer, true, c.answer))
	}
	for _, c := range bad(webkit, "max_window_bits", "no_context_takeover") {
		section := tyoshino
		if c.section[0] == 'R' {
			section = c.section
		}
		l.add(offered("dff-offer-"+c.id, section, c.comment, c.value, true, ""))
	}
	l.add(
		offered("dff-offer-window-bare", tyoshino, "a window without a number", webkit+"; max_window_bits", true, ""),
		offered("dff-offer-of-message", tyoshino, "a parameter of permessage-deflate", webkit+"; client_max_window_bits", true, ""),
		choice(offered("dff-offer-private", tyoshino, "x-deflate-frame is Jetty's and of another form: declined; who knows that form may take it", "x-deflate-frame", true, "")),
		choice(offered("dff-offer-stream", "RFC 6455 9.1", "deflate-stream of drafts 04 to 12 is declined; who knows it may take it", "deflate-stream", true, "")),
	)
	return l
}
