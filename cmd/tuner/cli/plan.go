package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/earlystop"
	"github.com/gotuner/tuner/trial/earlystop/simulate"
)

// planSearches is how many searches tuner plan simulates of each stopper.
const planSearches = 20

// mostPlanned bounds the steps of one simulated search, which take a few
// microseconds each.
const mostPlanned = 2_000_000

// planFlags are the flags of tuner plan.
type planFlags struct {
	sweep sweepFlags
	steps int64
}

// planned is what a stopper does to simulated searches.
type planned struct {
	Stopper string `json:"stopper"`
	// Trials are those that begin at the first step; Copies, in the mean, those that
	// go on from another's.
	Trials   int64   `json:"trials"`
	Copies   float64 `json:"copies,omitempty"`
	Workers  int64   `json:"workers"`
	Searches int64   `json:"searches"` // that were simulated
	// Steps are those made: in the mean, and in the shortest and the longest
	// search; OfSteps without a stopper.
	Steps   int64 `json:"steps"`
	Least   int64 `json:"least"`
	Most    int64 `json:"most"`
	OfSteps int64 `json:"of_steps"`
	// Lengths says how many trials run for how many steps, in the mean.
	Lengths []plannedLength `json:"lengths"`
	// KeptBest is the share of the searches whose best trial without a stopper
	// ran to its end.
	KeptBest float64 `json:"kept_best"`
}

type plannedLength struct {
	Step   int64   `json:"step"`
	Trials float64 `json:"trials"`
}

func planCommand(st *State, _ *dbFlags) *cobra.Command {
	var f planFlags
	c := &cobra.Command{
		Use:   "plan --steps N -n N [-j N] [--stopper NAME]",
		Short: "Show what an early stop would save, before anything runs",
		Long: `Simulates searches with a stopper and shows how many trials would run for how
many steps. It runs nothing and needs no database. Without --stopper it compares
those that are most used.

--steps is the length of a whole trial: how many epochs (or whatever your program
reports by) it has. It may be left out if the stopper's setting max_step says it.

The learning curves are made up: they fall as a power of the step towards random
limits, and some cross. What is really saved depends on how early yours part.`,
		Example: "  tuner plan -n 100 -j 4 --steps 81 --stopper asha\n" +
			"  tuner plan -f sweep.yaml --steps 40",
		Args: wantArgs(0, 0, "plan [flags]"),
		RunE: func(c *cobra.Command, _ []string) error { return runPlan(st, c, &f) },
	}
	fs := c.Flags()
	v := &f.sweep.file
	v.Trials = optional[int64](fs.Int64VarP, "trials", "n", "number of trials")
	v.Jobs = optional[int64](fs.Int64VarP, "jobs", "j", "trials at once (default 1)")
	fs.Var(once(&v.Stopper), "stopper", "NAME[:setting=value,…] (default: a comparison)")
	fs.StringVarP(&f.sweep.path, "file", "f", "", "sweep.yaml with these fields; flags override it")
	fs.Int64Var(&f.steps, "steps", 0, "steps of a whole trial")
	fs.BoolVar(&f.sweep.json, "json", false, "print JSON")
	completeComponents(c)
	return c
}

func runPlan(st *State, c *cobra.Command, f *planFlags) error {
	fs := c.Flags()
	clearUnless(fs, "trials", &f.sweep.file.Trials)
	clearUnless(fs, "jobs", &f.sweep.file.Jobs)
	file, src, err := f.sweep.merged(st, f.sweep.file)
	if err != nil {
		return err
	}
	faults := &sweepErrors{flags: &f.sweep, fs: fs, src: src}
	if err := checkCounts(file); err != nil {
		return faults.locate(types.StudySpec{}, err)
	}
	jobs := int64(max(1, len(file.GPUs)))
	if file.Jobs != nil {
		jobs = *file.Jobs
	}
	components, err := planStoppers(file.Stopper)
	if err != nil {
		name, _, _ := strings.Cut(file.Stopper, ":")
		return faults.locate(types.StudySpec{Stopper: types.Component{Name: name}}, err)
	}
	trials := int64(0)
	switch {
	case file.Trials != nil:
		trials = *file.Trials
	case !earlystop.Copies(components[0]):
		return usagef("the number of trials is missing").WithRemedy("add -n 100")
	}
	if f.steps == 0 {
		f.steps = maxStepOf(components[0])
	}
	switch {
	case f.steps < 1 && fs.Changed("steps"):
		return usagef("%d is no number of steps", f.steps).WithField("--steps").WithRemedy("give the length of a whole trial, as in --steps 40")
	case f.steps == 0:
		return usagef("the length of a trial is missing").WithRemedy("add --steps 40: how many epochs, or whatever your program reports by, a whole trial has")
	}
	var out []planned
	for _, comp := range components {
		comp = withLength(comp, f.steps)
		cost, err := planCost(comp, trials, f.steps)
		if err != nil {
			return err
		}
		if cost > mostPlanned {
			return tooMany(comp, trials, f.steps)
		}
		p, err := planOf(comp, trials, jobs, f.steps, min(planSearches, 2*mostPlanned/max(1, cost)))
		if err != nil {
			return err
		}
		out = append(out, p)
	}
	if f.sweep.json {
		return writeJSON(st.Stdout, out)
	}
	text := cmp.Or(file.Stopper, advised[0])
	if last := components[len(components)-1]; len(out) == 1 && maxStepOf(withLength(last, f.steps)) != maxStepOf(last) {
		text += map[bool]string{true: ",", false: ":"}[last.Settings != nil] + fmt.Sprintf("max_step=%d", f.steps)
	}
	return showPlans(st, out, text)
}

