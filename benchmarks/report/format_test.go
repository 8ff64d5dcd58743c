package report

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1.00", 0.9999: "1.00", 0.012345: "0.0123", 4.5: "4.50", 99.96: "100", 123.4: "123", 12345: "12,345", -1234567: "-1,234,567",
		1.23e-7: "1.2e-7", 1e-9: "1e-9", 3e12: "3e12", math.Inf(1): "∞", 0.0001: "0.000100", -0.5: "-0.500",
	} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %q, want %q", v, got, want)
		}
	}
	if got := number(math.NaN()); got != none {
		t.Errorf("NaN is %q", got)
	}
	for v, want := range map[float64]string{0.1: "0.1", 0.05: "0.05", 20: "20", 1000: "1,000", 2e-6: "2e-6", 3 * math.Pow(10, -1): "0.3"} {
		if got := tick(v); got != want {
			t.Errorf("tick(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestNatural(t *testing.T) {
	names := []string{"f10-d5", "f2-d20", "b", "f2-d5", "f02-d5", "f1", "f1-d5", ""}
	slices.SortFunc(names, natural)
	if diff := cmp.Diff([]string{"", "b", "f1", "f1-d5", "f02-d5", "f2-d5", "f2-d20", "f10-d5"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSeedsOf(t *testing.T) {
	if got := seedsOf([]int64{1, 2, 3, 5, 8, 9}); got != "1–3, 5, 8–9" {
		t.Error(got)
	}
}

func TestCell(t *testing.T) {
	if got := cell("a|b\n<c>"); got != `a\|b &lt;c>` {
		t.Error(got)
	}
	if got := code("a`b|c"); got != "`a'b\\|c`" {
		t.Error(got)
	}
}

// Labels keep their distance, stay within the limits and in order, and move only
// where they have to.
func TestSpread(t *testing.T) {
	for _, c := range []struct{ ideal, want []float64 }{
		{[]float64{90, 50, 10}, []float64{90, 50, 10}},
		{[]float64{50, 49, 48}, []float64{50, 40, 30}},
		{[]float64{120, 50, 5, 4}, []float64{100, 50, 10, 0}},
		{nil, nil},
	} {
		if diff := cmp.Diff(c.want, spread(c.ideal, 10, 0, 100)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.ideal, diff)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		want      []string
	}{
		{0.03, 0.6, []string{"0.05", "0.1", "0.2", "0.5"}},
		{0.11, 0.35, []string{"0.2", "0.3"}},
		{0.2, 5000, []string{"1", "10", "100", "1,000"}},
		{100, 10000, []string{"100", "200", "500", "1,000", "2,000", "5,000", "10,000"}},
	} {
		var got []string
		for _, tick := range (logTicks{}).Ticks(c.low, c.high) {
			if tick.Label != "" {
				got = append(got, tick.Label)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v to %v (-want +got):\n%s", c.low, c.high, diff)
		}
	}
	for high, want := range map[float64][]string{
		200: {"0", "25", "50", "75", "100", "125", "150", "175", "200"}, 30: {"0", "5", "10", "15", "20", "25", "30"}, 7: {"0", "1", "2", "3", "4", "5", "6", "7"},
		1000: {"0", "200", "400", "600", "800", "1,000"},
	} {
		var got []string
		for _, tick := range (countTicks{}).Ticks(0, high) {
			got = append(got, tick.Label)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("to %v (-want +got):\n%s", high, diff)
		}
	}
}
