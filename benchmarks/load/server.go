package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// server is a tuner server in a process of its own.
type server struct {
	cmd   *exec.Cmd
	addr  string
	token string
	ready time.Duration // from its start to its first answer
	ended chan error
}

var announced = regexp.MustCompile(`(?s)url   http://(\S+)\ntoken (\S+)\n.*use it:`)

// start starts bin as a server of a database and waits until it answers.
func start(ctx context.Context, bin, db string, args ...string) (*server, error) {
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--db", db}, args...)
	s := &server{cmd: exec.CommandContext(ctx, bin, args...), //nolint:gosec // the user names what is measured
		ended: make(chan error, 1)}
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 20 * time.Second
	home := filepath.Dir(db)
	if strings.Contains(db, "://") {
		home = os.TempDir()
	}
	s.cmd.Env = append(os.Environ(), "TUNER_URL=", "XDG_CONFIG_HOME="+home)
	said := &announcement{told: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = said, &grumble{}
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { s.ended <- s.cmd.Wait() }()
	select {
	case <-said.told:
	case err := <-s.ended:
		return nil, fmt.Errorf("%s ended: %w\n%s", strings.Join(s.cmd.Args, " "), err, said.text())
	case <-time.After(time.Minute):
		s.kill()
		return nil, fmt.Errorf("%s does not begin:\n%s", strings.Join(s.cmd.Args, " "), said.text())
	}
	m := announced.FindStringSubmatch(said.text())
	s.addr = m[1]
	secret, err := os.ReadFile(m[2])
	if err != nil {
		s.kill()
		return nil, err
	}
	s.token = strings.TrimSpace(string(secret))
	c := s.dial()
	defer c.close()
	if _, err := c.get("/v1/info", nil); err != nil {
		s.kill()
		return nil, err
	}
	s.ready = time.Since(began)
	return s, nil
}

// stop ends the server as an operator does.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-s.ended:
		return err
	case <-time.After(30 * time.Second):
		s.kill()
		return fmt.Errorf("the server did not end")
	}
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill() // it may be gone already
	if err := <-s.ended; err == nil {
		fmt.Fprintln(os.Stderr, "the server ended by itself before it was killed")
	}
}

// memory is the resident set in MiB: as it is, and at its highest.
func (s *server) memory() (now, peak float64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	field := func(name string) float64 {
		_, rest, _ := strings.Cut(string(b), name+":")
		kib, _ := strconv.ParseFloat(strings.Fields(rest + " 0")[0], 64)
		return kib / 1024
	}
	return field("VmRSS"), field("VmHWM"), nil
}

// cpu is the processor time that the server has used.
func (s *server) cpu() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	return ticks(strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])))
}

// ticks is the processor time in the fields of a stat file from the state on.
func ticks(f []string) time.Duration {
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond // clock ticks of 1/100 s
}

func (s *server) dial() *conn { return &conn{addr: s.addr, token: s.token} }

// announcement collects what a server prints until it has said where it is.
type announcement struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	told chan struct{}
	done bool
}

var _ io.Writer = (*announcement)(nil)

func (a *announcement) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, err := a.buf.Write(p)
	if !a.done && announced.Match(a.buf.Bytes()) {
		a.done = true
		close(a.told)
	}
	return n, err
}

func (a *announcement) text() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.buf.String()
}

// grumble passes on the first that a server says on stderr, but for its farewell
// and for what it says of those who leave while they wait.
type grumble struct{ lines int }

func (g *grumble) Write(p []byte) (int, error) {
	const enough = 10
	if bytes.HasPrefix(p, []byte("tuner serve: ending")) || bytes.Contains(p, []byte(" status=503 ")) || g.lines >= enough {
		return len(p), nil
	}
	g.lines++
	return os.Stderr.Write(p)
}