// planStoppers are those to plan with: the one given, or those to compare.
func planStoppers(text string) ([]types.Component, error) {
	if text == "" {
		out := []types.Component{{Name: earlystop.DefaultName}}
		for _, name := range advised {
			out = append(out, types.Component{Name: name})
		}
		return out, nil
	}
	comp, err := earlystop.Parse(text)
	if err != nil {
		return nil, err
	}
	if _, _, err = earlystop.Rules().Resolve(comp); err != nil {
		return nil, err
	}
	why, no := map[string]string{
		"patience":  "made-up curves never stand still",
		"threshold": "it depends on your metric's values, and those of made-up curves are others",
		"wilcoxon":  "its steps are folds or instances, and made-up curves have none",
	}[comp.Name]
	if no {
		return nil, usagef("what %s saves cannot be planned: %s", comp.Name, why).WithField("stopper").
			WithRemedy("plan with median, percentile, asha, hyperband or pbt; or run some trials with it, which end with what it has saved")
	}
	return []types.Component{comp}, nil
}

// maxStepOf is the setting max_step, 0 if there is none.
func maxStepOf(c types.Component) int64 {
	_, s, err := earlystop.Rules().Resolve(c)
	if err != nil || s["max_step"] == nil {
		return 0
	}
	return s.Int("max_step")
}

// withLength gives a rule that needs to know the length of a trial that of the plan.
func withLength(c types.Component, steps int64) types.Component {
	if maxStepOf(c) != 0 || !earlystop.Copies(c) && c.Settings["mode"] != "promote" {
		return c
	}
	settings := maps.Clone(c.Settings)
	if settings == nil {
		settings = map[string]any{}
	}
	settings["max_step"] = steps
	return types.Component{Name: c.Name, Settings: settings}
}

// planCost is about how many steps' work it is to simulate one search. The error is of
// a stopper that cannot be, or never does anything.
func planCost(comp types.Component, trials, steps int64) (int64, error) {
	rule, err := earlystop.New(comp, earlystop.Config{Objectives: []types.Objective{{Metric: simulate.Metric, Goal: types.Minimize}}})
	if err != nil {
		return 0, err
	}
	if err := earlystop.CheckIdle(comp.Name, rule); err != nil {
		return 0, err
	}
	b, ok := rule.(earlystop.Breeder)
	if !ok {
		return times(trials, steps), nil
	}
	_, s, err := earlystop.Rules().Resolve(comp)
	if err != nil {
		return 0, err
	}
	comparisons := int64(10)
	if !s.Auto("interval") {
		comparisons = steps / s.Int("interval")
	}
	// Whenever a member waits for a comparison, all of them are looked at.
	return max(times(b.Size(), steps), times(comparisons, b.Size()*b.Size())), nil
}

func tooMany(comp types.Component, trials, steps int64) error {
	if earlystop.Copies(comp) {
		return usagef("so large a population, or so many comparisons, is too much to simulate").WithField("stopper").
			WithRemedy("plan with a smaller population, larger steps or a larger interval")
	}
	return usagef("%s of %d steps are too many to simulate", plural(trials, "trial"), steps).
		WithRemedy("plan with larger steps: what is saved depends on their ratio")
}

// times multiplies up to more than mostPlanned.
func times(a, b int64) int64 {
	if b > 0 && a > mostPlanned/b {
		return mostPlanned + 1
	}
	return a * b
}

