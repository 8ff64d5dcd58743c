package cli

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/engine"
)

// drainTime is how long requests under way may take when the server ends.
const drainTime = 10 * time.Second

// serveFlags are the flags of tuner serve.
type serveFlags struct {
	listen listenFlags
	format string // of the log
	rate   float64
	atOnce int
	audit  string
	exec   localExecFlags
}

func serveCommand(st *State, db *dbFlags) *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve studies to sweeps, workers and programs over HTTP",
		Long: `Makes the studies of a database available by REST under /v1 (tuner help server).
It runs no trials and no commands: those who ask for trials run them, unless
--allow-local-exec says that this machine runs what the studies say. The first
start makes a token in a file beside the database; whoever has it may do
everything, and nobody without a token may do anything.

  tuner serve
  export TUNER_URL=http://127.0.0.1:7070 TUNER_TOKEN_FILE=…   # as it prints
  tuner sweep --min loss -p lr=1e-5..1e-1:log -n 50 -- python train.py {args}

Others reach it with --listen 0.0.0.0:7070: then it encrypts, with a key of its own
that clients know by --pin, as it prints, or with --tls-cert and --tls-key; or a
proxy does that, named by --behind-proxy (tuner help security).`,
		Args: wantArgs(0, 0, "serve"),
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("url") {
				return usagef("a server serves a database, not another server").WithField("--url").WithRemedy("name the database with --db")
			}
			if n := db.workerFailures; n == 0 || n < -1 {
				return usagef("%d is no number of failures", n).WithField("--worker-failures").WithRemedy("use 1 or more, or -1 for never")
			}
			if err := f.exec.check(c.Flags()); err != nil {
				return err
			}
			db.here = true // in a shell that is set up to use this server, too
			if !c.Flags().Changed("durability") {
				db.durable = "full"
			}
			return f.serve(c.Context(), st, db)
		},
	}
	f.listen.register(c.Flags())
	c.Flags().Float64Var(&f.rate, "rate", 5000, "requests a second of one token, an admin's excepted; 0 is no limit")
	c.Flags().IntVar(&f.atOnce, "at-once", 10_000, "requests of one token at a time, long polls and streams included; 0 is no limit")
	c.Flags().StringVar(&f.audit, "audit-log", "", "file that says who changed what and who was refused, or off (default: beside the database)")
	f.exec.register(c.Flags())
	c.Flags().StringVar(&f.format, "log-format", "text", "form of the log on stderr: text or json")
	c.Flags().IntVar(&db.workerFailures, "worker-failures", engine.DefaultWorkerFailures, "put a worker aside after so many failures in a row that others do not have; -1 never")
	return c
}

// serve runs until a signal ends it.
func (f *serveFlags) serve(ctx context.Context, st *State, db *dbFlags) error {
	if _, _, _, err := f.listen.check(); err != nil {
		return err
	}
	if f.rate < 0 || math.IsNaN(f.rate) || f.atOnce < 0 {
		return usagef("a negative limit makes no sense").WithField("--rate, --at-once").WithRemedy("use 0 for no limit")
	}
	var err error
	if db.log, err = db.serverLog(f.format); err != nil {
		return err
	}
	path, err := db.tokenPath()
	if err != nil {
		return err
	}
	// Before the database: a port that is taken is found out first.
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.listen.address)
	if err != nil {
		return types.Errorf(types.Invalid, "cannot listen on %s: %w", f.listen.address, err).WithField("--listen").
			WithRemedy("see what listens there already, or choose another port, such as --listen 127.0.0.1:0")
	}
	at, err := f.listen.open(l.Addr(), keyPath(path), st.Now(), db.log)
	if err != nil {
		return join(err, l.Close())
	}
	db.addr, db.metrics = at.address(), api.NewMetrics()
	audit, auditFile, withdraw, err := db.openAudit(f.audit, path)
	if err != nil {
		return join(err, l.Close())
	}
	defer func() { _ = auditFile.Close() }() // each line was written at once
	home, err := db.open(ctx)
	if err != nil {
		withdraw()
		return join(err, l.Close())
	}
	others, err := newSiblings(home.Owner())
	if err != nil {
		return join(join(err, l.Close()), home.Close())
	}
	where, err := ensureToken(ctx, st, home.Store, path)
	if err != nil {
		return join(join(err, l.Close()), home.Close())
	}
	host := f.exec.host(st, db, home)
	if host != nil {
		others.Keep = host.Runs
	}
	server := api.New(api.Config{Engine: home.Engine, Store: home.Store, Hosts: at.names, Proxies: at.proxies, Rate: f.rate, AtOnce: f.atOnce,
		Build: Version(), Peers: others, Metrics: db.metrics, Now: home.Now, Logger: db.log, Audit: audit})
	signals := make(chan os.Signal, 8)
	unnotify := st.Notify(signals, stopSignals...)
	defer unnotify()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(at.listener(l)) }()
	if err := f.announce(st, db, at, where, path); err != nil {
		return join(join(err, l.Close()), home.Close())
	}
	stopExec := running(ctx, host)
	watch, unwatch := context.WithCancel(ctx)
	defer unwatch()
	var stale error
	select {
	case err = <-ended:
		stopExec()
		return join(err, home.Close())
	case stale = <-outdated(watch, home.Store):
	case <-signals:
	}
	_, _ = fmt.Fprintln(st.Stderr, "tuner serve: ending; nothing is lost, and workers wait for the next start")
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	stopExec()
	err = server.Stop(stop)
	return join(join(stale, err), home.Close())
}

// announce prints where the server is, and where its token: never the token.
func (f *serveFlags) announce(st *State, db *dbFlags, at *door, where, path string) error {
	dsn, err := db.dsn()
	if err != nil {
		return err
	}
	if isPostgres(dsn) {
		dsn = "PostgreSQL"
	}
	lines := []string{"tuner " + Version() + " serves " + dsn, "url   " + at.url, where}
	use := "export TUNER_URL=" + at.url
	if at.pin != "" {
		lines = append(lines, "pin   "+at.pin)
		use += " TUNER_PIN=" + at.pin
	}
	if strings.HasPrefix(where, "token in ") {
		lines[2] = "token " + path
		lines = append(lines, "", "use it:  "+use+" TUNER_TOKEN_FILE="+quoted(path))
	}
	_, err = fmt.Fprintln(st.Stdout, strings.Join(lines, "\n"))
	return err
}

// serverLog is the log of a server: what callers were refused, too.
func (f *dbFlags) serverLog(format string) (*slog.Logger, error) {
	level := slog.LevelInfo
	if f.verbose {
		level = slog.LevelDebug
	}
	options := &slog.HandlerOptions{Level: level}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(f.st.Stderr, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(f.st.Stderr, options)), nil
	}
	return nil, usagef("%q is no form of a log", format).WithField("--log-format").WithRemedy("use text or json")
}
