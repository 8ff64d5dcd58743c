package sqlstore

import (
	"context"
	"errors"
	"testing"

	"gorm.io/gorm"
)

// OpenOn opens the database as if its folder were on the network file system
// and this process were another one on another host.
func OpenOn(ctx context.Context, cfg Config, network, host string, pid int, alive func(pid int) bool) (*Store, error) {
	return open(ctx, cfg, environment{
		fileSystem: func(string) (string, error) { return network, nil },
		host: func() (string, error) {
			if host == "" {
				return "", errors.New("no name")
			}
			return host, nil
		},
		pid:   pid,
		alive: alive,
	})
}

// SmallBlocks makes a store keep columns in blocks of a few trials.
func SmallBlocks(s *Store) *Store {
	s.block = 7
	return s
}

// OpenAhead opens a database with small blocks, whose columns a process that stays
// has made, and waits until they are.
func OpenAhead(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{DSN: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	SmallBlocks(s).makeAhead()
	return s
}

// BlocksOf counts the stored blocks of a study's columns.
func BlocksOf(t *testing.T, s *Store, study int64) (n int64) {
	t.Helper()
	if err := s.writer.do(t.Context(), func(tx *gorm.DB) error { return tx.Model(&columnRow{}).Where("study_id = ?", study).Count(&n).Error }); err != nil {
		t.Fatal(err)
	}
	return n
}

// SpoilBlocks replaces the data of all blocks.
func SpoilBlocks(t *testing.T, s *Store, data string) {
	t.Helper()
	if err := s.writer.do(t.Context(), func(tx *gorm.DB) error { return tx.Exec("UPDATE trial_columns SET data = ?", []byte(data)).Error }); err != nil {
		t.Fatal(err)
	}
}

// Setting reads a setting of the writer's connection.
func Setting(t *testing.T, s *Store, query string) (value string) {
	t.Helper()
	err := s.writer.wait(t.Context(), task{read: true, work: func(db *gorm.DB) error { return db.Raw(query).Row().Scan(&value) }})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// Hold keeps the row of a study locked in a transaction of the writer's, as a
// process does that is stopped in the middle of one, until release is closed.
func Hold(t *testing.T, s *Store, study int64, held chan<- struct{}, release <-chan struct{}) error {
	t.Helper()
	return s.writer.do(t.Context(), func(tx *gorm.DB) error {
		if err := tx.Exec("UPDATE studies SET epoch = epoch WHERE id = ?", study).Error; err != nil {
			return err
		}
		close(held)
		<-release
		return tx.Exec("UPDATE studies SET epoch = epoch WHERE id = ?", study).Error
	})
}
