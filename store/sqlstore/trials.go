package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// maxIn bounds the lists of IN (…): SQLite and PostgreSQL both take many more,
// but plan them slowly.
const maxIn = 500

// Trial implements store.Trials.
func (s *Store) Trial(ctx context.Context, study, number int64) (trial.Trial, error) {
	var list []trial.Trial
	err := s.read(ctx, func(db *gorm.DB) error {
		var rows []trialRow
		if err := db.Where("study_id = ? AND number = ?", study, number).Find(&rows).Error; err != nil {
			return err
		}
		if len(rows) == 0 {
			return types.Errorf(types.NotFound, "the study has no trial %d", number).WithField("number").WithRemedy("list its trials: they are numbered from 0")
		}
		var err error
		list, err = s.trials(db, study, rows)
		return err
	})
	if err != nil {
		return trial.Trial{}, err
	}
	return list[0], nil
}

// trials makes the domain's trials of rows of one study, with their metrics.
func (s *Store) trials(db *gorm.DB, study int64, rows []trialRow) ([]trial.Trial, error) {
	out := make([]trial.Trial, len(rows))
	place := make(map[int64]*trial.Trial, len(rows))
	numbers := make([]int64, 0, len(rows))
	for i := range rows {
		t, err := rows[i].trial()
		if err != nil {
			return nil, err
		}
		out[i] = t
		place[t.Number] = &out[i]
		numbers = append(numbers, t.Number)
	}
	for some := range slices.Chunk(numbers, maxIn) {
		var metrics []metricRow
		if err := db.Where("study_id = ? AND trial IN ?", study, some).Find(&metrics).Error; err != nil {
			return nil, err
		}
		for i := range metrics {
			m := &metrics[i]
			t := place[m.Trial]
			if t.Metrics == nil {
				t.Metrics = map[string]float64{}
			}
			t.Metrics[m.Metric] = join(m.Value, m.Kind)
		}
	}
	return out, ran(db, study, place)
}

// ran fills in Ran and Since. Of most trials their own rows tell them: the others
// have waited between two attempts or after the last one, or may have.
func ran(db *gorm.DB, study int64, trials map[int64]*trial.Trial) error {
	var waited []int64
	for n, t := range trials {
		switch {
		case t.Attempts == 0:
		case t.Attempts == 1 && t.State == types.Running:
			t.Since = t.Started
		case t.Attempts == 1 && (t.State == types.Completed || t.State == types.Failed || t.State == types.Infeasible):
			t.Ran = max(t.Finished.Sub(t.Started), 0)
		default:
			waited = append(waited, n)
		}
	}
	slices.Sort(waited)
	for some := range slices.Chunk(waited, maxIn) {
		var sums []struct {
			Trial, Ran int64
			Since      *int64
		}
		err := db.Model(&attemptRow{}).Where("study_id = ? AND trial IN ?", study, some).Group("trial").
			Select("trial, CAST(SUM(CASE WHEN ended > leased THEN ended - leased ELSE 0 END) AS bigint) AS ran, " +
				"MAX(CASE WHEN ended IS NULL THEN leased END) AS since").Scan(&sums).Error
		if err != nil {
			return err
		}
		for _, sum := range sums {
			t := trials[sum.Trial]
			t.Ran, t.Since = time.Duration(sum.Ran)*time.Microsecond, optionalTime(sum.Since)
		}
	}
	return nil
}

