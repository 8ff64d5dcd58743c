package tpe_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/suggesttest"
	"github.com/gotuner/tuner/suggest/tpe"
	"github.com/gotuner/tuner/trial"
)

// optunaSamples is testdata/optuna_samples.json.gz, which optuna_samples.py
// explains.
type optunaSamples struct {
	Cases []optunaCase
}

type optunaCase struct {
	Name   string
	Params []struct {
		Name, Kind string
		Low, High  float64
		Log        bool
		Step       *float64
		Choices    []string
		When       []string
	}
	Trials []struct {
		Point map[string]any
		State string
		Value float64
		Step  int64
	}
	Draws map[string][]float64
}

func readSamples(t *testing.T) (s optunaSamples) {
	t.Helper()
	f, err := os.Open("testdata/optuna_samples.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

func (c *optunaCase) space(t *testing.T) *space.Space {
	t.Helper()
	var params []space.Parameter
	for _, q := range c.Params {
		p := space.Parameter{Name: q.Name, Kind: space.Float, Low: q.Low, High: q.High}
		switch q.Kind {
		case "int":
			p.Kind, p.Low, p.High = space.Int, int64(q.Low), int64(q.High)
		case "categorical":
			p = space.Parameter{Name: q.Name, Kind: space.Categorical}
			for _, v := range q.Choices {
				p.Choices = append(p.Choices, space.Choice{Value: v})
			}
		}
		if q.Log {
			p.Scale = space.Log
		}
		if q.Step != nil {
			p.Step = *q.Step
		}
		if q.When != nil {
			p.When = space.In{Param: q.When[0], Values: []space.Value{q.When[1]}}
		}
		params = append(params, p)
	}
	s, err := space.New(params, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// events are the history, and what of it is still running.
func (c *optunaCase) events(s *space.Space) (events []trial.Event, pending []suggest.Pending) {
	for i, q := range c.Trials {
		n, p := int64(i), make(space.Point, s.Len())
		for name, v := range q.Point {
			j := s.Index(name)
			if f, ok := v.(float64); ok && s.Param(j).Kind == space.Int {
				v = int64(f)
			}
			p[j] = v
		}
		events = append(events, trial.Event{Kind: trial.EventCreated, Trial: n, Point: p})
		f := &trial.Finish{State: types.State(q.State), Values: []float64{q.Value}, Step: q.Step}
		switch q.State {
		case "running":
			pending = append(pending, suggest.Pending{Number: n, Point: p})
			continue
		case "failed":
			f.Values = nil
		}
		events = append(events, trial.Event{Kind: trial.EventFinished, Trial: n, Finish: f})
	}
	return events, pending
}

// draws are what tpe suggests with seeds 1 to n, in the numbers of the file; NaN
// inactive.
func (c *optunaCase) draws(t *testing.T, n int, settings map[string]any) map[string][]float64 {
	t.Helper()
	s := c.space(t)
	events, pending := c.events(s)
	out := map[string][]float64{}
	for seed := range int64(n) {
		sg, err := suggest.New(suggest.Registry{tpe.Algorithm()}, types.Component{Name: tpe.Name, Settings: settings}, suggest.Config{
			Space: s, Seed: seed + 1, Deterministic: "no", // Optuna repeats points
			Objectives: []types.Objective{{Metric: suggesttest.Metric, Goal: types.Minimize}},
		})
		if err != nil {
			t.Fatal(err)
		}
		sg.Observe(events)
		got, err := sg.Suggest(t.Context(), suggest.Request{Numbers: []int64{int64(len(c.Trials))}, Pending: pending})
		if err != nil {
			t.Fatal(err)
		}
		for j, q := range c.Params {
			x, p := math.NaN(), s.Param(j)
			switch v := got[0].Point[j]; {
			case v == nil:
			case q.Kind == "categorical":
				x = float64(p.LevelOf(v))
			case q.Kind == "int":
				x = float64(v.(int64))
			case q.Step != nil:
				x = v.(float64)
			default:
				low, high := p.TransformedBounds(false)
				x = math.Round(1e4 * (p.Transform(v) - low) / (high - low))
			}
			out[q.Name] = append(out[q.Name], x)
		}
	}
	return out
}

// difference is one comparison: the significance at which the two samples
// differ.
type difference struct {
	what string
	p    float64
}

// compare compares each parameter alone (chi-square for few values, else
// Kolmogorov and Smirnov's), and each pair that is active together by the sums
// and the differences of its positions (Kolmogorov and Smirnov's, by the
// theorem of Cramér and Wold).
func (c *optunaCase) compare(got map[string][]float64) (out []difference) {
	for i, q := range c.Params {
		out = append(out, difference{q.Name, significance(got[q.Name], c.Draws[q.Name])})
		for _, r := range c.Params[:i] {
			if q.When != nil || r.When != nil {
				continue
			}
			for _, sign := range []float64{1, -1} {
				line := func(draws map[string][]float64) []float64 {
					x := make([]float64, len(draws[q.Name]))
					for k := range x {
						x[k] = draws[q.Name][k]/scaleOf(c.Draws[q.Name]) + sign*draws[r.Name][k]/scaleOf(c.Draws[r.Name])
					}
					return x
				}
				out = append(out, difference{fmt.Sprintf("%s %+g %s", q.Name, sign, r.Name), kolmogorov(line(got), line(c.Draws))})
			}
		}
	}
	return out
}

func scaleOf(x []float64) float64 { return math.Max(1e-9, slices.Max(x)-slices.Min(x)) }

func significance(a, b []float64) float64 {
	a = slices.DeleteFunc(slices.Clone(a), math.IsNaN)
	values := map[float64]bool{}
	for _, x := range b {
		values[x] = true
	}
	if len(values) <= 10 {
		return chiSquare(a, b)
	}
	return kolmogorov(a, b)
}

// kolmogorov is the asymptotic significance of the two-sample test (Smirnov
// 1948), which is too great where values repeat: it may miss differences but
// does not invent any.
func kolmogorov(a, b []float64) float64 {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	d, i, j := 0.0, 0, 0
	for i < len(a) && j < len(b) {
		x := min(a[i], b[j])
		for i < len(a) && a[i] <= x {
			i++
		}
		for j < len(b) && b[j] <= x {
			j++
		}
		d = max(d, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}
	n := float64(len(a)) * float64(len(b)) / float64(len(a)+len(b))
	p, sign := 0.0, 2.0
	for k := 1.0; k <= 100; k++ {
		p += sign * math.Exp(-2*k*k*n*d*d)
		sign = -sign
	}
	if d*math.Sqrt(n) < 0.3 { // the series converges slowly there
		return 1
	}
	return clampUnit(p)
}

// chiSquare is the significance of the test that two samples have the same
// distribution; values that occur fewer than ten times are taken together.
func chiSquare(a, b []float64) float64 {
	na, nb := map[float64]float64{}, map[float64]float64{}
	for _, x := range a {
		na[x]++
	}
	for _, x := range b {
		nb[x]++
	}
	all := maps.Clone(na)
	for x, n := range nb {
		all[x] += n
	}
	sum, cells, restA, restB := 0.0, 0, 0.0, 0.0
	ratio := math.Sqrt(float64(len(b)) / float64(len(a)))
	cell := func(p, q float64) {
		if p+q > 0 {
			d := p*ratio - q/ratio
			sum += d * d / (p + q)
			cells++
		}
	}
	for _, x := range slices.Sorted(maps.Keys(all)) {
		if all[x] < 10 {
			restA, restB = restA+na[x], restB+nb[x]
			continue
		}
		cell(na[x], nb[x])
	}
	cell(restA, restB)
	if cells < 2 {
		return 1
	}
	// Wilson and Hilferty, 1931: the cube root of chi-square/k is nearly normal.
	k := float64(cells - 1)
	z := (math.Cbrt(sum/k) - (1 - 2/(9*k))) / math.Sqrt(2/(9*k))
	return clampUnit(0.5 * math.Erfc(z/math.Sqrt2))
}

func clampUnit(p float64) float64 { return min(max(p, 0), 1) }

func settingsOf(t *testing.T, c optunaCase) map[string]any {
	t.Helper()
	s := maps.Clone(optuna5)
	if c.Name == "independent 60" {
		s["multivariate"] = false
	}
	return s
}

// optuna5 are the settings that follow Optuna 5 exactly.
var optuna5 = map[string]any{"rules": "optuna5"}

// After the same history, tpe with Optuna's settings suggests what Optuna
// suggests: over all histories and parameters no sample of 2,000 differs from
// Optuna's at the level of 1 % in all (Bonferroni). The seeds are fixed, so
// that this comes out the same every time.
func TestDistributionOfOptuna(t *testing.T) {
	if testing.Short() {
		t.Skip("14,000 suggestions")
	}
	samples := readSamples(t)
	type named struct {
		where string
		difference
	}
	var all []named
	for _, c := range samples.Cases {
		got := c.draws(t, len(c.Draws[c.Params[0].Name]), settingsOf(t, c))
		for _, d := range c.compare(got) {
			all = append(all, named{c.Name, d})
		}
	}
	least := all[0]
	for _, d := range all {
		if d.p < least.p {
			least = d
		}
		if d.p < 0.01/float64(len(all)) {
			t.Errorf("%s, %s: the two samples differ, p = %.3g", d.where, d.what, d.p)
		}
	}
	t.Logf("%d comparisons, least p %.3g (%s, %s)", len(all), least.p, least.where, least.what)
}

// The comparison is sharp enough to tell apart what is almost right.
func TestDistributionTellsApart(t *testing.T) {
	if testing.Short() {
		t.Skip("10,000 suggestions")
	}
	samples := readSamples(t)
	tests := []struct {
		name, history string
		settings      map[string]any
	}{
		{"gamma", "floats 60", map[string]any{"gamma": 0.25}},
		{"independent", "mixed 60", map[string]any{"multivariate": false}},
		{"candidates", "floats 60", map[string]any{"candidates": 12}},
		{"prior weight", "integers 60", map[string]any{"prior_weight": 2.0}},
		{"running ones are not bad", "mixed 60", map[string]any{"liar": false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := slices.IndexFunc(samples.Cases, func(c optunaCase) bool { return c.Name == tt.history })
			c := samples.Cases[i]
			s := settingsOf(t, c)
			maps.Copy(s, tt.settings)
			least := 1.0
			for _, d := range c.compare(c.draws(t, 2000, s)) {
				least = min(least, d.p)
			}
			t.Logf("least p %.3g", least)
			if least > 0.01/70 {
				t.Errorf("with %v the samples do not differ: least p %.3g", tt.settings, least)
			}
		})
	}
}
