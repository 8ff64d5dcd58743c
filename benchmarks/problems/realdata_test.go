package problems

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The tests in this file read the data folder, which no machine but the
// developers' has; they skip without.

// TestDataOptima opens all data problems and checks their optima: attained, and
// lower than anything random.
func TestDataOptima(t *testing.T) {
	c := catalog(t, dataDir(t))
	if len(c.Skipped) > 0 {
		t.Errorf("skipped: %v", c.Skipped)
	}
	noisyTables := 0
	for _, p := range c.Problems {
		if !slices.Contains([]string{"tables", "surrogates", "curves"}, p.Group) {
			continue
		}
		in := open(t, p, 1)
		if err := in.Space().Validate(in.Best()); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		want, exact := in.Optimum()
		tolerance := 0.0
		if !exact {
			tolerance = 1e-6 * math.Max(1, math.Abs(want)) // another GOARCH may round otherwise
		}
		if got := in.Evaluate(in.Best()); math.Abs(got-want) > tolerance {
			t.Errorf("%s: the best point has %v, the optimum is %v", p.Name, got, want)
		}
		r := stream("test/"+p.Name, 1)
		differ, higher := false, 0
		for range 50 {
			q := in.Space().Sample(r)
			v, seen := in.Evaluate(q), in.Observe(q, r)
			differ = differ || v != seen && !math.IsNaN(v)
			if v > want {
				higher++
			} else if v < want-tolerance {
				t.Errorf("%s: %v is lower than the optimum %v", p.Name, v, want)
			}
			if in.Steps() > 0 != p.Curves {
				t.Fatalf("%s has curves of %d steps", p.Name, in.Steps())
			}
			sec, timed := in.Runtime(q)
			if timed != p.Runtimes || timed && !(sec > 0) {
				t.Errorf("%s: runtime %v, %v", p.Name, sec, timed)
			}
		}
		if differ != p.Noisy {
			t.Errorf("%s: observations differ from the truth: %v", p.Name, differ)
		}
		if higher < 20 {
			t.Errorf("%s: only %d of 50 random points are worse than the optimum", p.Name, higher)
		}
		if p.Noisy {
			noisyTables++
		}
		if curve := in.Curve(nil, in.Best()); p.Curves && curve[len(curve)-1] != in.Evaluate(in.Best()) {
			t.Errorf("%s: the curve of the best point ends at %v", p.Name, curve[len(curve)-1])
		}
	}
	if noisyTables != 8 {
		t.Errorf("%d tables are noisy", noisyTables)
	}
}

// TestTabularStatistics compares with what the JSON of the data says, which was
// computed by another program.
func TestTabularStatistics(t *testing.T) {
	d := &folder{dir: dataDir(t)}
	for _, s := range tabularSuites {
		var meta struct {
			Direction string `json:"direction"`
			Datasets  map[string]struct {
				Best   float64 `json:"best_mean"`
				Median float64 `json:"median"`
				Worst  float64 `json:"worst"`
			} `json:"datasets"`
		}
		if err := d.json("tabular/"+s.suite+".json", &meta); err != nil {
			t.Fatal(err)
		}
		for _, set := range s.datasets {
			table, err := d.tabular(s.suite, set)
			if err != nil {
				t.Fatal(err)
			}
			v := slices.Clone(table.mean)
			slices.Sort(v)
			n := len(v)
			// Its median is one of a sample.
			tolerance := []float64{1e-6, 1e-3, 1e-6}
			got := []float64{v[0], v[n/2], v[n-1]}
			for i, want := range []float64{meta.Datasets[set].Best, meta.Datasets[set].Median, meta.Datasets[set].Worst} {
				if meta.Direction == "maximize" {
					want = -want
				}
				if math.Abs(got[i]-want) > tolerance[i]*math.Abs(want) {
					t.Errorf("%s of %s: %v, the data says %v (best, median, worst: %d)", s.suite, set, got[i], want, i)
				}
			}
		}
	}
}

// TestTasksetStatistics does the same for the learning curves.
func TestTasksetStatistics(t *testing.T) {
	d := &folder{dir: dataDir(t)}
	var meta struct {
		Tasks map[string]struct {
			Best float64 `json:"best_final_valid"`
		} `json:"tasks"`
	}
	if err := d.json("taskset/taskset.json", &meta); err != nil {
		t.Fatal(err)
	}
	_, files := d.tasksetProblems()
	diverged := false
	for i, task := range tasksetTasks {
		table, err := d.taskset(files[i], tasksetConfigs)
		if err != nil {
			t.Fatal(err)
		}
		best := math.Inf(1)
		for _, v := range table.mean {
			if math.IsNaN(v) {
				diverged = true
			} else {
				best = math.Min(best, v)
			}
		}
		if want := meta.Tasks[tasksetPrefix+task].Best; math.Abs(best-want) > 1e-6*want {
			t.Errorf("%s: best %v, the data says %v", task, best, want)
		}
	}
	if !diverged {
		t.Error("no training diverged")
	}
}

