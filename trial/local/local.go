// Package local opens a database, the engine and an agent in one process: what
// a sweep, the Go SDK and the server share.
package local

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	tuner "github.com/gotuner/tuner"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/failpoint"
	"github.com/gotuner/tuner/internal/filelock"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/memstore"
	"github.com/gotuner/tuner/store/sqlstore"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/builtin"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
	"github.com/gotuner/tuner/trial/engine"
	executor "github.com/gotuner/tuner/trial/executor/local"
)

// Memory is the DSN of a database that lives as long as the process.
const Memory = "memory:"

// Config opens a Local.
type Config struct {
	// DB is a path, "sqlite:PATH", "postgres://…" or Memory.
	DB string
	// Dir is the folder of trial directories and of this machine's lock files;
	// absolute. Empty with Memory only: nothing is written then.
	Dir string
	// Durability is "full" (survives a power loss) or "normal" (survives any kill
	// of processes); "" is normal.
	Durability string
	// Addr is where this process can be reached by others that use the database,
	// a URL; "" for a process that is no server.
	Addr string
	// Probe and Wrote are told what the engine and the store do.
	Probe engine.Probe
	Wrote func(batches int, took time.Duration)
	// WorkerFailures is that of engine.Config.
	WorkerFailures int
	// Now is the clock of this machine; nil is time.Now. See Local.Now.
	Now func() time.Time

	Failpoints *failpoint.Set
	Logger     *slog.Logger
}

// Local is an open database with its engine. All methods are safe for
// concurrent use.
type Local struct {
	*Machine

	Store  store.Store
	Engine *engine.Engine

	cfg   Config
	owner string // names this process; also its in-process worker
	alive *filelock.Lock
}

// Open opens the database, which is made if it is missing, and starts an engine
// over it.
func Open(ctx context.Context, cfg Config) (*Local, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	machine, err := NewMachine(cfg.Dir, cfg.Logger)
	if err != nil {
		return nil, err
	}
	l := &Local{cfg: cfg, Machine: machine}
	l.owner = l.host + "|" + token()
	withdraw, refused := func() error { return nil }, error(nil)
	if cfg.Dir != "" {
		// Before the database, which a refusal here would leave behind; but what is
		// wrong with the folder of both is said of the database.
		if withdraw, refused = l.announce(); refused != nil && makeable(cfg.DB) {
			return nil, refused
		}
	}
	if l.Store, err = openStore(ctx, cfg); err != nil {
		return nil, join(err, withdraw())
	}
	if refused != nil {
		return nil, join(refused, l.Store.Close())
	}
	l.Engine = engine.New(engine.Config{
		Store: l.Store, Owner: l.owner, Addr: cmp.Or(cfg.Addr, fmt.Sprintf("%s, process %d", l.host, os.Getpid())),
		NewSuggester: func(c types.Component, sc suggest.Config) (suggest.Suggester, error) {
			return suggest.New(builtin.Algorithms(), c, sc)
		},
		NewStopper: earlystop.New,
		Now:        l.Now, NewSeed: newSeed, NewToken: token,
		OwnerDead: OwnerDead, Reclaim: l.reclaim,
		WorkerFailures: cfg.WorkerFailures, Failpoints: cfg.Failpoints, Probe: cfg.Probe, Logger: cfg.Logger,
	})
	return l, nil
}

func openStore(ctx context.Context, cfg Config) (store.Store, error) {
	if cfg.DB == Memory {
		return memstore.New(), nil
	}
	return sqlstore.Open(ctx, sqlstore.Config{DSN: cfg.DB, Durability: cfg.Durability, Logger: cfg.Logger, Now: cfg.Now, Wrote: cfg.Wrote,
		Ahead: cfg.Addr != ""})
}

// Now is the time by which the engine goes. It is that of the database, on which
// all who share it agree; of one on this machine, this machine's.
func (l *Local) Now() time.Time {
	if shared, ok := l.Store.(interface{ Now() time.Time }); ok {
		return shared.Now()
	}
	return l.cfg.Now()
}

// Owner names this process among all that use the database. Attempts that are
// leased under it go back to the queue as soon as the process is known to have
// ended.
func (l *Local) Owner() string { return l.owner }

// Close gives up all studies and closes the database. Trials that run as
// processes go on.
func (l *Local) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	errs := []error{l.Engine.Close(ctx), l.Store.Close()}
	if l.alive != nil {
		if errs[0] == nil {
			errs = append(errs, os.Remove(l.alive.Path()))
		} // else it shows that the owner of what could not be given up is dead
		errs = append(errs, l.alive.Release())
	}
	return errors.Join(errs...)
}

