package trial

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gotuner/tuner/api/types"
)

// The drawing for people and the table for the program say the same.
func TestTheDrawingShowsTheTable(t *testing.T) {
	page, err := os.ReadFile("../docs/state-machine.md")
	if err != nil {
		t.Fatal(err)
	}
	charts := strings.Split(string(page), "```mermaid")[1:]
	arrow := regexp.MustCompile(`(?m)^ +(\S+) --> (\S+): (\S+)$`)
	drawn := func(chart string) (out []string) {
		for _, m := range arrow.FindAllStringSubmatch(strings.SplitN(chart, "```", 2)[0], -1) {
			out = append(out, strings.Join(m[1:], " "))
		}
		return out
	}
	var trials, attempts []string
	for act, moves := range trialTable {
		for from, to := range moves {
			trials = append(trials, arrowText(from, to, act))
		}
	}
	for act, moves := range attemptTable {
		for from, to := range moves {
			attempts = append(attempts, arrowText(from, to, act))
		}
	}
	sorted := cmpopts.SortSlices(func(a, b string) bool { return a < b })
	if d := cmp.Diff(drawn(charts[0]), trials, sorted); d != "" {
		t.Errorf("trials: drawing (-) and table (+) differ:\n%s", d)
	}
	if d := cmp.Diff(drawn(charts[1]), attempts, sorted); d != "" {
		t.Errorf("attempts: drawing (-) and table (+) differ:\n%s", d)
	}
}

func arrowText[S ~string](from, to S, act Action) string {
	if from == "" {
		from = "[*]"
	}
	return fmt.Sprint(from, " ", to, " ", act)
}

func TestNothingLeavesAFinalState(t *testing.T) {
	for act := range trialTable {
		for _, s := range []types.State{types.Completed, types.Pruned, types.Failed, types.Infeasible, types.Cancelled} {
			tr := Trial{State: s}
			if err := tr.Apply(act); types.CodeOf(err) != types.Conflict || tr.State != s {
				t.Errorf("%s of a %s trial: %v, now %s", act, s, err, tr.State)
			}
		}
	}
	for act := range attemptTable {
		for _, s := range []types.AttemptState{types.Exited, types.Lost} {
			a := Attempt{State: s}
			if err := a.Apply(act); types.CodeOf(err) != types.Conflict || a.State != s {
				t.Errorf("%s of an attempt that is %s: %v, now %s", act, s, err, a.State)
			}
		}
	}
}

func TestLateNewsOfAnAttemptChangesNothing(t *testing.T) {
	a := Attempt{State: types.Stopping}
	if err := a.Apply(Run); err != nil || a.State != types.Stopping {
		t.Errorf("news of an earlier phase: %v, now %s", err, a.State)
	}
}
