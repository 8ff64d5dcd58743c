package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/benchmarks/report/stats"
	"github.com/gotuner/tuner/benchmarks/runner"
)

// run is a run that is compared.
type run struct {
	*runner.Result
	// logs are the logarithms of the normalised regret at its checkpoints.
	logs []float64
}

// at is the logarithm of the normalised regret after t trials; false if the run
// had fewer.
func (r *run) at(t int) (float64, bool) {
	if r == nil || t > r.Budget {
		return 0, false
	}
	i := r.At(t)
	if i < 0 {
		return 0, false
	}
	return r.logs[i], true
}

// problem has the runs on a problem.
type problem struct {
	name, group string
	// runs are by contender, by seed.
	runs []map[int64]*run
}

// contender is a tuner with its settings in one version.
type contender struct {
	// label is its name, with what tells it from others of the same name.
	label             string
	version, settings string
	budgets           map[int]bool
	problems, runs    int
	fewest, most      int // seeds a problem
}

// variant tells contenders apart.
type variant struct{ name, version, settings string }

// data are the results that are compared.
type data struct {
	contenders []contender
	// groups are in the order of the catalog, problems by group and name.
	groups   []string
	problems []*problem
	harness  string
	workers  int
	seeds    []int64
	notes    []note
	watched  []runner.Result
	// left are sentences about results that are not compared.
	left []string
}

// note is what a row without numbers, or an unusual one, says.
type note struct {
	contender string
	status    runner.Status
	text      string
	problems  []string
	runs      int
}

// collect sorts the results.
func collect(results []runner.Result, cfg Config) (*data, error) {
	d := &data{harness: runner.Version}
	kept := d.takeWatched(d.comparable(results, cfg))
	done := slices.DeleteFunc(slices.Clone(kept), func(r runner.Result) bool { return r.Status != runner.Done })
	labels := labelsOf(done)
	order := slices.SortedFunc(maps.Keys(labels), func(a, b variant) int { return natural(labels[a], labels[b]) })
	number := map[variant]int{}
	for i, v := range order {
		number[v] = i
		d.contenders = append(d.contenders, contender{label: labels[v], version: v.version, settings: v.settings, budgets: map[int]bool{}})
	}
	byName := map[string]*problem{}
	for i := range kept {
		r := &kept[i]
		c, compared := number[variantOf(r)]
		d.addNote(noteLabel(labels, variantOf(r)), r)
		if !compared || r.Status != runner.Done {
			continue
		}
		p := byName[r.Problem]
		if p == nil {
			p = &problem{name: r.Problem, group: r.Group, runs: make([]map[int64]*run, len(order))}
			byName[r.Problem] = p
			d.problems = append(d.problems, p)
		}
		if p.runs[c] == nil {
			p.runs[c] = map[int64]*run{}
		}
		if old := p.runs[c][r.Seed]; old == nil || old.Budget < r.Budget {
			p.runs[c][r.Seed] = &run{Result: r}
		}
	}
	if len(d.problems) == 0 {
		return nil, types.Errorf(types.Invalid, "none of %s can be compared: %s", plural(len(results), "result"), d.reasons()).
			WithRemedy("make results by tuner bench run with this version of tuner")
	}
	for _, p := range d.problems {
		p.judge(cfg.Measure)
	}
	d.order()
	d.count()
	return d, nil
}