// TestSurrogateStatistics compares the range of each target over random points
// of all fidelities with the range that the data gives for the instance, which
// was computed with the original network on more points.
func TestSurrogateStatistics(t *testing.T) {
	const draws = 1500
	d := &folder{dir: dataDir(t)}
	for _, s := range yahpoScenarios {
		var meta struct {
			Ranges map[string]map[string]struct {
				Min float64 `json:"min"`
				Max float64 `json:"max"`
			} `json:"instance_target_statistics"`
		}
		if err := d.json("yahpo/"+s.name+".json", &meta); err != nil {
			t.Fatal(err)
		}
		task := yahpoDevelopment[s.name][0]
		sur, err := d.yahpo(s, task)
		if err != nil {
			t.Fatal(err)
		}
		e, r := &estimate{sur, newPass(sur.net)}, stream("test", 0)
		n := len(e.out)
		low, high := filled(n, math.Inf(1)), filled(n, math.Inf(-1))
		for range draws {
			e.load(sur.space.Sample(r))
			for i, name := range sur.net.meta.Conts {
				switch name {
				case "epoch":
					e.pass.conts[i] = float64(1 + r.IntN(52))
				case "trainsize":
					e.pass.conts[i] = 0.03 + 0.97*r.Float64()
				case "repl":
					e.pass.conts[i] = float64(1 + r.IntN(10))
				}
			}
			e.run()
			for i, v := range e.out {
				low[i], high[i] = math.Min(low[i], v), math.Max(high[i], v)
			}
		}
		covered := 0.0
		for i, target := range sur.net.meta.Targets {
			want := meta.Ranges[strconv.Itoa(task)][target]
			width := want.Max - want.Min
			if low[i] < want.Min-0.01*width || high[i] > want.Max+0.01*width {
				t.Errorf("%s: %s has [%g, %g], the data [%g, %g]", s.name, target, low[i], high[i], want.Min, want.Max)
			}
			covered += (high[i] - low[i]) / width / float64(n)
		}
		if covered < 0.6 {
			t.Errorf("%s: random points cover %.0f %% of the ranges only", s.name, 100*covered)
		}
	}
}

// TestDevelopmentSplit compares the lists in the code with those in the README
// of the data.
func TestDevelopmentSplit(t *testing.T) {
	d := &folder{dir: dataDir(t)}
	b, err := d.read("README.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile("(?m)^- (\\w+) \\(`\\w+`, (\\d+) of \\d+\\): (.*)$")
	found := line.FindAllStringSubmatch(string(b), -1)
	if len(found) != len(yahpoScenarios) {
		t.Fatalf("the README has %d lists", len(found))
	}
	for _, m := range found {
		var want []int
		for s := range strings.SplitSeq(m[3], ",") {
			n, err := strconv.Atoi(strings.TrimSpace(s))
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, n)
		}
		slices.Sort(want)
		got := slices.Sorted(slices.Values(yahpoDevelopment[m[1]]))
		if !slices.Equal(got, want) || strconv.Itoa(len(got)) != m[2] {
			t.Errorf("%s: the code has %v, the README %v", m[1], got, want)
		}
	}
}

func BenchmarkSurrogates(b *testing.B) {
	c := catalog(b, dataDir(b))
	for _, name := range []string{
		"lcbench-168335", "rbv2_xgboost-23512", "rbv2_rpart-41138", "iaml_glmnet-1067",
		"hpolib-naval_propulsion", "moot-redis", "moot-health-commits-mre", "taskset-patch128-lstm128-avg-bs64",
	} {
		b.Run(name, func(b *testing.B) {
			p, err := c.Find(name)
			if err != nil {
				b.Fatal(err)
			}
			in, r := open(b, p, 1), stream("bench", 0)
			p1, p2 := in.Space().Sample(r), in.Space().Sample(r)
			b.ReportAllocs()
			for b.Loop() {
				in.Evaluate(p1)
				p1, p2 = p2, p1
			}
		})
	}
}
