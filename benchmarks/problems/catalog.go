package problems

import (
	"os"
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/nearest"
)

// Catalog lists the problems. It is immutable and safe for concurrent use.
type Catalog struct {
	// Problems are all that can be opened, in a fixed order.
	Problems []*Problem
	// Skipped are those that cannot, and why.
	Skipped []Skipped

	byName map[string]*Problem
}

// Skipped is a problem left out.
type Skipped struct {
	Name, Group, Reason string
}

// Open lists the functions and, if dataDir is not "", the problems whose data
// lies in that folder. It reads no data yet. The error says that the folder is
// not there.
func Open(dataDir string) (*Catalog, error) {
	if dataDir != "" {
		info, err := os.Stat(dataDir)
		if err == nil && !info.IsDir() {
			err = types.Errorf(types.Invalid, "%s is no folder", dataDir)
		}
		if err != nil {
			return nil, types.Errorf(types.NotFound, "there is no folder of benchmark data: %w", err).WithField("data").
				WithRemedy("name the folder by --data or TUNER_BENCH_DATA, or leave it out to run the functions only")
		}
	}
	c := &Catalog{Problems: functionProblems(), byName: map[string]*Problem{}}
	d := &folder{dir: dataDir}
	for _, list := range []func() ([]*Problem, []string){
		d.tabularProblems, d.mootProblems, d.gridProblems, d.yahpoProblems, d.tasksetProblems,
	} {
		found, files := list()
		for i, p := range found {
			switch {
			case dataDir == "":
				c.Skipped = append(c.Skipped, Skipped{p.Name, p.Group, "no data folder is named (--data or TUNER_BENCH_DATA)"})
			case !d.has(files[i]):
				c.Skipped = append(c.Skipped, Skipped{p.Name, p.Group, "the data folder has no " + files[i]})
			default:
				c.Problems = append(c.Problems, p)
			}
		}
	}
	for _, p := range c.Problems {
		c.byName[p.Name] = p
	}
	return c, nil
}

// functionProblems need no data.
func functionProblems() []*Problem {
	var out []*Problem
	for _, dim := range []int{5, 20} {
		for f := 1; f <= bbobFunctions; f++ {
			out = append(out, bbobProblem(f, dim))
		}
	}
	known := map[string]*Problem{}
	for _, c := range classics() {
		p := classicProblem(c)
		known[c.name] = p
		out = append(out, p)
	}
	for _, name := range []string{"branin", "hartmann6", "ackley5", "levy5", "rastrigin5", "styblinski-tang5"} {
		out = append(out, withNoise(known[name], additive))
	}
	for _, f := range []int{1, 8, 15, 21} {
		out = append(out, withNoise(bbobProblem(f, 5), additive), withNoise(bbobProblem(f, 5), multiplicative))
	}
	for _, dim := range []int{5, 10} {
		for _, f := range []int{1, 2, 8, 15, 21} {
			out = append(out, mixintProblem(f, dim))
		}
	}
	return append(out,
		categoricalProblem(10, 4, false), categoricalProblem(6, 5, true), categoricalProblem(12, 2, true),
		branchesProblem(2), branchesProblem(5),
		plantedProblem("mixed", "network", "the settings of a network: choices, an ordinal, integers and floats", networkParams(), 0),
		plantedProblem("mixed", "network-rippled", "the same with many local optima", networkParams(), 0.02),
		plantedProblem("conditional", "models", "a choice of four models, each with settings of its own", modelParams(), 0),
		plantedProblem("conditional", "models-rippled", "the same with many local optima", modelParams(), 0.02),
		plantedProblem("conditional", "layers", "a network of one to four layers, each with settings of its own", layerParams(), 0),
		learningProblem(),
	)
}

// Names are the names of the problems.
func (c *Catalog) Names() []string {
	names := make([]string, len(c.Problems))
	for i, p := range c.Problems {
		names[i] = p.Name
	}
	return names
}

// Find is the problem of a name. The error says why it is not there: skipped,
// kept for the test split, or unknown.
func (c *Catalog) Find(name string) (*Problem, error) {
	if p, ok := c.byName[name]; ok {
		return p, nil
	}
	for _, s := range c.Skipped {
		if s.Name == name {
			return nil, types.Errorf(types.NotFound, "the problem %s cannot be opened: %s", name, s.Reason).WithField("problem")
		}
	}
	for _, s := range yahpoScenarios {
		if strings.HasPrefix(name, s.name+"-") {
			return nil, types.Errorf(types.Invalid, "%s is no development instance of %s", name, s.name).WithField("problem").
				WithRemedy("all others are kept to judge releases; take one that the list of problems names")
		}
	}
	err := types.Errorf(types.NotFound, "there is no problem %q", name).WithField("problem")
	if near := nearest.Word(name, c.Names()); near != "" {
		err.WithRemedy("did you mean %s?", near)
	}
	return nil, err
}