// comparable leaves out results of other versions of the harness and of other
// numbers of workers, and says so.
func (d *data) comparable(results []runner.Result, cfg Config) []runner.Result {
	var kept []runner.Result
	workers := map[int]int{}
	old := map[string]int{}
	for _, r := range results {
		if r.Harness != runner.Version {
			old[r.Harness]++
			continue
		}
		workers[r.Workers]++
		kept = append(kept, r)
	}
	for _, h := range slices.Sorted(maps.Keys(old)) {
		d.left = append(d.left, fmt.Sprintf("%s made by version %s of the harness", plural(old[h], "run"), h))
	}
	d.workers = cfg.Workers
	if d.workers == 0 {
		// The most frequent number, the smaller one of two.
		for _, w := range slices.Sorted(maps.Keys(workers)) {
			if d.workers == 0 || workers[w] > workers[d.workers] {
				d.workers = w
			}
		}
	}
	for _, w := range slices.Sorted(maps.Keys(workers)) {
		if w != d.workers {
			d.left = append(d.left, fmt.Sprintf("%s with %s", plural(workers[w], "run"), plural(w, "worker")))
		}
	}
	return slices.DeleteFunc(kept, func(r runner.Result) bool { return r.Workers != d.workers })
}

// reasons say why there is nothing to compare.
func (d *data) reasons() string {
	reasons := d.left
	for _, n := range d.notes {
		reasons = append(reasons, n.contender+" "+string(n.status)+": "+n.text)
	}
	return some(reasons)
}

// noteLabel names a variant, which need not have numbers.
func noteLabel(labels map[variant]string, v variant) string {
	if label, ok := labels[v]; ok {
		return label
	}
	for other := range labels {
		if other.name == v.name {
			return v.name + "@" + v.version
		}
	}
	return v.name
}

func variantOf(r *runner.Result) variant { return variant{r.Contender, r.Version, r.Settings} }

// labelsOf names the variants: by their contender where it has one only, else
// with the version, and where that does not do, with a number too.
func labelsOf(results []runner.Result) map[variant]string {
	of := map[string][]variant{}
	for i := range results {
		if v := variantOf(&results[i]); !slices.Contains(of[v.name], v) {
			of[v.name] = append(of[v.name], v)
		}
	}
	labels := map[variant]string{}
	for name, variants := range of {
		if len(variants) == 1 {
			labels[variants[0]] = name
			continue
		}
		slices.SortFunc(variants, func(a, b variant) int {
			return cmp.Or(natural(a.version, b.version), cmp.Compare(a.settings, b.settings))
		})
		same := map[string]int{}
		for _, v := range variants {
			same[v.version]++
			labels[v] = name + "@" + v.version
			if n := same[v.version]; n > 1 {
				labels[v] += "#" + strconv.Itoa(n)
			}
		}
	}
	return labels
}

func (d *data) addNote(label string, r *runner.Result) {
	if _, ok := r.Early(); ok || r.Status == runner.Done && r.Note == "" {
		return
	}
	i := slices.IndexFunc(d.notes, func(n note) bool { return n.contender == label && n.status == r.Status && n.text == r.Note })
	if i < 0 {
		i = len(d.notes)
		d.notes = append(d.notes, note{contender: label, status: r.Status, text: r.Note})
	}
	n := &d.notes[i]
	n.runs++
	if !slices.Contains(n.problems, r.Problem) {
		n.problems = append(n.problems, r.Problem)
	}
}

// judge fills logs.
func (p *problem) judge(m Measure) {
	worst := map[int]float64{} // by number of trials
	each := func(f func(r *run, i int, value float64)) {
		for _, seeds := range p.runs {
			for _, r := range seeds {
				values := r.Recommended
				if m == BestSeen {
					values = r.Best
				}
				for i, v := range values {
					f(r, i, v)
				}
			}
		}
	}
	each(func(r *run, i int, value float64) {
		t := r.Checkpoints[i]
		worst[t] = max(worst[t], 1)
		if !math.IsNaN(value) && !math.IsInf(value, 0) {
			worst[t] = max(worst[t], r.Normalized(value))
		}
		r.logs = make([]float64, len(r.Checkpoints))
	})
	each(func(r *run, i int, value float64) {
		regret := worst[r.Checkpoints[i]]
		if !math.IsNaN(value) && !math.IsInf(value, 1) {
			regret = r.Normalized(value)
		}
		r.logs[i] = math.Log(regret)
	})
}

