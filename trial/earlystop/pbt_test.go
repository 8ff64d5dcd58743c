package earlystop_test

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
	"github.com/gotuner/tuner/trial/earlystop/simulate"
)

func breeder(t interface{ Fatal(...any) }, goal types.Goal, seed int64, settings map[string]any) earlystop.Breeder {
	s, err := earlystop.New(types.Component{Name: "pbt", Settings: settings},
		earlystop.Config{Objectives: []types.Objective{{Metric: metric, Goal: goal}}, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	return s.(earlystop.Breeder)
}

const metric = "loss"

// herd drives a population as an engine does.
type herd struct {
	rule   earlystop.Breeder
	again  func() earlystop.Breeder // a new rule
	most   int64                    // trials; 0 any number
	events []trial.Event
	trials []*member
	log    []string
}

// member is a trial of a herd.
type member struct {
	number                int64
	copy                  *types.Copy
	place                 int64
	running, over, failed bool
	attempt               int
	step, kept            int64
	line                  string            // its ancestors, by place and step
	values                map[int64]float64 // by step
}

func (h *herd) event(e trial.Event) {
	e.Seq = int64(len(h.events))
	e.Report.Trial = e.Trial
	h.events = append(h.events, e)
	h.rule.Observe(e)
}

// restart forgets the rule and tells a new one all events.
func (h *herd) restart() {
	h.rule = h.again()
	for _, e := range h.events {
		h.rule.Observe(e)
	}
}

// lease hands out a trial, in the order of the engine; nil if there is none now.
func (h *herd) lease() *member {
	number := int64(len(h.trials))
	spent := h.most > 0 && number >= h.most
	if c, reason, ok := h.rule.Breed(number); ok {
		if spent {
			return h.start(h.rule.Spare())
		}
		of, old := h.trials[c.Of], h.trials[c.For]
		h.trials = append(h.trials, &member{number: number, copy: &c, step: c.Step, kept: c.Step, values: map[int64]float64{},
			place: old.place, line: fmt.Sprintf("%s>%d@%d", of.line, old.place, c.Step)})
		h.event(trial.Event{Kind: trial.EventCreated, Trial: number, Copy: &c})
		if !old.over {
			h.log = append(h.log, reason)
			old.over = true
			h.event(trial.Event{Kind: trial.EventFinished, Trial: c.For, Finish: &trial.Finish{State: types.Pruned}})
		}
		return h.start(number)
	}
	if n := h.rule.Promote(false); n >= 0 {
		return h.start(n)
	}
	if h.rule.Full() || spent {
		if slices.ContainsFunc(h.trials, func(m *member) bool { return m.running }) {
			return nil
		}
		if n := h.rule.Promote(true); n >= 0 {
			return h.start(n)
		}
		return nil
	}
	h.trials = append(h.trials, &member{number: number, place: number, line: fmt.Sprint(number), values: map[int64]float64{}})
	h.event(trial.Event{Kind: trial.EventCreated, Trial: number})
	return h.start(number)
}

func (h *herd) start(n int64) *member {
	if n < 0 {
		return nil
	}
	m := h.trials[n]
	m.running = true
	m.attempt++
	h.event(trial.Event{Kind: trial.EventStarted, Trial: n})
	return m
}

// report counts the next value of a running trial, and pauses or ends it where its
// budget ends.
func (h *herd) report(m *member, v float64) earlystop.Decision {
	budget, whole := h.rule.Budget(m.number)
	m.step++
	m.values[m.step] = v
	r := trial.Report{Trial: m.number, Attempt: m.attempt, Metric: metric, Step: m.step, Value: v}
	h.event(trial.Event{Kind: trial.EventReported, Trial: m.number, Report: r})
	d := h.rule.Decide(r)
	if m.step >= budget {
		m.running, m.kept = false, m.step
		if whole {
			h.end(m, types.Completed)
		} else {
			h.event(trial.Event{Kind: trial.EventPaused, Trial: m.number})
		}
	}
	return d
}

func (h *herd) end(m *member, s types.State) {
	m.running, m.over, m.failed = false, true, s == types.Failed
	h.event(trial.Event{Kind: trial.EventFinished, Trial: m.number, Finish: &trial.Finish{State: s}})
}

// An example by hand: four trials of three steps, compared after each of the first
// two, of which the worst one is replaced by a copy of the best.
func TestPBTByHand(t *testing.T) {
	settings := map[string]any{"population": 4, "max_step": 3, "interval": 1, "quantile": 0.25}
	h := &herd{rule: breeder(t, types.Minimize, 1, settings)}
	var log []string
	for {
		m := h.lease()
		if m == nil {
			break
		}
		budget, whole := h.rule.Budget(m.number)
		log = append(log, fmt.Sprintf("%d/%d to %d %v", m.number, m.attempt, budget, whole))
		for m.running {
			v := []float64{0.5, 0.1, 0.9, 0.3, 0.2, 0.8}[m.number] / float64(m.step+1)
			if d := h.report(m, v); d.Stop {
				t.Fatalf("%+v at its budget", d)
			}
		}
	}
	want := []string{
		"0/1 to 1 false", "1/1 to 1 false", "2/1 to 1 false", "3/1 to 1 false", // 0.5, 0.1, 0.9, 0.3 at step 1
		"4/1 to 2 false", "0/2 to 2 false", "1/2 to 2 false", "3/2 to 2 false", // 4 in the place of 2: 0.1, 0.25, 0.05, 0.15 at step 2
		"5/1 to 3 true", "1/3 to 3 true", "3/3 to 3 true", "4/2 to 3 true", // 5 in the place of 0
	}
	if !slices.Equal(log, want) {
		t.Errorf("got  %q\nwant %q", log, want)
	}
	reasons := []string{
		"replaced by trial 4, a changed copy of trial 1 (0.1): its loss 0.9 is number 4 of 4 at step 1",
		"replaced by trial 5, a changed copy of trial 1 (0.05): its loss 0.25 is number 4 of 4 at step 2",
	}
	if !slices.Equal(h.log, reasons) {
		t.Errorf("got  %q\nwant %q", h.log, reasons)
	}
	if c := *h.trials[5].copy; c != (types.Copy{Of: 1, Attempt: 2, Step: 2, For: 0}) {
		t.Errorf("%+v", c)
	}
}

// Whoever is certain to go on does not wait for the others.
func TestPBTWaitsForNobodyWhoDoesNotMatter(t *testing.T) {
	h := &herd{rule: breeder(t, types.Maximize, 1, map[string]any{"population": 4, "max_step": 20, "interval": 10, "quantile": 0.25})}
	var all []*member
	for range 4 {
		all = append(all, h.lease())
	}
	run := func(m *member, v float64) {
		for m.running {
			h.report(m, v)
		}
	}
	run(all[0], 0.5)
	if m := h.lease(); m != nil {
		t.Fatalf("%d goes on, of which nobody knows whether it is the worst", m.number)
	}
	run(all[1], 0.7)
	if m := h.lease(); m != all[1] {
		t.Fatalf("%+v goes on, and 1 is better than 0", m)
	}
	run(all[2], 0.4)
	if m := h.lease(); m != all[0] {
		t.Fatalf("%+v goes on, and 0 is better than 2", m)
	}
	h.end(all[3], types.Failed)
	if m := h.lease(); m == nil || *m.copy != (types.Copy{Of: 1, Attempt: 1, Step: 10, For: 3}) {
		t.Fatalf("%+v takes the place of what failed", m)
	}
	if m := h.lease(); m != all[2] {
		t.Fatalf("%+v goes on, and 3 has failed", m)
	}
}

// Random populations: workers of any speed, lost attempts, failures, NaN, late and
// repeated reports, restarts, a budget of trials that ends.
func TestPBTFromScratch(t *testing.T) {
	copies := 0
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(2, 7).Draw(t, "population")
		interval := rapid.Int64Range(1, 3).Draw(t, "interval")
		steps := rapid.Int64Range(1, 10).Draw(t, "max_step")
		quantile := rapid.SampledFrom([]float64{0, 0.2, 0.34, 0.5}).Draw(t, "quantile")
		goal := rapid.SampledFrom([]types.Goal{types.Minimize, types.Maximize}).Draw(t, "goal")
		seed := rapid.Int64().Draw(t, "seed")
		again := func() earlystop.Breeder {
			return breeder(t, goal, seed, map[string]any{"population": size, "interval": interval, "max_step": steps, "quantile": quantile})
		}
		faults := rapid.IntRange(0, 10).Draw(t, "faults") // per cent
		run := func(workers int, order *rand.Rand) *herd {
			h := &herd{rule: again(), again: again}
			for {
				var running []*member
				for _, m := range h.trials {
					if m.running {
						running = append(running, m)
					}
				}
				if len(running) < workers {
					if h.lease() != nil {
						continue
					}
				}
				if len(running) == 0 {
					return h
				}
				h.step(running[order.IntN(len(running))], order, faults)
			}
		}
		one := run(1, rand.New(rand.NewPCG(uint64(seed), 1)))
		many := run(rapid.IntRange(2, 8).Draw(t, "workers"), rand.New(rand.NewPCG(uint64(seed), 2)))
		for _, h := range []*herd{one, many} {
			checkHerd(t, h, interval, steps, quantile, goal)
			copies += len(h.trials) - size
		}
		if a, b := lines(one), lines(many); !slices.Equal(a, b) {
			t.Fatalf("what became of the population depends on who was fast:\n%q\n%q", a, b)
		}
	})
	if copies == 0 {
		t.Error("nobody was ever copied")
	}
}

