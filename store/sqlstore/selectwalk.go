package sqlstore

import (
	"cmp"
	"slices"

	"github.com/gotuner/tuner/store"
)

// walk gives take the entries of set after from, in order and some at a time,
// until it wants no more.
func (x *selection) walk(from store.Cursor, take func([]entry) (more bool, err error)) error {
	switch {
	case x.filter.Sort == store.SortNumber:
		return x.byNumber(from, x.set, take)
	case x.filter.Sort == store.SortParam, x.results && x.set.count() > fewest:
		return x.byColumn(from, take)
	case x.set.count() <= fewTrials:
		return x.byLookUp(from, take)
	}
	x.walking, x.steps = true, []int{walkedAtOnce}
	for at, ok := from, true; ok; at, ok = x.filter.Next(at) {
		if x.bounds != "" && at.Phase != store.ByValue {
			return nil // what has no value is not within them
		}
		if more, _, err := x.byIndex(at, take); err != nil || !more {
			return err
		}
	}
	return nil
}

// step takes a page of one order and some states from the first entries of the
// order's index; done is false if it is not there.
func (x *selection) step(from store.Cursor) (out []entry, done bool, err error) {
	x.checks, x.walking, x.steps = x.byState(nil), true, []int{fewest, 2 * fewest, 3 * fewest, 5 * fewest, 0}
	defer func() { x.checks, x.walking = nil, false }()
	for at, ok := from, true; ok; at, ok = x.filter.Next(at) {
		if at.Phase == store.ByNumber && x.filter.Sort == store.SortMetric {
			return nil, false, nil // the trials without a value are in no index
		}
		more, tired, err := x.byIndex(at, func(some []entry) (more bool, err error) {
			some, err = x.checked(some)
			out = append(out, some...)
			return len(out) <= x.filter.Limit, err
		})
		if err != nil || tired {
			return nil, false, err
		}
		if !more {
			break
		}
	}
	return out[:min(len(out), x.filter.Limit+1)], true, nil
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

// byIndex walks the index of a phase and keeps what is in the set. It reads as
// many entries at a time as steps says, the last of them again and again, and is
// tired at a step of none.
func (x *selection) byIndex(at store.Cursor, take func([]entry) (bool, error)) (more, tired bool, err error) {
	dir, op := "", ">"
	if x.filter.Desc {
		dir, op = " DESC", "<"
	}
	for atOnce := x.filter.Limit + 1; ; atOnce = max(atOnce, maxIn) {
		size := x.steps[0]
		if size == 0 {
			return false, true, nil
		}
		if len(x.steps) > 1 {
			x.steps = x.steps[1:]
		}
		query, args := x.index(at, dir, op)
		list, err := x.entries(at.Phase, query+" LIMIT ?", append(args, size)...)
		if err != nil {
			return false, false, err
		}
		walked := len(list)
		if walked > 0 {
			at = list[walked-1].at
		}
		list = slices.DeleteFunc(list, func(e entry) bool { return !x.set.has(int(e.number)) })
		for some := range slices.Chunk(list, atOnce) {
			if more, err := take(some); err != nil || !more {
				return false, false, err
			}
		}
		if walked < size {
			return true, false, nil
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
