package cli

import (
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/benchmarks/problems"
)

// benchCommand compares algorithms; it needs no database.
func benchCommand(st *State, _ *dbFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Compare search algorithms on known problems",
		Long: `Runs search algorithms, ours and other tuners, on problems of which the optimum
is known, and shows how near they come.

  tuner bench list      what can be compared, and on what
  tuner bench run       let contenders search problems; goes on where it stopped
  tuner bench latency   how the time of a suggestion grows with the trials

The rows that run and latency write become a report with pictures by the program
benchreport of the source: go run ./benchmarks/benchreport --in FOLDER.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			e := usagef("there is no command %q in tuner bench", args[0])
			if s := suggestName(args[0], commandNames(c)); s != "" {
				return e.WithRemedy("%s", s)
			}
			return e.WithRemedy("tuner help bench lists them")
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	for _, add := range []func(*State) *cobra.Command{benchListCommand, benchRunCommand, benchLatencyCommand} {
		c.AddCommand(add(st))
	}
	return c
}

const (
	benchDataVariable = "TUNER_BENCH_DATA"
	// allProblems is the tier of everything.
	allProblems = "full"
	// chosenSet names the results of problems that were chosen one by one.
	chosenSet = "chosen"
)

// benchChoice is the choice of problems by flags.
type benchChoice struct {
	st       *State
	data     string
	tier     string
	problems []string
	groups   []string
}

func (b *benchChoice) register(c *cobra.Command) {
	fs := c.Flags()
	b.registerData(c)
	fs.StringVar(&b.tier, "tier", "", "quick, dev or full (default quick; full with --problems or --groups)")
	fs.StringSliceVar(&b.problems, "problems", nil, "only problems of these names, such as 'bbob-f1?-d5,branin'")
	fs.StringSliceVar(&b.groups, "groups", nil, "only problems of these groups, such as bbob5,tables")
}

func (b *benchChoice) registerData(c *cobra.Command) {
	c.Flags().StringVar(&b.data, "data", "", "folder of tables and surrogates (default $"+benchDataVariable+"; without, functions only)")
}

// open lists the problems.
func (b *benchChoice) open() (*problems.Catalog, error) {
	dir := b.data
	if dir == "" {
		dir = b.st.Getenv(benchDataVariable)
	}
	if dir != "" {
		dir = b.st.path(dir)
	}
	catalog, err := problems.Open(dir)
	return catalog, inField(err, "--data")
}

// set is the tier, and the name of the folder of its results: a part of a tier
// is stored with the tier.
func (b *benchChoice) set() (tier, name string) {
	switch {
	case b.tier != "":
		return b.tier, b.tier
	case len(b.problems)+len(b.groups) > 0:
		return allProblems, chosenSet
	}
	return "quick", "quick"
}

// choose are the problems; skipped are those without data.
func (b *benchChoice) choose() (chosen []*problems.Problem, skipped []problems.Skipped, err error) {
	catalog, err := b.open()
	if err != nil {
		return nil, nil, err
	}
	tier, _ := b.set()
	chosen, skipped, err = catalog.Tier(tier)
	if err != nil {
		return nil, nil, inField(err, "--tier")
	}
	if err := b.known(catalog, chosen, skipped); err != nil {
		return nil, nil, err
	}
	chosen = slices.DeleteFunc(chosen, func(p *problems.Problem) bool { return !b.wanted(p.Name, p.Group) })
	skipped = slices.DeleteFunc(skipped, func(s problems.Skipped) bool { return !b.wanted(s.Name, s.Group) })
	if len(chosen) == 0 {
		e := usagef("no problem is left to run")
		if len(skipped) > 0 {
			return nil, nil, e.WithRemedy("%s: %s", skipped[0].Name, skipped[0].Reason)
		}
		return nil, nil, e.WithRemedy("tuner bench list shows which problem is in which group and tier")
	}
	return chosen, skipped, nil
}

func (b *benchChoice) wanted(name, group string) bool {
	if len(b.groups) > 0 && !slices.Contains(b.groups, group) {
		return false
	}
	return len(b.problems) == 0 || slices.ContainsFunc(b.problems, func(glob string) bool { return globbed(glob, name) })
}

// globbed reports whether a name matches a pattern, which known has checked.
func globbed(glob, name string) bool {
	ok, err := path.Match(glob, name)
	return err == nil && ok
}

// known makes sure that each name and group means something.
func (b *benchChoice) known(catalog *problems.Catalog, chosen []*problems.Problem, skipped []problems.Skipped) error {
	var names, groups []string
	for _, p := range chosen {
		names, groups = append(names, p.Name), append(groups, p.Group)
	}
	for _, s := range skipped {
		names, groups = append(names, s.Name), append(groups, s.Group)
	}
	tier, _ := b.set()
	for _, g := range b.groups {
		if !slices.Contains(groups, g) {
			slices.Sort(groups)
			return unknownOf("group", "--groups", g, slices.Compact(groups), tier)
		}
	}
	for _, glob := range b.problems {
		if _, err := path.Match(glob, ""); err != nil {
			return usagef("%q is no pattern", glob).WithField("--problems").WithRemedy("* stands for any letters, ? for one, [ab] for a or b")
		}
		if slices.ContainsFunc(names, func(n string) bool { return globbed(glob, n) }) {
			continue
		}
		if !strings.ContainsAny(glob, "*?[") && tier == allProblems {
			_, err := catalog.Find(glob) // which knows more, such as that it is kept for releases
			return inField(err, "--problems")
		}
		return unknownOf("problem", "--problems", glob, names, tier)
	}
	return nil
}

// unknownOf is the error of a name that is not in a tier.
func unknownOf(what, flag, word string, among []string, tier string) error {
	e := usagef("there is no %s %q in the tier %s", what, word, tier).WithField(flag)
	if s := suggestName(word, among); s != "" {
		return e.WithRemedy("%s", s)
	}
	return e.WithRemedy("tuner bench list shows them")
}

// parseSeeds reads "10" (the seeds 1 to 10), "3..7" and "1,5,9..12".
func parseSeeds(text string) ([]int64, error) {
	bad := func() error {
		return usagef("%q is no choice of seeds", text).WithField("--seeds").
			WithRemedy("write a number of seeds, as in 10, or which, as in 3..7 or 1,5,9")
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n < 1 || n > mostSeeds {
			return nil, bad()
		}
		return seedRange(1, n), nil
	}
	var out []int64
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "..")
		if !isRange {
			last = first
		}
		a, err1 := strconv.ParseInt(first, 10, 64)
		b, err2 := strconv.ParseInt(last, 10, 64)
		if err1 != nil || err2 != nil || a < 1 || b < a || b-a >= mostSeeds {
			return nil, bad()
		}
		out = append(out, seedRange(a, b)...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

const mostSeeds = 10_000

func seedRange(a, b int64) []int64 {
	var out []int64
	for s := a; s <= b; s++ {
		out = append(out, s)
	}
	return out
}

// inField says at which flag an error is. The part of what the flag's value says
// goes into the message.
func inField(err error, flag string) error {
	e, ok := errors.AsType[*types.Error](err)
	if !ok || e.Code != types.Invalid && e.Code != types.NotFound {
		return err
	}
	inner := *e
	if part, _, deep := strings.Cut(e.Field, "."); deep && part != "" {
		inner.Message = e.Field + ": " + e.Message
	}
	inner.Field = flag
	return &inner
}