// Group are the problems of a group, none if there is no such group.
func (c *Catalog) Group(group string) []*Problem {
	var out []*Problem
	for _, p := range c.Problems {
		if p.Group == group {
			out = append(out, p)
		}
	}
	return out
}

// Groups are the groups in the order of the catalog.
func (c *Catalog) Groups() []string {
	var out []string
	for _, p := range c.Problems {
		if !slices.Contains(out, p.Group) {
			out = append(out, p.Group)
		}
	}
	return out
}

// Tier is a fixed list of problems: "quick" (30, of which 20 need no data) or
// "dev" (24 BBOB functions in 5-d, 12 in 20-d, 24 tables and surrogates), or
// "full": all problems. Those that need absent data are skipped.
func (c *Catalog) Tier(name string) (chosen []*Problem, skipped []Skipped, err error) {
	var names []string
	switch name {
	case "quick":
		names = quickTier()
	case "dev":
		names = devTier()
	case "full":
		return slices.Clone(c.Problems), slices.Clone(c.Skipped), nil
	default:
		return nil, nil, types.Errorf(types.Invalid, "there is no tier %q", name).WithField("tier").WithRemedy("take quick, dev or full")
	}
	for _, n := range names {
		if p, ok := c.byName[n]; ok {
			chosen = append(chosen, p)
			continue
		}
		i := slices.IndexFunc(c.Skipped, func(s Skipped) bool { return s.Name == n })
		if i < 0 {
			return nil, nil, types.Errorf(types.Internal, "tier %s names the unknown problem %s", name, n)
		}
		skipped = append(skipped, c.Skipped[i])
	}
	return chosen, skipped, nil
}

// quickTier has something of everything, so that one look shows what an
// experiment gains and loses.
func quickTier() []string {
	return []string{
		"bbob-f2-d5", "bbob-f3-d5", "bbob-f6-d5", "bbob-f8-d5", "bbob-f13-d5", "bbob-f15-d5", "bbob-f21-d5",
		"bbob-f1-d20", "bbob-f10-d20",
		"branin", "hartmann6", "ackley5", "michalewicz5",
		"noisy-hartmann6-additive", "noisy-bbob-f8-d5-multiplicative",
		"mixint-f15-d10", "categorical-6x5-pairs", "branches-d5", "network-rippled", "models",
		"hpobench-blood_transfusion", "hpobench-credit_g", "hpolib-naval_propulsion", "nasbench201-cifar10",
		"moot-ss-k-throughput", "moot-redis", "lcbench-168335", "rbv2_xgboost-40982", "rbv2_rpart-41138",
		"taskset-patch32-gru64-avg-bs128",
	}
}

// devTier leaves out data in which a random search of 100 trials finds the optimum,
// as far as there is a choice: some of rbv2_xgboost's networks, for one, are
// saturated in a large part of the space.
func devTier() []string {
	var names []string
	for f := 1; f <= bbobFunctions; f++ {
		names = append(names, bbobProblem(f, 5).Name)
	}
	// Every second function in 20-d, so that each of the five classes is there.
	for _, f := range []int{1, 3, 6, 8, 10, 13, 15, 17, 19, 20, 21, 24} {
		names = append(names, bbobProblem(f, 20).Name)
	}
	return append(names,
		"hpobench-australian", "hpobench-blood_transfusion", "hpobench-car", "hpobench-credit_g",
		"hpolib-naval_propulsion", "hpolib-slice_localization", "nasbench201-cifar10",
		"moot-ss-k-throughput", "moot-health-commits-acc", "moot-redis", "moot-llvm", "grid-svm",
		"lcbench-167181", "lcbench-168335", "lcbench-168910", "lcbench-189862",
		"rbv2_xgboost-11", "rbv2_xgboost-42", "rbv2_xgboost-44", "rbv2_xgboost-40982",
		"rbv2_rpart-1489", "rbv2_rpart-41138", "iaml_glmnet-1067", "iaml_glmnet-40981",
	)
}
