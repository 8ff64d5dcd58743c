package sqlstore

import (
	"cmp"
	"context"
	"time"

	"gorm.io/gorm"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

// AddCommand implements store.Commands.
func (s *Store) AddCommand(ctx context.Context, study int64, kind string, payload []byte, key string, now time.Time) (int64, error) {
	row := commandRow{StudyID: study, Kind: kind, Payload: blob(payload), Created: micros(now)}
	if key != "" {
		key = store.Text(key)
		row.RequestKey = &key
	}
	var id int64
	err := s.writer.do(ctx, func(tx *gorm.DB) error {
		var st studyRow
		if err := one(tx.Select("id").Take(&st, study).Error, func() error { return noStudy(study) }); err != nil {
			return err
		}
		if key != "" {
			// PostgreSQL has other writers: the insert itself must find out. The
			// update changes nothing, but makes RETURNING give the first row.
			return tx.Raw(`INSERT INTO commands (study_id, kind, request_key, payload, created) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (study_id, request_key) WHERE request_key IS NOT NULL
				DO UPDATE SET request_key = excluded.request_key RETURNING id`,
				row.StudyID, row.Kind, key, row.Payload, row.Created).Scan(&id).Error
		}
		again := row
		err := tx.Create(&again).Error
		id = again.ID
		return err
	})
	if err != nil { // the writer may still be at it
		return 0, err
	}
	return id, nil
}

// PendingCommands implements store.Commands.
func (s *Store) PendingCommands(ctx context.Context, studies []int64, limit int) ([]store.Command, error) {
	if len(studies) == 0 {
		return nil, nil
	}
	var rows []commandRow
	err := s.read(ctx, func(db *gorm.DB) error {
		rows = nil
		return db.Where("study_id IN ? AND answered IS NULL", studies).Order("id").Limit(cmp.Or(limit, 1000)).Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	var out []store.Command
	for _, r := range rows {
		out = append(out, store.Command{ID: r.ID, Study: r.StudyID, Kind: r.Kind, Payload: r.Payload, Time: timeAt(r.Created)})
	}
	return out, nil
}

// CommandAnswer implements store.Commands.
func (s *Store) CommandAnswer(ctx context.Context, id int64) (response []byte, ok bool, err error) {
	var row commandRow
	err = s.read(ctx, func(db *gorm.DB) error {
		row = commandRow{}
		return one(db.Take(&row, id).Error, func() error {
			return types.Errorf(types.NotFound, "there is no command %d", id)
		})
	})
	return row.Response, row.Answered != nil, err
}

// DropCommands implements store.Commands.
func (s *Store) DropCommands(ctx context.Context, before time.Time) error {
	return s.writer.do(ctx, func(tx *gorm.DB) error {
		return tx.Where("answered < ?", micros(before)).Delete(&commandRow{}).Error
	})
}

// DropRequestKeys implements store.Commands.
func (s *Store) DropRequestKeys(ctx context.Context, before time.Time) error {
	return s.writer.do(ctx, func(tx *gorm.DB) error {
		return tx.Where("created < ?", micros(before)).Delete(&requestKeyRow{}).Error
	})
}
