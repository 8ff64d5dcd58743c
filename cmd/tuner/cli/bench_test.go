package cli

import (
	"bytes"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/benchmarks/runner"
)

func TestSplitContenders(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"tpe", []string{"tpe"}},
		{"tpe,random", []string{"tpe", "random"}},
		{"tpe:a=1,b=2,random", []string{"tpe:a=1,b=2", "random"}},
		{"random,tpe:a=1,cmaes:b=2,c=x", []string{"random", "tpe:a=1", "cmaes:b=2,c=x"}},
		{"tpe,b=2", []string{"tpe", "b=2"}}, // which is refused then
	} {
		if d := cmp.Diff(tt.want, splitContenders(tt.text)); d != "" {
			t.Errorf("%s: %s", tt.text, d)
		}
	}
}

func TestParseSeeds(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []int64
	}{
		{"1", []int64{1}},
		{"3", []int64{1, 2, 3}},
		{"3..5", []int64{3, 4, 5}},
		{"9,1,2..3,3", []int64{1, 2, 3, 9}},
	} {
		got, err := parseSeeds(tt.text)
		if d := cmp.Diff(tt.want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", tt.text, err, d)
		}
	}
	for _, text := range []string{"", "0", "-3", "a", "5..", "5..3", "1,,2", "99999999999", "1..99999999"} {
		if got, err := parseSeeds(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

// Ctrl-C ends a set with code 130, and what is stored is whole.
func TestBenchRunIsInterrupted(t *testing.T) {
	dir := t.TempDir()
	call := func(interrupt bool) (code int, stdout, stderr string) {
		var out, errOut bytes.Buffer
		st := State{
			Args: strings.Fields("bench run --groups classic --contenders random --trials 50 --seeds 3 --out res"),
			Dir:  dir, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errOut, Now: time.Now,
			Size: func() (int, int) { return 0, 0 },
			Notify: func(c chan<- os.Signal, _ ...os.Signal) func() {
				if interrupt {
					c <- os.Interrupt
				}
				return func() {}
			},
		}
		code = Main(st)
		return code, out.String(), errOut.String()
	}
	code, _, stderr := call(true)
	if code != exitInterrupted || !strings.Contains(stderr, "the same command goes on from there") {
		t.Errorf("code %d: %s", code, stderr)
	}
	code, stdout, stderr := call(false)
	if code != exitDone || !strings.Contains(stdout, "63 runs in ") {
		t.Errorf("code %d: %s%s", code, stdout, stderr)
	}
}

func TestBenchProgressOnATerminal(t *testing.T) {
	var out bytes.Buffer
	p := &benchProgress{st: &State{Stderr: &out, Now: time.Now, Size: func() (int, int) { return 24, 10 }}}
	p.show(runner.Progress{Total: 2, Done: 0})
	broken := runner.Result{Contender: "tpe", Problem: "branin", Seed: 3, Status: runner.Failed, Note: "it broke"}
	p.show(runner.Progress{Total: 2, Done: 2, Elapsed: time.Minute, Last: &broken})
	p.end()
	wiped := func(n int) string { return "\r" + strings.Repeat(" ", n) + "\r" }
	want := "0 of 2 runs" + wiped(11) + "tpe on branin, seed 3: it broke\n" + "2 of 2 runs, 1m00s: tpe" + wiped(23)
	if d := cmp.Diff(want, strings.ReplaceAll(out.String(), "…", "e")); d != "" {
		t.Error(d)
	}
}

func TestBenchTableBestFirst(t *testing.T) {
	nan := math.NaN()
	got := benchTable([]runner.Cell{
		{Contender: "a", Group: "x", Regret: 0.5, Runs: 2}, {Contender: "a", Group: "all", Regret: 0.5, Runs: 2},
		{Contender: "b", Group: "x", Regret: nan, Missing: 2}, {Contender: "b", Group: "all", Regret: nan, Missing: 2},
		{Contender: "c", Group: "x", Regret: 0.25, Runs: 1, Missing: 1}, {Contender: "c", Group: "all", Regret: 0.25, Runs: 1, Missing: 1},
	})
	want := [][]string{{"contender", "x", "all"}, {"c", "0.2500*", "0.2500*"}, {"a", "0.5000", "0.5000"}, {"b", "-", "-"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
