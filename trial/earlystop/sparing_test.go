package earlystop_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
	"github.com/gotuner/tuner/trial/earlystop/stoptest"
)

// climbing is random trials under a rule that promotes.
type climbing struct {
	t       *rapid.T
	rule    earlystop.Promoter
	events  []trial.Event
	running []int64
	waiting map[int64]bool
	highest map[int64]int64
	next    int64
}

func (c *climbing) event(e trial.Event) {
	e.Seq = int64(len(c.events))
	e.Report.Trial = e.Trial
	c.events = append(c.events, e)
	c.rule.Observe(e)
}

func (c *climbing) start(n int64) {
	c.event(trial.Event{Kind: trial.EventStarted, Trial: n})
	c.running = append(c.running, n)
	delete(c.waiting, n)
}

// report sends a value and checks what the rule makes of it.
func (c *climbing) report(n, step int64, v float64) {
	before, ok := c.highest[n]
	r := trial.Report{Trial: n, Metric: stoptest.Metric, Step: step, Value: v}
	c.event(trial.Event{Kind: trial.EventReported, Trial: n, Report: r})
	if !ok || step > before {
		c.highest[n] = step
	}
	budget, whole := c.rule.Budget(n)
	d := c.rule.Decide(r)
	if d.Stop != d.Pause {
		c.t.Fatalf("trial %d is ended for good at step %d: %+v", n, step, d)
	}
	if d.Stop && (whole || step <= budget) {
		c.t.Fatalf("trial %d is paused at step %d of its budget %d: %+v", n, step, budget, d)
	}
}

// rest pauses a running trial at its budget, or lets it complete at its end.
func (c *climbing) rest(n int64) {
	c.running = slices.DeleteFunc(c.running, func(m int64) bool { return m == n })
	if _, whole := c.rule.Budget(n); whole {
		c.event(trial.Event{Kind: trial.EventFinished, Trial: n, Finish: &trial.Finish{State: types.Completed, Values: []float64{1}}})
		return
	}
	c.waiting[n] = true
	c.event(trial.Event{Kind: trial.EventPaused, Trial: n})
}

// The best of a rung, or one that is as good, is never left waiting there once
// its rung may promote anybody, and nobody is ever ended: whatever comes late,
// twice, out of order or as NaN.
func TestPromotionSparesTheBestOfARung(t *testing.T) {
	promoted := 0
	for name, lad := range map[string]ladder{"asha": ashaLadder, "hyperband": hyperbandLadder} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				const steps = 20
				least := rapid.Int64Range(1, 4).Draw(t, "min_results")
				eta := rapid.Int64Range(2, 3).Draw(t, "eta")
				settings, err := trial.ResolveSettings(name, ruleNamed(name).Settings, map[string]any{
					"max_step": steps, "mode": "promote", "eta": eta, "min_results": least})
				if err != nil {
					t.Fatal(err)
				}
				cfg := earlystop.Config{Settings: settings, Objectives: []types.Objective{{Metric: stoptest.Metric, Goal: types.Minimize}}}
				s, err := ruleNamed(name).New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				c := &climbing{t: t, rule: s.(earlystop.Promoter), waiting: map[int64]bool{}, highest: map[int64]int64{}}
				c.live()
				// Nobody new begins; whoever may go on does.
				promoted += c.promote()
				for len(c.running) > 0 {
					n := c.running[0]
					budget, _ := c.rule.Budget(n)
					if h, ok := c.highest[n]; !ok || h < budget {
						c.report(n, budget, values.Draw(t, "value"))
					}
					c.rest(n)
					promoted += c.promote()
				}
				c.check(cfg, lad, max(eta, least), steps)
			})
		})
	}
	if promoted == 0 {
		t.Error("nobody was ever promoted")
	}
}

var values = rapid.SampledFrom([]float64{0, 1, 2, 3, 4, 5, 6, 7, math.NaN(), math.Inf(1), math.Inf(-1)})

// live runs up to five trials at once for a while.
func (c *climbing) live() {
	percent := rapid.IntRange(0, 99)
	for range rapid.IntRange(0, 150).Draw(c.t, "events") {
		p := percent.Draw(c.t, "what")
		if len(c.running) == 0 || p < 20 && len(c.running) < 5 {
			if n := c.rule.Promote(false); n >= 0 {
				c.start(n)
				continue
			}
			c.event(trial.Event{Kind: trial.EventCreated, Trial: c.next})
			c.start(c.next)
			c.next++
			continue
		}
		n := rapid.SampledFrom(c.running).Draw(c.t, "trial")
		budget, _ := c.rule.Budget(n)
		high, reported := c.highest[n]
		switch {
		case reported && high >= budget && p < 60:
			c.rest(n)
		case p < 80: // the next, some steps on
			c.report(n, high+1+int64(percent.Draw(c.t, "skips"))/30, values.Draw(c.t, "value"))
		default: // any, that comes late or again
			c.report(n, rapid.Int64Range(0, high+1).Draw(c.t, "step"), values.Draw(c.t, "value"))
		}
	}
}

// promote starts whoever may go on, and counts them.
func (c *climbing) promote() int {
	promoted := 0
	for n := c.rule.Promote(false); n >= 0; n = c.rule.Promote(false) {
		promoted++
		c.start(n)
	}
	return promoted
}

// check looks for somebody who waits at a rung of which nobody is better.
func (c *climbing) check(cfg earlystop.Config, lad ladder, enough, steps int64) {
	for n := range c.waiting {
		bracket, rungs := lad(cfg, steps, n)
		budget, _ := c.rule.Budget(n)
		if !slices.Contains(rungs, budget) {
			c.t.Fatalf("trial %d waits at %d, its rungs are %v", n, budget, rungs)
		}
		_, values := at(c.events, budget)
		var all []float64
		for m, v := range values {
			if b, _ := lad(cfg, steps, m); b == bracket {
				all = append(all, v)
			}
		}
		if int64(len(all)) >= enough && better(values[n], all) == 0 {
			c.t.Fatalf("trial %d, with %v the best of %v at step %d, is left waiting", n, values[n], all, budget)
		}
	}
}
