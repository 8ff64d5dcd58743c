package sqlstore

import (
	"cmp"
	"context"
	"math"
	"math/bits"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

const (
	// fewTrials is how many trials are looked up one by one rather than found by
	// walking an index.
	fewTrials = 20_000
	// fewNumbers is how many numbers are read of an index to have them all.
	fewNumbers = 50_000
	// walkedAtOnce is how many entries of an index are read at a time.
	walkedAtOnce = 4096
	// keptColumns bounds how many blocks one listing stores.
	keptColumns = 8192
)

// bitmap is a set of trial numbers.
type bitmap []uint64

func newBitmap(n int, full bool) bitmap {
	b := make(bitmap, (n+63)/64)
	if full {
		for i := range n {
			b.set(i)
		}
	}
	return b
}

func (b bitmap) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bitmap) clear(i int)    { b[i/64] &^= 1 << (i % 64) }
func (b bitmap) has(i int) bool { return i/64 < len(b) && b[i/64]>>(i%64)&1 == 1 }

func (b bitmap) and(o bitmap) {
	for i := range b {
		b[i] &= o[i]
	}
}

func (b bitmap) count() (n int) {
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// entry is a trial in an order.
type entry struct {
	number int64
	at     store.Cursor
}

// selection is one listing by what no single index has. What a column tells is
// in set; what rows tell is in set too if few rows have it, else checks has it,
// to be asked of the few trials that come up.
type selection struct {
	store  *Store
	db     *gorm.DB
	study  int64
	filter *store.TrialFilter
	n      int
	set    bitmap
	checks []check
	sorted *paramColumn // of SortParam
	// bounds are conditions on what the index of the order has: of that index only
	// what is within them is walked.
	bounds     string
	boundsArgs []any
	walking    bool // of that index
	made       []columnRow
}

// check is a condition on rows: all selects the numbers that fulfil it, among
// those of a list.
type check struct {
	all, among string
	args       []any
	bounds     bool // the bounds of the order's index say the same
}

// selectTrials is ListTrials for filters that are not indexed.
func (s *Store) selectTrials(ctx context.Context, study int64, f store.TrialFilter, from store.Cursor) ([]trial.Trial, string, error) {
	var out []trial.Trial
	var picked []entry
	var made []columnRow
	err := s.read(ctx, func(db *gorm.DB) error {
		x := selection{store: s, db: db, study: study, filter: &f}
		var err error
		if picked, err = x.pick(from); err != nil {
			return err
		}
		made = x.made
		out, err = s.numbered(db, study, picked)
		return err
	})
	if len(made) > 0 {
		s.keepColumns(ctx, study, made[:min(len(made), keptColumns)])
	}
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
// is one.
func (x *selection) pick(from store.Cursor) ([]entry, error) {
	var row studyRow
	if err := x.db.Select("next_number").Where("id = ?", x.study).Find(&row).Error; err != nil {
		return nil, err
	}
	x.n = int(row.NextNumber)
	x.set = newBitmap(x.n, true)
	if err := x.byColumns(); err != nil {
		return nil, err
	}
	if err := x.byRows(); err != nil {
		return nil, err
	}
	var out []entry
	err := x.walk(from, func(some []entry) (more bool, err error) {
		some, err = x.checked(some)
		out = append(out, some...)
		return len(out) <= x.filter.Limit, err
	})
	return out[:min(len(out), x.filter.Limit+1)], err
}

// byColumns applies the conditions on parameters and the time of creation.
func (x *selection) byColumns() error {
	f := x.filter
	var names []string
	for _, p := range f.Params {
		names = append(names, p.Name)
	}
	if f.Sort == store.SortParam {
		names = append(names, f.Param)
	}
	created := !f.CreatedAfter.IsZero() || !f.CreatedBefore.IsZero()
	if created {
		names = append(names, createdColumn)
	}
	if len(names) == 0 {
		return nil
	}
	columns, made, err := x.store.columns(x.db, x.study, x.n, names)
	if err != nil {
		return err
	}
	x.made, x.sorted = made, columns[f.Param]
	for i := range f.Params {
		p := &f.Params[i]
		x.keep(columns[p.Name], p.Match)
	}
	if created {
		x.keep(columns[createdColumn], func(v any) bool {
			at, _ := v.(int64)
			t := timeAt(at)
			return (f.CreatedAfter.IsZero() || t.After(f.CreatedAfter)) && (f.CreatedBefore.IsZero() || t.Before(f.CreatedBefore))
		})
	}
	return nil
}

func (x *selection) keep(c *paramColumn, match func(any) bool) {
	for i := range x.n {
		if x.set.has(i) && !match(c.value(i)) {
			x.set.clear(i)
		}
	}
}

// byRows applies the conditions that rows tell.
func (x *selection) byRows() error {
	var checks []check
	for _, c := range []func([]check) []check{x.byState, x.byFinish, x.byMetrics} {
		checks = c(checks)
	}
	for _, c := range checks {
		numbers, err := x.numbers(c.all+" LIMIT ?", append(slices.Clone(c.args), fewNumbers+1)...)
		if err != nil {
			return err
		}
		if len(numbers) > fewNumbers {
			x.checks = append(x.checks, c)
			continue
		}
		few := newBitmap(x.n, false)
		for _, n := range numbers {
			if n < int64(x.n) { // not one that was added meanwhile
				few.set(int(n))
			}
		}
		x.set.and(few)
	}
	return nil
}

// bare keeps SQLite's planner from an index on the column that follows.
func (x *selection) bare() string {
	return map[dialect]string{sqliteDialect: "+", postgresDialect: ""}[x.store.dialect]
}

func (x *selection) byState(checks []check) []check {
	states := x.filter.States
	if len(states) == 0 {
		return checks
	}
	// Those that are not finished have an index of their own.
	return append(checks, check{
		all: `SELECT number FROM trials` + map[dialect]string{sqliteDialect: " INDEXED BY trials_by_state"}[x.store.dialect] + `
			WHERE study_id = ? AND finished IS NOT NULL AND state IN ? UNION ALL
			SELECT number FROM trials WHERE study_id = ? AND finished IS NULL AND state IN ?`,
		among: "SELECT number FROM trials WHERE study_id = ? AND " + x.bare() + "state IN ? AND study_id = ? AND " + x.bare() + "state IN ? AND number IN ?",
		args:  []any{x.study, states, x.study, states},
	})
}

func (x *selection) byFinish(checks []check) []check {
	f := x.filter
	if f.FinishedAfter.IsZero() && f.FinishedBefore.IsZero() {
		return checks
	}
	low, high := int64(math.MinInt64), int64(math.MaxInt64)
	if !f.FinishedAfter.IsZero() {
		low = micros(f.FinishedAfter)
	}
	if !f.FinishedBefore.IsZero() {
		high = micros(f.FinishedBefore.Add(time.Microsecond - 1))
	}
	if f.Sort == store.SortFinished {
		x.bounds, x.boundsArgs = " AND finished > ? AND finished < ?", []any{low, high}
	}
	return append(checks, check{
		all:   "SELECT number FROM trials WHERE study_id = ? AND finished IS NOT NULL AND finished > ? AND finished < ?",
		among: "SELECT number FROM trials WHERE study_id = ? AND " + x.bare() + "finished > ? AND " + x.bare() + "finished < ? AND number IN ?",
		args:  []any{x.study, low, high}, bounds: f.Sort == store.SortFinished,
	})
}

func (x *selection) byMetrics(checks []check) []check {
	for _, m := range x.filter.Metrics {
		within, bare, args := " AND value IS NOT NULL", "", []any(nil)
		for _, end := range []struct {
			op string
			v  *float64
		}{{">=", m.Min}, {"<=", m.Max}} {
			if end.v != nil {
				within, bare, args = within+" AND value "+end.op+" ?", bare+" AND "+x.bare()+"value "+end.op+" ?", append(args, *end.v)
			}
		}
		if x.filter.Sort == store.SortMetric && x.filter.Metric == m.Name {
			x.bounds, x.boundsArgs = within, args
		}
		checks = append(checks, check{
			all:   "SELECT trial FROM trial_metrics WHERE study_id = ? AND metric = ?" + within,
			among: "SELECT trial FROM trial_metrics WHERE study_id = ? AND metric = ?" + bare + " AND trial IN ?",
			args:  append([]any{x.study, m.Name}, args...), bounds: x.filter.Sort == store.SortMetric && x.filter.Metric == m.Name,
		})
	}
	return checks
}

func (x *selection) numbers(query string, args ...any) (out []int64, err error) {
	rows, err := x.db.Raw(query, args...).Rows()
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, rows.Close()) }()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

// checked keeps the entries for which all checks hold.
func (x *selection) checked(some []entry) ([]entry, error) {
	for _, c := range x.checks {
		if c.bounds && x.walking {
			continue
		}
		holds := map[int64]bool{}
		for part := range slices.Chunk(some, maxIn) {
			in := make([]int64, len(part))
			for i, e := range part {
				in[i] = e.number
			}
			numbers, err := x.numbers(c.among, append(slices.Clone(c.args), in)...)
			if err != nil {
				return nil, err
			}
			for _, n := range numbers {
				holds[n] = true
			}
		}
		some = slices.DeleteFunc(some, func(e entry) bool { return !holds[e.number] })
	}
	return some, nil
}

// walk gives take the entries of set after from, in order and some at a time,
// until it wants no more.
func (x *selection) walk(from store.Cursor, take func([]entry) (more bool, err error)) error {
	switch {
	case x.filter.Sort == store.SortNumber:
		return x.byNumber(from, x.set, take)
	case x.filter.Sort == store.SortParam:
		return x.byParam(from, take)
	case x.set.count() <= fewTrials:
		return x.byLookUp(from, take)
	}
	x.walking = true
	for at, ok := from, true; ok; at, ok = x.filter.Next(at) {
		if x.bounds != "" && at.Phase != store.ByValue {
			return nil // what has no value is not within them
		}
		if more, err := x.byIndex(at, take); err != nil || !more {
			return err
		}
	}
	return nil
}

// byNumber walks a set by number, as the phase ByNumber.
func (x *selection) byNumber(from store.Cursor, set bitmap, take func([]entry) (bool, error)) error {
	i, step := 0, 1
	if x.filter.Desc {
		i, step = x.n-1, -1
	}
	if !from.Start {
		i = int(min(max(from.Number, -1), int64(x.n))) + step
	}
	size := x.filter.Limit + 1 // more only if checks reject some
	for i >= 0 && i < x.n {
		var some []entry
		for ; i >= 0 && i < x.n && len(some) < size; i += step {
			if set.has(i) {
				some = append(some, entry{int64(i), store.Cursor{Phase: store.ByNumber, Number: int64(i)}})
			}
		}
		if more, err := take(some); err != nil || !more {
			return err
		}
		size = min(2*size, walkedAtOnce)
	}
	return nil
}

// compare is the order of two entries of the phase ByValue.
func (x *selection) compare(a, b *store.Cursor) int {
	c := 0
	switch x.filter.Sort {
	case store.SortMetric:
		c = cmp.Compare(a.Value, b.Value)
	case store.SortFinished:
		c = cmp.Compare(a.Time, b.Time)
	case store.SortParam:
		c = store.CompareValues(a.Param, b.Param)
	case store.SortNumber:
	}
	c = cmp.Or(c, cmp.Compare(a.Number, b.Number))
	if x.filter.Desc {
		return -c
	}
	return c
}

// byParam finds the next entries in the column, as many as may be wanted at a
// time.
func (x *selection) byParam(from store.Cursor, take func([]entry) (bool, error)) error {
	none := newBitmap(x.n, false)
	for i := range x.n {
		if x.set.has(i) && x.sorted.kinds[i] == noValue {
			none.set(i)
		}
	}
	for size := x.filter.Limit + 1; from.Phase == store.ByValue; size *= 4 {
		some := x.smallest(from, size)
		if len(some) > 0 {
			from = some[len(some)-1].at
			if more, err := take(slices.Clone(some)); err != nil || !more {
				return err
			}
		}
		if len(some) < size {
			from = store.Cursor{Phase: store.ByNumber, Start: true}
		}
	}
	return x.byNumber(from, none, take)
}

// smallest returns the first entries by value after from, in order.
func (x *selection) smallest(from store.Cursor, size int) []entry {
	heap := make([]entry, 0, min(size, x.n)) // the last of them is at the top
	for i := range x.n {
		if !x.set.has(i) || x.sorted.kinds[i] == noValue {
			continue
		}
		e := entry{int64(i), store.Cursor{Phase: store.ByValue, Param: x.sorted.value(i), Number: int64(i)}}
		switch {
		case !from.Start && x.compare(&e.at, &from) <= 0:
		case len(heap) < size:
			if heap = append(heap, e); len(heap) == size {
				slices.SortFunc(heap, func(a, b entry) int { return x.compare(&b.at, &a.at) })
			}
		case x.compare(&e.at, &heap[0].at) < 0:
			heap[0] = e
			x.sink(heap)
		}
	}
	slices.SortFunc(heap, func(a, b entry) int { return x.compare(&a.at, &b.at) })
	return heap
}

// sink puts the top of a heap in its place.
func (x *selection) sink(heap []entry) {
	for i := 0; ; {
		big := i
		for _, c := range [2]int{2*i + 1, 2*i + 2} {
			if c < len(heap) && x.compare(&heap[c].at, &heap[big].at) > 0 {
				big = c
			}
		}
		if big == i {
			return
		}
		heap[i], heap[big] = heap[big], heap[i]
		i = big
	}
}

// byLookUp sorts a small set by what the rows have.
func (x *selection) byLookUp(from store.Cursor, take func([]entry) (bool, error)) error {
	var numbers []int64
	for i := range x.n {
		if x.set.has(i) {
			numbers = append(numbers, int64(i))
		}
	}
	found := map[int64]store.Cursor{}
	query, args := "SELECT number, finished, 0 FROM trials WHERE study_id = ? AND finished IS NOT NULL AND number IN ?", []any{x.study}
	if x.filter.Sort == store.SortMetric {
		query, args = "SELECT trial, value, kind FROM trial_metrics WHERE study_id = ? AND metric = ? AND trial IN ?", []any{x.study, x.filter.Metric}
	}
	for some := range slices.Chunk(numbers, maxIn) {
		list, err := x.entries(store.ByValue, query, append(slices.Clone(args), some)...)
		if err != nil {
			return err
		}
		for _, e := range list {
			found[e.number] = e.at
		}
	}
	phase := map[store.Phase]int{store.ByValue: 0, store.ByNaN: 1, store.ByNumber: 2}
	order := func(a, b *store.Cursor) int {
		return cmp.Or(cmp.Compare(phase[a.Phase], phase[b.Phase]), x.compare(a, b))
	}
	var all []entry
	for _, n := range numbers {
		at, ok := found[n]
		if !ok {
			at = store.Cursor{Phase: store.ByNumber, Number: n}
		}
		after := order(&at, &from) > 0
		if from.Start {
			after = phase[at.Phase] >= phase[from.Phase]
		}
		if after {
			all = append(all, entry{n, at})
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return order(&a.at, &b.at) })
	for some := range slices.Chunk(all, max(x.filter.Limit+1, maxIn)) {
		if more, err := take(some); err != nil || !more {
			return err
		}
	}
	return nil
}

// byIndex walks the index of a phase and keeps what is in the set.
func (x *selection) byIndex(at store.Cursor, take func([]entry) (bool, error)) (more bool, err error) {
	dir, op := "", ">"
	if x.filter.Desc {
		dir, op = " DESC", "<"
	}
	for {
		query, args := x.index(at, dir, op)
		list, err := x.entries(at.Phase, query+" LIMIT ?", append(args, walkedAtOnce)...)
		if err != nil {
			return false, err
		}
		walked := len(list)
		if walked > 0 {
			at = list[walked-1].at
		}
		list = slices.DeleteFunc(list, func(e entry) bool { return !x.set.has(int(e.number)) })
		for some := range slices.Chunk(list, x.filter.Limit+1) {
			if more, err := take(some); err != nil || !more {
				return false, err
			}
		}
		if walked < walkedAtOnce {
			return true, nil
		}
	}
}

// index is the query of a phase after a place.
func (x *selection) index(at store.Cursor, dir, op string) (string, []any) {
	f := x.filter
	if f.Sort == store.SortFinished {
		if at.Phase == store.ByValue {
			q, args := "SELECT number, finished, 0 FROM trials WHERE study_id = ? AND finished IS NOT NULL"+x.bounds, append([]any{x.study}, x.boundsArgs...)
			if !at.Start {
				q, args = q+" AND (finished, number) "+op+" (?, ?)", append(args, at.Time, at.Number)
			}
			return q + " ORDER BY finished" + dir + ", number" + dir, args
		}
		q, args := "SELECT number, NULL, 0 FROM trials WHERE study_id = ? AND finished IS NULL", []any{x.study}
		if !at.Start {
			q, args = q+" AND number "+op+" ?", append(args, at.Number)
		}
		return q + " ORDER BY number" + dir, args
	}
	switch at.Phase {
	case store.ByValue:
		q, args := "SELECT trial, value, kind FROM trial_metrics WHERE study_id = ? AND metric = ? AND value IS NOT NULL"+x.bounds, append([]any{x.study, f.Metric}, x.boundsArgs...)
		if !at.Start {
			q, args = q+" AND (value, trial) "+op+" (?, ?)", append(args, at.Value, at.Number)
		}
		return q + " ORDER BY value" + dir + ", trial" + dir, args
	case store.ByNaN:
		q, args := "SELECT trial, value, kind FROM trial_metrics WHERE study_id = ? AND metric = ? AND value IS NULL", []any{x.study, f.Metric}
		if !at.Start {
			q, args = q+" AND trial "+op+" ?", append(args, at.Number)
		}
		return q + " ORDER BY trial" + dir, args
	case store.ByNumber:
	}
	q, args := `SELECT number, NULL, 0 FROM trials t WHERE study_id = ? AND NOT EXISTS (SELECT 1 FROM trial_metrics m
		WHERE m.study_id = t.study_id AND m.trial = t.number AND m.metric = ?)`, []any{x.study, f.Metric}
	if !at.Start {
		q, args = q+" AND number "+op+" ?", append(args, at.Number)
	}
	return q + " ORDER BY number" + dir, args
}

// entries reads numbers with what they are ordered by: a time, or the value of a
// metric and its kind.
func (x *selection) entries(phase store.Phase, query string, args ...any) (out []entry, err error) {
	rows, err := x.db.Raw(query, args...).Rows()
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, rows.Close()) }()
	for rows.Next() {
		e := entry{at: store.Cursor{Phase: phase}}
		var kind int64
		if x.filter.Sort == store.SortFinished {
			var at *int64
			err = rows.Scan(&e.number, &at, &kind)
			if at != nil {
				e.at.Time = *at
			}
		} else {
			var value *float64
			err = rows.Scan(&e.number, &value, &kind)
			switch {
			case phase != store.ByNumber && value == nil:
				e.at.Phase = store.ByNaN
			case value != nil:
				e.at.Value = join(value, kind)
			}
		}
		if err != nil {
			return nil, err
		}
		e.at.Number = e.number
		out = append(out, e)
	}
	return out, rows.Err()
}
