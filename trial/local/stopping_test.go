package local_test

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/local"
)

// pupil is a lease under way.
type pupil struct {
	types.Lease
	step int64
}

// school runs a study with three workers, one of them slow, over a database file.
type school struct {
	t        *testing.T
	db       string
	local    *local.Local
	study    int64
	restarts bool
	turns    int
	held     []*pupil
	saved    map[int64]int64 // at which step a trial was paused
	stops    int
	log      []string
}

// lesson is what a trial of these values reports: curves that cross, with noise,
// and now and then no number. It depends on nothing else.
func lesson(p types.Params, step int64) types.Float {
	v, _ := p.Get("x")
	x := v.(float64)
	if (step*7+int64(x*1000))%41 == 0 {
		return types.Float(math.NaN())
	}
	noise := math.Mod(x*7919+float64(step)*0.618, 1) - 0.5
	return types.Float(x + (1-x)*3/float64(step+1) + noise*0.2)
}

func (s *school) open() {
	s.local = openDB(s.t, s.db)
	st, err := s.local.Engine.OpenStudy(s.t.Context(), types.StudySpec{Name: "a"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.study = st.ID
}

func (s *school) close() {
	if err := s.local.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// turn counts what was done, and opens the database anew now and then.
func (s *school) turn() {
	s.turns++
	if s.restarts && s.turns%53 == 0 {
		s.close()
		s.open()
	}
}

func (s *school) sayf(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

// lease takes trials for free workers; over says that there are no more.
func (s *school) lease() (over bool) {
	for len(s.held) < 3 {
		s.turn()
		r, err := s.local.Engine.Lease(context.Background(), types.LeaseRequest{Study: s.study, Worker: "w"})
		if err != nil {
			s.t.Fatal(err)
		}
		if r.Status != types.LeaseGranted {
			s.sayf("%s %s", r.Status, r.Reason)
			return r.Status == types.LeaseDone
		}
		p := &pupil{Lease: r.Leases[0]}
		p.step = s.saved[p.Ref.Trial]
		if p.Copy != nil && p.step == 0 {
			p.step = p.Copy.Step
		}
		s.sayf("%d/%d to %g, copy %v, x %v", p.Ref.Trial, p.Ref.Attempt, p.Budget, p.Copy, p.Params)
		s.held = append(s.held, p)
	}
	return false
}

// work lets one worker report a step, at times late or again, and end its trial.
func (s *school) work(p *pupil, steps int64) {
	s.turn()
	p.step++
	rs := []types.Report{{Metric: "loss", Step: p.step, Value: lesson(p.Params, p.step)}}
	if p.step%5 == 0 {
		rs = append(rs, types.Report{Metric: "loss", Step: p.step - 2, Value: 9}, rs[0])
	}
	d, err := s.local.Engine.Report(context.Background(), types.ReportRequest{Ref: p.Ref, Reports: rs})
	if err != nil {
		s.t.Fatal(err)
	}
	end := types.FinishRequest{Ref: p.Ref, Outcome: types.OutcomeCompleted}
	most := steps
	if p.Budget > 0 {
		most = int64(p.Budget)
	}
	switch {
	case d.Stop:
		s.stops++
		s.sayf("%d at %d: %s %s", p.Ref.Trial, p.step, d.Kind, d.Reason)
		end.Outcome = types.OutcomeFailed // as its exit code might say
	case p.Ref.Trial%11 == 5 && p.Ref.Attempt == 1 && p.step == most:
		end.Outcome = types.OutcomeLost
	case p.Ref.Trial%13 == 7 && p.step == most:
		end.Outcome = types.OutcomeFailed
	case p.step < most:
		return
	}
	s.turn()
	if !d.Stop && end.Outcome == types.OutcomeCompleted || d.Kind == types.StopPaused {
		s.saved[p.Ref.Trial] = p.step
	}
	r, err := s.local.Engine.Finish(context.Background(), end)
	if err != nil {
		s.t.Fatal(err)
	}
	s.sayf("%d ends as %s: %s", p.Ref.Trial, r.State, r.Reason)
	s.held = slices.DeleteFunc(s.held, func(o *pupil) bool { return o == p })
}

// TestRestartsChangeNoDecision: every stopper decides the same, with the same
// words, and hands out the same trials, whether the database is closed and opened
// again in the middle of it or not.
func TestRestartsChangeNoDecision(t *testing.T) {
	t.Parallel()
	const steps = 12
	for name, c := range map[string]struct {
		stopper types.Component
		trials  int64
	}{
		"median":            {types.Component{Name: "median", Settings: map[string]any{"interval": 2}}, 16},
		"percentile":        {types.Component{Name: "percentile", Settings: map[string]any{"warmup": 2}}, 16},
		"asha":              {types.Component{Name: "asha"}, 20},
		"asha, length":      {types.Component{Name: "asha", Settings: map[string]any{"max_step": steps, "eta": 2}}, 20},
		"asha, promote":     {types.Component{Name: "asha", Settings: map[string]any{"max_step": steps, "mode": "promote"}}, 18},
		"hyperband":         {types.Component{Name: "hyperband", Settings: map[string]any{"startup": 3}}, 20},
		"hyperband,promote": {types.Component{Name: "hyperband", Settings: map[string]any{"max_step": steps, "mode": "promote"}}, 16},
		"pbt":               {types.Component{Name: "pbt", Settings: map[string]any{"max_step": steps, "population": 6, "interval": 2}}, 0},
		"patience":          {types.Component{Name: "patience", Settings: map[string]any{"steps": 3}}, 16},
		"threshold":         {types.Component{Name: "threshold", Settings: map[string]any{"upper": 2.5}}, 16},
		"wilcoxon":          {types.Component{Name: "wilcoxon"}, 16},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && name != "median" && name != "asha" && name != "pbt" {
				t.Skip("one of each kind is enough here")
			}
			var logs [][]string
			for _, restarts := range []bool{false, true} {
				s := &school{t: t, db: filepath.Join(t.TempDir(), "tuner.db"), restarts: restarts, saved: map[int64]int64{}}
				l := openDB(t, s.db)
				_, err := l.Engine.OpenStudy(t.Context(), types.StudySpec{Name: "a", Seed: 3,
					Space:      []byte(`{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}]}`),
					Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}},
					Algorithm:  types.Component{Name: "random"}, Stopper: c.stopper, Retries: 100,
					Budget: types.Budget{Trials: c.trials, MaxFailures: -1}})
				if err != nil {
					t.Fatal(err)
				}
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				s.open()
				for n := 0; !s.lease() || len(s.held) > 0; n++ {
					if n > 5000 {
						t.Fatal("the study does not end")
					}
					i := 0
					if n%2 == 0 { // the first is slower than the others
						i = n / 2 % len(s.held)
					} else if len(s.held) > 1 {
						i = 1
					}
					s.work(s.held[i], steps)
				}
				s.close()
				if name != "pbt" && c.stopper.Settings["mode"] != "promote" && s.stops == 0 {
					t.Error("nothing was ever ended")
				}
				logs = append(logs, s.log)
			}
			if d := cmp.Diff(logs[0], logs[1]); d != "" {
				t.Errorf("without (-) and with (+) restarts:\n%s", d)
			}
		})
	}
}
