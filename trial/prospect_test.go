package trial_test

import (
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

func TestProspect(t *testing.T) {
	one := []types.Objective{{Metric: "acc", Goal: types.Maximize}}
	completed := func(v float64) *trial.Finish { return &trial.Finish{State: types.Completed, Values: []float64{v}} }
	begin := func() trial.Prospect {
		p := trial.NewProspect(one)
		for n := range 10 {
			p.Add(completed(float64(n)), false) // the start is 4.5, the mark 9
		}
		return p
	}
	for _, tt := range []struct {
		name   string
		add    func(p *trial.Prospect, n int)
		unsaid int // trials after which nothing is said yet; the next one says it
	}{
		{"nothing better", func(p *trial.Prospect, _ int) { p.Add(completed(9), false) }, 58},
		{"all states", func(p *trial.Prospect, n int) {
			p.Add(&trial.Finish{State: []types.State{types.Pruned, types.Failed, types.Infeasible}[n%3]}, false)
		}, 58},
		{"steps that do not add up to one", func(p *trial.Prospect, n int) { p.Add(completed(9+0.0005*float64(n)), false) }, 58},
		{"a notable one at the tenth", func(p *trial.Prospect, n int) {
			if n == 9 {
				p.Add(completed(9.05), false)
				return
			}
			p.Add(completed(1), false)
		}, 68},
		{"small steps that add up", func(p *trial.Prospect, n int) { p.Add(completed(9+0.01*float64(min(n, 20))), false) }, 79},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := begin()
			for n := range tt.unsaid {
				tt.add(&p, n)
			}
			if s := p.Unlikely(); s != "" {
				t.Errorf("too early: %s", s)
			}
			tt.add(&p, tt.unsaid)
			if p.Unlikely() == "" {
				t.Error("it is not said")
			}
			p.BeginAnew()
			if s := p.Unlikely(); s != "" {
				t.Errorf("after going on: %s", s)
			}
		})
	}
	p := begin()
	for range 1000 {
		p.Add(completed(0), true)
		p.Add(&trial.Finish{State: types.Cancelled}, false)
	}
	if s := p.Unlikely(); s != "" {
		t.Errorf("imported and cancelled trials count: %s", s)
	}
	for range 59 {
		p.Add(completed(0), false)
	}
	want := "the last 59 trials brought no notable improvement (1 % of the progress so far), " +
		"so with 95 % confidence the next brings one with a chance below 5.0 %"
	if got := p.Unlikely(); got != want {
		t.Errorf("got %q", got)
	}
	two := trial.NewProspect(append(one, types.Objective{Metric: "loss", Goal: types.Minimize}))
	for range 1000 {
		two.Add(&trial.Finish{State: types.Completed, Values: []float64{1, 1}}, false)
	}
	if s := two.Unlikely(); s != "" {
		t.Errorf("of two objectives: %s", s)
	}
}
