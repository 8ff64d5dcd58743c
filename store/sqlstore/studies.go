package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

func noStudy(id int64) error {
	return types.Errorf(types.NotFound, "there is no study with the ID %d", id)
}

func superseded(row *studyRow, epoch int64) error {
	e := types.Errorf(types.Superseded, "study %q is at epoch %d, not %d any more", row.Name, row.Epoch, epoch)
	if row.Owner != "" {
		e.Message += ": " + row.Owner + " owns it"
	}
	return e
}

// CreateStudy implements store.Writer.
func (s *Store) CreateStudy(ctx context.Context, in trial.Study) (trial.Study, error) {
	spec, err := specJSON(&in.Spec)
	if err != nil {
		return trial.Study{}, err
	}
	var out studyRow
	err = s.writer.do(ctx, func(tx *gorm.DB) error {
		project := projectRow{Name: store.Text(in.Spec.Project), Created: micros(s.now())}
		err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&project).Error
		if err == nil {
			project = projectRow{}
			err = tx.Where("name = ?", store.Text(in.Spec.Project)).Take(&project).Error
		}
		if err != nil {
			return err
		}
		out = studyRow{
			ProjectID: project.ID, Name: store.Text(in.Spec.Name), SpaceVersion: 1, Created: micros(in.Created),
			State: string(in.State), Reason: store.Text(in.Reason), Spec: spec, CreatedBy: store.Text(in.CreatedBy),
		}
		if err := tx.Create(&out).Error; err != nil {
			if isDuplicate(err) {
				return types.Errorf(types.Conflict, "project %q has a study %q already", in.Spec.Project, in.Spec.Name).
					WithField("name").WithRemedy("continue it, or choose another name")
			}
			return err
		}
		return tx.Create(&spaceRow{
			StudyID: out.ID, Version: 1, Created: micros(in.Created), JSON: store.Text(string(in.Spec.Space)),
		}).Error
	})
	if err != nil {
		return trial.Study{}, err
	}
	return out.study()
}

// Acquire implements store.Writer.
func (s *Store) Acquire(ctx context.Context, id int64, who, addr string, now time.Time, ttl time.Duration) (trial.Study, error) {
	var row studyRow
	taken := false
	err := s.writer.do(ctx, func(tx *gorm.DB) error {
		r := tx.Model(&studyRow{}).Where("id = ? AND (owner = '' OR owner = ? OR lease_until <= ?)", id, who, micros(now)).
			Updates(map[string]any{
				"owner": who, "owner_addr": addr, "epoch": gorm.Expr("epoch + 1"), "lease_until": micros(now.Add(ttl)),
			})
		if r.Error != nil {
			return r.Error
		}
		taken = r.RowsAffected == 1
		row = studyRow{}
		return one(tx.Take(&row, id).Error, func() error { return noStudy(id) })
	})
	if err != nil {
		return trial.Study{}, err
	}
	out, err := row.study()
	if err == nil && !taken {
		err = types.Errorf(types.Conflict, "study %q is owned by %s until %s",
			row.Name, row.Owner, out.LeaseUntil.Format(time.RFC3339))
	}
	return out, err
}

// one replaces gorm's error for a missing row.
func one(err error, missing func() error) error {
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return missing()
	}
	return err
}

// owned runs change for a study if its epoch is right, else returns stale.
func (s *Store) owned(ctx context.Context, id, epoch int64, change func(tx *gorm.DB, row *studyRow) error) error {
	return s.writer.do(ctx, func(tx *gorm.DB) error {
		var row studyRow
		q := tx.Omit("spec").Clauses(clause.Locking{Strength: "UPDATE"})
		if err := one(q.Take(&row, id).Error, func() error { return noStudy(id) }); err != nil {
			return err
		}
		if row.Epoch != epoch {
			return superseded(&row, epoch)
		}
		return change(tx, &row)
	})
}

// Renew implements store.Writer.
func (s *Store) Renew(ctx context.Context, id, epoch int64, now time.Time, ttl time.Duration) error {
	return s.owned(ctx, id, epoch, func(tx *gorm.DB, row *studyRow) error {
		if row.Owner == "" {
			return superseded(row, epoch)
		}
		return tx.Model(&studyRow{}).Where("id = ?", id).Update("lease_until", micros(now.Add(ttl))).Error
	})
}

// Release implements store.Writer.
func (s *Store) Release(ctx context.Context, id, epoch int64) error {
	err := s.owned(ctx, id, epoch, func(tx *gorm.DB, _ *studyRow) error {
		return tx.Model(&studyRow{}).Where("id = ?", id).
			Updates(map[string]any{"owner": "", "owner_addr": "", "lease_until": nil}).Error
	})
	if types.CodeOf(err) == types.Superseded {
		return nil
	}
	return err
}

