package sqlstore

import (
	"context"
	"log/slog"
	"time"

	"gorm.io/gorm"
)

const (
	// clockEvery is how often a PostgreSQL server is asked for its time.
	clockEvery = 3 * time.Second
	// clockApart is how far two clocks may be apart and count as the same. It is
	// more than an answer takes, so that of clocks that agree nothing jitters.
	clockApart = time.Second
)

// Now is the time by which all processes that share the database go: of a SQLite
// file this machine's, of PostgreSQL its server's, as well as it was known a few
// seconds ago. So machines whose clocks differ agree on when a lease ends.
func (s *Store) Now() time.Time { return s.now().Add(time.Duration(s.ahead.Load())) }

// keepTime asks again and again, until ctx is done.
func (s *Store) keepTime(ctx context.Context) {
	t := time.NewTicker(clockEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := s.askTime(ctx); err != nil && ctx.Err() == nil {
			s.log.Debug("could not ask the database for its time", "error", err) // what else is asked of it says so louder
		}
	}
}

// askTime finds out how far the server's clock is ahead of this machine's.
func (s *Store) askTime(ctx context.Context) error {
	var ahead, took time.Duration
	err := s.read(ctx, func(db *gorm.DB) error {
		began := s.now()
		is, err := postgresTime(db)
		took = s.now().Sub(began)
		ahead = is.Sub(began.Add(took / 2))
		return err
	})
	was := time.Duration(s.ahead.Load())
	if err != nil || (ahead-was).Abs() <= clockApart+took.Abs() { // it is not known better than that
		return err
	}
	s.ahead.Store(int64(ahead))
	s.log.Warn("this machine's clock and the database server's differ: times are the server's", slog.Duration("ahead", ahead))
	return nil
}

// postgresTime is the time of a PostgreSQL server.
func postgresTime(db *gorm.DB) (time.Time, error) {
	var micros int64
	err := db.Raw("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").Scan(&micros).Error
	return time.UnixMicro(micros), err
}
