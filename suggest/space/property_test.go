package space

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gotuner/tuner/api/types"
)

// drawParameter draws a valid parameter; a small one has at most 5 levels.
func drawParameter(t *rapid.T, name string, small bool) Parameter {
	kinds := []Kind{Int, Float, Bool, Categorical, Ordinal, Constant}
	p := Parameter{Name: name, Kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
	switch p.Kind {
	case Bool:
	case Int:
		drawInt(t, &p, small)
	case Float:
		drawFloat(t, &p, small)
	case Categorical, Ordinal, Constant:
		pool := []Value{"a", "b", "c d", "\u00e9\"\\", "", "1", int64(1), 2.0, -0.5, true, int64(math.MaxInt64), "001"}
		n := 1
		if p.Kind != Constant {
			n = rapid.IntRange(1, 5).Draw(t, "choices")
		}
		for _, v := range rapid.Permutation(pool).Draw(t, "pool")[:n] {
			p.Choices = append(p.Choices, Choice{Value: v})
		}
		if rapid.Bool().Draw(t, "text") {
			p.Choices[0].Text = "own text"
		}
	}
	return p
}

func drawScale(t *rapid.T, p *Parameter, positive bool) {
	if positive {
		p.Scale = rapid.SampledFrom([]Scale{Linear, Log, ReverseLog}).Draw(t, "scale")
	}
	if p.Scale != ReverseLog && rapid.Bool().Draw(t, "prior") {
		p.Prior = &Prior{Mean: rapid.Float64Range(-10, 10).Draw(t, "mean"), SD: rapid.Float64Range(1e-3, 100).Draw(t, "sd")}
	}
}

func drawInt(t *rapid.T, p *Parameter, small bool) {
	low := rapid.Int64().Draw(t, "low")
	high := rapid.Int64().Draw(t, "high")
	if small {
		low = rapid.Int64Range(-3, 3).Draw(t, "low")
		high = low + rapid.Int64Range(0, 4).Draw(t, "width")
	}
	low, high = min(low, high), max(low, high)
	p.Low, p.High = low, high
	if rapid.Bool().Draw(t, "stepped") {
		s := rapid.Int64Range(1, 3).Draw(t, "step")
		if n := (uint64(high) - uint64(low)) / uint64(s); n > 0 {
			p.Step, p.High = s, int64(uint64(low)+n*uint64(s))
		}
	}
	drawScale(t, p, low > 0)
}

func drawFloat(t *rapid.T, p *Parameter, small bool) {
	if small || rapid.Bool().Draw(t, "stepped") {
		digits := rapid.IntRange(0, 6).Draw(t, "digits")
		low := rapid.Int64Range(-50, 50).Draw(t, "low")
		s := rapid.Int64Range(1, 20).Draw(t, "step")
		n := rapid.Int64Range(0, 4).Draw(t, "steps")
		unit := math.Pow10(digits)
		p.Low, p.High, p.Step = float64(low)/unit, float64(low+n*s)/unit, float64(s)/unit
		drawScale(t, p, low > 0)
		return
	}
	low := rapid.Float64Range(-1e300, 1e300).Draw(t, "low")
	if rapid.Bool().Draw(t, "usual") {
		low = rapid.Float64Range(1e-9, 10).Draw(t, "low")
	}
	high := rapid.Float64Range(low, math.MaxFloat64).Draw(t, "high")
	p.Low, p.High = low, high
	drawScale(t, p, low > 0)
}

// drawCondition draws a condition on the given parents that each can be met.
func drawCondition(t *rapid.T, parents []Parameter, depth int) Condition {
	if depth < 2 && rapid.Bool().Draw(t, "nested") {
		var of []Condition
		for range rapid.IntRange(1, 3).Draw(t, "operands") {
			of = append(of, drawCondition(t, parents, depth+1))
		}
		switch rapid.IntRange(0, 2).Draw(t, "operator") {
		case 0:
			return And(of)
		case 1:
			return Or(of)
		}
		return Not{of[0]}
	}
	p := normalize(rapid.SampledFrom(parents).Draw(t, "parent"), "", &faults{})
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	a, b := p.Sample(r), p.Sample(r)
	kind := rapid.IntRange(0, 2).Draw(t, "atom")
	if kind == 2 && p.Numeric() {
		if c, _ := compareNumbers(a, b); c > 0 {
			a, b = b, a
		}
		if open := rapid.IntRange(0, 2).Draw(t, "open"); open == 1 {
			a = nil
		} else if open == 2 {
			b = nil
		}
		return Range{p.Name, a, b}
	}
	if kind == 1 {
		return NotIn{p.Name, []Value{a}}
	}
	return In{p.Name, []Value{a, b}}
}

// drawSpace draws a space in which parents may stand behind their children.
func drawSpace(t *rapid.T, small bool) *Space {
	n := rapid.IntRange(1, 6).Draw(t, "parameters")
	var params []Parameter
	for i := range n {
		p := drawParameter(t, fmt.Sprintf("p%d", i), small)
		if i > 0 && rapid.Bool().Draw(t, "conditional") {
			p.When = drawCondition(t, params, 0)
		}
		if rapid.Bool().Draw(t, "default") {
			q := normalize(p, "", &faults{})
			p.Default = q.Sample(rand.New(rand.NewPCG(1, uint64(i))))
		}
		params = append(params, p)
	}
	s, err := New(rapid.Permutation(params).Draw(t, "order"), nil)
	if err != nil {
		t.Fatalf("a valid space is refused: %v", err)
	}
	return s
}

func drawPoint(t *rapid.T, s *Space) Point {
	return s.Sample(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "point"), 7)))
}

func TestJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpace(t, false)
		text := s.AppendJSON(nil)
		if !json.Valid(text) {
			t.Fatalf("no JSON: %s", text)
		}
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if d := cmp.Diff(string(text), again.String()); d != "" {
			t.Fatalf("another form: %s", d)
		}
		if d := cmp.Diff(s.params, again.params); d != "" {
			t.Fatalf("other parameters: %s", d)
		}
		if d := s.Diff(again, nil); d != nil {
			t.Fatalf("differences: %q", d)
		}
	})
}

func TestPointsAreValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpace(t, false)
		p := drawPoint(t, s)
		if err := s.Validate(p); err != nil {
			t.Fatalf("%s: sampled %v: %v", s, p, err)
		}
		x := make([]float64, s.Len())
		for i := range x {
			x[i] = rapid.OneOf(rapid.Float64Range(0, 1), rapid.Float64(),
				rapid.SampledFrom([]float64{0, 1, math.NaN(), math.Inf(1), math.Inf(-1)})).Draw(t, "x")
		}
		p = s.Decode(x)
		if err := s.Validate(p); err != nil {
			t.Fatalf("%s: decoded %v to %v: %v", s, x, p, err)
		}
		seen := map[string]bool{s.Key(p): true}
		for q := range s.Neighbours(p) {
			if err := s.Validate(q); err != nil {
				t.Fatalf("%s: neighbour %v of %v: %v", s, q, p, err)
			}
			if k := s.Key(q); seen[k] {
				t.Fatalf("%s: neighbour %v of %v came before", s, q, p)
			} else {
				seen[k] = true
			}
		}
		for i := range p {
			p[i] = nil
		}
		if s.Repair(p); s.Validate(p) != nil {
			t.Fatalf("%s: repaired to %v: %v", s, p, s.Validate(p))
		}
	})
}

func TestCodecRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := normalize(drawParameter(t, "p", false), "", &faults{})
		s, err := New([]Parameter{p}, nil)
		if err != nil {
			t.Fatal(err)
		}
		pt := drawPoint(t, s)
		x, active := []float64{0}, []bool{false}
		s.Encode(pt, x, active)
		if !active[0] || !(x[0] >= 0 && x[0] <= 1) {
			t.Fatalf("%v is encoded as %v, active %v", pt, x, active)
		}
		q := s.Decode(x)
		if d := s.params[0].dim; d.discrete && d.span < 1<<45 {
			if q[0] != pt[0] {
				t.Fatalf("%s: %v became %v", s, pt, q)
			}
		} else if y := d.encode(q[0]); math.Abs(y-x[0]) > 1e-9 {
			t.Fatalf("%s: %v at %v became %v at %v", s, pt, x[0], q, y)
		}
		low, high := s.Decode([]float64{0})[0], s.Decode([]float64{1})[0]
		if p.Numeric() && (low != p.Low || high != p.High) {
			t.Fatalf("%s: the ends are %v and %v", s, low, high)
		}
		if !p.Numeric() && (low != p.Choices[0].Value || high != p.Choices[len(p.Choices)-1].Value) {
			t.Fatalf("%s: the ends are %v and %v", s, low, high)
		}
	})
}