// ListTrials implements store.Trials. A page is put together from the phases
// of the order (store.Phase), each of which one index serves.
func (s *Store) ListTrials(ctx context.Context, study int64, f store.TrialFilter) ([]trial.Trial, string, error) {
	from, err := f.Normalise()
	if err != nil {
		return nil, "", err
	}
	many := false
	if f.Sort == store.SortMetric || f.Sort == store.SortFinished && len(f.States) > 0 {
		// The index of the order may have to be walked far.
		if many, err = s.hasMany(ctx, study); err != nil {
			return nil, "", err
		}
	}
	if many || !f.Indexed() {
		return s.selectTrials(ctx, study, f, from)
	}
	var out []trial.Trial
	var phases []store.Phase
	err = s.read(ctx, func(db *gorm.DB) error {
		out, phases = nil, nil
		for at, ok := from, true; ok && len(out) <= f.Limit; at, ok = f.Next(at) {
			// One more than the page has tells whether there is another page.
			rows, err := s.page(db, study, &f, at, f.Limit+1-len(out))
			if err != nil {
				return err
			}
			list, err := s.trials(db, study, rows)
			if err != nil {
				return err
			}
			out = append(out, list...)
			for range list {
				phases = append(phases, at.Phase)
			}
		}
		return nil
	})
	if err != nil || len(out) <= f.Limit {
		return out, "", err
	}
	out = out[:f.Limit]
	return out, f.Encode(f.CursorAt(phases[f.Limit-1], &out[f.Limit-1])), nil
}

// hasMany reports whether a study is not listed by its rows alone.
func (s *Store) hasMany(ctx context.Context, study int64) (bool, error) {
	var row studyRow
	err := s.read(ctx, func(db *gorm.DB) error { return db.Select("next_number").Where("id = ?", study).Find(&row).Error })
	return row.NextNumber > int64(s.few()), err
}

// page reads at most limit trials of one phase after at.
func (s *Store) page(db *gorm.DB, study int64, f *store.TrialFilter, at store.Cursor, limit int) ([]trialRow, error) {
	if at.Phase == store.ByNumber {
		return s.pageByNumber(db, study, f, at, limit)
	}
	op, dir := ">", ""
	if f.Desc {
		op, dir = "<", " DESC"
	}
	q := db.Model(&trialRow{}).Limit(limit)
	switch {
	case f.Sort == store.SortFinished:
		q = q.Where("study_id = ? AND finished IS NOT NULL", study).Order("finished" + dir + ", number" + dir)
		if !at.Start {
			q = q.Where("(finished, number) "+op+" (?, ?)", at.Time, at.Number)
		}
	case at.Phase == store.ByValue:
		q = joinMetric(q, study, f.Metric).Where("m.value IS NOT NULL").Order("m.value" + dir + ", m.trial" + dir)
		if !at.Start {
			q = q.Where("(m.value, m.trial) "+op+" (?, ?)", at.Value, at.Number)
		}
	default:
		q = joinMetric(q, study, f.Metric).Where("m.value IS NULL").Order("m.trial" + dir)
		if !at.Start {
			q = q.Where("m.trial "+op+" ?", at.Number)
		}
	}
	if len(f.States) > 0 {
		number := "trials.number"
		if f.Sort == store.SortMetric {
			number = "m.trial" // before the row is read
		}
		q = s.inStates(q, number, study, f.States)
	}
	var rows []trialRow
	err := q.Find(&rows).Error
	return rows, err
}

// inStates restricts a page whose order decides which index to walk. SQLite
// looks each trial up in the small indices of the states: with a rare state it
// would read thousands of rows else to find a page. number is the column that
// has the trial's number in the index that is walked.
func (s *Store) inStates(q *gorm.DB, number string, study int64, states []types.State) *gorm.DB {
	if s.dialect != sqliteDialect {
		return q.Where("trials.state IN ?", states)
	}
	return q.Where(fmt.Sprintf(`(EXISTS (SELECT 1 FROM trials s INDEXED BY trials_by_state
			WHERE s.study_id = ? AND s.state IN ? AND s.number = %[1]s AND s.finished IS NOT NULL)
		OR EXISTS (SELECT 1 FROM trials s INDEXED BY trials_open
			WHERE s.study_id = ? AND s.number = %[1]s AND s.finished IS NULL AND s.state IN ?))`, number),
		study, states, study, states)
}

// joinMetric selects the trials with a metric. In SQLite a CROSS JOIN is walked
// in the order it is written, so the index of the values gives the order.
func joinMetric(q *gorm.DB, study int64, metric string) *gorm.DB {
	return q.Table("trial_metrics m").Select("trials.*").Joins("CROSS JOIN trials").
		Where("m.study_id = ? AND m.metric = ? AND trials.study_id = ? AND trials.number = m.trial", study, metric, study)
}

