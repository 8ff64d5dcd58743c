package runner

import (
	"math"
	"slices"
)

// Cell is the mean of a contender over a group of problems.
type Cell struct {
	Contender, Group string
	// Regret is the geometric mean over the runs of Result.Normalized of what
	// is recommended in the end; NaN if there is no run.
	Regret float64
	// Runs are those with numbers, Missing those without.
	Runs, Missing int
}

// AllGroups is the Group of the cells over everything.
const AllGroups = "all"

// Summarize has a cell for each contender and group, and one for each contender
// over all runs, which counts a run as much as any other. Contenders and groups
// are in the order of their first results after sorting by name.
func Summarize(results []Result) []Cell {
	type key struct{ contender, group string }
	cells := map[key]*Cell{}
	var contenders, groups []string
	for _, r := range results {
		if !slices.Contains(contenders, r.Contender) {
			contenders = append(contenders, r.Contender)
		}
		if !slices.Contains(groups, r.Group) {
			groups = append(groups, r.Group)
		}
		for _, g := range []string{r.Group, AllGroups} {
			k := key{r.Contender, g}
			if cells[k] == nil {
				cells[k] = &Cell{Contender: r.Contender, Group: g}
			}
			c := cells[k]
			if r.Status != Done {
				c.Missing++
				continue
			}
			c.Runs++
			c.Regret += math.Log(r.Normalized(r.Recommended[len(r.Recommended)-1]))
		}
	}
	slices.Sort(contenders)
	slices.Sort(groups)
	var out []Cell
	for _, c := range contenders {
		for _, g := range append(slices.Clone(groups), AllGroups) {
			cell := cells[key{c, g}]
			if cell == nil {
				cell = &Cell{Contender: c, Group: g}
			}
			cell.Regret = math.Exp(cell.Regret / float64(cell.Runs)) // NaN of none
			out = append(out, *cell)
		}
	}
	return out
}
