// Package examples_test runs the examples that are not written in Go, where
// their interpreter or compiler is present, and reads what they print.
package examples_test

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/collect"
)

// need skips the test unless the program is there and works: some systems have
// stubs that only tell how to install it. The short tests, which are those with the
// race detector, leave out what is not Go.
func need(t *testing.T, name string, args ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs a program of another language")
	}
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Skipf("%s is not here: %v %s", name, err, out)
	}
}

// run runs a command and collects a metric from what it prints.
func run(t *testing.T, metric string, cmd *exec.Cmd) (*collect.Output, []types.Report) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s%s", cmd.Args, err, stdout.String(), stderr.String())
	}
	o, err := collect.New(collect.Config{Metrics: []string{metric}, Others: -1})
	if err != nil {
		t.Fatal(err)
	}
	o.Write("stdout", stdout.Bytes())
	o.Write("stderr", stderr.Bytes())
	reports, _ := o.Take(true)
	return o, reports
}

func TestPython(t *testing.T) {
	need(t, "python3", "--version")
	losses := map[string]float64{}
	for _, lr := range []string{"0.0001", "0.01", "1.0"} {
		_, reports := run(t, "loss", exec.Command("python3", "python/train.py", "--lr="+lr, "--l2=0.01", "--momentum=0.5", "--epochs=5"))
		if len(reports) != 5 {
			t.Fatalf("lr %s: %d reports, want one for each of 5 epochs", lr, len(reports))
		}
		for i, r := range reports {
			if r.Step != int64(i+1) || !(r.Value > 0) || math.IsInf(float64(r.Value), 0) {
				t.Errorf("lr %s: report %d is %+v", lr, i, r)
			}
		}
		losses[lr] = float64(reports[4].Value)
	}
	if !(losses["0.01"] < losses["0.0001"] && losses["0.01"] < losses["1.0"]) {
		t.Errorf("the middle learning rate is not the best: %v", losses)
	}
}

func TestPipe(t *testing.T) {
	need(t, "python3", "--version")
	folder := t.TempDir()
	build := exec.Command("go", "build", "-o", folder, "../cmd/tuner")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as all builds, also where the race detector needs cgo
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"trial 59: ", "best: trial "} { // the second time only the best is left to print
		cmd := exec.Command("python3", "pipe/loop.py")
		cmd.Env = append(os.Environ(), "PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"), "TUNER_DB="+filepath.Join(folder, "t.db"))
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) || !strings.Contains(string(out), "\nbest: trial ") && want != "best: trial " {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// A population of the example is trained with real checkpoints: no step is made twice,
// and copies go on where the copied trial was.
func TestPBT(t *testing.T) {
	need(t, "python3", "--version")
	folder := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", folder, "../cmd/tuner").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	tuner := func(args ...string) string {
		cmd := exec.Command(filepath.Join(folder, "tuner"), args...)
		cmd.Env = append(os.Environ(), "TUNER_DB="+filepath.Join(folder, "t.db"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("tuner %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	trials := filepath.Join(folder, "trials")
	out := tuner("sweep", "--name", "toy", "--max", "score", "-p", "a=0.0..1.0", "-p", "b=0.0..1.0", "--algorithm", "random", "--seed", "1",
		"-j", "2", "--dir", trials, "--stopper", "pbt:population=3,max_step=30,interval=10", "--", "python3", "pbt/train.py", "{a}", "{b}")
	if !strings.Contains(out, "toy: 5 trials: 3 completed, 2 pruned") {
		t.Fatal(out)
	}
	steps := map[string]int{}
	for _, copied := range []string{"3", "4"} {
		b, err := os.ReadFile(filepath.Join(trials, "default", "toy", copied, "1", "stdout.log"))
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		if err != nil || len(lines) != 11 || !strings.HasPrefix(lines[0], "goes on from step ") {
			t.Fatalf("trial %s printed %q, %v", copied, b, err)
		}
		steps[lines[0]]++
		if first := strings.Fields(lines[1])[0]; first != map[string]string{"3": "step=11", "4": "step=21"}[copied] {
			t.Errorf("trial %s begins with %s", copied, first)
		}
	}
	if len(steps) != 2 {
		t.Errorf("%v", steps)
	}
	if out := tuner("show", "toy", "4"); !strings.Contains(out, "goes on from") {
		t.Error(out)
	}
}

func TestCPP(t *testing.T) {
	need(t, "g++", "--version")
	binary := filepath.Join(t.TempDir(), "branin")
	if out, err := exec.Command("g++", "-O2", "-Wall", "-Wextra", "-Werror", "-o", binary, "cpp/branin.cpp").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	pi := strconv.FormatFloat(math.Pi, 'f', -1, 64)
	for _, at := range [][]string{{"-" + pi, "12.275"}, {pi, "2.275"}, {"9.42478", "2.475"}} {
		_, reports := run(t, "value", exec.Command(binary, at...))
		if len(reports) != 1 || math.Abs(float64(reports[0].Value)-0.397887) > 1e-5 {
			t.Errorf("branin(%v) gives %+v, want 0.397887", at, reports)
		}
	}
}

func TestShell(t *testing.T) {
	need(t, "sh", "-c", "awk 'BEGIN {}'")
	script := func(p, q string) *exec.Cmd {
		cmd := exec.Command("sh", "shell/pi.sh", "--p="+p, "--q="+q)
		cmd.Env = append(os.Environ(), "TUNER_PARAM_P="+p, "TUNER_PARAM_Q="+q)
		return cmd
	}
	o, reports := run(t, "distance", script("355", "113"))
	if len(reports) != 1 || math.Abs(float64(reports[0].Value)-2.66764e-7) > 1e-11 {
		t.Errorf("355/113 gives %+v", reports)
	}
	if reason, ok := o.Infeasible(); ok {
		t.Errorf("355/113 is infeasible: %s", reason)
	}
	o, reports = run(t, "distance", script("314", "100"))
	if reason, ok := o.Infeasible(); !ok || !strings.Contains(reason, "314/100 can be reduced by 2") || len(reports) != 0 {
		t.Errorf("314/100 gives %q, %v, %+v", reason, ok, reports)
	}
}
