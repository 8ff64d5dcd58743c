//go:build linux

package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// until is a trial that ends once the file go is there.
const until = `echo v=$1; while [ ! -e go ]; do sleep 0.02; done; echo v=$1`

// deaf is the same and ignores the stop signal.
const deaf = `trap '' TERM; ` + until

// TestSignals ends a sweep in all the ways that its user can, and goes on with
// it each time.
func TestSignals(t *testing.T) {
	t.Parallel()
	const (
		drains = "no new trials; waiting for those that run (Ctrl-C again asks them to stop)"
		asks   = "asking the running trials to stop, killing them after 30s (Ctrl-C again kills them now)"
		kills  = "killing the running trials"
	)
	type stage struct {
		signal syscall.Signal
		says   string
	}
	for _, c := range []struct {
		name   string
		trial  string
		stages []stage
		// goes lets the trials end after the stages.
		goes bool
		want []types.State
	}{
		{"interrupt", until, []stage{{syscall.SIGINT, drains}}, true, []types.State{types.Completed, types.Completed}},
		{"interrupt twice", until, []stage{{syscall.SIGINT, drains}, {syscall.SIGINT, asks}}, false, []types.State{types.Queued, types.Queued}},
		{"interrupt thrice", deaf, []stage{{syscall.SIGINT, drains}, {syscall.SIGINT, asks}, {syscall.SIGINT, kills}}, false,
			[]types.State{types.Queued, types.Queued}},
		{"terminate", until, []stage{{syscall.SIGTERM, asks}}, false, []types.State{types.Queued, types.Queued}},
		{"terminate twice", deaf, []stage{{syscall.SIGTERM, asks}, {syscall.SIGTERM, kills}}, false, []types.State{types.Queued, types.Queued}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			s := l.begin(4, c.trial)
			s.shows("trial 0 running")
			s.shows("trial 1 running")
			l.written(2)
			for _, st := range c.stages {
				s.signal(st.signal)
				s.shows(st.says)
			}
			if c.goes {
				l.goOn()
			}
			out := s.exits(130)
			if queued := c.want[0] == types.Queued; queued != strings.Contains(out, "2 trials are left in the queue; run the same sweep again to go on") {
				t.Errorf("it ends with\n%s", out)
			}
			l.quiet()
			if got := l.states(); !slices.Equal(got, c.want) {
				t.Errorf("the trials are %v, want %v", got, c.want)
			}
			l.goOn()
			l.begin(4, c.trial).exits(0)
			l.whole(4)
		})
	}
}

// A sweep whose terminal goes away leaves its trials to the next sweep.
func TestHangUp(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := l.begin(4, until)
	s.shows("trial 0 running")
	s.shows("trial 1 running")
	l.written(2)
	s.signal(syscall.SIGHUP)
	s.shows("leaving the running trials to themselves; the same sweep finds them again")
	if out := s.exits(130); !strings.Contains(out, "2 trials are still running; the same sweep finds them again") || strings.Contains(out, "queue") {
		t.Errorf("it ends with\n%s", out)
	}
	if got := l.states(); !slices.Equal(got, []types.State{types.Running, types.Running}) {
		t.Errorf("the trials are %v", got)
	}
	next := l.begin(4, until)
	next.shows("trial 0 running  ")
	next.shows("found running")
	l.goOn()
	next.exits(0)
	l.whole(4)
	l.look(func(db store.Store, study int64, tr trial.Trial) {
		if as, err := db.Attempts(context.Background(), study, tr.Number); err != nil || len(as) != 1 {
			t.Errorf("trial %d was run in %d attempts (%v)", tr.Number, len(as), err)
		}
	})
}

// goOn lets the trials end.
func (l *lab) goOn() {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, "go"), nil, 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// written waits until n trials have written something: they have their traps.
func (l *lab) written(n int) {
	l.t.Helper()
	waitUntil(l.t, "the first line of the trials", func() bool {
		logs, err := filepath.Glob(filepath.Join(l.trials, "default", l.study, "*", "1", "stdout.log"))
		if err != nil {
			l.t.Fatal(err)
		}
		filled := 0
		for _, path := range logs {
			if info, err := os.Stat(path); err == nil && info.Size() > 0 {
				filled++
			}
		}
		return filled == n
	})
}
