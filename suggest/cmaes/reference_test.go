package cmaes

import (
	"cmp"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/gotuner/tuner/suggest/space"
)

// reference is what testdata/reference.py computes with the package cmaes.
type reference struct {
	Constants []struct {
		N, Population            int
		Weights                  []float64
		MuEff                    float64 `json:"mu_eff"`
		C1, CMu, CC, CS, DS, Chi float64
	}
	Updates []struct {
		N          int
		LRAdapt    bool `json:"lr_adapt"`
		Population int
		States     []struct {
			Mean, C, PS, PC []float64
			Sigma           float64
		}
	}
	Margin []struct {
		Mean, After, A []float64
		Sigma, Alpha   float64
		Levels         int64
	}
	Categories struct {
		K           []int
		Weights     []float64
		Generations []struct {
			Chosen [][]int
			Q      [][]float64
		}
	}
}

func loadReference(t *testing.T) reference {
	t.Helper()
	b, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var r reference
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func near(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d numbers, want %d", what, len(got), len(want))
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= tolerance*max(1, math.Abs(want[i]))) {
			t.Fatalf("%s[%d] is %.17g, want %.17g", what, i, got[i], want[i])
		}
	}
}

func ones(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = 1
	}
	return v
}

// The constants are those of the package cmaes for 5 and for 10 coordinates.
func TestConstants(t *testing.T) {
	for _, r := range loadReference(t).Constants {
		if p := populationOf(r.N); p != r.Population {
			t.Errorf("the population for %d is %d, want %d", r.N, p, r.Population)
		}
		k := weigh(r.N, ones(r.Population))
		near(t, "weights", k.w, r.Weights, 1e-14)
		near(t, "constants", []float64{k.muEff, k.c1, k.cMu, k.cc, k.cs, k.dms, expectedNorm(r.N)},
			[]float64{r.MuEff, r.C1, r.CMu, r.CC, r.CS, r.DS, r.Chi}, 1e-14)
	}
}

// A result of importance 2 counts as two, of 1/2 as half of one.
func TestImportance(t *testing.T) {
	k := weigh(5, []float64{2, 1, 1, 0.5, 0.5, 1})
	// Λ = 6, ranks 1.5, 3, 4, 4.75, 5.25, 6.
	raw := []float64{
		2 * (math.Log(3.5) - math.Log(1.5)), math.Log(3.5) - math.Log(3), math.Log(3.5) - math.Log(4),
		(math.Log(3.5) - math.Log(4.75)) / 2, (math.Log(3.5) - math.Log(5.25)) / 2, math.Log(3.5) - math.Log(6),
	}
	sum := raw[0] + raw[1]
	near(t, "positive weights", k.w[:2], []float64{raw[0] / sum, raw[1] / sum}, 1e-14)
	near(t, "muEff", []float64{k.muEff}, []float64{sum * sum / (raw[0]*raw[0] + raw[1]*raw[1])}, 1e-14)
	for i := 3; i < 6; i++ {
		near(t, "ratio of negative weights", []float64{k.w[i] / k.w[2]}, []float64{raw[i] / raw[2]}, 1e-14)
	}
}

func steady(n, population, generation int) []step {
	steps := make([]step, population)
	for i := range steps {
		steps[i] = step{own: true, y: make([]float64, n)}
		for j := range n {
			steps[i].y[j] = math.Sin(1.7*float64(i+1)*float64(j+2)+3.1*float64(generation)) * 1.3
		}
	}
	return steps
}

// Several updates, with and without adapted learning rates, end where those of
// the package cmaes do.
func TestUpdates(t *testing.T) {
	for _, r := range loadReference(t).Updates {
		mean := make([]float64, r.N)
		for i := range mean {
			mean[i] = 0.4
		}
		g := newGaussian(mean, 0.2, ones(r.N), r.LRAdapt)
		for generation, want := range r.States {
			g.update(steady(r.N, r.Population, generation), weigh(r.N, ones(r.Population)))
			near(t, "mean", g.mean, want.Mean, 1e-9)
			near(t, "sigma", []float64{g.sigma}, []float64{want.Sigma}, 1e-9)
			near(t, "C", g.c, want.C, 1e-9)
			near(t, "path of sigma", g.ps, want.PS, 1e-9)
			near(t, "path of C", g.pc, want.PC, 1e-9)
		}
	}
}

// The rates fall where the order of the results is chance, and stay up where it
// says where to go.
func TestRatesFollowTheSignal(t *testing.T) {
	rate := func(value func(x []float64, r *rand.Rand) float64) float64 {
		r := rand.New(rand.NewPCG(1, 2))
		g := newGaussian(make([]float64, 5), 0.1, ones(5), true)
		for range 3000 {
			steps, values := make([]step, 8), make([]float64, 8)
			order := make([]int, 8)
			for i := range steps {
				steps[i] = step{own: true, y: make([]float64, 5)}
				g.sample(r, steps[i].y)
				x := make([]float64, 5)
				for j := range x {
					x[j] = g.mean[j] + g.sigma*steps[i].y[j]
				}
				order[i], values[i] = i, value(x, r)
			}
			slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
			ranked := make([]step, 8)
			for i, k := range order {
				ranked[i] = steps[k]
			}
			g.update(ranked, weigh(5, ones(8)))
		}
		return g.adapt.mean.eta
	}
	signal := rate(func(x []float64, _ *rand.Rand) float64 {
		return (x[0]-1)*(x[0]-1) + x[1]*x[1] + x[2]*x[2] + x[3]*x[3] + x[4]*x[4]
	})
	noise := rate(func(_ []float64, r *rand.Rand) float64 { return r.Float64() })
	t.Logf("rate %g with signal, %g with noise", signal, noise)
	if signal < 0.03 || noise > signal/3 {
		t.Errorf("the rate is %g with a signal and %g with noise", signal, noise)
	}
}

