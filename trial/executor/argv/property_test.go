package argv

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A command whose arguments hold no brace comes out as it went in.
func TestTextPassesUntouched(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arg := rapid.StringMatching(`[^{\x00]*`)
		command := append([]string{"program"}, rapid.SliceOf(arg).Draw(t, "arguments")...)
		tmpl, _, err := Parse(command, Names{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tmpl.Expand(values())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(command, got); d != "" {
			t.Fatal(d)
		}
	})
}

// A value is data: whatever it holds, it ends up whole in its argument, and
// braces in it are not looked at again.
func TestValuesAreNotReadAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.StringMatching(`[^\x00]*`), rapid.SampledFrom([]string{"{lr}", "{args}", "$(x)", "'", "a b"})).Draw(t, "value")
		v := values()
		v.Texts["opt"] = text
		tmpl, _, err := Parse([]string{"p", "<{opt}>", "{--opt}", "{--opt=}", "{lr}"}, names(), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tmpl.Expand(v)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"p", "<" + text + ">", "--opt", text, "--opt=" + text, "0.001"}, got); d != "" {
			t.Fatal(d)
		}
	})
}

// FuzzParse: no command makes Parse or Expand panic, and what Parse accepts
// expands for every trial in which the unconditional parameters are active.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"p|{lr}", "sh|-c|{opt}", "p|{--momentum=}|{args}", "python|-c|x", "p|${trialParameters.lr}", "{|}{|{--", "ssh|-o|{--x:}",
		"perl|-e", "bash|-o", "p|{--lr", "env|sh|-c", "p|{\xff}", "node|--eval",
	} {
		f.Add(s, "word")
	}
	f.Fuzz(func(t *testing.T, joined, literal string) {
		command := strings.Split(joined, "|")
		tmpl, _, err := Parse(command, names(), []string{literal})
		if err != nil {
			return
		}
		got, err := tmpl.Expand(values())
		if err != nil && !strings.Contains(err.Error(), "NUL") {
			t.Fatalf("Parse accepted %q, but Expand: %v", command, err)
		}
		if !strings.Contains(joined, "{") && err == nil {
			if !slices.Equal(got[:len(command)], command) {
				t.Fatalf("%q became %q", command, got)
			}
		}
	})
}