// DeleteStudy implements store.Writer.
func (s *Store) DeleteStudy(ctx context.Context, id, epoch int64) error {
	return s.owned(ctx, id, epoch, func(tx *gorm.DB, _ *studyRow) error {
		for _, m := range studyModels() {
			if err := tx.Where("study_id = ?", id).Delete(m).Error; err != nil {
				return err
			}
		}
		return tx.Delete(&studyRow{}, id).Error
	})
}

// Study implements store.Studies.
func (s *Store) Study(ctx context.Context, project, name string) (trial.Study, error) {
	return s.study(ctx, func(db *gorm.DB, row *studyRow) error {
		err := db.Joins("JOIN projects ON projects.id = studies.project_id").
			Where("projects.name = ? AND studies.name = ?", project, name).Take(row).Error
		return one(err, func() error {
			return types.Errorf(types.NotFound, "project %q has no study %q", project, name).WithField("name")
		})
	})
}

// StudyByID implements store.Studies.
func (s *Store) StudyByID(ctx context.Context, id int64) (trial.Study, error) {
	return s.study(ctx, func(db *gorm.DB, row *studyRow) error {
		return one(db.Take(row, id).Error, func() error { return noStudy(id) })
	})
}

func (s *Store) study(ctx context.Context, find func(db *gorm.DB, row *studyRow) error) (trial.Study, error) {
	var row studyRow
	err := s.read(ctx, func(db *gorm.DB) error {
		row = studyRow{}
		return find(db, &row)
	})
	if err != nil {
		return trial.Study{}, err
	}
	return row.study()
}

// ListStudies implements store.Studies.
func (s *Store) ListStudies(ctx context.Context, project, after string, limit int) ([]store.StudySummary, error) {
	var rows []studyRow
	err := s.read(ctx, func(db *gorm.DB) error {
		rows = nil
		q := db.Joins("JOIN projects ON projects.id = studies.project_id")
		if project != "" {
			q = q.Where("projects.name = ? AND studies.name > ?", project, after).Order("studies.name")
		} else {
			afterProject, afterName, _ := strings.Cut(after, "/")
			q = q.Where("(projects.name, studies.name) > (?, ?)", afterProject, afterName).Order("projects.name, studies.name")
		}
		return q.Limit(cmp.Or(limit, 1000)).Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	out := make([]store.StudySummary, 0, len(rows))
	for i := range rows {
		st, err := rows[i].study()
		if err != nil {
			return nil, err
		}
		counts, err := s.Counts(ctx, st.ID)
		if err != nil {
			return nil, err
		}
		out = append(out, store.StudySummary{Study: st, Counts: counts})
	}
	return out, nil
}

// Spaces implements store.Studies.
func (s *Store) Spaces(ctx context.Context, id int64) ([][]byte, error) {
	var rows []spaceRow
	err := s.read(ctx, func(db *gorm.DB) error {
		rows = nil
		return db.Where("study_id = ?", id).Order("version").Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for _, r := range rows {
		out = append(out, []byte(r.JSON))
	}
	return out, nil
}

// Counts implements store.Studies.
func (s *Store) Counts(ctx context.Context, id int64) (types.Counts, error) {
	type group struct {
		State string
		N     int64
	}
	var groups []group
	err := s.read(ctx, func(db *gorm.DB) error {
		// One query for each of the two partial indexes, so that none reads the
		// rows of finished trials. Most trials complete; they are what is left of
		// all, for numbers have no gaps. In one statement, so that a trial that
		// finishes meanwhile is not counted twice.
		groups = nil
		return db.Raw(`SELECT state, count(*) AS n FROM trials WHERE study_id = ? AND finished IS NOT NULL
				AND state IN ('pruned', 'failed', 'infeasible', 'cancelled') GROUP BY state
			UNION ALL SELECT state, count(*) AS n FROM trials WHERE study_id = ? AND finished IS NULL GROUP BY state
			UNION ALL SELECT 'all' AS state, next_number AS n FROM studies WHERE id = ?`,
			id, id, id).Scan(&groups).Error
	})
	if err != nil {
		return types.Counts{}, err
	}
	var c types.Counts
	place := map[types.State]*int64{
		types.Queued: &c.Queued, types.Running: &c.Running, types.Paused: &c.Paused, types.Completed: &c.Completed,
		types.Pruned: &c.Pruned, types.Failed: &c.Failed, types.Infeasible: &c.Infeasible, types.Cancelled: &c.Cancelled,
	}
	for _, g := range groups {
		if g.State == "all" {
			c.Completed += g.N
			continue
		}
		c.Completed -= g.N
		n := place[types.State(g.State)]
		if n == nil {
			return c, damaged("a trial's state", errors.New(g.State))
		}
		*n += g.N
	}
	return c, nil
}
