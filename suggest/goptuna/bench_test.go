package goptuna

import (
	"fmt"
	"testing"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/suggesttest"
)

// BenchmarkSuggest asks for a point of 10 numbers after 1,000 finished trials.
func BenchmarkSuggest(b *testing.B) {
	var params []space.Parameter
	for i := range 10 {
		params = append(params, float(fmt.Sprint("x", i), 0, 1))
	}
	s := suggesttest.Space(b, nil, params...)
	events := suggesttest.History(b, s, 1000, 1)
	for _, a := range []suggest.Algorithm{RandomAlgorithm(), TPEAlgorithm(), CMAESAlgorithm()} {
		b.Run(a.Name, func(b *testing.B) {
			sg := build(b, a, s, 1)
			sg.Observe(events)
			b.ReportAllocs()
			n := int64(1000)
			for b.Loop() {
				if _, err := sg.Suggest(b.Context(), suggest.Request{Numbers: []int64{n}}); err != nil {
					b.Fatal(err)
				}
				n++
			}
		})
	}
}
