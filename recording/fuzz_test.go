package recording_test

import (
	"bytes"
	"testing"

	"github.com/draftwire/draftwire/internal/seed"
	"github.com/draftwire/draftwire/recording"
)

// Any file is read to an end, and what is read of it is written and read again as the same.
func FuzzRead(f *testing.F) {
	file := write(f, sample())
	seed.Add(f, file)
	seed.Add(f, file[:len(file)-3])
	f.Fuzz(func(t *testing.T, file []byte) {
		got, _, _ := read(t, file)
		if len(got) == 0 {
			return
		}
		again, _, err := read(t, write(t, got))
		if len(again) != len(got) {
			t.Fatalf("%d events, and then %d: %v", len(got), len(again), err)
		}
	})
}

// What is taken out of a text is not in it any more, and what is not named stays.
func FuzzRedact(f *testing.F) {
	seed.Add(f, []byte(`{"token":"s3cret","a":[1,{"token":{}}]}`))
	seed.Add(f, []byte("GET /?token=s3cret HTTP/1.1\r\nCookie: s3cret\r\n\r\n"))
	r := recording.Redaction{Fields: recording.DefaultFields, Names: []string{"token"}}
	f.Fuzz(func(t *testing.T, p []byte) {
		before := bytes.Clone(p)
		text, changed := r.Text(p)
		if !changed && !bytes.Equal(text, before) {
			t.Fatal("it has changed")
		}
		if again, more := r.Text(text); more && !bytes.Equal(again, text) {
			t.Fatalf("%q is redacted again: %q", text, again)
		}
		r.Head(p)
		if !bytes.Equal(p, before) {
			t.Fatal("the input was written")
		}
	})
}