// One update in one coordinate, by hand: m = 0.5, sigma = 0.1, four results at
// y = 1, 0, -1, 2 from best to worst.
func TestUpdateByHand(t *testing.T) {
	g := newGaussian([]float64{0.5}, 0.1, []float64{1}, false)
	var steps []step
	for _, y := range []float64{1, 0, -1, 2} {
		steps = append(steps, step{own: true, y: []float64{y}})
	}
	g.update(steps, weigh(1, ones(4)))

	w1 := math.Log(2.5) / (math.Log(2.5) + math.Log(1.25)) // ln 2.5 - ln 1, ln 2.5 - ln 2
	w2 := 1 - w1
	muEff := 1 / (w1*w1 + w2*w2)
	near(t, "mean", g.mean, []float64{0.5 + 0.1*w1}, 1e-15)

	cs := (muEff + 2) / (1 + muEff + 5)
	ds := 1 + cs // muEff < 3: the root is below 1
	ps := math.Sqrt(cs*(2-cs)*muEff) * w1
	chi := 1 - 0.25 + 1./21
	near(t, "path of sigma", g.ps, []float64{ps}, 1e-15)
	near(t, "sigma", []float64{g.sigma}, []float64{0.1 * math.Exp(cs/ds*(ps/chi-1))}, 1e-15)

	cc := (4 + muEff) / (5 + 2*muEff)
	pc := math.Sqrt(cc*(2-cc)*muEff) * w1
	near(t, "path of C", g.pc, []float64{pc}, 1e-15)
	c1 := 2 / (2.3*2.3 + muEff)
	cMu := 2 * (muEff - 2 + 1/muEff) / (9 + muEff)
	n3, n4 := math.Log(3/2.5), math.Log(4/2.5)
	muNeg := (n3 + n4) * (n3 + n4) / (n3*n3 + n4*n4)
	alpha := min(1+c1/cMu, 1+2*muNeg/(muEff+2), (1-c1-cMu)/cMu)
	w3, w4 := -alpha*n3/(n3+n4), -alpha*n4/(n3+n4)
	c := 1 - c1 - cMu*(1-alpha) + c1*pc*pc +
		cMu*(w1+w3/(1+1e-8)+w4*4/(4+1e-8)) // eq. 46: |C^-1/2 y|² is 1 and 4
	near(t, "C", g.c, []float64{c}, 1e-15)
}

// A step from elsewhere moves the mean by a bounded length, and the path of the
// step size not at all.
func TestForeignSteps(t *testing.T) {
	g := newGaussian(make([]float64, 4), 0.1, ones(4), false)
	steps := steady(4, 8, 0)
	for i := range 4 {
		steps[i] = step{y: []float64{1e6, 0, 0, 0}}
	}
	for i := 4; i < 8; i++ {
		steps[i].own = true
	}
	g.update(steps, weigh(4, ones(8)))
	want := 0.1 * (2 + 8./6) // sqrt(n) + 2n/(n+2)
	near(t, "mean", g.mean, []float64{want, 0, 0, 0}, 1e-12)
	near(t, "sigma", []float64{g.sigma}, []float64{0.1}, 0)
}

// The margin is that of the package cmaes, up to its table of the normal
// distribution.
func TestMargin(t *testing.T) {
	for _, r := range loadReference(t).Margin {
		n := len(r.Mean)
		var params []space.Parameter
		for i := range n {
			params = append(params, space.Parameter{
				Name: string(rune('a' + i)), Kind: space.Int, Low: int64(1), High: r.Levels})
		}
		s, err := space.New(params, nil)
		if err != nil {
			t.Fatal(err)
		}
		g := newGaussian(append([]float64(nil), r.Mean...), r.Sigma, ones(n), false)
		g.keepMargin(newLayout(s).numbers, r.Alpha)
		near(t, "mean", g.mean, r.After, 1e-9)
		near(t, "A", g.margin, r.A, 1e-9)
	}
}

// The probabilities of the choices are those of the package cmaes.
func TestCategories(t *testing.T) {
	r := loadReference(t).Categories
	var choices []choice
	for _, k := range r.K {
		choices = append(choices, choice{k: k})
	}
	c := newCategories(choices)
	for _, g := range r.Generations {
		c.update(g.Chosen, r.Weights)
		for j := range g.Q {
			near(t, "probabilities", c.q[j], g.Q[j], 1e-12)
		}
	}
}
