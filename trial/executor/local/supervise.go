//go:build linux || darwin

package local

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/failpoint"
)

// The failpoints of the supervisor.
const (
	failBeforeStart    = "supervisor.before_start"     // the attempt has begun, there is no process
	failAfterStart     = "supervisor.after_start"      // there is a process, no handle is written
	failAfterHandle    = "supervisor.after_handle"     // the handle is written, nobody told
	failBeforeExitJSON = "supervisor.before_exit_json" // the process has ended
	failAfterExitJSON  = "supervisor.after_exit_json"  // written, nobody told
)

// readyFD is the file descriptor on which a new supervisor says that it
// listens, or why it cannot.
const readyFD = 3

// writeTimeout is how long an agent may leave the supervisor's words unread
// before it is disconnected; it reads the files when it comes back.
const writeTimeout = 10 * time.Second

// supervisor is the process that is the parent of all attempts of one folder.
type supervisor struct {
	dir    string
	idle   time.Duration
	orphan time.Duration // 0: attempts need no agent
	boot   string
	log    *slog.Logger
	fail   *failpoint.Set
	null   *os.File

	// spawned wakes the reaper when there may be a first child.
	spawned chan struct{}
	// leave is closed when the supervisor ends because it has nothing to do.
	leave chan struct{}

	mu       sync.Mutex
	attempts map[string]*attempt // by attempt directory
	byPid    map[int]*attempt
	agents   map[*agent]struct{}
	// forking counts processes being started, whose pids are not known yet;
	// early keeps the exits of unknown children meanwhile.
	forking int
	early   map[int]exit
	leaving bool
	// dying: everything is being killed, and what is killed is lost rather than
	// ended, so that no exit status is written.
	dying     bool
	idleTimer *time.Timer
}

// agent is a connection from an agent.
type agent struct {
	conn *net.UnixConn
	mu   sync.Mutex
}

// Supervise is the main function of the supervisor process, with the arguments
// that an Executor gives it after Config.Supervisor. It takes over the process:
// its children, its signals, its working directory. It returns when there is
// nothing left to do; when ctx is done, or on SIGTERM, SIGINT or SIGQUIT, it
// kills all attempts first, which makes them lost.
func Supervise(ctx context.Context, args []string) error {
	s, err := newSupervisor(args)
	if err == nil {
		err = s.prepare()
	}
	ready := os.NewFile(readyFD, "ready")
	if err != nil {
		// The agent that waits on the pipe shows it; there is nobody else.
		_, _ = ready.WriteString(err.Error())
		_ = ready.Close()
		return err
	}
	return s.run(ctx, ready)
}

func newSupervisor(args []string) (*supervisor, error) {
	flags := flag.NewFlagSet("supervisor", flag.ContinueOnError)
	dir := flags.String("dir", "", "state folder")
	idle := flags.Duration("idle", DefaultIdleExit, "end after this time without attempts and agents")
	orphan := flags.Duration("orphan", 0, "stop attempts after this time without agents; 0 never")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if !filepath.IsAbs(*dir) || flags.NArg() > 0 {
		return nil, types.Errorf(types.Invalid, "the supervisor is started by tuner itself, with an absolute -dir")
	}
	fail, err := failpoint.Parse(os.Getenv(failpoint.Env))
	if err != nil {
		return nil, err
	}
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	return &supervisor{
		dir: *dir, idle: *idle, orphan: *orphan, boot: boot, fail: fail,
		log:      slog.New(slog.NewTextHandler(os.Stderr, nil)),
		spawned:  make(chan struct{}, 1),
		leave:    make(chan struct{}),
		attempts: map[string]*attempt{},
		byPid:    map[int]*attempt{},
		agents:   map[*agent]struct{}{},
		early:    map[int]exit{},
	}, nil
}

// prepare makes this process fit to be a parent of strangers.
func (s *supervisor) prepare() error {
	if err := closeInherited(); err != nil {
		return err
	}
	if err := becomeSubreaper(); err != nil {
		return fmt.Errorf("become the parent of orphans: %w", err)
	}
	// A file system must not be kept busy by the supervisor.
	if err := os.Chdir("/"); err != nil {
		return err
	}
	var err error
	s.null, err = os.OpenFile(os.DevNull, os.O_RDONLY, 0)
	return err
}

