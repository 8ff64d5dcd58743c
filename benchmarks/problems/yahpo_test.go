package problems

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
)

const toyNetwork = `{"scenario": "lcbench", "cat_names": ["OpenML_task_id", "booster"], "cont_names": ["epoch", "rate", "depth"],
 "targets": ["time", "val_accuracy"], "target_minimize": [true, false], "instance_param": "OpenML_task_id", "runtime_target": "time",
 "encoding": {"OpenML_task_id": {"#na#": 0, "3945": 1, "7593": 2}, "booster": {"#na#": 0, "tree": 1, "linear": 2}},
 "emb_dims": [[3, 2], [3, 1]], "first_dims": [4, 6], "n_layers": 2, "hidden": 6,
 "cont_ops": [[["sub", 1], ["div", 51]], [["add", 0.001], ["log"]], [["div", 4.0], ["neg"], ["exp"]]],
 "output_ops": [[["mul", 10.0], ["add", 1]], [["mul", 3], ["exp"], ["sub", 0.5], ["round"], ["add", 0.25]]],
 "config_space": {"hyperparameters": [
  {"name": "booster", "type": "categorical", "choices": ["tree", "linear"]},
  {"name": "epoch", "type": "uniform_int", "lower": 1, "upper": 52},
  {"name": "rate", "type": "uniform_float", "log": true, "lower": 0.01, "upper": 1},
  {"name": "depth", "type": "uniform_int", "lower": 1, "upper": 8},
  {"name": "OpenML_task_id", "type": "categorical", "choices": ["3945", "7593"]}],
  "conditions": [{"child": "depth", "parent": "booster", "type": "EQ", "value": "tree"},
   {"child": "rate", "parent": "booster", "type": "IN", "values": ["tree", "linear"]}]}}`

// slowNetwork is the forward pass written down as the data's description has it,
// in float64.
func slowNetwork(w []float32, cats [2]int, conts [3]float64) [2]float64 {
	next := func(n int) []float64 {
		out := make([]float64, n)
		for i := range out {
			out[i] = float64(w[i])
		}
		w = w[n:]
		return out
	}
	times := func(m, x, b []float64) []float64 {
		out := make([]float64, len(b))
		for i := range out {
			out[i] = b[i]
			for j := range x {
				out[i] += m[i*len(x)+j] * x[j]
			}
		}
		return out
	}
	e0, e1 := next(6), next(3)
	x := append(append([]float64{}, e0[2*cats[0]:2*cats[0]+2]...), e1[cats[1]],
		(conts[0]-1)/51, math.Log(conts[1]+0.001), math.Exp(-conts[2]/4))
	m, b := next(24), next(4)
	h := times(m, x, b)
	for range 2 {
		scale, shift := next(4), next(4)
		z := make([]float64, 4)
		for i := range z {
			z[i] = h[i]*scale[i] + shift[i]
		}
		m, b := next(24), next(6)
		u := times(m, z, b)
		g := make([]float64, 3)
		for i := range g {
			g[i] = u[i] * math.Max(u[3+i], 0)
		}
		m, b = next(12), next(4)
		for i, v := range times(m, g, b) {
			h[i] += v
		}
	}
	scale, shift := next(4), next(4)
	for i := range h {
		h[i] = math.Max(h[i]*scale[i]+shift[i], 0)
	}
	m, b = next(8), next(2)
	y := times(m, h, b)
	for i := range y {
		y[i] = 1 / (1 + math.Exp(-y[i]))
	}
	return [2]float64{10*y[0] + 1, math.RoundToEven(math.Exp(3*y[1])-0.5) + 0.25}
}

func toyWeights() []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	w := make([]float32, 6+3+24+4+2*(8+24+6+12+4)+8+10)
	for i := range w {
		w[i] = float32(r.NormFloat64())
	}
	return w
}

