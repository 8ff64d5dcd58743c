package sqlstore

import (
	"cmp"
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/gotuner/tuner/store"
)

// AddProject implements store.Projects.
func (s *Store) AddProject(ctx context.Context, name string, now time.Time) (p store.Project, created bool, err error) {
	if err := store.CheckProject(name); err != nil {
		return p, false, err
	}
	var row projectRow
	fresh := false
	err = s.writer.do(ctx, func(tx *gorm.DB) error {
		row = projectRow{Name: name, Created: micros(now)}
		r := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
		if fresh = r.RowsAffected == 1; r.Error != nil || fresh {
			return r.Error
		}
		row = projectRow{}
		return tx.Where("name = ?", name).Take(&row).Error
	})
	if err != nil { // the writer may still be at it
		return store.Project{}, false, err
	}
	return store.Project{Name: name, Created: timeAt(row.Created)}, fresh, nil
}

// ListProjects implements store.Projects.
func (s *Store) ListProjects(ctx context.Context, after string, limit int) ([]store.Project, error) {
	var rows []struct {
		Name    string
		Created int64
		Studies int64
	}
	err := s.read(ctx, func(db *gorm.DB) error {
		rows = nil
		return db.Raw(`SELECT name, created, (SELECT COUNT(*) FROM studies WHERE studies.project_id = projects.id) AS studies
			FROM projects WHERE name > ? ORDER BY name LIMIT ?`, store.Text(after), cmp.Or(limit, 1000)).Scan(&rows).Error
	})
	var out []store.Project
	for _, r := range rows {
		out = append(out, store.Project{Name: r.Name, Created: timeAt(r.Created), Studies: r.Studies})
	}
	return out, err
}
