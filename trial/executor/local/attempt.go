//go:build linux || darwin

package local

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor"
)

// attempt is what the supervisor knows of an attempt, from the request to start
// it until its exit status is written.
type attempt struct {
	dir string
	// ready is closed when the start has succeeded or failed; the fields up to
	// the next comment are set before and not changed afterwards.
	ready   chan struct{}
	answer  *reply // without ID
	handle  handle
	lock    *os.File
	started time.Time

	// The rest is guarded by supervisor.mu.

	// reaped: the main process is gone, its pid may be somebody else's.
	reaped bool
	// sent is the stop signals that it got: none is sent twice, for some
	// programs take the second as "at once".
	sent map[unix.Signal]bool
	// last is the last stop signal that was asked for, grouped the last that
	// the group got.
	last, grouped unix.Signal
	// killAt is when the grace of a stop is over; zero if it is not stopped.
	killAt time.Time
	timer  *time.Timer
	// watchers are the agents that started it or asked for its end; lonely is
	// since when there is none.
	watchers map[*agent]struct{}
	lonely   time.Time
	// exit is set when it has ended but exit.json cannot be written yet.
	exit *exitRecord
}

// unwatch forgets an agent that is gone. The caller holds supervisor.mu.
func (a *attempt) unwatch(g *agent) {
	if _, ok := a.watchers[g]; ok {
		delete(a.watchers, g)
		a.lonely = time.Now()
	}
}

// exit is what wait4 says of a process.
type exit struct {
	status syscall.WaitStatus
	usage  syscall.Rusage
	at     time.Time
}

// etxtbsyTries is how often a program that is being written is tried, 20 ms
// apart: somebody rebuilds it while the sweep runs.
const etxtbsyTries = 15

// start starts an attempt or finds it.
func (s *supervisor) start(req *request) *reply {
	s.mu.Lock()
	if s.leaving {
		s.mu.Unlock()
		return &reply{ID: req.ID, Error: types.Errorf(types.Unavailable, "the supervisor is ending").WithRemedy("try again")}
	}
	a := s.attempts[req.Dir]
	if a == nil {
		a = &attempt{dir: req.Dir, ready: make(chan struct{}), sent: map[unix.Signal]bool{},
			watchers: map[*agent]struct{}{}, lonely: time.Now()}
		s.attempts[req.Dir] = a
		s.checkIdle()
		s.mu.Unlock()
		s.begin(a, req)
		close(a.ready)
	} else {
		s.mu.Unlock()
		<-a.ready
	}
	answer := *a.answer
	answer.ID = req.ID
	s.mu.Lock()
	if a.exit != nil {
		answer.Standing, answer.Exit = standEnded, a.exit
	}
	s.mu.Unlock()
	return &answer
}

// begin takes the attempt's directory and starts its process, unless it had
// begun before. It sets a.answer; if there is no process, a is forgotten.
func (s *supervisor) begin(a *attempt, req *request) {
	answer, err := s.launch(a, req)
	if err != nil {
		e, ok := errors.AsType[*types.Error](err)
		if !ok {
			e = types.Errorf(types.Internal, "start the attempt in %s: %w", a.dir, err)
		}
		answer = &reply{Error: e}
	}
	answer.Dir = a.dir
	a.answer = answer
	if answer.Standing == standRunning {
		return
	}
	s.mu.Lock()
	delete(s.attempts, a.dir)
	s.checkIdle()
	s.mu.Unlock()
	if a.lock != nil {
		_ = a.lock.Close()
	}
}