func TestSurrogateNetwork(t *testing.T) {
	dir := t.TempDir()
	w := toyWeights()
	writeFile(t, dir, "yahpo/lcbench.json", []byte(toyNetwork))
	writeFile(t, dir, "yahpo/lcbench.f32.gz", packed(t, w))
	d := &folder{dir: dir}
	// The best known points are those of the real network, which do not fit.
	if _, err := d.yahpo(yahpoScenarios[0], 3945); err == nil {
		t.Error("the best point of another space was taken")
	}
	sur, err := newSurrogate(yahpoScenarios[0], d.networks.got["lcbench"], 3945)
	in := opened(t, sur, err)
	if in.Space().Len() != 3 || !in.Space().Conditional() {
		t.Fatalf("the space is %v", in.Space())
	}
	r := stream("test", 0)
	values := map[float64]bool{}
	for range 200 {
		p := in.Space().Sample(r)
		cats, conts := [2]int{1, 1}, [3]float64{52, p[1].(float64), 0}
		if p[0] == "linear" {
			cats[1] = 2
		}
		if depth, ok := p[2].(int64); ok {
			conts[2] = float64(depth)
		}
		want := slowNetwork(w, cats, conts)
		if got := in.Evaluate(p); math.Abs(got+want[1]) > 1e-4 {
			t.Fatalf("at %v: %v, slowly %v", p, got, -want[1])
		}
		if got, ok := in.Runtime(p); !ok || math.Abs(got-want[0]) > 1e-4 {
			t.Fatalf("the runtime at %v: %v, slowly %v", p, got, want[0])
		}
		values[want[1]] = true
		curve := in.Curve(nil, p)
		if len(curve) != 52 || curve[51] != in.Evaluate(p) {
			t.Fatalf("the curve is %v", curve)
		}
		conts[0] = 7
		if want := slowNetwork(w, cats, conts); math.Abs(curve[6]+want[1]) > 1e-4 {
			t.Fatalf("epoch 7 is %v, slowly %v", curve[6], -want[1])
		}
	}
	if len(values) < 3 {
		t.Errorf("the network has the values %v only", values)
	}
}

func TestSurrogateDamaged(t *testing.T) {
	w := toyWeights()
	for name, tt := range map[string]struct {
		meta    string
		weights []float32
	}{
		"weights": {toyNetwork, w[1:]},
		"step":    {strings.Replace(toyNetwork, `["log"]`, `["sin"]`, 1), w},
		"args":    {strings.Replace(toyNetwork, `["log"]`, `["log", 2]`, 1), w},
		"target":  {strings.Replace(toyNetwork, `"val_accuracy"`, `"other"`, 1), w},
		"input":   {strings.Replace(toyNetwork, `{"name": "rate"`, `{"name": "speed"`, 1), w},
		"choice":  {strings.Replace(toyNetwork, `["tree", "linear"]}`, `["tree", "forest"]}`, 1), w},
		"type":    {strings.Replace(toyNetwork, `uniform_float`, `normal`, 1), w},
		"task":    {strings.Replace(toyNetwork, `"3945": 1`, `"3946": 1`, 1), w},
	} {
		dir := t.TempDir()
		writeFile(t, dir, "yahpo/lcbench.json", []byte(tt.meta))
		writeFile(t, dir, "yahpo/lcbench.f32.gz", packed(t, tt.weights))
		d := &folder{dir: dir}
		if _, err := d.yahpo(yahpoScenarios[0], 3945); types.CodeOf(err) != types.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBestKnown asserts that each surrogate has a best point in the committed
// list, and no other.
func TestBestKnown(t *testing.T) {
	var all map[string]knownPoint
	if err := json.Unmarshal(bestKnown, &all); err != nil {
		t.Fatal(err)
	}
	for _, s := range yahpoScenarios {
		for _, task := range yahpoDevelopment[s.name] {
			name := yahpoName(s.name, task)
			if k, ok := all[name]; !ok || len(k.Params) == 0 || math.IsNaN(k.Value) {
				t.Errorf("%s has no best point", name)
			}
			delete(all, name)
		}
	}
	if len(all) > 0 {
		t.Errorf("points of what is no development instance: %v", all)
	}
}
