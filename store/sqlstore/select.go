package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

const (
	// fewTrials is how many trials are looked up one by one rather than found by
	// walking an index; a study of so many is listed by its rows.
	fewTrials = 20_000
	// fewest is how many are looked up rather than found in columns.
	fewest = 500
	// fewNumbers is how many numbers are read of an index to have them all.
	fewNumbers = 50_000
	// walkedAtOnce is how many entries of an index are read at a time.
	walkedAtOnce = 4096
	// keptColumns bounds how many blocks one listing stores.
	keptColumns = 8192
)

// entry is a trial in an order.
type entry struct {
	number int64
	at     store.Cursor
}

// selection is one listing by what no single index has. What a column tells is
// in set. If there are no columns of results, because the study is small or has
// unfinished trials everywhere, rows tell of them: that is in set too if few rows
// have it, else checks has it, to be asked of the few trials that come up.
type selection struct {
	store   *Store
	db      *gorm.DB
	study   int64
	filter  *store.TrialFilter
	n       int
	set     bitmap
	checks  []check
	columns *columns
	results bool // columns has them
	// bounds are conditions on what the index of the order has: of that index only
	// what is within them is walked.
	bounds     string
	boundsArgs []any
	walking    bool // of that index
	steps      []int
}

// selectTrials is ListTrials for filters that are not indexed.
func (s *Store) selectTrials(ctx context.Context, study int64, f store.TrialFilter, from store.Cursor) ([]trial.Trial, string, error) {
	var out []trial.Trial
	var picked []entry
	var made []columnRow
	err := s.read(ctx, func(db *gorm.DB) error {
		x := selection{store: s, db: db, study: study, filter: &f}
		var err error
		picked, err = x.pick(from, false)
		if errors.Is(err, errColumn) {
			picked, err = x.pick(from, true)
		}
		if err != nil {
			return err
		}
		made = x.columns.made
		out, err = s.numbered(db, study, picked)
		return err
	})
	s.keepColumns(ctx, study, made)
	if err != nil || len(out) <= f.Limit {
		return out, "", err
	}
	return out[:f.Limit], f.Encode(picked[f.Limit-1].at), nil
}

// numbered reads the trials of the numbers, in their order.
func (s *Store) numbered(db *gorm.DB, study int64, picked []entry) ([]trial.Trial, error) {
	place := make(map[int64]int, len(picked))
	var numbers []int64
	for i, e := range picked {
		place[e.number] = i
		numbers = append(numbers, e.number)
	}
	var rows []trialRow
	for some := range slices.Chunk(numbers, maxIn) {
		var part []trialRow
		if err := db.Where("study_id = ? AND number IN ?", study, some).Find(&part).Error; err != nil {
			return nil, err
		}
		rows = append(rows, part...)
	}
	slices.SortFunc(rows, func(a, b trialRow) int { return cmp.Compare(place[a.Number], place[b.Number]) })
	return s.trials(db, study, rows)
}

// pick returns the entries of the page from a cursor on, and one more if there
// is one. anew makes it make all columns anew.
func (x *selection) pick(from store.Cursor, anew bool) ([]entry, error) {
	var row studyRow
	if err := x.db.Select("next_number").Where("id = ?", x.study).Find(&row).Error; err != nil {
		return nil, err
	}
	x.n = int(row.NextNumber)
	x.set, x.checks = newBitmap(x.n, true), nil
	x.columns = newColumns(x.store, x.db, x.study, x.n)
	x.columns.distrust = anew
	if x.filter.Indexed() {
		if out, done, err := x.step(from); err != nil || done {
			return out, err
		}
	}
	if err := x.load(); err != nil {
		return nil, err
	}
	if err := x.byColumns(); err != nil {
		return nil, err
	}
	if !x.results {
		if err := x.byRows(); err != nil {
			return nil, err
		}
	}
	var out []entry
	err := x.walk(from, func(some []entry) (more bool, err error) {
		some, err = x.checked(some)
		out = append(out, some...)
		return len(out) <= x.filter.Limit, err
	})
	return out[:min(len(out), x.filter.Limit+1)], err
}

