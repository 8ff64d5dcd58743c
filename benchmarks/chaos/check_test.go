//go:build linux

package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

type place struct {
	trial   int64
	attempt int
}

type reportPlace struct {
	place
	step int64
}

// told is what the workers' logs say.
type told struct {
	reports, acknowledged map[reportPlace]float64 // sent; answered with success
	finishes, finished    map[place]float64       // sent; answered with success
	// confirmed is, for each attempt, when a call that succeeded was sent last,
	// and when one was first answered: at some moment between sending and answer
	// the attempt had the lease.
	lastSent, firstAnswered map[place]int64
	refused, granted        int
}

// readLogs reads all logs. A line that a kill cut, after which the next process
// began with an empty one, says nothing: its call was not sent, or its answer is
// not known.
func readLogs(t *testing.T, dir string) *told {
	t.Helper()
	out := &told{reports: map[reportPlace]float64{}, acknowledged: map[reportPlace]float64{}, finishes: map[place]float64{},
		finished: map[place]float64{}, lastSent: map[place]int64{}, firstAnswered: map[place]int64{}}
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		sent := map[int64]int64{}
		var cut error
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if len(lines.Bytes()) == 0 {
				cut = nil
				continue
			}
			if cut != nil {
				t.Fatal(cut)
			}
			var e entry
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				cut = fmt.Errorf("%s: %q: %w", name, lines.Text(), err)
				continue
			}
			out.take(e, sent)
		}
		f.Close()
	}
	return out
}

func (o *told) take(e entry, sent map[int64]int64) {
	at := place{e.Trial, e.Attempt}
	if !e.Answered {
		sent[e.ID] = e.At
	}
	if e.Refused {
		o.refused++
		return
	}
	switch e.Call {
	case "granted":
		o.granted++
		return
	case "report":
		r := reportPlace{at, e.Step}
		o.reports[r] = e.Value
		if e.Answered {
			o.acknowledged[r] = e.Value
		}
	case "finish":
		o.finishes[at] = e.Value
		if e.Answered {
			o.finished[at] = e.Value
		}
	default:
		return
	}
	if e.Answered {
		o.lastSent[at] = max(o.lastSent[at], sent[e.ID])
		if first, ok := o.firstAnswered[at]; !ok || e.At < first {
			o.firstAnswered[at] = e.At
		}
	}
}

// check compares the database with the logs.
func (o *told) check(t *testing.T, db store.Store, study int64) {
	t.Helper()
	ctx := t.Context()
	trials := o.checkTrials(ctx, t, db, study)
	stored := o.checkEvents(ctx, t, db, study)
	for r, v := range o.acknowledged {
		if got, ok := stored[r]; !ok || got != v {
			t.Errorf("the report of trial %d, attempt %d at step %d was acknowledged with %v; stored is %v, %t", r.trial, r.attempt, r.step, v, got, ok)
		}
	}
	for r, v := range stored {
		if sent, ok := o.reports[r]; !ok || sent != v {
			t.Errorf("the stored report of trial %d, attempt %d at step %d is %v; sent was %v, %t", r.trial, r.attempt, r.step, v, sent, ok)
		}
	}
	for at, v := range o.finished {
		switch {
		case at.trial >= int64(len(trials)):
			t.Errorf("trial %d was acknowledged, and there are %d", at.trial, len(trials))
		case trials[at.trial].State != types.Completed || trials[at.trial].Metrics["v"] != v || trials[at.trial].Attempts != at.attempt:
			t.Errorf("trial %d, attempt %d was acknowledged with %v; it is %s with %v after %d attempts", at.trial, at.attempt, v,
				trials[at.trial].State, trials[at.trial].Metrics, trials[at.trial].Attempts)
		}
	}
	o.checkLeases(t)
}

