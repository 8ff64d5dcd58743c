package cli

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/benchmarks/runner"
	"github.com/gotuner/tuner/suggest/builtin"
)

// benchParts are the parts of the list.
var benchParts = []string{"tiers", "groups", "problems", "contenders"}

func benchListCommand(st *State) *cobra.Command {
	choice := benchChoice{st: st}
	var asJSON bool
	c := &cobra.Command{
		Use:       "list [tiers|groups|problems|contenders]",
		Aliases:   []string{"ls"},
		Short:     "List what can be compared, and on what",
		Args:      wantArgs(0, 1, "bench list [tiers|groups|problems|contenders]"),
		ValidArgs: benchParts,
		RunE: func(c *cobra.Command, args []string) error {
			parts := benchParts
			if len(args) > 0 {
				if !slices.Contains(benchParts, args[0]) {
					return usagef("there is no list of %q", args[0]).WithRemedy("take %s", strings.Join(benchParts, ", "))
				}
				parts = args
			}
			list, err := choice.list(c.Context())
			if err != nil {
				return err
			}
			return st.printing(func(w *bufio.Writer) error {
				if asJSON {
					return writeJSON(w, list)
				}
				list.write(w, st, parts)
				return nil
			})
		},
	}
	choice.registerData(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print all of it as JSON")
	return c
}

type benchList struct {
	Tiers      []benchTier      `json:"tiers"`
	Groups     []benchGroup     `json:"groups"`
	Problems   []benchProblem   `json:"problems"`
	Contenders []benchContender `json:"contenders"`
}

type benchTier struct {
	Name     string `json:"name"`
	Problems int    `json:"problems"`
	Skipped  int    `json:"skipped"`
	Trials   int    `json:"trials"`
	Seeds    string `json:"seeds"`
}

type benchGroup struct {
	Name     string `json:"name"`
	Problems int    `json:"problems"`
	Skipped  int    `json:"skipped"`
}

type benchProblem struct {
	Name      string   `json:"name"`
	Group     string   `json:"group"`
	Tiers     []string `json:"tiers"`
	Instances int      `json:"instances,omitempty"`
	Doc       string   `json:"doc,omitempty"`
	Skipped   string   `json:"skipped,omitempty"`
}

type benchContender struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Doc     string `json:"doc,omitempty"`
	// Absent says why it cannot run here.
	Absent string `json:"absent,omitempty"`
}

// list puts everything together.
func (b *benchChoice) list(ctx context.Context) (*benchList, error) {
	catalog, err := b.open()
	if err != nil {
		return nil, err
	}
	out := &benchList{}
	tiersOf := map[string][]string{}
	for _, name := range []string{"quick", "dev", allProblems} {
		chosen, skipped, err := catalog.Tier(name)
		if err != nil {
			return nil, err
		}
		d := tierDefaults(name)
		out.Tiers = append(out.Tiers, benchTier{name, len(chosen), len(skipped), d.trials, d.seeds})
		for _, p := range chosen {
			tiersOf[p.Name] = append(tiersOf[p.Name], name)
		}
		for _, s := range skipped {
			tiersOf[s.Name] = append(tiersOf[s.Name], name)
		}
	}
	for _, p := range catalog.Problems {
		out.Problems = append(out.Problems, benchProblem{
			Name: p.Name, Group: p.Group, Tiers: tiersOf[p.Name], Instances: len(p.Instances), Doc: p.Doc,
		})
		out.group(p.Group).Problems++
	}
	for _, s := range catalog.Skipped {
		out.Problems = append(out.Problems, benchProblem{Name: s.Name, Group: s.Group, Tiers: tiersOf[s.Name], Skipped: s.Reason})
		out.group(s.Group).Skipped++
	}
	return out, out.addContenders(ctx, b.st)
}

func (l *benchList) group(name string) *benchGroup {
	i := slices.IndexFunc(l.Groups, func(g benchGroup) bool { return g.Name == name })
	if i < 0 {
		i = len(l.Groups)
		l.Groups = append(l.Groups, benchGroup{Name: name})
	}
	return &l.Groups[i]
}

func (l *benchList) addContenders(ctx context.Context, st *State) error {
	var all []runner.Contender
	for _, name := range builtin.Algorithms().Names() {
		c, err := runner.InProcess(builtin.Algorithms(), name)
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	for _, c := range append(all, peerList(st)...) {
		row := benchContender{Name: c.Name, Version: c.Version, Doc: c.Doc}
		if c.Check != nil {
			if err := c.Check(ctx); err != nil {
				row.Absent = err.Error()
			}
		}
		l.Contenders = append(l.Contenders, row)
	}
	return nil
}

func (l *benchList) write(w *bufio.Writer, st *State, parts []string) {
	for i, part := range parts {
		if i > 0 {
			fmt.Fprintln(w)
		}
		var rows [][]string
		switch part {
		case "tiers":
			rows = [][]string{{"tier", "problems", "without data", "trials", "seeds"}}
			for _, t := range l.Tiers {
				rows = append(rows, []string{t.Name, strconv.Itoa(t.Problems), strconv.Itoa(t.Skipped), strconv.Itoa(t.Trials), t.Seeds})
			}
		case "groups":
			rows = [][]string{{"group", "problems", "without data"}}
			for _, g := range l.Groups {
				rows = append(rows, []string{g.Name, strconv.Itoa(g.Problems), strconv.Itoa(g.Skipped)})
			}
		case "problems":
			rows = [][]string{{"problem", "group", "tiers", "what"}}
			for _, p := range l.Problems {
				what := p.Doc
				if p.Skipped != "" {
					what = "skipped: " + p.Skipped
				}
				rows = append(rows, []string{p.Name, p.Group, strings.Join(p.Tiers, " "), what})
			}
		case "contenders":
			rows = [][]string{{"contender", "version", "what"}}
			for _, c := range l.Contenders {
				what := c.Doc
				if c.Absent != "" {
					what = "absent: " + c.Absent
				}
				rows = append(rows, []string{c.Name, c.Version, what})
			}
		}
		tableFit(w, rows, terminalWidth(st.Stdout), st.outStyle())
	}
	if slices.ContainsFunc(l.Problems, func(p benchProblem) bool { return p.Skipped != "" }) && slices.Contains(parts, "problems") {
		fmt.Fprintf(w, "\n%s need the data folder: --data or %s names it.\n", plural(l.skipped(), "problem"), benchDataVariable)
	}
}

func (l *benchList) skipped() (n int64) {
	for _, g := range l.Groups {
		n += int64(g.Skipped)
	}
	return n
}
