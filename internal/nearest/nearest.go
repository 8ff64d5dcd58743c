// Package nearest finds the known word that a mistyped one was meant to be, so
// that an error can name it.
package nearest

import "strings"

// Word returns the candidate that is nearest to word, or "" if none is so near
// that a reader would take one for a slip of the other: at most one edit for
// up to four letters, two for up to eight, else three. Case, dashes and
// underscores do not count as edits. Of equally near candidates it returns the
// first.
func Word(word string, candidates []string) string {
	limit := 1 + (len([]rune(word))-1)/4
	limit = min(max(limit, 1), 3)
	best, distance := "", limit+1
	w := fold(word)
	for _, c := range candidates {
		if d := edits(w, fold(c)); d < distance {
			best, distance = c, d
		}
	}
	return best
}

func fold(s string) []rune {
	return []rune(strings.ReplaceAll(strings.ToLower(s), "-", "_"))
}

// edits is the Levenshtein distance in which the exchange of two neighbouring
// letters counts once (optimal string alignment).
func edits(a, b []rune) int {
	before := make([]int, len(b)+1)
	last := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
