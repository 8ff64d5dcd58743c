//go:build linux

package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/pgtest"
)

// TestPostgreSQLRestarts: the database server is ended at once under two servers
// at work, and started again. Meanwhile requests are answered by Unavailable;
// then all goes on by itself, and nothing that was acknowledged is missing.
func TestPostgreSQLRestarts(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	t.Parallel()
	var database pgtest.Server
	t.Cleanup(database.Stop)
	f := newFleet(t, database.DSN(t))
	const trials = 500
	a, b := f.open(0, "a", trials), f.open(1, "b", trials)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	crowd := f.crowd(ctx, 4, false, a, b)
	for range 2 {
		goal := f.done() + 50
		waitUntil(t, "work", func() bool { return f.done() >= goal })
		database.Crash(t)
		for i := range f.servers {
			_, err := f.at(i).OpenStudy(ctx, a.Spec)
			if types.CodeOf(err) != types.Unavailable {
				t.Errorf("without its database server %d answers %v", i, err)
			}
			t.Logf("server %d: %v", i, err)
		}
		database.Resume(t)
	}
	crowd.Wait()
	for _, s := range f.servers {
		s.ends()
	}
	f.check(trials, a, b)
}

// TestFullDiskUnderServers: requests are answered by an error that says so; when
// there is room all goes on by itself, and nothing that was acknowledged is
// missing.
func TestFullDiskUnderServers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	t.Parallel()
	l := newLab(t)
	l.db = filepath.Join(l.smallDisk(24<<20).dir, "tuner.db") // less than a write-ahead log may take
	// Only the database's disk is full: a server that cannot audit logs that as an error.
	f := l.fleet("--audit-log", filepath.Join(t.TempDir(), "audit.log"))
	const trials = 500
	a, b := f.open(0, "a", trials), f.open(1, "b", trials)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	crowd := f.crowd(ctx, 4, false, a, b)
	// What fills the room that is left in the file and in its log.
	more := [2]types.Study{f.open(0, "more", 1e6), f.open(1, "still-more", 1e6)}
	many := make([]types.Params, 2000)
	for i := range many {
		many[i] = types.Params{{Name: "x", Value: 0.5}}
	}
	for range 2 {
		goal := f.done() + 50
		waitUntil(t, "work", func() bool { return f.done() >= goal })
		free := l.fill()
		for i, st := range []types.Study{a, b} {
			c := f.at(i)
			var err error
			for n := 0; err == nil && n < 50; n++ {
				_, err = c.Control(ctx, types.ControlRequest{Study: more[i].ID, Kind: types.Enqueue, Points: many})
			}
			if types.CodeOf(err) != types.Unavailable || !strings.Contains(err.Error(), "disk is full") {
				t.Errorf("on a full disk server %d answers %v", i, err)
			}
			if v, err := c.Study(ctx, st.ID); err != nil || v.State != types.StudyActive {
				t.Errorf("on a full disk server %d says %s, %v", i, v.State, err)
			}
		}
		free()
	}
	crowd.Wait()
	for _, s := range f.servers {
		s.ends()
	}
	f.check(trials, a, b)
}