// checkTrials: numbers have no gap, everything is over, and what completed did
// so because a worker said it.
func (o *told) checkTrials(ctx context.Context, t *testing.T, db store.Store, study int64) (out []trial.Trial) {
	t.Helper()
	for f := (store.TrialFilter{Sort: store.SortNumber}); ; {
		page, next, err := db.ListTrials(ctx, study, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range page {
			if x.Number != int64(len(out)) {
				t.Fatalf("after trial %d comes %d", len(out)-1, x.Number)
			}
			out = append(out, x)
		}
		if f.After = next; next == "" {
			break
		}
	}
	for _, x := range out {
		switch x.State {
		case types.Completed:
			if v, ok := o.finishes[place{x.Number, x.Attempts}]; !ok || v != x.Metrics["v"] {
				t.Errorf("trial %d completed with %v, and its attempt %d sent %v, %t", x.Number, x.Metrics, x.Attempts, v, ok)
			}
		case types.Queued, types.Running, types.Paused:
			t.Errorf("trial %d is stuck: %s", x.Number, x.State)
		default:
			t.Errorf("trial %d is %s: %s", x.Number, x.State, x.Reason)
		}
	}
	attempts, err := db.Attempts(ctx, study, -1)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attempts {
		if !a.State.Finished() {
			t.Errorf("attempt %d of trial %d is %s", a.Number, a.Trial, a.State)
		}
	}
	return out
}

// checkEvents: they have no gap (the store sees to that), and each report was
// counted while its attempt was the one that ran.
func (o *told) checkEvents(ctx context.Context, t *testing.T, db store.Store, study int64) map[reportPlace]float64 {
	t.Helper()
	stored := map[reportPlace]float64{}
	started, runs := map[int64]int{}, map[int64]bool{}
	err := db.Events(ctx, study, 0, func(e store.StoredEvent) error {
		n := e.Event.Trial
		switch e.Kind {
		case trial.EventStarted:
			if runs[n] {
				t.Errorf("event %d: trial %d was handed out while it ran", e.Seq, n)
			}
			started[n]++
			runs[n] = true
		case trial.EventRequeued, trial.EventPaused, trial.EventFinished:
			if !runs[n] {
				t.Errorf("event %d: trial %d ended, and did not run", e.Seq, n)
			}
			runs[n] = false
		case trial.EventReported:
			if r := e.Report; !runs[n] || r.Attempt != started[n] {
				t.Errorf("event %d: a report of attempt %d of trial %d, of which attempt %d was the last; it ran: %t", e.Seq, r.Attempt, n, started[n], runs[n])
			}
			stored[reportPlace{place{n, e.Report.Attempt}, e.Report.Step}] = e.Report.Value
		case trial.EventCreated, trial.EventDrawn, trial.EventSpace, trial.EventStudy:
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// checkLeases: a later attempt of a trial was never confirmed before an earlier
// one was.
func (o *told) checkLeases(t *testing.T) {
	t.Helper()
	all := make([]place, 0, len(o.firstAnswered))
	for at := range o.firstAnswered {
		all = append(all, at)
	}
	slices.SortFunc(all, func(a, b place) int {
		if a.trial != b.trial {
			return int(a.trial - b.trial)
		}
		return a.attempt - b.attempt
	})
	first := int64(math.MaxInt64) // of the attempts after this one
	for i, at := range slices.Backward(all) {
		if i+1 == len(all) || all[i+1].trial != at.trial {
			first = math.MaxInt64
		}
		if o.lastSent[at] > first {
			t.Errorf("attempt %d of trial %d was confirmed %v after a later attempt was", at.attempt, at.trial, time.Duration(o.lastSent[at]-first))
		}
		first = min(first, o.firstAnswered[at])
	}
}

func (o *told) String() string {
	return fmt.Sprintf("%d leases, %d reports and %d ends acknowledged, %d calls refused", o.granted, len(o.acknowledged), len(o.finished), o.refused)
}

// checkQueued: an acknowledged point is the trial that it was acknowledged as,
// and however often it was sent, there is one of it.
func checkQueued(t *testing.T, db store.Store, study int64, queued map[float64]int64) {
	t.Helper()
	found := map[float64]int64{}
	for f := (store.TrialFilter{Sort: store.SortNumber}); ; {
		page, next, err := db.ListTrials(t.Context(), study, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range page {
			if x.Origin != trial.FromUser {
				continue
			}
			v, _ := x.Params.Get("x")
			if first, twice := found[v.(float64)]; twice {
				t.Errorf("the point %v was enqueued as trial %d and as %d", v, first, x.Number)
			}
			found[v.(float64)] = x.Number
		}
		if f.After = next; next == "" {
			break
		}
	}
	for x, number := range queued {
		if got, ok := found[x]; !ok || got != number {
			t.Errorf("the point %v was acknowledged as trial %d; it is %d, %t", x, number, got, ok)
		}
	}
}
