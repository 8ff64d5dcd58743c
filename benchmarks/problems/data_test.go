package problems

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
)

func gzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func packed(t *testing.T, values []float32) []byte {
	t.Helper()
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return gzipped(t, b)
}

func opened(t *testing.T, p prototype, err error) *Instance {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	in, err := p.instance()
	if err != nil {
		t.Fatal(err)
	}
	in.problem, in.number = &Problem{Name: "fixture"}, 1
	return in
}

func TestTabular(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "tabular/toy.json", []byte(`{"direction": "maximize", "params": [
		{"name": "lr", "type": "float", "log": true, "choices": [0.001, 1]},
		{"name": "units", "type": "int", "choices": [8, 16, 32]},
		{"name": "act", "type": "cat", "choices": ["relu", "tanh"]}],
		"datasets": {"a": {"n_configs": 12, "n_seeds": 2, "file": "toy_a.f32.gz"}, "b": {"n_configs": 11, "n_seeds": 2, "file": "toy_a.f32.gz"}}}`))
	values := make([]float32, 24)
	for i := range values {
		values[i] = float32(i)
	}
	nan := float32(math.NaN())
	values[23], values[0], values[1] = nan, nan, nan // the best configuration has one seed only, the first none
	writeFile(t, dir, "tabular/toy_a.f32.gz", packed(t, values))
	d := &folder{dir: dir}
	table, err := d.tabular("toy", "a")
	in := opened(t, table, err)
	checkOptimumOf(t, in, -22, space.Point{1.0, int64(32), "tanh"})
	p := space.Point{0.001, int64(16), "tanh"} // configuration 0·6 + 1·2 + 1
	if got := in.Evaluate(p); got != -6.5 {
		t.Errorf("the mean over the seeds is %v", got)
	}
	seen, r := map[float64]int{}, stream("test", 0)
	for range 200 {
		seen[in.Observe(p, r)]++
	}
	if len(seen) != 2 || seen[-6] < 60 || seen[-7] < 60 {
		t.Errorf("observations: %v", seen)
	}
	if p := (space.Point{0.001, int64(8), "relu"}); !math.IsNaN(in.Evaluate(p)) || !math.IsNaN(in.Observe(p, r)) {
		t.Error("a configuration without values has one")
	}
	if _, err := d.tabular("toy", "b"); types.CodeOf(err) != types.Invalid {
		t.Errorf("a wrong size: %v", err)
	}
	if _, err := d.tabular("toy", "c"); types.CodeOf(err) != types.Invalid {
		t.Errorf("no such data set: %v", err)
	}
	if _, err := d.tabular("none", "a"); types.CodeOf(err) != types.NotFound {
		t.Errorf("no such suite: %v", err)
	}
	writeFile(t, dir, "tabular/toy_a.f32.gz", packed(t, values[1:]))
	if _, err := d.tabular("toy", "a"); types.CodeOf(err) != types.Invalid {
		t.Errorf("a short file: %v", err)
	}
	writeFile(t, dir, "tabular/toy_a.f32.gz", []byte("plain"))
	if _, err := d.tabular("toy", "a"); types.CodeOf(err) != types.Invalid {
		t.Errorf("a file that is not packed: %v", err)
	}
}

func checkOptimumOf(t *testing.T, in *Instance, want float64, best space.Point) {
	t.Helper()
	if got, exact := in.Optimum(); got != want || !exact {
		t.Errorf("the optimum is %v (exact: %v), not %v", got, exact, want)
	}
	if d := cmp.Diff(best, in.Best()); d != "" {
		t.Error(d)
	}
	if got := in.Evaluate(in.Best()); got != want {
		t.Errorf("the best point has %v", got)
	}
	if m := in.Median(); m == want {
		t.Errorf("the median is the optimum %v", m)
	}
}