// load gets the columns ready that are needed.
func (x *selection) load() (err error) {
	f := x.filter
	x.results = false
	if len(f.Params) > 0 || f.Sort == store.SortParam || x.created() {
		if _, err := x.columns.load(ofParams, math.MaxInt); err != nil {
			return err
		}
	}
	if x.n <= x.store.few() || len(f.States) == 0 && len(f.Metrics) == 0 && !x.finished() && f.Sort != store.SortMetric && f.Sort != store.SortFinished {
		return nil
	}
	x.results, err = x.columns.load(ofResults, maxUnsettled)
	return err
}

func (x *selection) created() bool {
	return !x.filter.CreatedAfter.IsZero() || !x.filter.CreatedBefore.IsZero()
}

func (x *selection) finished() bool {
	return !x.filter.FinishedAfter.IsZero() || !x.filter.FinishedBefore.IsZero()
}

// byColumns applies the conditions that columns tell.
func (x *selection) byColumns() (err error) {
	f := x.filter
	keep := func(family family, name string, match func(b *block) func(i int) bool) {
		if err == nil {
			err = x.columns.each(family, name, func(first int, b *block) { x.keep(first, b, match) })
		}
	}
	for i := range f.Params {
		keep(ofParams, f.Params[i].Name, matchParam(&f.Params[i]))
	}
	if x.created() {
		keep(ofParams, createdColumn, matchTime(f.CreatedAfter, f.CreatedBefore))
	}
	if !x.results {
		return err
	}
	if len(f.States) > 0 {
		keep(ofResults, stateColumn, func(b *block) func(int) bool {
			in := make([]bool, len(b.texts))
			for i, s := range b.texts {
				in[i] = slices.Contains(f.States, types.State(s))
			}
			return func(i int) bool { return in[b.raw(i)] }
		})
	}
	if x.finished() {
		keep(ofResults, finishedColumn, matchTime(f.FinishedAfter, f.FinishedBefore))
	}
	for _, m := range f.Metrics {
		keep(ofResults, metricColumn+m.Name, func(b *block) func(int) bool {
			return func(i int) bool {
				v, ok := b.number(i)
				return ok && within(v, m.Min, m.Max)
			}
		})
	}
	return err
}

// keep takes out of the set what does not match in a block; trials without a value
// never do.
func (x *selection) keep(first int, b *block, match func(b *block) func(i int) bool) {
	is := match(b)
	for i, kind := range b.kinds {
		if n := first + i; x.set.has(n) && (kind == noValue || !is(i)) {
			x.set.clear(n)
		}
	}
}

// matchParam is p.Match, once for each text of a block and without making numbers
// of ranges anything else.
func matchParam(p *store.ParamFilter) func(b *block) func(i int) bool {
	return func(b *block) func(i int) bool {
		texts := make([]bool, len(b.texts))
		for i, s := range b.texts {
			texts[i] = p.Match(s)
		}
		return func(i int) bool {
			if b.kinds[i] == textValue {
				return texts[b.raw(i)]
			}
			if v, ok := b.number(i); ok && len(p.Equal) == 0 {
				return within(v, p.Min, p.Max)
			}
			return p.Match(b.value(i))
		}
	}
}

func matchTime(after, before time.Time) func(b *block) func(i int) bool {
	low, high := bounds(after, before)
	return func(b *block) func(i int) bool {
		return func(i int) bool {
			at := int64(b.raw(i))
			return at > low && at < high
		}
	}
}

// bounds are those of a time in microseconds, both excluded.
func bounds(after, before time.Time) (low, high int64) {
	low, high = math.MinInt64, math.MaxInt64
	if !after.IsZero() {
		low = micros(after)
	}
	if !before.IsZero() {
		high = micros(before.Add(time.Microsecond - 1))
	}
	return low, high
}

func within(v float64, low, high *float64) bool {
	return !math.IsNaN(v) && (low == nil || v >= *low) && (high == nil || v <= *high)
}
