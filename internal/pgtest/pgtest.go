// Package pgtest gives tests a PostgreSQL server and a schema of their own in
// it. Only tests import it.
package pgtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Env names the environment variable with the URL of a server to use, where the
// user may create schemas. Without it the tests start a server themselves.
const Env = "TUNER_TEST_POSTGRES"

// startPatience bounds how long a server of ours may take to come up.
const startPatience = 60 * time.Second

// Server is a server for the tests of one binary; it starts when first needed.
// The zero value is ready. TestMain calls Stop at the end:
//
//	var postgres pgtest.Server
//
//	func TestMain(m *testing.M) {
//		code := m.Run()
//		postgres.Stop()
//		os.Exit(code)
//	}
type Server struct {
	once     sync.Once
	dsn      string
	err      error
	folder   string
	postgres string // the program
	uid, gid int    // that it runs as, -1 for ours
	cmd      *exec.Cmd
	exited   chan struct{}
	output   bytes.Buffer // read after exited only
}

// DSN returns the URL of a new, empty schema, which goes away when tb ends. It
// skips tb, with the reason, if there is no server and none can be started; if
// the environment has CI=true it fails tb instead.
func (s *Server) DSN(tb testing.TB) string {
	tb.Helper()
	s.once.Do(s.start)
	if s.err != nil {
		message := fmt.Sprintf("no PostgreSQL: %v (set %s to the URL of a server, or install one)", s.err, Env)
		if os.Getenv("CI") == "true" {
			tb.Fatal(message)
		}
		tb.Skip(message)
	}
	schema := "t_" + strings.ToLower(rand.Text())
	if err := s.exec("CREATE SCHEMA " + schema); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.exec("DROP SCHEMA " + schema + " CASCADE"); err != nil {
			tb.Error(err)
		}
	})
	u, err := url.Parse(s.dsn)
	if err != nil {
		tb.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

func (s *Server) exec(query string) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	c, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close(ctx)) }()
	_, err = c.Exec(ctx, query)
	return err
}

func (s *Server) start() {
	if s.dsn = os.Getenv(Env); s.dsn != "" {
		s.err = s.exec("SELECT 1")
		return
	}
	if s.err = s.launch(); s.err != nil {
		s.Stop()
	}
}

// launch makes a cluster in a temporary folder and starts a server that
// listens on a socket in it and nowhere else.
func (s *Server) launch() error {
	initdb, err := program("initdb")
	if err != nil {
		return err
	}
	if s.postgres, err = program("postgres"); err != nil {
		return err
	}
	if s.folder, err = os.MkdirTemp("", "pgtest"); err != nil {
		return err
	}
	s.uid, s.gid = -1, -1
	if os.Geteuid() == 0 { // which PostgreSQL refuses to run as
		if s.uid, s.gid, err = unprivileged(); err != nil {
			return err
		}
		if err := os.Chown(s.folder, s.uid, s.gid); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(context.Background(), initdb, "-D", s.data(), "-U", "tuner", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	cmd.Dir, cmd.SysProcAttr = s.folder, attributes(s.uid, s.gid)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", initdb, err, out)
	}
	s.dsn = "postgres://tuner@/postgres?host=" + url.QueryEscape(s.folder)
	return s.boot()
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

// boot starts the program and waits until it answers.
func (s *Server) boot() error {
	s.output.Reset()
	// Tests need no safety from a loss of power.
	s.cmd = exec.CommandContext(context.Background(), s.postgres, "-D", s.data(), "-k", s.folder, "-c", "listen_addresses=", "-c", "fsync=off",
		"-c", "full_page_writes=off", "-c", "max_connections=400", "-c", "shared_buffers=64MB")
	s.cmd.Dir, s.cmd.SysProcAttr = s.folder, attributes(s.uid, s.gid)
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	s.exited = make(chan struct{})
	started := make(chan error)
	go func() {
		// On Linux the server dies with the thread that started it, so that none
		// is left when the tests are killed; hence a thread that lives on.
		runtime.LockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait() // how it ended does not matter: ready and Stop look
		}
		close(s.exited)
	}()
	if err := <-started; err != nil {
		s.cmd = nil
		return err
	}
	return s.ready()
}

func (s *Server) ready() error {
	deadline := time.After(startPatience)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := s.exec("SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("postgres ended: %s", s.output.String())
		case <-deadline:
			return fmt.Errorf("postgres did not come up in %s: %w", startPatience, err)
		case <-ticker.C:
		}
	}
}