func (s *supervisor) launch(a *attempt, req *request) (*reply, error) {
	path := filepath.Join(a.dir, lockFile)
	var err error
	// Observers take the lock for microseconds.
	a.lock, err = flockWait(path, os.O_CREATE|os.O_RDWR, unix.LOCK_EX, 200*time.Millisecond)
	if errors.Is(err, errLocked) {
		if h, ok := readHandle(a.dir); ok {
			return &reply{Handle: h.String(), Standing: standUnknown}, nil
		}
		return nil, types.Errorf(types.Conflict, "the attempt in %s is being started by another supervisor", a.dir).
			WithRemedy("give each agent a state folder and attempts of its own")
	}
	if err != nil {
		return nil, fileError("lock the attempt", err)
	}
	begun, err := a.lock.Stat()
	if err != nil {
		return nil, err
	}
	if begun.Size() > 0 {
		return s.find(a)
	}

	dir, argv, env := string(req.Cwd), splitZero(req.Argv), splitZero(req.Env)
	program, err := checkCommand(argv, dir, env)
	if err != nil {
		return nil, errors.Join(err, removeFile(path))
	}
	if _, err := a.lock.WriteString(strconv.Itoa(os.Getpid()) + "\n"); err != nil {
		return nil, errors.Join(fileError("mark the attempt as begun", err), removeFile(path))
	}
	s.fail.Hit(failBeforeStart)
	if err := s.spawn(a, program, argv, env, dir); err != nil {
		return nil, errors.Join(err, removeFile(filepath.Join(a.dir, stdoutFile)),
			removeFile(filepath.Join(a.dir, stderrFile)), removeFile(filepath.Join(a.dir, handleFile)), removeFile(path))
	}
	return &reply{Handle: a.handle.String(), Standing: standRunning, Started: a.started}, nil
}

// find answers for an attempt that had begun before this supervisor knew of it.
func (s *supervisor) find(a *attempt) (*reply, error) {
	h, ok := readHandle(a.dir)
	if !ok || h.Dir != a.dir {
		// Whoever began it was killed before it wrote the handle.
		h = handle{Version: handleVersion, Dir: a.dir, Boot: s.boot}
	}
	st, err := settle(h, s.boot)
	if err != nil {
		return nil, err
	}
	if st.Phase == executor.Gone {
		return &reply{Handle: h.String(), Standing: standGone}, nil
	}
	r, err := readExit(a.dir)
	if err != nil {
		return nil, err
	}
	return &reply{Handle: h.String(), Standing: standEnded, Exit: r}, nil
}

func checkCommand(argv []string, dir string, env []string) (string, error) {
	if err := checkDir(dir); err != nil {
		return "", err
	}
	if len(argv) == 0 {
		return "", types.Errorf(types.Invalid, "there is no command to run").WithField("command")
	}
	return FindExecutable(argv[0], dir, env)
}

// spawn starts the process and writes its handle. If it fails there is no
// process, and files may be left.
func (s *supervisor) spawn(a *attempt, program string, argv, env []string, dir string) error {
	const mode = os.O_WRONLY | os.O_APPEND | os.O_CREATE
	stdout, err := os.OpenFile(filepath.Join(a.dir, stdoutFile), mode, 0o600)
	if err != nil {
		return fileError("make the file for standard output", err)
	}
	defer closeFile(stdout)
	stderr, err := os.OpenFile(filepath.Join(a.dir, stderrFile), mode, 0o600)
	if err != nil {
		return fileError("make the file for standard error", err)
	}
	defer closeFile(stderr)

	attr := &syscall.ProcAttr{
		Dir: dir, Env: env,
		Files: []uintptr{s.null.Fd(), stdout.Fd(), stderr.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}
	s.mu.Lock()
	if s.dying {
		s.mu.Unlock()
		return types.Errorf(types.Unavailable, "the supervisor is ending").WithRemedy("try again")
	}
	s.forking++
	s.mu.Unlock()
	a.started = time.Now()
	// Not os/exec: this process waits for all its children, also those that it
	// did not start, in one place (reap).
	pid, err := syscall.ForkExec(program, argv, attr)
	for range etxtbsyTries {
		if !errors.Is(err, syscall.ETXTBSY) {
			break
		}
		pauseFor(20 * time.Millisecond)
		pid, err = syscall.ForkExec(program, argv, attr)
	}
	if err == nil {
		s.fail.Hit(failAfterStart)
		proc, _ := lookProcess(pid)
		a.handle = handle{Version: handleVersion, Dir: a.dir, Pid: pid, Start: proc.start, Boot: s.boot}
	}
	handleErr := s.register(a, pid, err)
	if err != nil {
		size := 0
		for _, v := range append(slices.Clip(argv), env...) {
			size += len(v) + 1
		}
		return startError(program, size, err)
	}
	return handleErr
}

// register ends the forking of an attempt: from here on reap knows its pid. If
// the handle cannot be written, the process is killed and waited for.
func (s *supervisor) register(a *attempt, pid int, forkErr error) error {
	var writeErr error
	if forkErr == nil {
		writeErr = os.WriteFile(filepath.Join(a.dir, handleFile), []byte(a.handle.String()+"\n"), 0o600)
		s.fail.Hit(failAfterHandle)
	}
	s.mu.Lock()
	s.forking--
	var early exit
	ended := false
	if forkErr == nil {
		if early, ended = s.early[pid]; ended {
			a.reaped = true
		} else if writeErr == nil {
			s.byPid[pid] = a
		}
	}
	if s.forking == 0 {
		clear(s.early)
	}
	s.mu.Unlock()
	select {
	case s.spawned <- struct{}{}:
	default:
	}
	if writeErr != nil {
		return errors.Join(fileError("write the attempt's handle", writeErr), killAttempt(a.handle, s.boot))
	}
	if ended {
		go s.finish(a, early)
	}
	return nil
}

// reap waits for all children of this process as long as it lives: attempts and
// the orphans of attempts.
func (s *supervisor) reap() {
	for {
		var e exit
		pid, err := syscall.Wait4(-1, &e.status, 0, &e.usage)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.ECHILD):
			<-s.spawned
			continue
		case err != nil:
			s.log.Error("wait for children", "error", err)
			pauseFor(100 * time.Millisecond)
			continue
		}
		e.at = time.Now()
		s.mu.Lock()
		a := s.byPid[pid]
		if a != nil {
			delete(s.byPid, pid)
			a.reaped = true
			go s.finish(a, e)
		} else if s.forking > 0 {
			s.early[pid] = e
		}
		s.mu.Unlock()
	}
}

