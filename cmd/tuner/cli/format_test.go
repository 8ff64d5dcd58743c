package cli

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
)

func TestFormatFloat(t *testing.T) {
	for _, tt := range []struct {
		f    float64
		want string
	}{
		{0, "0"}, {math.Copysign(0, -1), "-0"}, {1, "1"}, {-3, "-3"}, {0.1, "0.1"}, {1.0 / 3, "0.333333"}, {2e5 / 3, "66666.7"},
		{123456789, "123456789"}, {1234567.8, "1.23457e6"}, {999999.7, "1000000"}, {1e15, "1e15"}, {1e-5, "1e-5"},
		{0.0001, "0.0001"}, {1.5e-300, "1.5e-300"}, {math.NaN(), "NaN"}, {math.Inf(1), "Infinity"}, {math.Inf(-1), "-Infinity"},
		{math.MaxFloat64, "1.79769e308"}, {5e-324, "4.94066e-324"},
	} {
		if got := formatFloat(tt.f); got != tt.want {
			t.Errorf("formatFloat(%v) = %q, want %q", tt.f, got, tt.want)
		}
	}
}

func TestFormatValue(t *testing.T) {
	for _, tt := range []struct {
		v    any
		want string
	}{
		{int64(7), "7"}, {0.1, "0.1"}, {1.0, "1.0"}, {1e-16, "1.0e-16"}, {true, "true"}, {"a b", "a b"}, {`"q"`, `"q"`},
		{"two\nlines\x1b[31m", `two\nlines\x1b[31m`}, {"\xff", `\xff`}, {"é", "é"}, {nil, "-"}, {math.NaN(), "NaN"},
		{types.Float(0.25), "0.25"},
	} {
		if got := formatValue(tt.v); got != tt.want {
			t.Errorf("formatValue(%#v) = %q, want %q", tt.v, got, tt.want)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0s"}, {time.Microsecond, "<1ms"}, {350 * time.Millisecond, "350ms"}, {999_600 * time.Microsecond, "1.0s"},
		{4200 * time.Millisecond, "4.2s"}, {9960 * time.Millisecond, "10s"}, {59_400 * time.Millisecond, "59s"},
		{59_600 * time.Millisecond, "1m00s"}, {83 * time.Second, "1m23s"}, {time.Hour - 400*time.Millisecond, "1h00m"},
		{125 * time.Minute, "2h05m"}, {24*time.Hour - 20*time.Second, "1d00h"}, {76 * time.Hour, "3d04h"}, {-83 * time.Second, "-1m23s"},
		{time.Hour - 600*time.Millisecond, "59m59s"},
	} {
		if got := formatDuration(tt.d); got != tt.want {
			t.Errorf("formatDuration(%v) = %q, want %q", tt.d, got, tt.want)
		}
	}
}

func TestFormatBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 KB", 9_960: "10 KB", 999_600: "1.0 MB",
		123_456_789: "123 MB", math.MaxInt64: "9.2 EB"} {
		if got := formatBytes(n); got != want {
			t.Errorf("formatBytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestPlural(t *testing.T) {
	for _, tt := range []struct {
		n         int64
		one, want string
	}{{1, "trial", "1 trial"}, {0, "trial", "0 trials"}, {2, "study", "2 studies"}, {3, "directory", "3 directories"}} {
		if got := plural(tt.n, tt.one); got != tt.want {
			t.Errorf("plural(%d, %q) = %q, want %q", tt.n, tt.one, got, tt.want)
		}
	}
}

func tableText(rows [][]string, width int) []string {
	var b strings.Builder
	tableFit(&b, rows, width, style{})
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

func TestTable(t *testing.T) {
	rows := [][]string{{"trial", "état", "loss", "reason"}, {"7", "ok", "-", ""}, {"12", "très bon", "0.25", "a\tb"}}
	want := []string{
		"trial  état      loss  reason",
		"    7  ok           -",
		`   12  très bon  0.25  a\tb`,
	}
	if d := cmp.Diff(want, tableText(rows, 0)); d != "" {
		t.Error(d)
	}
}

// A table fits the width as long as its columns can give way; the widest does
// first.
func TestTableWidth(t *testing.T) {
	rows := [][]string{{"n", "text", "reason"}, {"1", "some words", strings.Repeat("x", 50)}}
	want := []string{"n  text       reason", "1  some wor…  xxxxxxx…"}
	if d := cmp.Diff(want, tableText(rows, 22)); d != "" {
		t.Error(d)
	}
	for width := range 80 {
		for _, line := range tableText(rows, width) {
			if n := len([]rune(line)); width >= 17 && n > width {
				t.Errorf("width %d: %q has %d characters", width, line, n)
			}
		}
	}
}

func TestSparks(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, tt := range []struct {
		values []float64
		want   string
	}{
		{nil, ""}, {[]float64{nan, inf}, ""}, {[]float64{3, 3}, "▅▅"}, {[]float64{0, 1}, "▁█"}, {[]float64{8, nan, 4, 0}, "█ ▅▁"},
		{[]float64{-math.MaxFloat64, math.MaxFloat64, 0}, "▁█▅"},
	} {
		if got := sparks(tt.values); got != tt.want {
			t.Errorf("sparks(%v) = %q, want %q", tt.values, got, tt.want)
		}
	}
}

func TestStyleIsSilentWithoutTerminal(t *testing.T) {
	if got := (style{}).red("x"); got != "x" {
		t.Errorf("%q", got)
	}
	if got := (style{on: true}).red("x"); got != "\x1b[31mx\x1b[0m" {
		t.Errorf("%q", got)
	}
	st := State{Stdout: &strings.Builder{}}
	if st.outStyle().on {
		t.Error("a buffer is taken for a terminal")
	}
}
