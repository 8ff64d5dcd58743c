package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gotuner/tuner/benchmarks/runner"
)

// earlySection says, if there are runs of learning curves, how their trials ended,
// what the stoppers that only watched would have ended, and when a search with a
// stopper was as good as the same one without at its end.
func (d *document) earlySection([]*comparison) error {
	ends := d.trialsTable()
	watched := d.watchedTable()
	if len(ends)+len(watched) == 0 {
		return nil
	}
	d.printf("## Early stopping\n\nThe numbers of trials are epochs here, in those of a whole trial: 100 are the epochs of 100 whole trials.\n\n")
	if len(ends) > 0 {
		d.printf("Trials a run, in the mean, and how they ended. Then, where the same algorithm has runs with the stopper `none` on the same seeds, " +
			"after what share of all epochs the mean over the seeds is as good as that of `none` at the end: the mean over the problems, of which those where it never is count as 100 %%.\n\n")
		d.tableOf(2, []string{"group", "contender", "trials", "completed", "pruned", "diverged", "as good as none after", "never"}, ends)
	}
	if len(watched) > 0 {
		d.printf("What a stopper would have ended in runs that it only watched:\n\n")
		d.tableOf(2, []string{"group", "contender", "runs", "of the steps", "the best trial is ended"}, watched)
	}
	return nil
}

func (d *document) trialsTable() [][]string {
	var rows [][]string
	for _, g := range d.groups {
		for _, c := range byLabel(d.order) {
			var n, completed, pruned, diverged, runs int
			for _, p := range d.group(g) {
				for _, r := range p.runs[c] {
					if e, ok := r.Early(); ok {
						runs, n, completed, pruned, diverged = runs+1, n+e.Trials, completed+e.Completed, pruned+e.Pruned, diverged+e.Diverged
					}
				}
			}
			if runs == 0 {
				continue
			}
			mean := func(sum int) string { return strconv.Itoa((sum + runs/2) / runs) }
			after, never := d.asGood(g, c)
			rows = append(rows, []string{g, d.label(c), mean(n), mean(completed), mean(pruned), mean(diverged), after, never})
		}
	}
	return rows
}

// asGood compares a contender with the one of the same algorithm whose stopper is
// none.
func (d *document) asGood(group string, c int) (after, never string) {
	algorithm, stopper, _ := strings.Cut(d.contenders[c].label, "+")
	whole := slices.IndexFunc(d.contenders, func(k contender) bool { return k.label == algorithm+"+none" })
	if whole < 0 || stopper == "none" {
		return none, none
	}
	sum, problems, nowhere := 0.0, 0, 0
	for _, p := range d.group(group) {
		share, ok := p.catchesUp(c, whole)
		if share == 0 {
			continue
		}
		problems++
		sum += share
		if !ok {
			nowhere++
		}
	}
	if problems == 0 {
		return none, none
	}
	return fmt.Sprintf("%.0f %%", 100*sum/float64(problems)), fmt.Sprintf("on %d of %d", nowhere, problems)
}

// catchesUp is the share of the budget after which a contender's mean over the
// seeds is that of the other one at the end; 0 without common seeds, 1 and false
// if it never is.
func (p *problem) catchesUp(c, other int) (float64, bool) {
	goal, budget := 0.0, 0
	var mine []*run
	for seed, theirs := range p.runs[other] {
		r := p.runs[c][seed]
		if r == nil || r.Budget != theirs.Budget {
			continue
		}
		mine, budget = append(mine, r), r.Budget
		goal += theirs.logs[len(theirs.logs)-1]
	}
	if len(mine) == 0 {
		return 0, false
	}
	for i, t := range mine[0].Checkpoints {
		sum := 0.0
		for _, r := range mine {
			sum += r.logs[i]
		}
		if sum <= goal+1e-9 {
			return float64(t) / float64(budget), true
		}
	}
	return 1, false
}

func (d *document) watchedTable() [][]string {
	type key struct{ group, contender string }
	type count struct {
		runs, ends int
		saves      float64
	}
	counts := map[key]count{}
	for i := range d.watched {
		r := &d.watched[i]
		e, ok := r.Early()
		if !ok {
			continue
		}
		k := key{r.Group, r.Contender}
		n := counts[k]
		n.runs++
		n.saves += e.Saves
		if e.EndsBest {
			n.ends++
		}
		counts[k] = n
	}
	var rows [][]string
	for k, n := range counts {
		rows = append(rows, []string{k.group, cell(k.contender), strconv.Itoa(n.runs), fmt.Sprintf("%.0f %%", n.saves/float64(n.runs)),
			fmt.Sprintf("%d of %d (%.1f %%)", n.ends, n.runs, 100*float64(n.ends)/float64(n.runs))})
	}
	slices.SortFunc(rows, slices.Compare)
	return rows
}

// takeWatched keeps the runs whose stopper only watched apart: they are those of
// the algorithm without one.
func (d *data) takeWatched(results []runner.Result) []runner.Result {
	var rest []runner.Result
	for _, r := range results {
		if runner.Watches(r.Contender) && r.Status == runner.Done {
			d.watched = append(d.watched, r)
		} else {
			rest = append(rest, r)
		}
	}
	return rest
}
