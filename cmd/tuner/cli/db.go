package cli

import (
	"cmp"
	"context"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/gotuner/tuner/api"
	"github.com/gotuner/tuner/internal/failpoint"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/sqlstore"
	"github.com/gotuner/tuner/trial/local"
)

// dbFlags say where studies live; every command has them.
type dbFlags struct {
	st      *State
	db      string
	dir     string
	project string
	url     string
	// tokenFile has the token for the server of url.
	tokenFile string
	// pin is how that server is known; "" by its name.
	pin string
	// forServer is a flag that was typed and is for a server only; "" if none was.
	forServer string
	// loop is set by the commands of a loop in a shell; others try a server once,
	// and wait for it remotePatience after that.
	loop *loopPatience
	// here says that the command is about the database, whatever the environment
	// and the profile say of a server.
	here    bool
	durable string
	verbose bool
	// workerFailures is engine.Config.WorkerFailures, for a server.
	workerFailures int
	// addr is where others reach this process; "" for a command.
	addr string
	// metrics are those of a server; nil for a command.
	metrics *api.Metrics
	// log is that of a server; nil for a command, whose user sees faults only.
	log *slog.Logger
}

func (f *dbFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.db, "db", "", "database: a file or postgres://… (default $TUNER_DB, else $XDG_DATA_HOME/tuner/tuner.db)")
	fs.StringVar(&f.dir, "dir", "", "folder of the trial directories (default: trials beside the database)")
	fs.StringVar(&f.project, "project", "default", "project of the study")
	fs.StringVar(&f.url, "url", "", "server to use instead of a database (default $TUNER_URL)")
	fs.StringVar(&f.tokenFile, "token-file", "", "file with the token for the server (default $TUNER_TOKEN_FILE)")
	fs.StringVar(&f.pin, "pin", "", "pin of the server's key, as tuner serve prints it (default $TUNER_PIN)")
	fs.StringVar(&f.durable, "durability", "normal", "normal: survives any kill of processes; full: also a loss of power")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "log what happens inside")
}

// dsn is the database to use, as sqlstore takes it.
func (f *dbFlags) dsn() (string, error) {
	url, err := f.server()
	if err != nil {
		return "", err
	}
	if url != "" {
		return "", onDatabaseOnly(url)
	}
	db := cmp.Or(f.db, f.st.Getenv("TUNER_DB"))
	switch {
	case db == "":
		home, err := f.dataHome()
		if err != nil {
			return "", err
		}
		return filepath.Join(home, "tuner", "tuner.db"), nil
	case isPostgres(db):
		return db, nil
	}
	if scheme, _, ok := strings.Cut(db, "://"); ok && scheme != "sqlite" {
		return "", usagef("there are no databases of the kind %s://", scheme).WithField("--db").
			WithRemedy("name a file, or postgres://USER@HOST/NAME")
	}
	db = strings.TrimPrefix(db, "sqlite:")
	if !filepath.IsAbs(db) {
		db = filepath.Join(f.st.Dir, db)
	}
	return db, nil
}

func isPostgres(db string) bool {
	return strings.HasPrefix(db, "postgres://") || strings.HasPrefix(db, "postgresql://")
}

func (f *dbFlags) dataHome() (string, error) {
	if d := f.st.Getenv("XDG_DATA_HOME"); filepath.IsAbs(d) {
		return d, nil
	}
	home := f.st.Getenv("HOME")
	if home == "" {
		home = f.st.Getenv("USERPROFILE")
	}
	if home == "" {
		return "", usagef("neither XDG_DATA_HOME nor HOME is set").WithRemedy("name a database with --db")
	}
	return filepath.Join(home, ".local", "share"), nil
}

// trialsDir is the folder of trial directories.
func (f *dbFlags) trialsDir(dsn string) (string, error) {
	switch {
	case f.dir != "" && filepath.IsAbs(f.dir):
		return f.dir, nil
	case f.dir != "":
		return filepath.Join(f.st.Dir, f.dir), nil
	case isPostgres(dsn):
		home, err := f.dataHome()
		return filepath.Join(home, "tuner", "trials"), err
	}
	return filepath.Join(filepath.Dir(dsn), strings.TrimSuffix(filepath.Base(dsn), ".db")+".trials"), nil
}

// folder is the folder of trial directories of the database that is used.
func (f *dbFlags) folder() (string, error) {
	dsn, err := f.dsn()
	if err != nil {
		return "", err
	}
	return f.trialsDir(dsn)
}

func (f *dbFlags) logger() *slog.Logger {
	if f.log != nil {
		return f.log
	}
	level := slog.LevelError
	if f.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(f.st.Stderr, &slog.HandlerOptions{Level: level}))
}

// open opens the database with an engine, for commands that change studies.
func (f *dbFlags) open(ctx context.Context) (*local.Local, error) {
	dsn, err := f.dsn()
	if err != nil {
		return nil, err
	}
	dir, err := f.trialsDir(dsn)
	if err != nil {
		return nil, err
	}
	fail, err := failpoint.Parse(f.st.Getenv(failpoint.Env))
	if err != nil {
		return nil, err
	}
	cfg := local.Config{DB: dsn, Dir: dir, Durability: f.durable, Addr: f.addr, WorkerFailures: f.workerFailures, Now: f.st.Now,
		Failpoints: fail, Logger: f.logger()}
	if f.metrics != nil {
		cfg.Probe, cfg.Wrote = f.metrics.Probe(), f.metrics.Wrote
	}
	l, err := local.Open(ctx, cfg)
	if err == nil {
		f.st.shared = l.Now
	}
	return l, err
}

// read opens the database for commands that only look.
func (f *dbFlags) read(ctx context.Context) (store.Store, error) {
	dsn, err := f.dsn()
	if err != nil {
		return nil, err
	}
	s, err := sqlstore.Open(ctx, sqlstore.Config{DSN: dsn, Durability: f.durable, Logger: f.logger(), Now: f.st.Now})
	if err != nil {
		return nil, err
	}
	f.st.shared = s.Now
	return s, nil
}
