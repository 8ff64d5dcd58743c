package goptuna

import (
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
)

func float(name string, low, high float64) space.Parameter {
	return space.Parameter{Name: name, Kind: space.Float, Low: low, High: high}
}

func integer(name string, low, high int64) space.Parameter {
	return space.Parameter{Name: name, Kind: space.Int, Low: low, High: high}
}

func categorical(name string, n int) space.Parameter {
	p := space.Parameter{Name: name, Kind: space.Categorical}
	for k := range n {
		p.Choices = append(p.Choices, space.Choice{Value: int64(k)})
	}
	return p
}

func build(t testing.TB, a suggest.Algorithm, s *space.Space, seed int64) suggest.Suggester {
	t.Helper()
	sg, err := suggest.New(suggest.Registry{a}, types.Component{Name: a.Name}, suggest.Config{
		Space: s, Seed: seed, Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}}})
	if err != nil {
		t.Fatal(err)
	}
	return sg
}