// closeInherited closes the files that whoever started the agent left open
// (Go's own are all close-on-exec), so that no lock or pipe of theirs is held
// for as long as the supervisor lives.
func closeInherited() error {
	entries, err := os.ReadDir(openFiles)
	if err != nil {
		return fmt.Errorf("list the open files: %w", err)
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd < readyFD {
			continue
		}
		if fd == readyFD {
			unix.CloseOnExec(fd)
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC == 0 {
			_ = unix.Close(fd)
		}
	}
	return nil
}

// run listens until it is time to go.
func (s *supervisor) run(ctx context.Context, ready *os.File) error {
	// Notify rather than Ignore, also for signals that need no answer: signals
	// that the agent ignored (nohup, background jobs) must not be ignored by
	// attempts.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGHUP, unix.SIGTERM, unix.SIGINT, unix.SIGQUIT,
		unix.SIGUSR1, unix.SIGUSR2, unix.SIGPIPE, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU,
		unix.SIGXFSZ)
	defer signal.Stop(signals)

	lock, err := flockWait(filepath.Join(s.dir, supervisorLock()), os.O_CREATE|os.O_RDWR, unix.LOCK_EX, 10*time.Second)
	var l *net.UnixListener
	if err == nil {
		defer closeFile(lock)
		if old, ok := readPresence(s.dir); ok {
			_ = removeFile(old.Socket) // Its owner was killed.
		}
		l, err = s.open(0)
	}
	if err != nil {
		_, _ = ready.WriteString(err.Error())
		_ = ready.Close()
		return err
	}
	s.log.Info("supervisor started", "pid", os.Getpid(), "socket", l.Addr())
	s.mu.Lock()
	s.idleTimer = time.AfterFunc(s.idle, s.leaveIfIdle)
	s.mu.Unlock()
	if s.orphan > 0 {
		done := make(chan struct{})
		defer close(done)
		go s.stopOrphans(done)
	}
	go s.reap()
	go s.accept(l)
	_, _ = ready.WriteString("ready")
	_ = ready.Close()

	for count := 1; ; count++ {
		select {
		case <-s.leave:
			err := errors.Join(removeFile(filepath.Join(s.dir, presenceFile())), l.Close())
			s.log.Info("supervisor ended", "pid", os.Getpid())
			return err
		case <-ctx.Done():
			return errors.Join(s.die("its context ended"), l.Close())
		case sig := <-signals:
			switch sig {
			case unix.SIGTERM, unix.SIGINT, unix.SIGQUIT:
				return errors.Join(s.die(sig.String()), l.Close())
			case unix.SIGHUP:
				// An agent cannot reach the socket: its folder was cleaned away.
				fresh, err := s.open(count)
				if err != nil {
					s.log.Error("make the socket again", "error", err)
					continue
				}
				_ = l.Close()
				l = fresh
				go s.accept(l)
			}
		}
	}
}

// open makes the socket and says where it is.
func (s *supervisor) open(count int) (*net.UnixListener, error) {
	l, err := listen(s.dir, count)
	if err != nil {
		return nil, err
	}
	self, _ := lookProcess(os.Getpid())
	err = writeFile(s.dir, presenceFile(), presence{
		Version: protocolVersion, Pid: os.Getpid(), Start: self.start, Boot: s.boot, Socket: l.Addr().String(),
	})
	if err != nil {
		return nil, errors.Join(fileError("write where the supervisor is", err), l.Close())
	}
	return l, nil
}

func (s *supervisor) accept(l *net.UnixListener) {
	for {
		c, err := l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Too many open files, or the peer gave up: passing faults.
			s.log.Warn("accept", "error", err)
			pauseFor(10 * time.Millisecond)
			continue
		}
		if err := sameUser(c); err != nil {
			s.log.Warn("refused a connection", "error", err)
			_ = c.Close()
			continue
		}
		a := &agent{conn: c}
		s.mu.Lock()
		if s.leaving {
			_ = c.Close()
		} else {
			s.agents[a] = struct{}{}
			go s.serve(a)
		}
		s.mu.Unlock()
	}
}

