package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/sqlstore"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
)

// run is a sweep that was made.
type run struct {
	Seed    int64   `json:"seed"`
	Stopper string  `json:"stopper"`
	Budget  int64   `json:"trials"`
	Jobs    int64   `json:"jobs"`
	Seconds float64 `json:"seconds"` // of the whole command
	CPU     float64 `json:"cpu"`     // seconds of all trials
	Steps   int64   `json:"steps"`   // that trials reported

	Completed int64 `json:"completed"`
	Pruned    int64 `json:"pruned"`

	Best     float64 `json:"best"`
	Test     float64 `json:"test"` // the best trial's value of the metric that nothing is tuned to
	Improved []point `json:"improved"`
	// Maximize is true if larger values are better.
	Maximize bool `json:"maximize,omitempty"`
	// EndsBest says of each stopper whether it would have ended the best trial; of
	// runs without a stopper.
	EndsBest map[string]bool `json:"ends_best,omitempty"`
}

// point is when the best value became better.
type point struct {
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu"`
	Steps   int64   `json:"steps"`
	Value   float64 `json:"value"`
}

// read reads a finished sweep.
func read(ctx context.Context, file, test string, arms []arm) (*run, error) {
	db, err := sqlstore.Open(ctx, sqlstore.Config{DSN: file})
	if err != nil {
		return nil, err
	}
	defer db.Close() //nolint:errcheck // it was only read
	study, err := db.Study(ctx, "default", "savings")
	if err != nil {
		return nil, err
	}
	o := study.Spec.Objectives[0]
	r := &run{Maximize: o.Goal == types.Maximize}
	best, start := int64(-1), time.Time{}
	err = db.Events(ctx, study.ID, 0, func(e store.StoredEvent) error {
		if e.Kind == trial.EventCreated && start.IsZero() {
			start = e.Time
		}
		if e.Kind == trial.EventReported && e.Report.Metric == o.Metric {
			r.Steps++
		}
		if e.Kind != trial.EventFinished {
			return nil
		}
		r.CPU += e.Metrics["trial.cpu"]
		if e.Finish.State == types.Pruned {
			r.Pruned++
		}
		if e.Finish.State != types.Completed {
			return nil
		}
		r.Completed++
		if v := e.Metrics[o.Metric]; best < 0 || v != r.Best && (v > r.Best) == r.Maximize {
			best, r.Best, r.Test = e.Event.Trial, v, e.Metrics[test]
			r.Improved = append(r.Improved, point{e.Time.Sub(start).Seconds(), r.CPU, r.Steps, v})
		}
		return nil
	})
	if err != nil || best < 0 {
		return nil, errors.Join(err, errors.New("no trial has completed"))
	}
	if study.Spec.Stopper.Name == earlystop.DefaultName {
		r.EndsBest, err = endsBest(ctx, db, study, best, arms)
	}
	return r, err
}

// endsBest asks the stoppers what they would have done to the best trial.
func endsBest(ctx context.Context, db store.Store, study trial.Study, best int64, arms []arm) (map[string]bool, error) {
	out := map[string]bool{}
	for _, a := range arms {
		c, err := trial.ParseComponent(a.stopper)
		if err != nil {
			return nil, err
		}
		rule, err := earlystop.New(c, earlystop.Config{Objectives: study.Spec.Objectives, Seed: study.Spec.Seed})
		if err != nil {
			return nil, err
		}
		tally := earlystop.NewTally(rule, study.Spec.Objectives[0].Metric, best)
		err = db.Events(ctx, study.ID, 0, func(e store.StoredEvent) error {
			tally.Observe(e.Event)
			return nil
		})
		if err != nil {
			return nil, err
		}
		out[a.stopper] = !tally.Result().KeptBest
	}
	return out, nil
}

// readRuns reads the file of results; none if it is missing.
func readRuns(file string) ([]run, error) {
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []run
	d := json.NewDecoder(bytes.NewReader(content))
	for d.More() {
		var r run
		if err := d.Decode(&r); err != nil {
			return nil, fmt.Errorf("%s, run %d: %w", file, len(out)+1, err)
		}
		out = append(out, r)
	}
	return out, nil
}

func appendRun(file string, r *run) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// find is the run of an arm, nil if there is none.
func find(runs []run, seed int64, a arm) *run {
	for i := range runs {
		if r := &runs[i]; r.Seed == seed && r.Stopper == a.stopper && r.Budget == a.trials {
			return r
		}
	}
	return nil
}