// step lets a trial do something. What it reports, and whether it fails there,
// depends on its ancestors and the step alone.
func (h *herd) step(m *member, order *rand.Rand, faults int) {
	if order.IntN(100) < faults {
		h.restart()
	}
	if order.IntN(100) < faults { // its attempt is lost
		m.step, m.attempt = m.kept, m.attempt+1
		h.event(trial.Event{Kind: trial.EventRequeued, Trial: m.number})
		h.event(trial.Event{Kind: trial.EventStarted, Trial: m.number})
		return
	}
	dice := fate(m.line, m.step+1)
	switch p := int(dice % 100); {
	case p < faults/2:
		h.end(m, types.Failed)
	case p < faults:
		h.report(m, math.NaN())
	default:
		h.report(m, float64(dice/100%5))
	}
	if m.running && m.step > m.kept && order.IntN(100) < faults { // again, and late
		v := m.values[m.step]
		m.step--
		h.report(m, v)
		h.event(trial.Event{Kind: trial.EventReported, Trial: m.number,
			Report: trial.Report{Attempt: m.attempt, Metric: metric, Step: 0, Value: -1e9}})
	}
}

func fate(line string, step int64) uint64 {
	f := fnv.New64a()
	fmt.Fprint(f, line, "/", step)
	return f.Sum64() >> 8
}