// pageByNumber reads trials by number, those without a value if the order is
// by one. Each state is read by itself, for then an index has the order.
func (s *Store) pageByNumber(db *gorm.DB, study int64, f *store.TrialFilter, at store.Cursor, limit int) ([]trialRow, error) {
	states := f.States
	if len(states) == 0 {
		states = []types.State{""}
	}
	seen := map[types.State]bool{}
	var all []trialRow
	for _, state := range states {
		if seen[state] {
			continue
		}
		seen[state] = true
		q := db.Where("study_id = ?", study).Limit(limit)
		switch {
		case state == "":
		case state.Finished():
			q = q.Where("state = ? AND finished IS NOT NULL", state)
		default:
			q = q.Where("state = ? AND finished IS NULL", state)
		}
		switch f.Sort {
		case store.SortMetric:
			q = q.Where(`NOT EXISTS (SELECT 1 FROM trial_metrics m
				WHERE m.study_id = trials.study_id AND m.trial = trials.number AND m.metric = ?)`, f.Metric)
		case store.SortFinished:
			q = q.Where("finished IS NULL")
		case store.SortNumber, store.SortParam: // by a parameter is not indexed
		}
		if f.Desc {
			q = q.Order("number DESC")
		} else {
			q = q.Order("number")
		}
		if !at.Start {
			q = q.Where(fmt.Sprintf("number %s ?", map[bool]string{false: ">", true: "<"}[f.Desc]), at.Number)
		}
		var rows []trialRow
		if err := q.Find(&rows).Error; err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	slices.SortFunc(all, func(a, b trialRow) int {
		if f.Desc {
			return cmp.Compare(b.Number, a.Number)
		}
		return cmp.Compare(a.Number, b.Number)
	})
	return all[:min(limit, len(all))], nil
}

// Attempts implements store.Trials.
func (s *Store) Attempts(ctx context.Context, study, number int64) ([]trial.Attempt, error) {
	var rows []attemptRow
	err := s.read(ctx, func(db *gorm.DB) error {
		rows = nil
		return ofTrial(db, study, number).Order("trial, number").Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	var out []trial.Attempt
	for i := range rows {
		out = append(out, rows[i].attempt())
	}
	return out, nil
}

// AttemptFolders implements store.Trials. It reads every attempt of the study,
// but keeps none.
func (s *Store) AttemptFolders(ctx context.Context, study int64, node string) ([]string, error) {
	var out []string
	err := s.read(ctx, func(db *gorm.DB) error {
		out = nil
		const tail = "'/' || trial || '/' || number"
		return db.Raw("SELECT DISTINCT substr(dir, 1, length(dir) - length("+tail+")) FROM attempts WHERE study_id = ? AND node = ? AND dir LIKE '%' || "+tail,
			study, node).Scan(&out).Error
	})
	slices.Sort(out) // by bytes, whatever the database's order of text
	return out, err
}

// ofTrial selects the rows of a trial, or of all for -1.
func ofTrial(db *gorm.DB, study, number int64) *gorm.DB {
	q := db.Where("study_id = ?", study)
	if number != -1 {
		q = q.Where("trial = ?", number)
	}
	return q
}

// Reports implements store.Trials.
func (s *Store) Reports(ctx context.Context, study, number int64, metric string, maxPoints int) ([]trial.Report, error) {
	var out []trial.Report
	err := s.read(ctx, func(db *gorm.DB) error {
		var err error
		out, err = s.reports(db, "study_id = ? AND trial = ?", study, number)
		return err
	})
	return store.Curve(out, metric, maxPoints), err
}

// Attributes implements store.Trials.
func (s *Store) Attributes(ctx context.Context, study, number int64, namespace string) (map[string][]byte, error) {
	var rows []attributeRow
	err := s.read(ctx, func(db *gorm.DB) error {
		rows = nil
		return db.Where("study_id = ? AND trial = ? AND namespace = ?", study, number, namespace).Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	out := make(map[string][]byte, len(rows))
	for _, r := range rows {
		out[r.Key] = append([]byte{}, r.Value...)
	}
	return out, nil
}