// planOf simulates searches with one stopper.
func planOf(comp types.Component, trials, jobs, steps, searches int64) (planned, error) {
	p := planned{Stopper: comp.Name, Trials: trials, Workers: jobs, OfSteps: trials * steps, Searches: searches}
	lengths := map[int64]int64{}
	kept := 0
	for seed := range p.Searches {
		value := simulate.Curves(seed)
		r, err := simulate.Run(simulate.Search{Stopper: comp, Trials: int(trials), Workers: int(jobs), Steps: steps,
			Value: value, Seed: seed})
		if err != nil {
			return p, err
		}
		best := int64(0)
		p.OfSteps, p.Trials = r.OfSteps, r.OfSteps/steps
		for _, t := range r.Trials {
			if t.Copy != nil {
				p.Copies += 1 / float64(searches)
				lengths[t.Step-t.Copy.Step]++
				continue
			}
			lengths[t.Step]++
			if value(t.Number, steps) < value(best, steps) {
				best = t.Number
			}
		}
		if r.Trials[best].State == types.Completed {
			kept++
		}
		p.Steps += r.Steps
		p.Most = max(p.Most, r.Steps)
		p.Least = min(cmp.Or(p.Least, r.Steps), r.Steps)
	}
	p.Steps = (p.Steps + p.Searches/2) / p.Searches
	p.KeptBest = float64(kept) / float64(searches)
	for _, step := range slices.Sorted(maps.Keys(lengths)) {
		p.Lengths = append(p.Lengths, plannedLength{step, float64(lengths[step]) / float64(searches)})
	}
	return p, nil
}

func showPlans(st *State, ps []planned, text string) error {
	var b strings.Builder
	p := ps[0]
	fmt.Fprintf(&b, "%s of %s, %d at once\n\n", plural(p.Trials, "trial"), plural(p.OfSteps/p.Trials, "step"), p.Workers)
	if len(ps) == 1 {
		showLengths(&b, p)
		switch {
		case p.Stopper == earlystop.DefaultName:
			fmt.Fprintf(&b, "\nnone: %s, all of them\n", plural(p.Steps, "step"))
		case p.Copies > 0:
			fmt.Fprintf(&b, "\n%s: %s, no fewer than without it; %.0f of about %.0f trials go on as copies from where the best ones are\n",
				p.Stopper, plural(p.Steps, "step"), p.Copies, float64(p.Trials)+p.Copies)
		default:
			fmt.Fprintf(&b, "\n%s: about %s instead of %d (%s; %d to %d in %d simulated searches), and the best trial ran to its end in %.0f %% of them\n",
				p.Stopper, plural(p.Steps, "step"), p.OfSteps, p.share(p.Steps), p.Least, p.Most, p.Searches, 100*p.KeptBest)
		}
	} else {
		rows := [][]string{{"stopper", "steps", "share", "to the end", "best kept"}}
		for _, p := range ps {
			whole := 0.0
			if l := p.Lengths[len(p.Lengths)-1]; l.Step == p.OfSteps/p.Trials {
				whole = l.Trials
			}
			rows = append(rows, []string{p.Stopper, strconv.FormatInt(p.Steps, 10), p.share(p.Steps),
				fmt.Sprintf("%.0f", whole), fmt.Sprintf("%.0f %%", 100*p.KeptBest)})
		}
		tableFit(&b, rows, terminalWidth(st.Stdout), st.outStyle())
	}
	b.WriteString("\nThe curves are made up; what is really saved depends on how early yours part.\n")
	if p = ps[len(ps)-1]; p.Stopper != earlystop.DefaultName {
		fmt.Fprintf(&b, "\nnext: add it to your sweep: --stopper %s -n %d -j %d\n", quoted(text), p.Trials, p.Workers)
	}
	_, err := fmt.Fprint(st.Stdout, b.String())
	return err
}

func (p *planned) share(steps int64) string {
	return fmt.Sprintf("%.0f %%", 100*float64(steps)/float64(p.OfSteps))
}

// mostLengths is how many rows of a plan are readable.
const mostLengths = 12

// showLengths lists how many trials run for how many steps; many lengths are
// gathered.
func showLengths(b *strings.Builder, p planned) {
	rows := p.Lengths
	if len(rows) > mostLengths {
		width := (len(rows) + mostLengths - 1) / mostLengths
		var grouped []plannedLength
		for _, g := range slices.Collect(slices.Chunk(rows[:len(rows)-1], width)) {
			sum := plannedLength{Step: g[len(g)-1].Step}
			for _, l := range g {
				sum.Trials += l.Trials
			}
			grouped = append(grouped, sum)
		}
		grouped = append(grouped, rows[len(rows)-1])
		rows = grouped
		b.WriteString("up to that many steps:\n")
	}
	for _, l := range rows {
		end := ""
		if l.Step == p.OfSteps/p.Trials {
			end = "  to the end"
		}
		fmt.Fprintf(b, "%7s trials x %s%s\n", strconv.FormatFloat(l.Trials, 'f', 1, 64), plural(l.Step, "step"), end)
	}
}