func lines(h *herd) []string {
	var out []string
	for _, m := range h.trials {
		out = append(out, m.line)
	}
	slices.Sort(out)
	return out
}

// checkHerd compares what became of a whole search with the rule by its words.
func checkHerd(t *rapid.T, h *herd, interval, steps int64, quantile float64, goal types.Goal) {
	for g := interval; g < steps; g += interval {
		type standing struct {
			m *member
			v float64
		}
		replaced, before := map[int64]*member{}, map[int64]bool{}
		for _, m := range h.trials {
			switch {
			case m.copy == nil || m.copy.Step > g:
			case m.copy.Step == g:
				replaced[m.copy.For] = m
			default:
				before[m.copy.For] = true
			}
		}
		var all []standing
		for _, m := range h.trials {
			v, ok := m.values[g]
			if goal == types.Maximize {
				v = -v
			}
			failed := m.failed && m.kept < g && !before[m.number] && (m.copy == nil || m.copy.Step < g)
			if failed {
				v = math.NaN()
			}
			if failed || ok && m.kept >= g {
				all = append(all, standing{m, v})
			}
		}
		slices.SortFunc(all, func(a, b standing) int {
			if na, nb := math.IsNaN(a.v), math.IsNaN(b.v); na != nb {
				if na {
					return 1
				}
				return -1
			} else if !na && a.v != b.v {
				return cmp.Compare(a.v, b.v)
			}
			return cmp.Compare(a.m.place, b.m.place)
		})
		n := len(all)
		k := min(max(1, int(quantile*float64(n))), n/2)
		for i, s := range all {
			c := replaced[s.m.number]
			bad := math.IsNaN(s.v)
			better := k > 0 && !math.IsNaN(all[0].v) && (bad || all[0].v < s.v)
			if should := better && (bad || i >= n-k); should != (c != nil) {
				t.Fatalf("at step %d trial %d (%v, number %d of %d) was replaced: %v", g, s.m.number, s.v, i+1, n, c != nil)
			}
			if c == nil {
				continue
			}
			at := slices.IndexFunc(all, func(s standing) bool { return s.m.number == c.copy.Of })
			if at < 0 || at >= k || !(all[at].v < s.v || bad) {
				t.Fatalf("at step %d trial %d, number %d of %d, is a copy of number %d", g, c.number, i+1, n, at+1)
			}
		}
	}
}