const lockEnd = ".lock"

// announce takes a lock that shows the other processes of this machine that
// this one lives, and makes its path the owner's name, which leads them to it.
// withdraw takes back what it made.
func (l *Local) announce() (withdraw func() error, err error) {
	owners := filepath.Join(l.cfg.Dir, ".owners")
	path := filepath.Join(owners, token()[:12]+lockEnd)
	made := missing(owners)
	lock, err := filelock.Try(path)
	if err != nil {
		remove(made)
		return func() error { return nil }, unwritable(l.cfg.Dir, err)
	}
	l.alive, l.owner = lock, l.host+"|"+path
	return func() error {
		err := join(os.Remove(path), lock.Release())
		remove(made)
		return err
	}, nil
}

// makeable reports whether a file could be made where the database is.
func makeable(db string) bool {
	if strings.HasPrefix(db, "postgres") && strings.Contains(db, "://") {
		return true
	}
	folder := filepath.Dir(strings.TrimPrefix(db, "sqlite:"))
	if gone := missing(folder); len(gone) > 0 {
		folder = filepath.Dir(gone[len(gone)-1])
	}
	f, err := os.CreateTemp(folder, ".tuner-*")
	if err != nil {
		return false
	}
	return errors.Join(f.Close(), os.Remove(f.Name())) == nil
}

// missing are the folders of a path that are not there, the innermost first.
func missing(path string) (out []string) {
	for {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return out
		}
		out = append(out, path)
		path = filepath.Dir(path)
	}
}

// remove removes these folders up to the first that somebody uses.
func remove(folders []string) {
	for _, f := range folders {
		if os.Remove(f) != nil {
			return
		}
	}
}

// join is errors.Join that leaves a single error as it is.
func join(err, more error) error {
	if more == nil {
		return err
	}
	return errors.Join(err, more)
}

// unwritable is the error for a folder of trial directories that cannot be used.
func unwritable(dir string, err error) error {
	code, remedy := types.Unavailable, "see whether the disk is full (df), or choose a folder on another with --dir"
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrNotExist) {
		code, remedy = types.Invalid, "make it writable for you, or choose another folder with --dir"
	}
	return types.Errorf(code, "the folder of the trials %s cannot be written: %w", dir, err).WithField("dir").WithRemedy("%s", remedy)
}

// OwnerDead reports whether the owner of a study, or a worker of it, was a
// process of this machine that has ended: its lock file is there and nobody
// holds it. False is no proof that it lives.
func OwnerDead(owner string) bool {
	this, err := os.Hostname()
	if err != nil {
		return false
	}
	host, path, ok := strings.Cut(owner, "|")
	if i := strings.LastIndex(path, lockEnd+"#"); i >= 0 { // one of several agents
		path = path[:i+len(lockEnd)]
	}
	return ok && host == this && filepath.IsAbs(path) && filelock.Free(path)
}

// reclaim ends what may still run of a process attempt of this machine whose
// lease is over.
func (l *Local) reclaim(ctx context.Context, a trial.Attempt) error {
	if a.Executor != ProcessExecutor || a.Node != l.host {
		return nil
	}
	dir := a.Dir
	if dir == "" { // its agent has not come to tell it
		st, err := l.Store.StudyByID(ctx, a.Study)
		if err != nil {
			return err
		}
		dir = filepath.Join(l.StudyDir(st.Spec.Project, st.Spec.Name), strconv.FormatInt(a.Trial, 10), strconv.Itoa(a.Number))
	}
	return executor.Reclaim(ctx, dir)
}

// OwnerHost is the machine on which the owner of a study runs.
func OwnerHost(owner string) string {
	host, _, _ := strings.Cut(owner, "|")
	return host
}

func newSeed() int64 {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // crypto/rand.Read never fails
	}
	// Short enough to be typed.
	return int64(binary.LittleEndian.Uint64(b[:])%1_000_000_000) + 1
}

func token() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // crypto/rand.Read never fails
	}
	return hex.EncodeToString(b[:])
}

// Client opens a database for the Go SDK. db is a path, "sqlite:PATH",
// "postgres://…" or Memory. Several processes may open the same database.
func Client(ctx context.Context, db string) (*tuner.Client, error) {
	cfg := Config{DB: db}
	if db != Memory && !strings.Contains(db, "://") {
		path, err := filepath.Abs(strings.TrimPrefix(db, "sqlite:"))
		if err != nil {
			return nil, err
		}
		cfg.DB, cfg.Dir = path, path+".run"
	}
	l, err := Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return tuner.NewClient(backend{l.Engine, l}, l.owner), nil
}
