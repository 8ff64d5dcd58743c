package sqlstore

import (
	"cmp"
	"slices"

	"github.com/gotuner/tuner/store"
)

// check is a condition on rows: all selects the numbers that fulfil it, each of
// among those of a list.
type check struct {
	all    string
	among  []string
	args   []any // of each of among, before the list; of all so often as among is long
	bounds bool  // the bounds of the order's index say the same
}

// byRows applies the conditions that rows tell.
func (x *selection) byRows() error {
	var checks []check
	for _, c := range []func([]check) []check{x.byState, x.byFinish, x.byMetrics} {
		checks = c(checks)
	}
	for _, c := range checks {
		args := slices.Concat(slices.Repeat(c.args, len(c.among)), []any{fewNumbers + 1})
		numbers, err := x.numbers(c.all+" LIMIT ?", args...)
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
	// Those that are not finished have an index of their own. SQLite is told to look
	// into these indices, which have all that is asked: its planner prefers rows.
	ended, open := "", ""
	if x.store.dialect == sqliteDialect {
		ended, open = " INDEXED BY trials_by_state", " INDEXED BY trials_open"
	}
	c := check{
		all: "SELECT number FROM trials" + ended + " WHERE study_id = ? AND finished IS NOT NULL AND state IN ?" +
			" UNION ALL SELECT number FROM trials WHERE study_id = ? AND finished IS NULL AND state IN ?",
		args: []any{x.study, states},
	}
	for _, q := range []string{ended + " WHERE finished IS NOT NULL", open + " WHERE finished IS NULL"} {
		c.among = append(c.among, "SELECT number FROM trials"+q+" AND study_id = ? AND state IN ? AND number IN ?")
	}
	return append(checks, c)
}

func (x *selection) byFinish(checks []check) []check {
	f := x.filter
	if !x.finished() {
		return checks
	}
	low, high := bounds(f.FinishedAfter, f.FinishedBefore)
	if f.Sort == store.SortFinished {
		x.bounds, x.boundsArgs = " AND finished > ? AND finished < ?", []any{low, high}
	}
	return append(checks, check{
		all:   "SELECT number FROM trials WHERE study_id = ? AND finished IS NOT NULL AND finished > ? AND finished < ?",
		among: []string{"SELECT number FROM trials WHERE study_id = ? AND " + x.bare() + "finished > ? AND " + x.bare() + "finished < ? AND number IN ?"},
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
			among: []string{"SELECT trial FROM trial_metrics WHERE study_id = ? AND metric = ?" + bare + " AND trial IN ?"},
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
			for _, query := range c.among {
				numbers, err := x.numbers(query, append(slices.Clone(c.args), in)...)
				if err != nil {
					return nil, err
				}
				for _, n := range numbers {
					holds[n] = true
				}
			}
		}
		some = slices.DeleteFunc(some, func(e entry) bool { return !holds[e.number] })
	}
	return some, nil
}
