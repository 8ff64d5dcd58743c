package gp_test

import (
	"fmt"
	"testing"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

func bowl(p space.Point) trial.Finish {
	v := 0.0
	for i := range p {
		v += (at(p, i) - 0.3) * (at(p, i) - 0.3)
	}
	return completed(v)
}

// BenchmarkStudy is all that a trial costs, fits included: the mean over the
// first n trials of a study of ten numbers.
func BenchmarkStudy(b *testing.B) {
	for _, n := range []int{100, 300} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			sp := floats(b, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j")
			for b.Loop() {
				s := open(b, sp, nil)
				for range n {
					s.run(nil, bowl)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N*n), "ms/trial")
		})
	}
}

// BenchmarkSuggest is one more proposal after so many trials, without a fit.
func BenchmarkSuggest(b *testing.B) {
	for _, n := range []int{30, 100, 300, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := open(b, floats(b, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j"), nil)
			for i := range n {
				r := suggest.Stream(1, "points", int64(i))
				p := make(space.Point, 10)
				for j := range p {
					p[j] = r.Float64()
				}
				s.run(p, bowl)
			}
			ask := suggest.Request{Numbers: []int64{s.number}}
			for b.Loop() {
				if _, err := s.gp.Suggest(b.Context(), ask); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
