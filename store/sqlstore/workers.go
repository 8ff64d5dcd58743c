package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/gotuner/tuner/store"
)

// ChangeWorker implements store.Workers.
func (s *Store) ChangeWorker(ctx context.Context, project, name string, change func(w *store.Worker) error) error {
	project, name = store.Text(project), store.Text(name)
	return s.writer.do(ctx, func(tx *gorm.DB) error {
		p := projectRow{Name: project, Created: micros(s.now())}
		err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&p).Error
		if err == nil {
			p = projectRow{}
			err = tx.Where("name = ?", project).Take(&p).Error
		}
		if err != nil {
			return err
		}
		// The row is there and locked before it is read, so that another process
		// waits.
		row := workerRow{ProjectID: p.ID, Name: name, Info: "{}"}
		if err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error; err != nil {
			return err
		}
		q := tx
		if s.dialect == postgresDialect {
			q = tx.Clauses(clause.Locking{Strength: "UPDATE"})
		}
		row = workerRow{}
		if err := q.Where("project_id = ? AND name = ?", p.ID, name).Take(&row).Error; err != nil {
			return err
		}
		w, err := row.worker(project)
		if err == nil {
			err = change(&w)
		}
		if err != nil {
			return err
		}
		w = w.Normal()
		info, err := json.Marshal(w.Info)
		if err != nil {
			return err
		}
		return tx.Model(&workerRow{}).Where("project_id = ? AND name = ?", p.ID, name).
			Updates(map[string]any{"info": string(info), "created": microsOrZero(w.Created), "seen": microsOrZero(w.Seen), "owner": w.Owner}).Error
	})
}

func microsOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return micros(t)
}

func (r *workerRow) worker(project string) (store.Worker, error) {
	w := store.Worker{Project: project, Name: r.Name, Owner: r.Owner}
	if err := json.Unmarshal([]byte(r.Info), &w.Info); err != nil {
		return w, damaged("a worker", err)
	}
	w.Info.AsideSince = w.Info.AsideSince.UTC()
	if r.Created != 0 {
		w.Created = timeAt(r.Created)
	}
	if r.Seen != 0 {
		w.Seen = timeAt(r.Seen)
	}
	return w, nil
}

// Worker implements store.Workers.
func (s *Store) Worker(ctx context.Context, project, name string) (store.Worker, error) {
	project, name = store.Text(project), store.Text(name)
	var row workerRow
	err := s.read(ctx, func(db *gorm.DB) error {
		row = workerRow{}
		return db.Where("project_id = (SELECT id FROM projects WHERE name = ?) AND name = ?", project, name).Take(&row).Error
	})
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return store.Worker{}, store.NoWorker(project, name)
	}
	if err != nil {
		return store.Worker{}, err
	}
	return row.worker(project)
}

// DropWorker implements store.Workers.
func (s *Store) DropWorker(ctx context.Context, project, name string) error {
	project, name = store.Text(project), store.Text(name)
	return s.writer.do(ctx, func(tx *gorm.DB) error {
		of := func() *gorm.DB {
			return tx.Where("project_id = (SELECT id FROM projects WHERE name = ?) AND name = ?", project, name)
		}
		gone := of().Where(notAside).Delete(&workerRow{})
		if gone.Error != nil || gone.RowsAffected > 0 {
			return gone.Error
		}
		var row workerRow
		if err := of().Take(&row).Error; errors.Is(err, gorm.ErrRecordNotFound) {
			return store.NoWorker(project, name)
		} else if err != nil {
			return err
		}
		w, err := row.worker(project)
		if err != nil {
			return err
		}
		return store.WorkerAside(w.Name, w.Info.Aside)
	})
}

// notAside finds the workers that are not put aside.
const notAside = `info NOT LIKE '%"aside":%'`

// ListWorkers implements store.Workers.
func (s *Store) ListWorkers(ctx context.Context, project string) ([]store.Worker, error) {
	var rows []struct {
		Name, Info, Project, Owner string
		Created, Seen              int64
	}
	err := s.read(ctx, func(db *gorm.DB) error {
		rows = nil
		q := db.Table("workers").Select("workers.*, projects.name AS project").
			Joins("JOIN projects ON projects.id = workers.project_id").Order("projects.name, workers.name")
		if project != "" {
			q = q.Where("projects.name = ?", project)
		}
		return q.Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	var out []store.Worker
	for i := range rows {
		r := workerRow{Name: rows[i].Name, Info: rows[i].Info, Created: rows[i].Created, Seen: rows[i].Seen, Owner: rows[i].Owner}
		w, err := r.worker(rows[i].Project)
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, nil
}

// DropWorkers implements store.Workers.
func (s *Store) DropWorkers(ctx context.Context, before time.Time) error {
	return s.writer.do(ctx, func(tx *gorm.DB) error {
		return tx.Where("seen < ?", micros(before)).Where(notAside).Delete(&workerRow{}).Error
	})
}
