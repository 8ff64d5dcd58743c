package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api"
	"github.com/gotuner/tuner/api/types"
)

// drainTime is how long requests under way may take when the server ends.
const drainTime = 10 * time.Second

// serveFlags are the flags of tuner serve.
type serveFlags struct {
	listen string
	hosts  []string
	format string // of the log
}

func serveCommand(st *State, db *dbFlags) *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve studies to sweeps, workers and programs over HTTP",
		Long: `Makes the studies of a database available by REST under /v1 (tuner help server).
It runs no trials and no commands: those who ask for trials run them. The first
start makes a token in a file beside the database; whoever has it may do
everything, and nobody without a token may do anything.

  tuner serve
  export TUNER_URL=http://127.0.0.1:7070 TUNER_TOKEN_FILE=…   # as it prints
  tuner sweep --min loss -p lr=1e-5..1e-1:log -n 50 -- python train.py {args}`,
		Args: wantArgs(0, 0, "serve"),
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("url") {
				return usagef("a server serves a database, not another server").WithField("--url").WithRemedy("name the database with --db")
			}
			db.here = true // in a shell that is set up to use this server, too
			if !c.Flags().Changed("durability") {
				db.durable = "full"
			}
			return f.serve(c.Context(), st, db)
		},
	}
	c.Flags().StringVar(&f.listen, "listen", "127.0.0.1:7070", "address to listen on; port 0 takes a free one")
	c.Flags().StringVar(&f.format, "log-format", "text", "form of the log on stderr: text or json")
	c.Flags().StringSliceVar(&f.hosts, "host", nil, "another name under which the server is reached, such as that of a proxy; repeat it")
	return c
}

// serve runs until a signal ends it.
func (f *serveFlags) serve(ctx context.Context, st *State, db *dbFlags) error {
	if err := onlyHere(f.listen); err != nil {
		return err
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
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.listen)
	if err != nil {
		return types.Errorf(types.Invalid, "cannot listen on %s: %w", f.listen, err).WithField("--listen").
			WithRemedy("see what listens there already, or choose another port, such as --listen 127.0.0.1:0")
	}
	db.addr, db.metrics = "http://"+l.Addr().String(), api.NewMetrics()
	home, err := db.open(ctx)
	if err != nil {
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
	server := api.New(api.Config{Engine: home.Engine, Store: home.Store, Hosts: f.hosts, Build: Version(), Peers: others, Metrics: db.metrics,
		Now: st.Now, Logger: db.log})
	signals := make(chan os.Signal, 8)
	unnotify := st.Notify(signals, stopSignals...)
	defer unnotify()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	if err := f.announce(st, db, l.Addr(), where, path); err != nil {
		return join(join(err, l.Close()), home.Close())
	}
	select {
	case err = <-ended:
		return join(err, home.Close())
	case <-signals:
	}
	_, _ = fmt.Fprintln(st.Stderr, "tuner serve: ending; nothing is lost, and workers wait for the next start")
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	err = server.Stop(stop)
	return join(err, home.Close())
}

// announce prints where the server is, and where its token: never the token.
func (f *serveFlags) announce(st *State, db *dbFlags, addr net.Addr, where, path string) error {
	dsn, err := db.dsn()
	if err != nil {
		return err
	}
	if isPostgres(dsn) {
		dsn = "PostgreSQL"
	}
	url := "http://" + addr.String()
	lines := []string{"tuner " + Version() + " serves " + dsn, "url   " + url, where}
	if strings.HasPrefix(where, "token in ") {
		lines[2] = "token " + path
		lines = append(lines, "", "use it:  export TUNER_URL="+url+" TUNER_TOKEN_FILE="+quoted(path))
	}
	_, err = fmt.Fprintln(st.Stdout, strings.Join(lines, "\n"))
	return err
}

// onlyHere refuses addresses that others can reach: there is no encryption yet.
func onlyHere(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return usagef("%q is no address to listen on", listen).WithField("--listen").WithRemedy("write it as in 127.0.0.1:7070")
	}
	if host == "localhost" {
		return nil
	}
	if a, err := netip.ParseAddr(host); err == nil && a.IsLoopback() {
		return nil
	}
	return types.Errorf(types.Unsupported, "%s can be reached by others, and the server does not encrypt yet", listen).WithField("--listen").
		WithRemedy("listen on 127.0.0.1 and reach it from elsewhere through ssh -L 7070:127.0.0.1:7070 THIS_MACHINE, or a proxy here that adds TLS (--host NAME)")
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
