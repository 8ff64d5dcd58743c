//go:build linux

package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// launch starts a sweep and returns it with what it prints.
func launch(t *testing.T, cmd *exec.Cmd) (ended <-chan error, out *bytes.Buffer) {
	t.Helper()
	out = &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := make(chan error, 1)
	go func() { c <- cmd.Wait() }()
	return c, out
}

func TestTwoStudiesShareAFile(t *testing.T) {
	a := newCrasher(t)
	b := *a
	b.study = "other"
	endA, outA := launch(t, a.sweep(""))
	endB, outB := launch(t, b.sweep(""))
	if err := <-endA; err != nil {
		t.Errorf("first: %v\n%s", err, outA)
	}
	if err := <-endB; err != nil {
		t.Errorf("second: %v\n%s", err, outB)
	}
	a.check()
	b.check()
}

// TestOwnerAndGuestShareAStudy kills one of two sweeps of one study. The other
// one goes on with the trials whose supervisor lives: none is run again.
func TestOwnerAndGuestShareAStudy(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	for _, victim := range []string{"nobody", "owner", "guest"} {
		t.Run(victim, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			owner := l.run(l.sweep(""))
			owner.shows("completed")
			guest := l.run(l.sweep(""))
			guest.shows("completed")
			switch victim {
			case "owner":
				owner.signal(syscall.SIGKILL)
			case "guest":
				guest.signal(syscall.SIGKILL)
			}
			if victim != "owner" {
				owner.exits(0)
			}
			if victim != "guest" {
				guest.exits(0)
			}
			l.check()
			l.once()
		})
	}
}

// long is a trial of about three seconds, so that it runs when it is inherited.
const long = `for i in 1 2 3; do echo step=$i v=$1; sleep 1; done`

// Whoever survives goes on reading where the killed one was, whether it owned
// the study or not; also what a detached one left.
func TestSurvivorGoesOnWithRunningTrials(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	for _, c := range []struct {
		name   string
		owner  bool
		signal syscall.Signal
	}{{"of the owner", true, syscall.SIGKILL}, {"of the guest", false, syscall.SIGKILL}, {"of one that detached", false, syscall.SIGHUP}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			owner := l.begin(6, long)
			owner.shows("trial 1 running")
			guest := l.begin(6, long)
			guest.shows("trial 3 running")
			dead, heir := guest, owner
			if c.owner {
				dead, heir = owner, guest
			}
			dead.signal(c.signal)
			<-dead.ended
			heir.exits(0)
			l.whole(6)
			l.once()
		})
	}
}

// The supervisor died as well: its trials are lost, and run again at once.
func TestSurvivorRunsAgainWhatIsLost(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	l := newLab(t)
	owner := l.begin(4, long)
	owner.shows("trial 1 running")
	guest := l.begin(4, long)
	guest.shows("trial 3 running")
	began := time.Now()
	l.kill(func(cmdline, _ string) bool {
		return strings.Contains(cmdline, "__supervise") && strings.Contains(cmdline, filepath.Join(".agents", "1"))
	}, 1)
	guest.signal(syscall.SIGKILL)
	<-guest.ended
	owner.exits(0)
	if d := time.Since(began); d > patience {
		t.Errorf("it took %v", d)
	}
	l.whole(4)
}

// once makes sure that every trial had one attempt.
func (l *lab) once() {
	l.t.Helper()
	l.look(func(_ store.Store, _ int64, t trial.Trial) {
		if t.Attempts != 1 {
			l.t.Errorf("trial %d had %d attempts", t.Number, t.Attempts)
		}
	})
}
