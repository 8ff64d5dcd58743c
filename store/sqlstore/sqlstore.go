// Package sqlstore keeps studies in SQLite or PostgreSQL.
//
// gorm opens the databases and reads; goose migrates them; the hot write path
// goes through the driver's own prepared statements (see sink). All writes of a
// Store go through one goroutine (see writer); reads go through a pool beside
// it. docs/adr/ has the reasons.
package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

// Config says which database to open and how.
type Config struct {
	// DSN is the path of a SQLite file, with or without "sqlite:" before it, or
	// the URL of a PostgreSQL database ("postgres://…", "postgresql://…"), whose
	// search_path chooses the schema. A file that does not exist is created with
	// mode 0600, missing folders with 0700. Required.
	DSN string
	// Durability is "full" (the default: what Commit acknowledged survives a
	// loss of power) or "normal" (it survives the death of any process; after a
	// loss of power the last moments may be missing, but nothing is damaged).
	Durability string
	// Logger gets what goes wrong without anybody being told; nil discards it.
	Logger *slog.Logger
	// Now is the clock of this machine; nil is time.Now. See Store.Now.
	Now func() time.Time
	// Wrote is told how many batches shared a transaction and how long that
	// took, also if it failed. It is called by one goroutine; nil is nobody.
	Wrote func(batches int, took time.Duration)
	// Ahead makes columns ahead of time that listings by parameters and results
	// need, in studies of thousands of trials that do not have them: for a process
	// that stays. It takes about half a processor, 10 s for a million trials.
	Ahead bool
}

func (c Config) validate() (Config, error) {
	c.Durability = cmp.Or(c.Durability, "full")
	if c.Durability != "full" && c.Durability != "normal" {
		return c, types.Errorf(types.Invalid, "unknown durability %q", c.Durability).WithField("durability").
			WithRemedy("use full or normal")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now //nolint:forbidigo // the documented default
	}
	if c.DSN == "" {
		return c, types.Errorf(types.Invalid, "no database named").WithField("db").
			WithRemedy("give a path or postgres://user@host/name")
	}
	return c, nil
}

// Store is a store.Store in a database. Its zero value is not usable; call
// Open.
type Store struct {
	dialect dialect
	log     *slog.Logger
	now     func() time.Time
	ahead   atomic.Int64 // of the database's clock, in nanoseconds; see Now
	writer  *writer
	// readers is the pool for reading; nil if the writer's connection is the
	// only one that may exist (SQLite on a network file system).
	readers *gorm.DB
	pools   []*sql.DB
	block   int // trials of a block of columns; 0 is columnBlock
	// preparing is set while columns are made that nobody has asked for yet.
	preparing  atomic.Bool
	background sync.WaitGroup
	life       context.Context //nolint:containedctx // of what is done in the background, until Close
	end        context.CancelFunc
	// after runs last in Close.
	after  func() error
	closed atomic.Bool
}

var _ store.Store = (*Store)(nil)

// Open opens the database, creates it if it is not there, and brings its
// schema up to date. Errors: Invalid (no tuner database, a newer one, damaged,
// not writable, a bad DSN), Unavailable (server away, disk full, a file on a
// network file system that another process uses).
func Open(ctx context.Context, cfg Config) (*Store, error) {
	return open(ctx, cfg, environment{fileSystem: fileSystem, host: os.Hostname, pid: os.Getpid(), alive: processAlive})
}

// environment is what Open asks the operating system; tests replace it.
type environment struct {
	// fileSystem names the network file system that holds the folder; "" if it
	// is a local one.
	fileSystem func(folder string) (string, error)
	host       func() (string, error)
	pid        int
	alive      func(pid int) bool
}

func open(ctx context.Context, cfg Config, env environment) (*Store, error) {
	cfg, err := cfg.validate()
	if err != nil {
		return nil, err
	}
	s, err := openDatabase(ctx, cfg, env)
	if err != nil {
		return nil, err
	}
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	if s.dialect == postgresDialect {
		if err := s.askTime(ctx); err != nil {
			return nil, also(err, s.Close())
		}
		s.background.Go(func() { s.keepTime(s.life) })
	}
	if cfg.Ahead {
		s.background.Go(s.makeAhead)
	}
	return s, nil
}

func openDatabase(ctx context.Context, cfg Config, env environment) (*Store, error) {
	if strings.HasPrefix(cfg.DSN, "postgres://") || strings.HasPrefix(cfg.DSN, "postgresql://") {
		return openPostgres(ctx, cfg)
	}
	path := strings.TrimPrefix(cfg.DSN, "sqlite:")
	if scheme, _, ok := strings.Cut(path, "://"); ok {
		return nil, types.Errorf(types.Invalid, "%s is no kind of database that tuner knows", scheme).WithField("db").
			WithRemedy("give a path, sqlite:PATH or postgres://user@host/name")
	}
	if path == "" || path == ":memory:" {
		return nil, types.Errorf(types.Invalid, "%q names no file", cfg.DSN).WithField("db").
			WithRemedy("give the path of a file; it is created if it does not exist")
	}
	return openSQLite(ctx, cfg, env, path)
}

// Close implements store.Store.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.end()
	s.background.Wait()
	s.writer.stop()
	var first error
	for _, p := range s.pools {
		if err := p.Close(); err != nil && first == nil {
			first = classify(err)
		}
	}
	if s.after != nil {
		if err := s.after(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// read runs f with a connection for reading. f may run several times.
func (s *Store) read(ctx context.Context, f func(db *gorm.DB) error) error {
	if s.closed.Load() {
		return errClosed()
	}
	if s.readers == nil {
		return s.writer.wait(ctx, task{read: true, work: f})
	}
	for range maxPostgresConns {
		// Each idle connection of a server that was restarted fails once, and each
		// connection that has a plan for a table which has changed.
		if err := f(s.readers.WithContext(ctx)); ctx.Err() != nil || !isBroken(err) && !isOldPlan(err) {
			return classify(err)
		}
	}
	return classify(f(s.readers.WithContext(ctx)))
}

// Commit implements store.Writer.
func (s *Store) Commit(ctx context.Context, b store.Batch) error {
	return waitFor(ctx, s.Submit(b))
}

// Submit implements store.Writer.
func (s *Store) Submit(b store.Batch) <-chan error {
	done := make(chan error, 1)
	e, err := encode(&b)
	if err != nil {
		done <- err
		return done
	}
	s.writer.submit(task{batch: e, err: done})
	s.prepareColumns(&b)
	return done
}

// gormConfig is how gorm is used everywhere: transactions where the code says
// so, errors to the caller and not to a log.
func gormConfig() *gorm.Config {
	return &gorm.Config{
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		Logger:                 logger.Discard,
	}
}
