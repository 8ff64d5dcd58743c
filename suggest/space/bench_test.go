package space

import (
	"testing"
)

func benchSpace(b *testing.B) *Space {
	b.Helper()
	return mustNew(b, []Parameter{
		scaled(float("lr", 1e-5, 0.1), Log), step(float("drop", 0.0, 0.8), 0.1), integer("layers", 1, 8), scaled(integer("hidden", 8, 512), Log),
		choices(Categorical, "opt", "sgd", "adam"), when(float("m", 0.0, 0.99), In{"opt", []Value{"sgd"}}), choices(Ordinal, "batch", 16, 32, 64, 128),
		{Name: "bn", Kind: Bool}, float("wd", 0.0, 1.0), float("clip", 0.1, 10.0),
	}, "lr * layers <= 0.5", `not (bn and batch < 32) or opt == "adam"`)
}

func BenchmarkDecode(b *testing.B) {
	s := benchSpace(b)
	x := []float64{0.1, 0.2, 0.3, 0.4, 0.1, 0.6, 0.7, 0.8, 0.9, 1}
	b.ReportAllocs()
	for b.Loop() {
		s.Decode(x)
	}
}

func BenchmarkEncode(b *testing.B) {
	s := benchSpace(b)
	p := s.Sample(source(1))
	x, active := make([]float64, s.Len()), make([]bool, s.Len())
	b.ReportAllocs()
	for b.Loop() {
		s.Encode(p, x, active)
	}
}

func BenchmarkKey(b *testing.B) {
	s := benchSpace(b)
	p := s.Sample(source(1))
	b.ReportAllocs()
	for b.Loop() {
		s.Key(p)
	}
}

func BenchmarkFeasible(b *testing.B) {
	s := benchSpace(b)
	p := s.Sample(source(1))
	b.ReportAllocs()
	for b.Loop() {
		s.Feasible(p)
	}
}

func BenchmarkValidate(b *testing.B) {
	s := benchSpace(b)
	p, err := s.SampleFeasible(source(1))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Validate(p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFromParams(b *testing.B) {
	s := benchSpace(b)
	q := s.Params(s.Sample(source(1)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.FromParams(q); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSampleFeasible draws from a thousandth of the space.
func BenchmarkSampleFeasible(b *testing.B) {
	s := mustNew(b, []Parameter{float("a", 0.0, 1.0), float("b", 0.0, 1.0), float("c", 0.0, 1.0)}, "a < 0.1 and b < 0.1", "c > 0.9")
	r := source(1)
	for b.Loop() {
		if _, err := s.SampleFeasible(r); err != nil {
			b.Fatal(err)
		}
	}
}
