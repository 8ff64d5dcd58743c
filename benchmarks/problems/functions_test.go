package problems

import (
	"math"
	"testing"

	"github.com/gotuner/tuner/suggest/space"
)

func open(t testing.TB, p *Problem, instance int) *Instance {
	t.Helper()
	in, err := p.Open(instance)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// checkOptimum asserts that the optimum is attained at a valid point and that
// points drawn from the whole space and close to the best one are not lower.
func checkOptimum(t *testing.T, in *Instance, draws int) {
	t.Helper()
	want, exact := in.Optimum()
	if !exact {
		t.Fatalf("%s: the optimum is not exact", in.Name())
	}
	best := in.Best()
	if err := in.Space().Validate(best); err != nil {
		t.Fatalf("%s: %v", in.Name(), err)
	}
	scale := math.Max(1, math.Abs(want))
	if got := in.Evaluate(best); math.Abs(got-want) > 1e-9*scale {
		t.Errorf("%s: the value at the best point is %v, the optimum %v", in.Name(), got, want)
	}
	r := stream("test/"+in.Name(), 0)
	x := make([]float64, in.Space().Len())
	at := make([]float64, len(x))
	in.Space().Encode(best, at, nil)
	for i := range draws {
		p := in.Space().Sample(r)
		if i%2 == 1 { // close to the best, at all distances
			spread := math.Pow(10, -6*r.Float64())
			for j := range x {
				x[j] = at[j] + spread*r.NormFloat64()
			}
			p = in.Space().Decode(x)
		}
		if got := in.Evaluate(p); got < want-1e-9*scale || math.IsNaN(got) && !in.Problem().Curves {
			t.Fatalf("%s: %v at %v is lower than the optimum %v", in.Name(), got, p, want)
		}
	}
}

func TestOptimaOfFunctions(t *testing.T) {
	for _, p := range functionProblems() {
		for _, i := range p.Instances {
			checkOptimum(t, open(t, p, i), 60)
		}
		if !testing.Short() {
			checkOptimum(t, open(t, p, 1), 2000)
		}
	}
}

// TestNoOptimumInTheCentre asserts that an optimum cannot be had by trying the
// middle of the space: some number of it is away from the middle.
func TestNoOptimumInTheCentre(t *testing.T) {
	for _, p := range functionProblems() {
		for _, i := range p.Instances {
			in := open(t, p, i)
			x := make([]float64, in.Space().Len())
			in.Space().Encode(in.Best(), x, nil)
			off, numbers := 0.0, 0
			for j, u := range x {
				if in.Best()[j] != nil && in.Space().Param(j).Numeric() {
					numbers++
					off = math.Max(off, math.Abs(u-0.5))
				}
			}
			if numbers > 0 && off < 0.05 {
				t.Errorf("%s: the optimum %v is in the centre", in.Name(), in.Best())
			}
			want, _ := in.Optimum()
			if middle := in.Evaluate(in.Space().Decode(filled(len(x), 0.5))); middle-want < 1e-6 {
				t.Errorf("%s: the middle of the space is optimal", in.Name())
			}
		}
	}
}

func TestMedian(t *testing.T) {
	if got := middle([]float64{math.NaN(), 3, 1, math.NaN(), 2}); got != 3 {
		t.Errorf("the median of 1, 2, 3 and two failures is %v", got)
	}
	for _, p := range functionProblems() {
		in := open(t, p, 1)
		r := stream("test", 9)
		lower := 0
		for range 200 {
			if in.Evaluate(in.Space().Sample(r)) < in.Median() {
				lower++
			}
		}
		if lower < 65 || lower > 135 {
			t.Errorf("%s: %d of 200 random points are below the median", p.Name, lower)
		}
		if again := open(t, p, 1).Median(); again != in.Median() {
			t.Errorf("%s: the median is %v and %v", p.Name, again, in.Median())
		}
	}
}

// TestInstancesDiffer asserts that another number is another function and the
// same number the same one.
func TestInstancesDiffer(t *testing.T) {
	for _, p := range functionProblems() {
		a, again, b := open(t, p, 1), open(t, p, 1), open(t, p, 2)
		r := stream("test", 0)
		same := 0
		for range 20 {
			q := a.Space().Sample(r)
			v := a.Evaluate(q)
			if w := again.Evaluate(q); v != w {
				t.Fatalf("%s: %v and %v at one point", a.Name(), v, w)
			}
			if v == b.Evaluate(q) {
				same++
			}
		}
		if same > 5 {
			t.Errorf("%s: instances 1 and 2 are equal at %d of 20 points", p.Name, same)
		}
	}
}

// TestBBOBClassicForms compares functions of the suite whose transformations
// are trivial in known places with values computed by hand.
func TestBBOBClassicForms(t *testing.T) {
	b, err := newBBOB(1, 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	x := []float64{b.xopt[0] + 1, b.xopt[1] - 2, b.xopt[2]}
	if got := b.value(x) - b.fopt; math.Abs(got-5) > 1e-9 {
		t.Errorf("the sphere at distance (1,2) is %v", got)
	}
	for _, f := range []int{0, 25} {
		if _, err := newBBOB(f, 2, 1); err == nil {
			t.Errorf("there is a function f%d", f)
		}
	}
	if _, err := BBOB(1, 1); err == nil {
		t.Error("there is a sphere in one dimension")
	}
	if _, err := newBBOB(1, 2, 0); err == nil {
		t.Error("there is an instance 0")
	}
}

func TestClassicValues(t *testing.T) {
	// Values at the origin or another simple point, by hand.
	tests := []struct {
		name string
		got  float64
		want float64
	}{
		{"branin", branin([]float64{0, 0}), 36 + 10*(1-1/(8*math.Pi)) + 10},
		{"six-hump-camel", sixHumpCamel([]float64{1, 1}), 4 - 2.1 + 1.0/3 + 1 + 0},
		{"goldstein-price", goldsteinPrice([]float64{0, 0}), (1 + 19) * 30},
		{"eggholder", eggholder([]float64{0, 0}), -47 * math.Sin(math.Sqrt(47))},
		{"drop-wave", dropWave([]float64{0, 0}), -1},
		{"ackley", ackley([]float64{1, 1}), 20 - 20*math.Exp(-0.2)},
		{"griewank", griewank([]float64{math.Pi, 0}), math.Pi*math.Pi/4000 + 2},
		{"levy", levy([]float64{-3, 1}), 1 + 10*math.Sin(1)*math.Sin(1)},
		{"michalewicz", michalewicz([]float64{math.Pi / 2, math.Pi / 2}), -math.Pow(math.Sin(math.Pi/4), 20) - 1},
		{"styblinski-tang", styblinskiTang([]float64{1, 2}), (-10 + 16 - 64 + 10) / 2.0},
		{"schwefel", schwefelSine([]float64{4, 0}), -4 * math.Sin(2)},
		{"dixon-price", dixonPrice([]float64{2, 1}), 1 + 2*0},
		{"powell", powell([]float64{1, 0, 0, 1}), 1 + 5},
		{"rastrigin", rastriginOf([]float64{0.5, 1}), 20 + 0.25 + 1},
		{"rosenbrock", rosenbrockOf([]float64{0, 1, 0}), 100*(1+1) + 1},
		{"hartmann3 far away", hartmann3()([]float64{100, 100, 100}), 0},
	}
	for _, tt := range tests {
		if math.Abs(tt.got-tt.want) > 1e-12*math.Max(1, math.Abs(tt.want)) {
			t.Errorf("%s: %v, by hand %v", tt.name, tt.got, tt.want)
		}
	}
}

// TestNoise asserts that noise is what it says and leaves the truth alone.
func TestNoise(t *testing.T) {
	const draws = 4000
	for _, p := range functionProblems() {
		in := open(t, p, 3)
		q := in.Space().Sample(stream("test", 1))
		truth := in.Evaluate(q)
		r := stream("test", 2)
		sum, squares, differ := 0.0, 0.0, false
		n, isNoisy := in.f.(*noisy)
		if isNoisy != p.Noisy {
			t.Fatalf("%s says that it is noisy: %v", p.Name, p.Noisy)
		}
		times := 3
		if isNoisy {
			times = draws
		}
		for range times {
			v := in.Observe(q, r)
			differ = differ || v != truth
			d := v - truth
			if isNoisy && n.kind == multiplicative {
				d = math.Log((v-in.optimum)/(truth-in.optimum)) / multiplicativeScale
			} else if isNoisy {
				d /= n.sd
			}
			sum += d
			squares += d * d
		}
		if differ != p.Noisy {
			t.Errorf("%s: observations differ from the truth: %v", p.Name, differ)
		}
		if mean, sd := sum/draws, math.Sqrt(squares/draws); p.Noisy && (math.Abs(mean) > 0.08 || math.Abs(sd-1) > 0.06) {
			t.Errorf("%s: the noise has mean %.3f and deviation %.3f in units of what it should have", p.Name, mean, sd)
		}
	}
}

// TestPlantedBranches asserts that every branch of the conditional problems can
// be reached, matters, and that inactive parameters do not.
func TestPlantedBranches(t *testing.T) {
	for _, p := range functionProblems() {
		if p.Group != "conditional" {
			continue
		}
		values, active := map[space.Value]bool{}, map[int]bool{}
		for _, i := range p.Instances {
			in := open(t, p, i)
			values[in.Best()[0]] = true
			r := stream("test", i)
			for range 50 {
				for j, v := range in.Space().Sample(r) {
					if v != nil {
						active[j] = true
					}
				}
			}
		}
		n := len(open(t, p, 1).Space().Param(0).Choices)
		if len(values) < n-1 {
			t.Errorf("%s: the optimum is under %d of %d choices", p.Name, len(values), n)
		}
		if len(active) != open(t, p, 1).Space().Len() {
			t.Errorf("%s: only parameters %v occur", p.Name, active)
		}
	}
}

// TestCategoricalMinimum compares with trying everything.
func TestCategoricalMinimum(t *testing.T) {
	for _, p := range []*Problem{categoricalProblem(4, 3, true), categoricalProblem(4, 3, false)} {
		for _, i := range p.Instances {
			in := open(t, p, i)
			lowest, points := math.Inf(1), 0
			for q := range in.Space().Enumerate(0) {
				lowest = math.Min(lowest, in.Evaluate(q))
				points++
			}
			if want, _ := in.Optimum(); points != 81 || math.Abs(lowest-want) > 1e-12 {
				t.Errorf("%s: the least of %d points is %v, the optimum %v", in.Name(), points, lowest, want)
			}
		}
	}
}

func TestEvaluateDoesNotAllocate(t *testing.T) {
	for _, p := range functionProblems() {
		in := open(t, p, 1)
		r := stream("test", 0)
		points := []space.Point{in.Space().Sample(r), in.Space().Sample(r)}
		if n := testing.AllocsPerRun(20, func() {
			for _, q := range points {
				in.Evaluate(q)
				in.Observe(q, r)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", p.Name, n)
		}
	}
}

func BenchmarkBBOB20(b *testing.B) {
	for f := 1; f <= bbobFunctions; f++ {
		p := bbobProblem(f, 20)
		b.Run(p.Name, func(b *testing.B) {
			in := open(b, p, 1)
			r := stream("bench", 0)
			points := make([]space.Point, 64)
			for i := range points {
				points[i] = in.Space().Sample(r)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				in.Evaluate(points[i%len(points)])
			}
		})
	}
}

func BenchmarkOpenBBOB20(b *testing.B) {
	for b.Loop() {
		open(b, bbobProblem(21, 20), 1)
	}
}