// catalogOrder is that of the groups in package problems.
var catalogOrder = []string{"bbob5", "bbob20", "classic", "noisy", "mixed", "conditional", "tables", "surrogates", "curves"}

func (d *data) order() {
	position := func(group string) int {
		if i := slices.Index(catalogOrder, group); i >= 0 {
			return i
		}
		return len(catalogOrder)
	}
	slices.SortFunc(d.problems, func(a, b *problem) int {
		return cmp.Or(cmp.Compare(position(a.group), position(b.group)), natural(a.group, b.group), natural(a.name, b.name))
	})
	for _, p := range d.problems {
		if !slices.Contains(d.groups, p.group) {
			d.groups = append(d.groups, p.group)
		}
	}
	for i := range d.notes {
		slices.SortFunc(d.notes[i].problems, natural)
	}
}

func (d *data) count() {
	seeds := map[int64]bool{}
	for c := range d.contenders {
		info := &d.contenders[c]
		for _, p := range d.problems {
			n := len(p.runs[c])
			if n == 0 {
				continue
			}
			if info.problems == 0 || n < info.fewest {
				info.fewest = n
			}
			info.most = max(info.most, n)
			info.problems++
			info.runs += n
			for seed, r := range p.runs[c] {
				seeds[seed] = true
				info.budgets[r.Budget] = true
			}
		}
	}
	d.seeds = slices.Sorted(maps.Keys(seeds))
}

// group are the problems of a group; all of them for "".
func (d *data) group(name string) []*problem {
	if name == "" {
		return d.problems
	}
	return slices.DeleteFunc(slices.Clone(d.problems), func(p *problem) bool { return p.group != name })
}

// own are the logarithms of regret of a contender's runs that had all these
// numbers of trials: a stratum for each problem, a row for each seed.
func own(problems []*problem, c int, at ...int) stats.Strata {
	out := make(stats.Strata, len(problems))
	for i, p := range problems {
		for _, seed := range slices.Sorted(maps.Keys(p.runs[c])) {
			row := make([]float64, 0, len(at))
			for _, t := range at {
				if v, ok := p.runs[c][seed].at(t); ok {
					row = append(row, v)
				}
			}
			if len(row) == len(at) {
				out[i] = append(out[i], row)
			}
		}
	}
	return out
}

// paired are the differences a - b of the logarithms of regret after t trials
// where both have a run: negative where a is better.
func paired(problems []*problem, a, b, t int) stats.Strata {
	out := make(stats.Strata, len(problems))
	for i, p := range problems {
		for _, seed := range slices.Sorted(maps.Keys(p.runs[a])) {
			va, okA := p.runs[a][seed].at(t)
			vb, okB := p.runs[b][seed].at(t)
			if okA && okB {
				out[i] = append(out[i], []float64{va - vb})
			}
		}
	}
	return out
}

// sizes are the numbers of strata that have rows and of their rows.
func sizes(s stats.Strata) (strata, rows int) {
	for _, stratum := range s {
		if len(stratum) > 0 {
			strata++
		}
		rows += len(stratum)
	}
	return strata, rows
}

// typical is the median over the seeds of a contender's normalised regret after t
// trials, without the floor; false without such runs. Runs without a value are
// infinitely bad.
func (p *problem) typical(c, t int, m Measure) (float64, bool) {
	var regrets []float64
	for _, r := range p.runs[c] {
		if _, ok := r.at(t); !ok {
			continue
		}
		value := r.Recommended[r.At(t)]
		if m == BestSeen {
			value = r.Best[r.At(t)]
		}
		regret := (value - r.Optimum) / (r.Median - r.Optimum)
		if math.IsNaN(regret) {
			regret = math.Inf(1)
		}
		regrets = append(regrets, regret)
	}
	slices.Sort(regrets)
	return median(regrets), len(regrets) > 0
}
