package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestTheAuditLogIsBounded: several processes write lines, none is torn or lost
// while it may be kept, and the files stay within their bounds.
func TestTheAuditLogIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	const writers, lines, most = 3, 400, 4000
	var wg sync.WaitGroup
	for w := range writers {
		r := &rotated{path: path, most: most}
		if err := r.open(); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for i := range lines {
				if _, err := fmt.Fprintf(r, "%d %03d xxxxxxxxxxxxxxx\n", w, i); err != nil {
					t.Error(err)
				}
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	read := func() (seen map[string]bool) {
		seen = map[string]bool{}
		for i := range auditFiles {
			name := path
			if i > 0 {
				name = fmt.Sprintf("%s.%d", path, i)
			}
			b, err := os.ReadFile(name)
			if os.IsNotExist(err) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(b) > most+writers*22 { // each may append a line while another looks
				t.Errorf("%s has %d bytes", name, len(b))
			}
			for line := range strings.Lines(string(b)) {
				if len(line) != 22 || seen[line] {
					t.Fatalf("%s has the line %q", name, line)
				}
				seen[line] = true
			}
		}
		return seen
	}
	if n := len(read()); n != writers*lines {
		t.Errorf("%d lines are kept of %d", n, writers*lines)
	}
	r := &rotated{path: path, most: most}
	if err := r.open(); err != nil {
		t.Fatal(err)
	}
	for i := range 5 * lines {
		if _, err := fmt.Fprintf(r, "9 %04d xxxxxxxxxxxxxx\n", i); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if seen := read(); !seen[fmt.Sprintf("9 %04d xxxxxxxxxxxxxx\n", 5*lines-1)] || seen["0 000 xxxxxxxxxxxxxxx\n"] {
		t.Error("not the newest lines are kept")
	}
	if all, err := filepath.Glob(path + ".?"); err != nil || len(all) != auditFiles-1 {
		t.Errorf("there are %v, %v", all, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the log is %v, %v", info, err)
	}
}
