package jsonkeys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func fieldOf(t *testing.T, text string) string {
	t.Helper()
	err := Check([]byte(text))
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*TwiceError](err)
	if !ok {
		t.Fatalf("%s: %v", text, err)
	}
	return e.Field
}

func TestCheck(t *testing.T) {
	crowd := func(last string) string {
		var b strings.Builder
		for i := range 3 * few {
			fmt.Fprintf(&b, `"k%d":%d,`, i, i)
		}
		return b.String() + `"` + last + `":0`
	}
	for text, want := range map[string]string{
		`{}`: "", `[]`: "", `3`: "", `"a"`: "", ` null `: "",
		`{"a":1,"b":2}`:                        "",
		`{"a":1,"b":2,"a":3}`:                  "a",
		`{"a":{"b":1},"c":{"b":1}}`:            "", // not the same object
		`{"a":{"a":{"a":1}}}`:                  "",
		`{"a":[{"b":1},{"b":1,"c":{},"b":2}]}`: "a[1].b",
		`{"a":{"":1,"":2}}`:                    `a.""`, `{"[b":{"c":1,"c":2}}`: "[b.c",
		`[[], [{"x": 1, "x": 1}]]`:                    "[1][0].x",
		`{"a":{"b":{"c":1,"c":1}},"d":1}`:             "a.b.c",
		`{"a":"\"},{\"a\":1","b":"\\"}`:               "", // what looks so within a string
		`{"trials":1,"tri\u0061ls":2}`:                "trials",
		`{"a\"":1,"a\"":2}`:                           `a"`,
		`{"trials":1,"Trials":2}`:                     "Trials",
		`{"a":{"lr":1,"LR":2}}`:                       "", // two parameters
		`{"a":1.5e-3,"b":true,"c":null,"d":-1,"a":0}`: "a",
		"{\n\t\"a\" : 1 ,\r\n \"a\" : 2 }":            "a",
		`{` + crowd("k") + `}`:                        "",
		`{` + crowd("k7") + `}`:                       "k7",
		`{` + crowd("K7") + `}`:                       "K7",
		`{"p":{` + crowd("K7") + `}}`:                 "",
		`{"p":{` + crowd("k40") + `}}`:                "p.k40",
		`{"p":{` + crowd("k2") + `},"p":1}`:           "p.k2", // the first one
		`{"p":{` + crowd("k") + `},"p":1}`:            "p",
	} {
		if !json.Valid([]byte(text)) {
			t.Fatalf("%s is no JSON", text)
		}
		if got := fieldOf(t, text); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// reference is what Check promises, with the decoder of encoding/json.
func reference(d *json.Decoder, depth int) (twice bool) {
	t, err := d.Token()
	if err != nil {
		return false
	}
	var names []string
	for t == json.Delim('{') && d.More() {
		k, err := d.Token()
		if err != nil {
			return false
		}
		name := k.(string)
		for _, n := range names {
			if n == name || depth == 0 && strings.EqualFold(n, name) {
				return true
			}
		}
		names = append(names, name)
		if reference(d, depth+1) {
			return true
		}
	}
	for t == json.Delim('[') && d.More() {
		if reference(d, depth+1) {
			return true
		}
	}
	if t == json.Delim('{') || t == json.Delim('[') {
		_, _ = d.Token() // the closing one of a valid text
	}
	return false
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{`{"a":1,"a":2}`, `{"a":[{"b":"\u0061\\"},{"b":1}]}`, `[}`, `{"a"`, `{"a":{"\ud800":1,"\ud801":1}}`, "{\"\xff\":1,\"\xfe\":2}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := Check(text) // ends, whatever it gets
		if !json.Valid(text) || bytes.Count(text, []byte(`":`)) > few && !bytes.Equal(text, bytes.ToLower(text)) {
			return // of many names, folding is that of letters that fields have
		}
		if want := reference(json.NewDecoder(bytes.NewReader(text)), 0); want != (err != nil) {
			t.Errorf("%q: %v, and given twice is %t", text, err, want)
		}
	})
}

// BenchmarkCheck is what the check adds to a request: the body of a report, and
// one of a batch of a hundred.
func BenchmarkCheck(b *testing.B) {
	report := `{"metric":"loss","step":3,"value":0.25}`
	for name, text := range map[string]string{
		"report": `{"token":"5ad5f5e0a7a24a3b9c0f","reports":[` + report + `]}`,
		"batch":  `{"token":"5ad5f5e0a7a24a3b9c0f","reports":[` + strings.Repeat(report+",", 99) + report + `]}`,
	} {
		b.Run(name, func(b *testing.B) {
			body := []byte(text)
			b.ReportAllocs()
			for b.Loop() {
				if err := Check(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
