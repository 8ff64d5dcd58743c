//go:build unix

package argv

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestQuote(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"python", "train.py", "--lr=0.001", "a/b:c,d"}, `python train.py --lr=0.001 a/b:c,d`},
		{[]string{"p", "", "a b", "$HOME", "~", "*", "{x}", "!"}, `p '' 'a b' '$HOME' '~' '*' '{x}' '!'`},
		{[]string{"it's", `a\b`}, `'it'\''s' 'a'\\'b'`},
		{[]string{"A=1", "A=1", "=x"}, `'A=1' A=1 '=x'`},
		{nil, ""},
	} {
		if got := Quote(tt.args); got != tt.want {
			t.Errorf("Quote(%q) = %s, want %s", tt.args, got, tt.want)
		}
	}
}

// shellsHere are the shells of this machine; sh is always there.
func shellsHere() []string {
	out := []string{"sh"}
	for _, s := range []string{"bash", "dash", "zsh", "fish"} {
		if _, err := exec.LookPath(s); err == nil {
			out = append(out, s)
		}
	}
	return out
}

// The shells themselves read a quoted line back as the same words.
func TestShellsReadBack(t *testing.T) {
	words := rapid.SliceOfN(rapid.OneOf(
		rapid.StringMatching(`[ -~\n\t]{0,12}`),
		rapid.StringMatching(`[^\x00\r]{0,6}`),
		rapid.SampledFrom([]string{"", "'", `\`, `\\`, `\'`, "$(exit 3)", "`x`", "-n", "=ls", "~root", "#", "a;b", "&", "%self"}),
	), 1, 12)
	for _, shell := range shellsHere() {
		var want []string
		var script strings.Builder
		for seed := range 40 {
			args := words.Example(seed)
			for _, a := range args {
				want = append(want, strings.ToValidUTF8(a, "?"))
			}
			for i := range args {
				args[i] = strings.ToValidUTF8(args[i], "?")
			}
			script.WriteString(`printf '%s\0' ` + Quote(args) + "\n")
		}
		// printf of fish and of dash take an argument that begins with a dash as
		// text after the format, as all do.
		out, err := exec.Command(shell, "-c", script.String()).Output()
		if err != nil {
			t.Errorf("%s: %v", shell, err)
			continue
		}
		got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", shell, d)
		}
	}
}
