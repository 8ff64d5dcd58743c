package cli

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/docs/guide"
)

func TestPlainPage(t *testing.T) {
	const page = "# Title\n\n" +
		"| write | for |\n|---|---|\n| `a=1..8` | whole numbers, because both ends are written so |\n| | `a \\|\\| b` |\n| `longer=than_its_column` | x |\n\n" +
		"```\n| no | table |\n```\n| last |\n|---|\n| row |\n"
	const want = "# Title\n\n" +
		"write                     for\n" +
		"------------------------  -----------\n" +
		"`a=1..8`                  whole\n" +
		"                          numbers,\n" +
		"                          because\n" +
		"                          both ends\n" +
		"                          are written\n" +
		"                          so\n" +
		"                          `a || b`\n" +
		"`longer=than_its_column`  x\n\n" +
		"```\n| no | table |\n```\n" +
		"last\n----\nrow\n"
	const broken = "word\n------\nlonger\n_than_\nits_co\nlumn\nthis\none\n"
	if d := cmp.Diff(broken, plainPage("| word |\n|---|\n| longer_than_its_column |\n| this one |\n", 6)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff(want, plainPage(page, 37)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// No page has a row of a Markdown table left, nor a table that is too wide, and
// none loses a word.
func TestPlainPages(t *testing.T) {
	pages, err := guide.Topics()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		plain := pageLink.ReplaceAllString(p.Text, "$1")
		for _, width := range []int{0, 60, 80, 200} {
			text := plainPage(p.Text, width)
			if strings.Contains(text, "\n|") {
				t.Errorf("%s at %d columns has a row of a table", p.Name, width)
			}
			for line := range strings.Lines(text) {
				n := utf8.RuneCountInString(line) - 1
				if most := min(max(width, 60), pageWidth); width > 0 && n > most && !strings.Contains(plain, strings.TrimSpace(line)) {
					t.Errorf("%s at %d columns has a line of %d: %s", p.Name, width, n, line)
				}
			}
		}
		if got, want := letters(plainPage(p.Text, 0)), letters(plain); got != want {
			t.Errorf("%s has %d letters, not %d", p.Name, got, want)
		}
	}
}

// letters counts what no table is drawn with.
func letters(s string) int {
	n := 0
	for _, r := range s {
		if !strings.ContainsRune(" \n|-\\", r) {
			n++
		}
	}
	return n
}
