package tpe

import (
	"math"
	"testing"
)

// The reference values of this file were computed with mpmath 1.3.0 at 50 to
// 900 digits from the complementary error function.

// near checks got against want within rel of its size.
func near(t *testing.T, what string, got, want, rel float64) {
	t.Helper()
	if got == want {
		return
	}
	if d := math.Abs(got - want); !(d <= rel*math.Abs(want)) {
		t.Errorf("%s: got %.17g, want %.17g", what, got, want)
	}
}

func TestLogNormCDF(t *testing.T) {
	tests := []struct{ x, want float64 }{
		{-1000, -500007.826694812184},
		{-100, -5005.52420869420509},
		{-40, -804.608442013753788},
		{-30.5, -469.462737322912114},
		{-30, -454.321243956343197},
		{-29.5, -439.429474609150228},
		{-10, -53.2312851505124706},
		{-1, -1.84102164500926351},
		{-1e-09, -0.693147181357829871},
		{0, -0.693147180559945309},
		{0.5, -0.368946415288656393},
		{3, -0.0013508099647481938},
		{5, -2.86651612963763593e-7},
		{6, -9.86587645524375732e-10},
		{9, -1.12858840595384065e-19},
	}
	for _, tt := range tests {
		near(t, "logNormCDF", logNormCDF(tt.x), tt.want, 1e-13)
	}
}

func TestLogNormMass(t *testing.T) {
	tests := []struct{ a, b, want float64 }{
		{-1, 1, -0.381715146302126072},
		{0, 1, -1.07486232686207138},
		{-1, 0, -1.07486232686207138},
		{2, 3, -3.84435342633420562},
		{-3, -2, -3.84435342633420562},
		{10, 10.5, -53.2369693717525016},
		{-40, -39, -765.083156564377544},
		{39, 40, -765.083156564377544},
		{0, 1e-12, -28.549959649133221},
		{3, 3.0000000000009095, -33.1448257556038494},
		{-1e-07, 1e-07, -16.3438870036030489},
		{7, 7.001, -32.3301919368957012},
		{1, 1.0001, -10.6293289064309239},
		{20, 20.000001, -214.734459090124501},
		{-1e6, 1e6, 0},
		{35, 1e6, -616.975101261922513},
		{-0.001, 50, -0.692349614272688243},
	}
	for _, tt := range tests {
		near(t, "logNormMass", logNormMass(tt.a, tt.b), tt.want, 1e-11)
	}
}

// Cells that tile a domain have masses that add up to the domain's.
func TestLogNormMassTiles(t *testing.T) {
	if testing.Short() {
		t.Skip("12,000,000 cells")
	}
	for _, mean := range []float64{0.5, -3, 20, 60} {
		for _, cells := range []int{3, 1000, 3_000_000} {
			var terms []float64
			width := 1 / float64(cells)
			for i := range cells {
				terms = append(terms, logNormMass(float64(i)*width-mean, float64(i+1)*width-mean))
			}
			near(t, "sum of cells", logSumExp(terms, reach), logNormMass(-mean, 1-mean), 1e-9)
		}
	}
}

func TestTruncNorm(t *testing.T) {
	tests := []struct{ u, a, b, want, rel float64 }{
		{0.25, -1, 1, -0.441770546686581288, 1e-13},
		{0.999, -0.5, 4, 3.18526720693959695, 1e-13},
		{1e-06, -0.5, 4, -0.499998036073427317, 1e-13},
		{0.5, 0, 1, 0.441770546686581288, 1e-13},
		{0.3, -8, 0, -1.03643338949378774, 1e-13},
		{0.7, 5, 6, 5.22583366483088298, 1e-13},
		{0.7, -6, -5, -5.06805364279216168, 1e-13},
		{0.5, 40, 41, 40.0173141267646511, 1e-6}, // the exponential stand-in
		{0.5, -41, -40, -40.0173141267646511, 1e-6},
	}
	for _, tt := range tests {
		near(t, "truncNorm", truncNorm(tt.u, tt.a, tt.b), tt.want, tt.rel)
	}
	if x := truncNorm(0.5, -1, 1); math.Abs(x) > 1e-15 {
		t.Errorf("the median of a symmetric interval is %g, not 0", x)
	}
}

func TestTruncNormStaysInside(t *testing.T) {
	ends := []float64{-1e9, -1000, -40, -8, -1, -1e-9, 0, 1e-9, 1, 8, 40, 1000, 1e9}
	for i, a := range ends {
		for _, b := range ends[i+1:] {
			last := a
			for _, u := range []float64{0, 1e-300, 1e-12, 0.1, 0.5, 0.9, 1 - 1e-12, 1 - 0x1p-53} {
				x := truncNorm(u, a, b)
				if !(x >= a && x <= b) || x < last-1e-9*math.Abs(last) {
					t.Fatalf("u=%g in [%g, %g]: %g after %g", u, a, b, x, last)
				}
				last = x
			}
		}
	}
}

func TestLogSumExp(t *testing.T) {
	near(t, "far below", logSumExp([]float64{-2000, -2000 + math.Log(3)}, reach), -2000+math.Log(4), 1e-15)
	near(t, "one", logSumExp([]float64{3}, reach), 3, 0)
	if v := logSumExp(nil, reach); !math.IsInf(v, -1) {
		t.Errorf("of nothing: %g", v)
	}
	if v := logSumExp([]float64{math.Inf(-1)}, reach); !math.IsInf(v, -1) {
		t.Errorf("of zero: %g", v)
	}
}
