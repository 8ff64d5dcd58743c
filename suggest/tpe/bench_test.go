package tpe_test

import (
	"fmt"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/suggesttest"
	"github.com/gotuner/tuner/suggest/tpe"
	"github.com/gotuner/tuner/trial"
)

// mixedSpace has ten parameters of all kinds.
func mixedSpace(t testing.TB) *space.Space {
	t.Helper()
	choices := func(n int) (out []space.Choice) {
		for i := range n {
			out = append(out, space.Choice{Value: fmt.Sprint("c", i)})
		}
		return out
	}
	s, err := space.New([]space.Parameter{
		{Name: "a", Kind: space.Float, Low: -5.0, High: 5.0},
		{Name: "b", Kind: space.Float, Low: 1e-5, High: 1.0, Scale: space.Log},
		{Name: "c", Kind: space.Float, Low: 0.5, High: 0.999, Scale: space.ReverseLog},
		{Name: "d", Kind: space.Float, Low: 0.0, High: 1.0, Step: 0.05},
		{Name: "e", Kind: space.Int, Low: int64(1), High: int64(12)},
		{Name: "f", Kind: space.Int, Low: int64(1), High: int64(1024), Scale: space.Log},
		{Name: "g", Kind: space.Int, Low: int64(1), High: int64(1000)},
		{Name: "h", Kind: space.Bool},
		{Name: "i", Kind: space.Categorical, Choices: choices(6)},
		{Name: "j", Kind: space.Ordinal, Choices: choices(4)},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A proposal allocates what it returns and what asking costs, whatever the
// number of trials and of kernels.
func TestSteadyAllocations(t *testing.T) {
	if testing.Short() {
		t.Skip("33,300 trials")
	}
	s := cube(t, 10)
	for _, n := range []int{300, 3000, 30_000} {
		sg, step := study(t, s, n)
		number := int64(n)
		allocs := testing.AllocsPerRun(200, func() {
			p, err := sg.Suggest(t.Context(), suggest.Request{Numbers: []int64{number}})
			if err != nil {
				t.Fatal(err)
			}
			sg.Observe(step(p[0].Point))
			number++
		})
		if allocs > 40 {
			t.Errorf("%d trials: %g allocations a proposal", n, allocs)
		}
	}
}

// study is a suggester, warmed up, with n finished trials: the first half of them random,
// as at the start of a study, the others close to the best point, as later on.
func study(b testing.TB, s *space.Space, n int) (sg suggest.Suggester, step func(p space.Point) []trial.Event) {
	b.Helper()
	sg = suggesttest.New(b, tpe.Algorithm(), s, 1, nil)
	events := suggesttest.History(b, s, n, 1)
	low, x, active := make([]float64, s.Len()), make([]float64, s.Len()), make([]bool, s.Len())
	for i := n / 2; i < n; i++ {
		created, finished := &events[2*i], &events[2*i+1]
		s.Encode(created.Point, x, active)
		for j := range x {
			low[j] = 0.25 + 0.1*x[j]
		}
		created.Point = s.Decode(low)
		finished.Finish = &trial.Finish{State: types.Completed, Step: -1,
			Values: []float64{suggesttest.Bowl(s, created.Point)}}
	}
	sg.Observe(events)
	if _, err := sg.Suggest(b.Context(), suggest.Request{Numbers: []int64{int64(n)}}); err != nil {
		b.Fatal(err)
	}
	number := int64(n)
	return sg, func(p space.Point) []trial.Event {
		out := []trial.Event{
			{Kind: trial.EventCreated, Trial: number, Point: p},
			{Kind: trial.EventFinished, Trial: number, Finish: &trial.Finish{
				State: types.Completed, Values: []float64{suggesttest.Bowl(s, p)}, Step: -1}},
		}
		number++
		return out
	}
}

var sizes = []int{100, 1000, 10_000, 100_000}

// BenchmarkSuggest measures one proposal with 10 parameters, its creation and
// its result included.
func BenchmarkSuggest(b *testing.B) {
	for name, s := range map[string]*space.Space{"numeric": cube(b, 10), "mixed": mixedSpace(b)} {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s/n=%d", name, n), func(b *testing.B) {
				sg, step := study(b, s, n)
				number := int64(n)
				b.ReportAllocs()
				for b.Loop() {
					p, err := sg.Suggest(b.Context(), suggest.Request{Numbers: []int64{number}})
					if err != nil {
						b.Fatal(err)
					}
					sg.Observe(step(p[0].Point))
					number++
				}
			})
		}
	}
}

// BenchmarkObserve measures what one result costs alone.
func BenchmarkObserve(b *testing.B) {
	s := cube(b, 10)
	for _, n := range sizes {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			sg, step := study(b, s, n)
			points := suggesttest.History(b, s, 1000, 2)
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				sg.Observe(step(points[2*(i%1000)].Point))
				i++
			}
		})
	}
}
