//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOperations: backup, doctor and gc beside a server that works, restore
// without one.
func TestOperations(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	l := newLab(t)
	server := l.serve("127.0.0.1:0")
	const n = 24
	run := l.begin(n, fiveReports, server.flags()...)
	run.shows("trial 6 running")
	saved := filepath.Join(l.dir, "saved")
	if out := l.run(l.command("backup", saved)).exits(0); !strings.Contains(out, "saved, ") {
		t.Errorf("backup: %s", out)
	}
	if out := l.run(l.command("restore", saved, "--force")).exits(1); !strings.Contains(out, "another process uses") {
		t.Errorf("restore beside the server: %s", out)
	}
	out := l.run(l.command("doctor")).exits(0)
	for _, want := range []string{"default/s is run by " + server.url, "SQLite's integrity check found nothing", server.token + " can be read by you only", "schema "} {
		if !strings.Contains(out, want) {
			t.Errorf("doctor does not say %q:\n%s", want, out)
		}
	}
	if err := os.Chmod(server.token, 0o644); err != nil {
		t.Fatal(err)
	}
	if out := l.run(l.command("doctor")).exits(1); !strings.Contains(out, "chmod 600") {
		t.Errorf("doctor and a token that all can read:\n%s", out)
	}
	if err := os.Chmod(server.token, 0o600); err != nil {
		t.Fatal(err)
	}
	l.run(l.command("gc", "--dry-run")).exits(0)
	run.exits(0)
	server.ends()
	l.whole(n)

	if out := l.run(l.command("restore", saved)).exits(2); !strings.Contains(out, "--force") {
		t.Errorf("restore over studies: %s", out)
	}
	l.run(l.command("restore", saved, "--force")).exits(0)
	if had := len(l.states()); had < 6 || had >= n {
		t.Errorf("the backup has %d trials", had)
	}
	// What was not in the backup is done again; what ran then is found.
	server = l.serve(strings.TrimPrefix(server.url, "http://"))
	l.begin(n, fiveReports, server.flags()...).exits(0)
	server.ends()
	l.whole(n)
}
