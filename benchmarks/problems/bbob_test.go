package problems

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"
)

// bbobGolden is what testdata/make_golden.py wrote.
type bbobGolden struct {
	Source string                 `json:"source"`
	Points map[string][][]float64 `json:"points"`
	Cases  []struct {
		F        int       `json:"f"`
		Dim      int       `json:"dim"`
		Instance int       `json:"instance"`
		XOpt     []float64 `json:"x_opt"`
		FOpt     float64   `json:"f_opt"`
		Values   []float64 `json:"values"`
	} `json:"cases"`
}

func readGolden(t *testing.T) bbobGolden {
	t.Helper()
	f, err := os.Open("testdata/bbob_golden.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var g bbobGolden
	if err := json.NewDecoder(z).Decode(&g); err != nil {
		t.Fatal(err)
	}
	return g
}

// TestBBOBEqualsCOCO compares with COCO's own package. The values agree to
// 1e-10 of the larger of |f| and |f - f_opt| (most to 1e-14); what is left are
// the last bits of the two libraries' logarithms and cosines, amplified by up to
// 1e5 in the periodic functions.
func TestBBOBEqualsCOCO(t *testing.T) {
	const tolerance = 1e-10
	g := readGolden(t)
	if len(g.Cases) < 24*3*3 {
		t.Fatalf("only %d cases", len(g.Cases))
	}
	worst := map[int]float64{}
	for _, c := range g.Cases {
		name := fmt.Sprintf("f%d in %d-d, instance %d", c.F, c.Dim, c.Instance)
		b, err := newBBOB(c.F, c.Dim, c.Instance)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range c.XOpt {
			// COCO writes 16 digits; f9 and f19 sum over a rotation.
			if d := math.Abs(b.xopt[i] - x); d > 1e-14 {
				t.Errorf("%s: x_opt[%d] = %v, COCO has %v", name, i, b.xopt[i], x)
			}
		}
		// COCO's value at its x_opt is f_opt plus rounding, f_opt has two decimals.
		if want := math.Round(100*c.FOpt) / 100; b.fopt != want {
			t.Errorf("%s: f_opt = %v, COCO has %v", name, b.fopt, want)
		}
		for i, want := range c.Values {
			x := g.Points[strconv.Itoa(c.Dim)][i]
			got := b.value(x)
			scale := math.Max(math.Abs(want), math.Abs(want-b.fopt))
			off := math.Abs(got-want) / scale
			worst[c.F] = math.Max(worst[c.F], off)
			if !(off <= tolerance) {
				t.Errorf("%s at point %d: %v, COCO has %v (off by %.1e)", name, i, got, want, off)
			}
		}
	}
	t.Log(g.Source, worst)
}