func TestLevelsAndTransform(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := normalize(drawParameter(t, "p", rapid.Bool().Draw(t, "small")), "", &faults{})
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))
		v := p.Sample(r)
		lo, hi := p.TransformedBounds(false)
		outLo, outHi := p.TransformedBounds(true)
		if u := p.Transform(v); !(outLo <= lo && lo <= u && u <= hi && hi <= outHi) {
			t.Fatalf("%v: %v lies at %v, bounds %v %v %v %v", p, v, u, outLo, lo, hi, outHi)
		}
		n, ok := p.Levels()
		if !ok {
			if p.Continuous() == (p.Kind == Int) || p.Continuous() && p.LevelOf(v) != -1 {
				t.Fatalf("%v has no levels", p)
			}
			return
		}
		k := p.LevelOf(v)
		if k < 0 || k >= n || p.At(k) != v {
			t.Fatalf("%v: %v is level %d of %d, which is %v", p, v, k, n, p.At(k))
		}
		if n < 1<<30 {
			if w := p.Untransform(p.Transform(v)); w != v {
				t.Fatalf("%v: %v transformed and back is %v", p, v, w)
			}
		}
		if p.At(-1) != p.At(0) || p.At(n) != p.At(n-1) {
			t.Fatalf("%v: levels are not clipped", p)
		}
		if c, numbers := compareNumbers(p.At(k), p.At(k+1)); p.Numeric() && k+1 < n && (!numbers || c >= 0) {
			t.Fatalf("%v: levels do not ascend at %d", p, k)
		}
	})
}

func TestTextReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := normalize(drawParameter(t, "p", rapid.Bool().Draw(t, "small")), "", &faults{})
		v := p.Sample(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3)))
		if v == Value("1") || v == Value(int64(1)) && !p.Numeric() {
			t.Skip("1 and \"1\" have one text")
		}
		w, err := p.ParseText(p.Text(v))
		if err != nil || w != v {
			t.Fatalf("%v: %v is written %q and read as %v, %v", p, v, p.Text(v), w, err)
		}
	})
}

func TestParamsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpace(t, false)
		p := drawPoint(t, s)
		text, err := s.Params(p).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var q types.Params
		if err := json.Unmarshal(text, &q); err != nil {
			t.Fatal(err)
		}
		again, err := s.FromParams(q)
		if err != nil {
			t.Fatalf("%s: %s: %v", s, text, err)
		}
		if d := cmp.Diff(p, again); d != "" {
			t.Fatalf("%s: %s", s, d)
		}
	})
}

// TestGrid compares counting, which works on segments of parents, with the
// enumeration, and the enumeration with its promises.
func TestGrid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpace(t, true)
		grid := rapid.IntRange(1, 4).Draw(t, "grid")
		want, ok := s.GridSize(grid)
		if size, finite := s.Size(); !ok || !finite || size != want {
			t.Fatalf("%s: grid of %d, %v; size %d, %v", s, want, ok, size, finite)
		}
		seen := map[string]bool{}
		var first Point
		for p := range s.Enumerate(grid) {
			if first == nil {
				first = slices.Clone(p)
			}
			if err := s.Validate(p); err != nil {
				t.Fatalf("%s: %v: %v", s, p, err)
			}
			if k := s.Key(p); seen[k] {
				t.Fatalf("%s: %v came twice", s, p)
			} else {
				seen[k] = true
			}
			p[0] = "the caller's"
		}
		if int64(len(seen)) != want {
			t.Fatalf("%s: %d points are counted, %d enumerated", s, want, len(seen))
		}
		if p := drawPoint(t, s); !seen[s.Key(p)] {
			t.Fatalf("%s: %v is not in the enumeration", s, p)
		}
		for p := range s.Enumerate(grid) {
			if d := cmp.Diff(first, p); d != "" {
				t.Fatalf("another first point: %s", d)
			}
			break
		}
	})
}

func TestKeysTellPointsApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpace(t, false)
		p, q := drawPoint(t, s), drawPoint(t, s)
		if (s.Key(p) == s.Key(q)) != slices.Equal(p, q) {
			t.Fatalf("%s: %v has the key %s, %v has %s", s, p, s.Key(p), q, s.Key(q))
		}
		if s.Key(p) != s.Key(slices.Clone(p)) {
			t.Fatalf("%v has two keys", p)
		}
	})
}