// serve answers one agent until it disconnects.
func (s *supervisor) serve(a *agent) {
	r := bufio.NewReader(a.conn)
	for {
		req := &request{}
		if err := readFrame(r, req); err != nil {
			break
		}
		switch req.Op {
		case opHello:
			s.send(a, &reply{ID: req.ID})
		case opStart:
			// A start may take long on a slow file system; stops go on.
			go func() { s.send(a, s.watched(a, s.start(req))) }()
		case opWatch:
			s.send(a, s.watched(a, s.watch(req)))
		case opStop:
			go func() { s.send(a, s.stop(req)) }()
		case opBye:
			s.bye(a, req)
		default:
			s.send(a, &reply{ID: req.ID, Error: types.Errorf(types.Unsupported, "the supervisor does not know %q", req.Op)})
		}
	}
	_ = a.conn.Close()
	s.mu.Lock()
	delete(s.agents, a)
	for _, x := range s.attempts {
		x.unwatch(a)
	}
	s.checkIdle()
	s.mu.Unlock()
}

// send writes to an agent. One that does not read is disconnected; so is one
// that is gone.
func (s *supervisor) send(a *agent, r *reply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		err = writeFrame(a.conn, r)
	}
	if err != nil {
		_ = a.conn.Close()
	}
}

// bye lets the supervisor end at once if the last agent leaves nothing behind.
func (s *supervisor) bye(a *agent, req *request) {
	r := &reply{ID: req.ID}
	s.mu.Lock()
	last := s.quiet() && len(s.agents) == 1 && !s.leaving
	if last {
		s.leaving = true
		r.Standing = standLeaving
	}
	s.mu.Unlock()
	s.send(a, r)
	if last {
		close(s.leave)
	}
}

// quiet tells whether there are no attempts. The caller holds mu.
func (s *supervisor) quiet() bool {
	return len(s.attempts) == 0 && s.forking == 0
}

// checkIdle starts or stops the countdown to the end. The caller holds mu.
func (s *supervisor) checkIdle() {
	if s.quiet() && len(s.agents) == 0 {
		s.idleTimer.Reset(s.idle)
	} else {
		s.idleTimer.Stop()
	}
}

func (s *supervisor) leaveIfIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.quiet() && len(s.agents) == 0 && !s.leaving {
		s.leaving = true
		close(s.leave)
	}
}

// watched notes that an agent watches the attempt of a reply, if that runs.
func (s *supervisor) watched(a *agent, r *reply) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, here := s.agents[a]
	if x := s.attempts[r.Dir]; x != nil && here {
		x.watchers[a] = struct{}{}
	}
	return r
}

// stopOrphans stops, until done is closed, the attempts that no agent has watched
// for some time. An agent whose server is away is there, and its attempts go on;
// what one left that was killed, and did not find again, is run by others by now.
func (s *supervisor) stopOrphans(done <-chan struct{}) {
	t := time.NewTicker(s.orphan / 4)
	defer t.Stop()
	for {
		select {
		case <-done:
			return
		case <-t.C:
		}
		var dirs []string
		s.mu.Lock()
		for dir, x := range s.attempts {
			if len(x.watchers) == 0 && time.Since(x.lonely) >= s.orphan {
				dirs = append(dirs, dir)
			}
		}
		s.mu.Unlock()
		for _, dir := range dirs {
			s.log.Warn("no agent has come back: the attempt is stopped", "dir", dir, "after", s.orphan)
			s.stop(&request{Dir: dir, Signal: "TERM", Grace: OrphanGrace})
		}
	}
}

// die kills everything that descends from this process.
func (s *supervisor) die(why string) error {
	s.log.Warn("supervisor is told to end and kills its attempts", "reason", why)
	s.mu.Lock()
	s.leaving, s.dying = true, true
	s.mu.Unlock()
	self := os.Getpid()
	deadline := time.Now().Add(killTimeout)
	for {
		table, err := processes()
		if err != nil {
			return err
		}
		s.mu.Lock()
		left := living(table, func(p process) bool { return p.pid == self }, func(p process) bool {
			return p.ppid == self || s.byPid[p.sid] != nil || s.byPid[p.pgid] != nil
		})
		s.mu.Unlock()
		if len(left) == 0 {
			return removeFile(filepath.Join(s.dir, presenceFile()))
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes could not be killed, such as %d", len(left), left[0].pid)
		}
		_ = signalAll(left, unix.SIGKILL)
		pauseFor(2 * time.Millisecond)
	}
}