func TestMoot(t *testing.T) {
	dir := t.TempDir()
	// A full grid of Size and mode, in no order, one configuration measured
	// twice; fixed does not vary.
	writeFile(t, dir, "moot/grid.csv.gz", gzipped(t, []byte("Size,mode,Fixed,Speed+,Cost-\n"+
		"10,a,7,1, 5 \n2,b,7,2,6\n2,a,7,3,7\n10,b,7,4,8\n2,b,7,5,2\n")))
	d := &folder{dir: dir}
	table, err := d.moot("moot/grid.csv.gz", "Speed+", true)
	in := opened(t, table, err)
	if !in.f.(*measured).grid || in.Space().Len() != 2 || in.Space().Param(0).Kind != space.Ordinal || in.Space().Param(1).Kind != space.Categorical {
		t.Errorf("the space is %v", in.Space())
	}
	checkOptimumOf(t, in, -4, space.Point{int64(10), "b"})
	twice, r := space.Point{int64(2), "b"}, stream("test", 0)
	if got := in.Evaluate(twice); got != -3.5 {
		t.Errorf("the mean of two measurements is %v", got)
	}
	if got := in.Observe(twice, r); got != -2 && got != -5 {
		t.Errorf("an observation is %v", got)
	}
	table, err = d.moot("moot/grid.csv.gz", "Speed+", false)
	if got := opened(t, table, err).Observe(twice, r); got != -3.5 {
		t.Errorf("an observation without noise is %v", got)
	}
	table, err = d.moot("moot/grid.csv.gz", "Cost-", true)
	checkOptimumOf(t, opened(t, table, err), 4, space.Point{int64(2), "b"})
	if _, err := d.moot("moot/grid.csv.gz", "Size-", true); types.CodeOf(err) != types.Invalid {
		t.Errorf("no such objective: %v", err)
	}

	// Not a grid: the nearest row answers; of many numbers a range is made.
	var b strings.Builder
	b.WriteString("X,Log,kind,Y-\n")
	for i := range 100 {
		b.WriteString(strconv.Itoa(i) + "," + strconv.FormatFloat(math.Pow(10, float64(i)/25), 'g', -1, 64) + "," +
			[]string{"a", "b"}[i/50] + "," + strconv.Itoa(i-20) + "\n")
	}
	writeFile(t, dir, "moot/rows.csv.gz", gzipped(t, []byte(b.String())))
	table, err = d.moot("moot/rows.csv.gz", "Y-", true)
	in = opened(t, table, err)
	if x, l := in.Space().Param(0), in.Space().Param(1); x.Kind != space.Int || x.High != int64(99) || l.Kind != space.Float || l.Scale != space.Log {
		t.Errorf("the space is %v", in.Space())
	}
	checkOptimumOf(t, in, -20, space.Point{int64(0), 1.0, "a"})
	for _, tt := range []struct {
		at   space.Point
		want float64
	}{
		{space.Point{int64(30), math.Pow(10, 30.0/25) * 1.01, "a"}, 10},
		{space.Point{int64(45), math.Pow(10, 45.0/25), "b"}, 30}, // another kind is a whole unit away
		{space.Point{int64(99), 1e4, "b"}, 79},
	} {
		if tt.at[1].(float64) > in.Space().Param(1).High.(float64) {
			tt.at[1] = in.Space().Param(1).High
		}
		if got := in.Evaluate(tt.at); got != tt.want {
			t.Errorf("%v has %v, the nearest row %v", tt.at, got, tt.want)
		}
	}

	for name, text := range map[string]string{
		"number": "X,Y-\n1,2\nno,3\n", "value": "X,Y-\n1,2\n2,no\n", "short": "X,Y-\n", "ragged": "X,Y-\n1\n",
	} {
		writeFile(t, dir, "moot/"+name+".csv.gz", gzipped(t, []byte(text)))
		if _, err := d.moot("moot/"+name+".csv.gz", "Y-", true); types.CodeOf(err) != types.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGrid(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "grids/g.csv", []byte("0.1,5,3.5,60\n1,5,2.5,70\n0.1,6,4.5,80\n1,6,5.5,90\n"))
	d := &folder{dir: dir}
	table, err := d.gridTable("grids/g.csv", []string{"a", "b"})
	in := opened(t, table, err)
	checkOptimumOf(t, in, 2.5, space.Point{1.0, int64(5)})
	if s, ok := in.Runtime(space.Point{0.1, int64(6)}); !ok || s != 80 {
		t.Errorf("the runtime is %v, %v", s, ok)
	}
	if in.Steps() != 0 || in.Curve(nil, in.Best()) != nil {
		t.Error("it has a learning curve")
	}
	if _, err := d.gridTable("grids/g.csv", []string{"a"}); types.CodeOf(err) != types.Invalid {
		t.Errorf("too many columns: %v", err)
	}
}

func TestTaskset(t *testing.T) {
	dir := t.TempDir()
	const configs, width = 3, 8 + 2*tasksetSteps
	values := make([]float32, configs*width)
	for c := range configs {
		row := values[c*width : (c+1)*width]
		for i := range 8 {
			row[i] = float32(0.1 * float64(c+1) * float64(c+1))
		}
		for i := range tasksetSteps {
			row[8+i] = float32(100 - 10*c - i) // the last is 50 - 10c
			row[8+tasksetSteps+i] = -1         // training losses are not read
		}
	}
	for i := 10; i < tasksetSteps; i++ {
		values[2*width+8+i] = float32(math.NaN()) // the last configuration diverges
	}
	writeFile(t, dir, "taskset/x.f32.gz", packed(t, values))
	d := &folder{dir: dir}
	table, err := d.taskset("taskset/x.f32.gz", configs)
	in := opened(t, table, err)
	if got, _ := in.Optimum(); got != 40 || in.Steps() != tasksetSteps {
		t.Errorf("the optimum is %v, %d steps", got, in.Steps())
	}
	curve := in.Curve(nil, in.Best())
	if len(curve) != tasksetSteps || curve[0] != 90 || curve[tasksetSteps-1] != in.Evaluate(in.Best()) {
		t.Errorf("the curve is %v", curve)
	}
	if again := in.Curve(curve, in.Best()); &again[0] != &curve[0] {
		t.Error("the curve is not written to what was given")
	}
	p := in.Space().Decode(filled(8, 1))
	curve = in.Curve(curve, p)
	if v := in.Evaluate(p); !math.IsNaN(v) || curve[9] != 71 || !math.IsNaN(curve[10]) {
		t.Errorf("the diverged training has %v and %v", v, curve)
	}
	if _, ok := in.Runtime(p); ok {
		t.Error("it has a runtime")
	}
	if _, err := d.taskset("taskset/x.f32.gz", configs+1); types.CodeOf(err) != types.Invalid {
		t.Errorf("a short file: %v", err)
	}
}