// Crash ends the server at once, as pg_ctl stop -m immediate does: without a word
// to its clients, and what it has not written to its tables it has to recover.
// It skips tb if the server is not ours. Only one test may use such a Server.
func (s *Server) Crash(tb testing.TB) {
	tb.Helper()
	s.end(tb, syscall.SIGQUIT)
}

// Restart ends the server and starts it again, as pg_ctl restart -m fast does: it
// rolls back what is under way and tells its clients that it shuts down. A server
// that recovers is waited for first: some never end if they are told to just then.
// It skips tb as Crash does, and only one test may use such a Server.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.ours(tb)
	if err := s.ready(); err != nil {
		tb.Fatal(err)
	}
	s.end(tb, syscall.SIGINT)
	s.Resume(tb)
}

func (s *Server) end(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	s.ours(tb)
	if err := s.cmd.Process.Signal(sig); err != nil {
		tb.Fatal(err)
	}
	select {
	case <-s.exited:
		s.cmd = nil
	case <-time.After(startPatience):
		tb.Fatal("the server does not end")
	}
}

// KillBackend kills the process of the connection that did something last. The
// server takes its memory for damaged then: it ends all other connections and
// recovers, for which this does not wait. It skips tb as Crash does, and only one
// test may use such a Server.
func (s *Server) KillBackend(tb testing.TB) {
	tb.Helper()
	s.ours(tb)
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	c, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return // it recovers still
	}
	defer func() { _ = c.Close(ctx) }() // by now it is dead
	var pid int
	err = c.QueryRow(ctx, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() "+
		"ORDER BY state_change DESC LIMIT 1").Scan(&pid)
	if errors.Is(err, pgx.ErrNoRows) {
		return
	}
	if err != nil {
		tb.Fatal(err)
	}
	victim, err := os.FindProcess(pid)
	if err == nil {
		err = victim.Kill()
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		tb.Fatal(err)
	}
}

// ours skips tb if the server was not started here.
func (s *Server) ours(tb testing.TB) {
	tb.Helper()
	if s.cmd == nil {
		tb.Skip("the server of " + Env + " is not ours to end")
	}
}

// Resume starts a server again that has crashed, at the same address.
func (s *Server) Resume(tb testing.TB) {
	tb.Helper()
	if err := s.boot(); err != nil {
		tb.Fatal(err)
	}
}

// Stop ends the server, if one was started, and removes its files.
func (s *Server) Stop() {
	if s.cmd != nil {
		// A fast shutdown; if it cannot be asked, it has ended.
		_ = s.cmd.Process.Signal(os.Interrupt)
		select {
		case <-s.exited:
		case <-time.After(startPatience):
			_ = s.cmd.Process.Kill()
			<-s.exited
		}
		s.cmd = nil
	}
	if s.folder != "" {
		_ = os.RemoveAll(s.folder) // a leftover in the temporary folder harms nobody
	}
}

// program finds a program of PostgreSQL, which Debian does not put on the PATH.
func program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/", "/usr/pgsql-*/bin/", "/opt/homebrew/opt/postgresql*/bin/"} {
		found, err := filepath.Glob(pattern + name)
		if err != nil {
			return "", err
		}
		if len(found) > 0 {
			return slices.Max(found), nil
		}
	}
	return "", fmt.Errorf("the program %s is not installed", name)
}

// unprivileged returns the IDs of a user that may run a server.
func unprivileged() (uid, gid int, err error) {
	var u *user.User
	for _, name := range []string{"postgres", "nobody"} {
		if u, err = user.Lookup(name); err == nil {
			break
		}
	}
	if err != nil {
		return 0, 0, err
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(u.Gid)
	return uid, gid, err
}
