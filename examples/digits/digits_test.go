package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestData(t *testing.T) {
	all, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1797 {
		t.Fatalf("%d images, want 1797", len(all))
	}
	// The counts of the UCI test set, optdigits.names, class distribution.
	want := [classes]int{178, 182, 177, 183, 181, 182, 181, 179, 174, 180}
	var got [classes]int
	for _, s := range all {
		got[s.label]++
	}
	if got != want {
		t.Errorf("labels 0…9 occur %v times, want %v", got, want)
	}
	training, validation, test := split(all)
	if n := len(training) + len(validation) + len(test); n != len(all) {
		t.Errorf("the split has %d images of %d", n, len(all))
	}
	seen := map[sample]int{}
	for _, s := range all {
		seen[s]++
	}
	for _, part := range [][]sample{training, validation, test} {
		for _, s := range part {
			seen[s]--
		}
	}
	for s, n := range seen {
		if n != 0 {
			t.Fatalf("an image of a %d is %d times too rare in the split", s.label, n)
		}
	}
}

func TestShifted(t *testing.T) {
	var from, to sample
	r := rand.New(rand.NewPCG(1, 2))
	for i := range from.grey {
		from.grey[i] = r.Float64()
	}
	from.label = 7
	if to.shifted(&from, 0, r); to != from {
		t.Error("a shift by nothing changes the image")
	}
	// A single dot in the middle keeps its weight and its centre moves by less
	// than the most.
	from = sample{label: 3}
	from.grey[4*side+3] = 1
	for range 100 {
		to.shifted(&from, maxShift, r)
		weight, cx, cy := 0.0, 0.0, 0.0
		for i, g := range to.grey {
			weight += g
			cx += g * float64(i%side)
			cy += g * float64(i/side)
		}
		if math.Abs(weight-1) > 1e-12 || math.Abs(cx-3) > maxShift+1e-12 || math.Abs(cy-4) > maxShift+1e-12 || to.label != 3 {
			t.Fatalf("weight %v at (%v, %v), label %d", weight, cx, cy, to.label)
		}
	}
}

func TestGradient(t *testing.T) {
	for _, relu := range []bool{true, false} {
		t.Run(fmt.Sprintf("relu=%v", relu), func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			net := newNetwork(5, relu, r)
			s := sample{label: 4}
			for i := range s.grey {
				s.grey[i] = max(0, r.Float64()-0.3)
			}
			for j := range net.w.inBias {
				net.w.inBias[j] = 0.1 * r.NormFloat64()
			}
			lossAt := func() float64 {
				net.forward(&s)
				return -math.Log(net.output[s.label])
			}
			clear(net.gradient)
			net.forward(&s)
			net.backward(&s)
			analytic := append([]float64(nil), net.gradient...)
			// Central differences: the error is of order h² + eps/h ≈ 1e-10.
			const h = 1e-5
			nonzero := 0
			for i := range net.weight {
				w := net.weight[i]
				net.weight[i] = w + h
				up := lossAt()
				net.weight[i] = w - h
				down := lossAt()
				net.weight[i] = w
				numeric := (up - down) / (2 * h)
				if math.Abs(numeric-analytic[i]) > 1e-7*(1+math.Abs(numeric)) {
					t.Fatalf("weight %d: gradient %v, by differences %v", i, analytic[i], numeric)
				}
				if numeric != 0 {
					nonzero++
				}
			}
			if nonzero < len(net.weight)/4 {
				t.Errorf("only %d of %d gradients differ from 0", nonzero, len(net.weight))
			}
		})
	}
}

func runText(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(context.Background(), args, &out, &errs); code != 0 {
		t.Fatalf("digits %v: exit %d, %s", args, code, errs.String())
	}
	return out.String()
}

var epochLine = regexp.MustCompile(`(?m)^epoch=(\d+) error=([0-9.]+) loss=(\S+)$`)