// No more trials than there may be: those that nothing can replace go on.
func TestPBTWithoutRoomForCopies(t *testing.T) {
	h := &herd{rule: breeder(t, types.Minimize, 1, map[string]any{"population": 3, "max_step": 4, "interval": 1}), most: 4}
	for m := h.lease(); m != nil; m = h.lease() {
		for m.running {
			h.report(m, float64(m.number))
		}
	}
	done := 0
	for _, m := range h.trials {
		if m.over && m.step == 4 {
			done++
		}
	}
	if len(h.trials) != 4 || done != 3 {
		t.Errorf("%d trials, of which %d trained to the end", len(h.trials), done)
	}
}

// A whole search in virtual time: every place trains to the end, and of ten two are
// replaced at each of nine comparisons.
func TestPBTSimulated(t *testing.T) {
	for _, workers := range []int{1, 4, 20} {
		s := simulate.Search{Workers: workers, Steps: 100, Seed: 3, Value: simulate.Curves(3),
			Duration: func(n, _ int64) float64 { return 1 + float64(n%7)/3 },
			Stopper:  types.Component{Name: "pbt", Settings: map[string]any{"max_step": 100}}}
		r, err := simulate.Run(s)
		if err != nil {
			t.Fatal(err)
		}
		done := 0
		for _, tr := range r.Trials {
			if tr.State == types.Completed {
				done++
			} else if tr.State != types.Pruned || tr.Reason == "" {
				t.Errorf("%+v", tr)
			}
		}
		if r.Steps != 1000 || r.OfSteps != 1000 || done != 10 || len(r.Trials) != 10+9*2 {
			t.Errorf("%d workers: %d of %d steps, %d completed of %d", workers, r.Steps, r.OfSteps, done, len(r.Trials))
		}
	}
}

// Points of copies depend on the seed and the place, and lie in the space.
func TestPBTExplores(t *testing.T) {
	sp, err := space.Parse([]byte(`{"parameters":[{"name":"lr","type":"float","low":1e-5,"high":0.1,"scale":"log"},{"name":"n","type":"int","low":1,"high":9}]}`))
	if err != nil {
		t.Fatal(err)
	}
	from := space.Point{1e-3, int64(5)}
	points := map[string]bool{}
	for seed := range int64(50) {
		var same []string
		for range 2 {
			h := &herd{rule: breeder(t, types.Minimize, seed, map[string]any{"population": 2, "max_step": 2, "resample": 0.0})}
			for range 2 {
				m := h.lease()
				h.report(m, float64(m.number))
			}
			c, _, ok := h.rule.Breed(2)
			p := h.rule.Explore(sp, from, c)
			if !ok || sp.Validate(p) != nil {
				t.Fatalf("%v, %v", p, ok)
			}
			same = append(same, fmt.Sprint(p))
		}
		if same[0] != same[1] {
			t.Fatalf("the same seed gives %v", same)
		}
		points[same[0]] = true
	}
	if len(points) != 4 { // up or down, twice
		t.Errorf("%v", points)
	}
}

func TestPBTNeedsALength(t *testing.T) {
	_, err := earlystop.New(types.Component{Name: "pbt"}, earlystop.Config{Objectives: []types.Objective{{Metric: metric, Goal: types.Minimize}}})
	if types.CodeOf(err) != types.Invalid || !strings.Contains(err.Error(), "pbt.max_step") {
		t.Errorf("%v", err)
	}
}
