package report

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/benchmarks/report/stats"
	"github.com/gotuner/tuner/benchmarks/runner"
	"github.com/gotuner/tuner/internal/nearest"
)

// Measure says by which trial a run is judged.
type Measure int

// The measures.
const (
	// Recommended is the true value of the trial that looked best, or that the
	// tuner recommended at the end: what a user gets.
	Recommended Measure = iota
	// BestSeen is the least true value of all trials. It differs on noisy
	// problems only, where it rewards luck that nobody would notice.
	BestSeen
)

// FileName is the name of the report in its folder.
const FileName = "report.md"

// DefaultBaseline is what contenders are compared with if it is among them.
const DefaultBaseline = "optuna-tpe"

// Config are the choices in a report. The zero value is useful.
type Config struct {
	// Title is the heading; "" is "Search algorithms compared".
	Title string
	// Baseline is the contender that ratios refer to; "" is DefaultBaseline, or
	// the first contender where that has no runs.
	Baseline string
	// At are the numbers of trials at which regret is given, ascending; none are
	// 25, 50, 100, 200, 500 and 1000. Those that no run reaches are left out. Tests
	// are made at the last one that all contenders reach.
	At []int
	// Workers selects the runs with as many workers; 0 is the number that most
	// runs have.
	Workers int
	Measure Measure
	// Resamples is the number of bootstrap samples; 0 is 2,000. Curves have bands of
	// half as many.
	Resamples int
	// Seed is that of the bootstrap.
	Seed uint64
}

const (
	defaultTitle     = "Search algorithms compared"
	defaultResamples = 2000
)

// Report is a document with the pictures that it shows.
type Report struct {
	Markdown []byte
	Pictures []Picture
}

// document is a report in the making.
type document struct {
	*data
	cfg      Config
	boot     stats.Bootstrap
	baseline int
	// order are the contenders with runs, the least regret over all first.
	order []int
	// times are numbers of trials, at the one of the tests.
	times []int
	at    int

	text     strings.Builder
	pictures []Picture
}

// Build makes the report. Latencies may be nil. It is an error of code
// types.Invalid if nothing can be compared and types.NotFound if the baseline
// has no runs.
func Build(results []runner.Result, measured []runner.Latency, cfg Config) (*Report, error) {
	if cfg.Title == "" {
		cfg.Title = defaultTitle
	}
	if len(cfg.At) == 0 {
		cfg.At = []int{25, 50, 100, 200, 500, 1000}
	}
	if cfg.Resamples == 0 {
		cfg.Resamples = defaultResamples
	}
	if len(results) == 0 {
		return nil, types.Errorf(types.Invalid, "there are no results").WithRemedy("make some by tuner bench run")
	}
	found, err := collect(results, cfg)
	if err != nil {
		return nil, err
	}
	d := &document{data: found, cfg: cfg, boot: stats.Bootstrap{Resamples: cfg.Resamples, Level: level, Seed: cfg.Seed}}
	for c := range d.contenders {
		if d.contenders[c].runs > 0 {
			d.order = append(d.order, c)
		}
	}
	d.choose()
	if d.baseline, err = d.base(); err != nil {
		return nil, err
	}
	d.sort()
	if err := d.write(newLatencies(measured)); err != nil {
		return nil, types.Errorf(types.Internal, "draw a picture: %w", err)
	}
	return &Report{Markdown: []byte(d.text.String()), Pictures: d.pictures}, nil
}

// choose finds the numbers of trials.
func (d *document) choose() {
	most, common := 0, math.MaxInt
	for _, c := range d.order {
		longest := 0
		for budget := range d.contenders[c].budgets {
			longest = max(longest, budget)
		}
		most, common = max(most, longest), min(common, longest)
	}
	for _, t := range slices.Sorted(slices.Values(d.cfg.At)) {
		if t <= most && t > 0 {
			d.times = append(d.times, t)
		}
	}
	d.times = slices.Compact(d.times)
	if len(d.times) == 0 || d.times[0] > common {
		d.times = slices.Insert(d.times, 0, common)
	}
	for _, t := range d.times {
		if t <= common {
			d.at = t
		}
	}
}

// find is the number of a contender, -1 if there is none of this label.
func (d *data) find(label string) int {
	return slices.IndexFunc(d.contenders, func(c contender) bool { return c.label == label })
}

func (d *document) base() (int, error) {
	if d.cfg.Baseline == "" {
		if c := d.find(DefaultBaseline); slices.Contains(d.order, c) {
			return c, nil
		}
		return d.order[0], nil
	}
	if c := d.find(d.cfg.Baseline); slices.Contains(d.order, c) {
		return c, nil
	}
	var labels []string
	for _, c := range d.order {
		labels = append(labels, d.contenders[c].label)
	}
	err := types.Errorf(types.NotFound, "the baseline %q has no runs", d.cfg.Baseline)
	if near := nearest.Word(d.cfg.Baseline, labels); near != "" {
		return 0, err.WithRemedy("did you mean %s?", near)
	}
	return 0, err.WithRemedy("take one of %s", strings.Join(labels, ", "))
}

// sort puts the least regret over all problems first.
func (d *document) sort() {
	regret := make([]float64, len(d.contenders))
	for _, c := range d.order {
		regret[c] = math.NaN()
		if means := stats.Means(own(d.problems, c, d.at)); means != nil {
			regret[c] = means[0]
		}
	}
	ranks := stats.Ranks(regret) // NaN last
	slices.SortStableFunc(d.order, func(a, b int) int {
		switch {
		case ranks[a] < ranks[b]:
			return -1
		case ranks[a] > ranks[b]:
			return 1
		}
		return 0
	})
}

// Write stores the report in a folder, which is made if it is missing. Files of
// the same names are replaced; others stay.
func (r *Report) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return types.Errorf(types.Invalid, "make the folder of the report: %w", err).WithField("out")
	}
	// The pictures first: a report that shows none would look broken.
	files := append(slices.Clone(r.Pictures), Picture{FileName, r.Markdown})
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.SVG, 0o644); err != nil {
			return types.Errorf(types.Unavailable, "write the report: %w", err).WithRemedy("make room or choose another folder by --out")
		}
	}
	return nil
}