func TestLearns(t *testing.T) {
	for _, act := range []string{"relu", "tanh"} {
		out := runText(t, "--lr", "0.05", "--hidden", "32", "--act", act, "--epochs", "2")
		lines := epochLine.FindAllStringSubmatch(out, -1)
		if len(lines) != 2 {
			t.Fatalf("%d epochs in:\n%s", len(lines), out)
		}
		last, err := strconv.ParseFloat(lines[1][2], 64)
		if err != nil || last >= 0.10 {
			t.Errorf("%s: error after 2 epochs is %v (%v), want below 0.10", act, last, err)
		}
		if !regexp.MustCompile(`(?m)^test_error=0\.0\d+$`).MatchString(out) {
			t.Errorf("no small test error in:\n%s", out)
		}
	}
}

func TestRepeatsBySeed(t *testing.T) {
	args := []string{"--epochs", "2", "--hidden", "8", "--batch", "64"}
	first := runText(t, append(args, "--seed", "5")...)
	if diff := cmp.Diff(first, runText(t, append(args, "--seed", "5")...)); diff != "" {
		t.Errorf("the same seed gives another output (-first +second):\n%s", diff)
	}
	if first == runText(t, append(args, "--seed", "6")...) {
		t.Error("another seed gives the same output")
	}
}

func TestDivergence(t *testing.T) {
	out := runText(t, "--lr", "1000", "--act", "relu", "--epochs", "2", "--hidden", "8")
	lines := epochLine.FindAllStringSubmatch(out, -1)
	if len(lines) != 2 {
		t.Fatalf("%d epochs in:\n%s", len(lines), out)
	}
	if v, err := strconv.ParseFloat(lines[1][2], 64); err != nil || v < 0.5 || v > 1 {
		t.Errorf("a diverged network has the error %v (%v)", v, err)
	}
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"--lr 0", "must be above 0"},
		{"--lr NaN", "must be above 0"},
		{"--act sine", "relu or tanh"},
		{"--hidden 0", "at least 1"},
		{"extra", `unexpected argument "extra"`},
		{"--unknown 1", "not defined"},
	} {
		var out, errs bytes.Buffer
		code := run(context.Background(), strings.Fields(tt.args), &out, &errs)
		if code != exitUsage || !strings.Contains(errs.String(), tt.want) || out.Len() > 0 {
			t.Errorf("digits %s: exit %d, stdout %q, stderr %q", tt.args, code, out.String(), errs.String())
		}
	}
}

func TestSIGTERM(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "digits")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as all builds, also where the race detector needs cgo
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), binary, "--epochs", "1000000")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "epoch=2 ") {
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "test_error") {
			t.Error("it went on to the end")
		}
	}
	// The exit code is checked below; Wait reports any other than 0 as an error.
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitStopped || !strings.Contains(errs.String(), "stopped by a signal") {
		t.Errorf("exit %d, stderr %q", code, errs.String())
	}
}

func BenchmarkRun(b *testing.B) {
	for _, hidden := range []string{"32", "128"} {
		b.Run("hidden="+hidden, func(b *testing.B) {
			for b.Loop() {
				if code := run(context.Background(), []string{"--hidden", hidden}, &bytes.Buffer{}, os.Stderr); code != 0 {
					b.Fatal("exit", code)
				}
			}
		})
	}
}

// What is judged are the mean weights over an epoch, and no memory of the last one.
func TestMeanOfTheWeights(t *testing.T) {
	net := newNetwork(3, true, rand.New(rand.NewPCG(1, 1)))
	mean := net.blank()
	for epoch := range 2 {
		var sum float64
		for k := 1; k <= 5; k++ {
			net.weight[7] = float64(epoch) + 1/float64(k)
			sum += net.weight[7]
			mean.approach(net, 1/float64(k))
		}
		if got, want := mean.w.in[7], sum/5; math.Abs(got-want) > 1e-12 {
			t.Errorf("epoch %d: the mean is %v, want %v", epoch, got, want)
		}
	}
}