// finish clears up after an attempt whose main process has ended, writes how it
// ended, and tells the agents, in this order.
func (s *supervisor) finish(a *attempt, e exit) {
	<-a.ready
	s.mu.Lock()
	record := a.record(e)
	s.mu.Unlock()
	if err := s.clear(a); err != nil {
		s.log.Warn("processes of an attempt are left", "dir", a.dir, "error", err)
		record.Err = err.Error()
	}
	s.mu.Lock()
	if a.timer != nil {
		a.timer.Stop()
	}
	dying := s.dying
	s.mu.Unlock()
	if dying {
		return
	}
	// Now, not when an agent comes to read it: then there may be room again.
	record.NoRoom = record.Exit != 0 && executor.NoRoom(a.dir)
	s.fail.Hit(failBeforeExitJSON)
	err := writeFile(a.dir, exitFile, record)
	if err != nil && !record.NoRoom { // what ends well may have had no room for its last lines
		record.NoRoom = executor.NoRoom(a.dir)
	}
	s.fail.Hit(failAfterExitJSON)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.log.Error("write an exit status; trying on", "dir", a.dir, "error", err)
		s.mu.Lock()
		a.exit = record
		s.mu.Unlock()
		go s.writeLater(a)
	} else {
		s.forget(a)
	}
	s.mu.Lock()
	agents := make([]*agent, 0, len(s.agents))
	for ag := range s.agents {
		agents = append(agents, ag)
	}
	s.mu.Unlock()
	for _, ag := range agents {
		s.send(ag, &reply{Dir: a.dir, Standing: standEnded, Exit: record})
	}
}

// forget drops an attempt whose end is known from its directory (or whose
// directory is gone).
func (s *supervisor) forget(a *attempt) {
	s.mu.Lock()
	delete(s.attempts, a.dir)
	s.checkIdle()
	s.mu.Unlock()
	_ = a.lock.Close()
}

// writeLater tries on to write an exit status until it succeeds or the
// directory was removed. Meanwhile agents learn it from memory.
func (s *supervisor) writeLater(a *attempt) {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		pauseFor(pause)
		err := writeFile(a.dir, exitFile, a.exit)
		if err == nil || errors.Is(err, os.ErrNotExist) {
			s.forget(a)
			return
		}
	}
}

// record is how the attempt ended. The caller holds supervisor.mu.
func (a *attempt) record(e exit) *exitRecord {
	cpu := time.Duration(e.usage.Utime.Nano() + e.usage.Stime.Nano())
	r := &exitRecord{
		Version: 1, Exit: -1,
		Started: a.started.UTC(), Ended: e.at.UTC(),
		CPU:    math.Round(cpu.Seconds()*1e6) / 1e6,
		MaxRSS: e.usage.Maxrss * rssUnit,
	}
	if a.grouped != 0 {
		r.Stopped = signalName(a.grouped)
	}
	if e.status.Signaled() {
		r.Signal = signalName(e.status.Signal())
	} else {
		r.Exit = e.status.ExitStatus()
	}
	return r
}
