package argv_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor/argv"
	"github.com/gotuner/tuner/trial/executor/procenv"
)

func TestFits(t *testing.T) {
	t.Parallel()
	names := argv.Names{Params: []argv.Param{{Name: "n", Kind: argv.Number}, {Name: "b", Kind: argv.Bool}, {Name: "c", Kind: argv.Number, Conditional: true}, {Name: "t"}}}
	tmpl, _, err := argv.Parse([]string{"sh", "-c", "echo {n} {b}", "x", "{--t}"}, names, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := tmpl.Unseen(); !slices.Equal(got, []string{"c"}) {
		t.Errorf("it does not see %v", got)
	}
	for _, c := range []struct {
		texts map[string]string
		want  string // "" fits
	}{
		{map[string]string{"n": "1.10", "b": "True", "t": "; rm -rf /"}, ""},
		{map[string]string{"n": "0x1F", "b": "false", "c": "-1e-300", "t": ""}, ""},
		{map[string]string{"n": "99999999999999999999", "b": "false", "t": ""}, ""},
		{map[string]string{"n": "1; rm -rf /", "b": "true", "t": ""}, `n was a number and is "1; rm -rf /"`},
		{map[string]string{"n": "", "b": "true", "t": ""}, "n was a number"},
		{map[string]string{"n": "1", "b": "$(reboot)", "t": ""}, "b was true or false"},
		{map[string]string{"n": "1", "b": "true", "c": "x", "t": ""}, "c was a number"},
		{map[string]string{"n": "1", "b": "true", "t": "", "more": "1"}, "it has the parameter more, which it had not"},
		{map[string]string{"n": "1", "t": ""}, "it has the parameter b no more"},
	} {
		err := tmpl.Fits(procenv.Trial{Texts: c.texts})
		if c.want == "" && err != nil || c.want != "" && (types.CodeOf(err) != types.Conflict || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %v, want %q", c.texts, err, c.want)
		}
	}
}
