package problems

import (
	"encoding/json"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"sort"
	"testing"

	"github.com/gotuner/tuner/suggest/space"
)

var searchBest = flag.Int("search-best", 0, "search the best points of the surrogates with so many generations of 40, improving yahpo_best.json")

// dataDir is the data folder. Tests that need it skip without.
func dataDir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("TUNER_BENCH_DATA")
	if dir == "" {
		t.Skip("TUNER_BENCH_DATA does not name the folder of benchmark data")
	}
	return dir
}

// TestSearchBest writes yahpo_best.json when asked to:
//
//	TUNER_BENCH_DATA=… go test ./benchmarks/problems -run TestSearchBest -search-best 500 -timeout 0
//
// It runs differential evolution in the unit cube and keeps what is better than
// the points the file has.
func TestSearchBest(t *testing.T) {
	if *searchBest == 0 {
		t.Skip("-search-best says how long to search")
	}
	d := &folder{dir: dataDir(t)}
	known := map[string]knownPoint{}
	if err := json.Unmarshal(bestKnown, &known); err != nil {
		t.Fatal(err)
	}
	for _, s := range yahpoScenarios {
		// Fill the cache of networks; there is no best point yet, perhaps.
		_, _ = d.yahpo(s, yahpoDevelopment[s.name][0])
		for _, task := range yahpoDevelopment[s.name] {
			name := yahpoName(s.name, task)
			sur, err := newSurrogate(s, d.networks.got[s.name], task)
			if err != nil {
				t.Fatal(err)
			}
			in, err := sur.instance()
			if err != nil {
				t.Fatal(err)
			}
			before, had := known[name]
			p, v := evolve(in, stream("best/"+name, len(known)), *searchBest)
			if !had || v < before.Value {
				known[name] = knownPoint{v, in.space.Params(p)}
			}
			t.Log(name, v, before.Value)
		}
		b, err := json.MarshalIndent(known, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("yahpo_best.json", append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// evolve is differential evolution (current to one of the best, with random
// scale), from 2,000 random points.
func evolve(in *Instance, r *rand.Rand, generations int) (space.Point, float64) {
	const size, first = 40, 2000
	type member struct {
		x []float64
		v float64
	}
	n := in.space.Len()
	all := make([]member, first)
	for i := range all {
		x := make([]float64, n)
		for j := range x {
			x[j] = r.Float64()
		}
		all[i] = member{x, in.Evaluate(in.space.Decode(x))}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].v < all[j].v })
	pop := all[:size]
	trial := make([]float64, n)
	for range generations {
		for i := range pop {
			a, b, c := r.IntN(size), r.IntN(size), pop[r.IntN(size/8)].x
			f, cross := 0.3+0.6*r.Float64(), 0.2+0.8*r.Float64()
			forced := r.IntN(n)
			for j := range trial {
				trial[j] = pop[i].x[j]
				if j == forced || r.Float64() < cross {
					trial[j] += f*(c[j]-trial[j]) + f*(pop[a].x[j]-pop[b].x[j])
				}
				trial[j] = math.Min(math.Max(trial[j], 0), 1)
			}
			if v := in.Evaluate(in.space.Decode(trial)); v <= pop[i].v {
				copy(pop[i].x, trial)
				pop[i].v = v
			}
		}
		sort.Slice(pop, func(i, j int) bool { return pop[i].v < pop[j].v })
	}
	return in.space.Decode(pop[0].x), pop[0].v
}
