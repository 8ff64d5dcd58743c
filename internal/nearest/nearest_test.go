package nearest

import "testing"

func TestWord(t *testing.T) {
	known := []string{"algorithm", "stopper", "trials", "jobs", "max_failures", "min", "max", "lr"}
	for _, tt := range []struct{ word, want string }{
		{"algoritm", "algorithm"},
		{"Algorithm", "algorithm"},
		{"algorihtm", "algorithm"},
		{"max-failures", "max_failures"},
		{"maxfailures", "max_failures"},
		{"trial", "trials"},
		{"job", "jobs"},
		{"mun", "min"},
		{"mux", "max"},
		{"rl", "lr"},
		{"pruner", ""},
		{"zzz", ""},
		{"", ""},
	} {
		if got := Word(tt.word, known); got != tt.want {
			t.Errorf("Word(%q) = %q, want %q", tt.word, got, tt.want)
		}
	}
	if got := Word("x", nil); got != "" {
		t.Errorf("Word without candidates = %q", got)
	}
}

func TestEdits(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0},
		{"kitten", "sitting", 3}, {"ab", "ba", 1}, {"größe", "grösse", 2},
	} {
		if got := edits([]rune(tt.a), []rune(tt.b)); got != tt.want {
			t.Errorf("edits(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
