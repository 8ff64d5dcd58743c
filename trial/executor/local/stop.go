//go:build linux || darwin

package local

import (
	"errors"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gotuner/tuner/api/types"
)

// leftoverGrace is how long what the main process leaves behind may go on after
// SIGTERM.
const leftoverGrace = time.Second

// stopSignals are the signals that Stop knows.
var stopSignals = map[string]unix.Signal{
	"TERM": unix.SIGTERM, "INT": unix.SIGINT, "USR1": unix.SIGUSR1, "KILL": unix.SIGKILL,
}

func parseSignal(name string) (unix.Signal, error) {
	if sig, ok := stopSignals[name]; ok {
		return sig, nil
	}
	return 0, types.Errorf(types.Invalid, "unknown stop signal %q", name).WithField("signal").
		WithRemedy("use TERM, INT, USR1 or KILL")
}

// signalName is the name without SIG, or the number of a nameless signal.
func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return strings.TrimPrefix(name, "SIG")
	}
	return strconv.Itoa(int(sig))
}

// watch tells how an attempt stands.
func (s *supervisor) watch(req *request) *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.standing(req)
}

// standing is watch for the holder of mu.
func (s *supervisor) standing(req *request) *reply {
	a := s.attempts[req.Dir]
	r := &reply{ID: req.ID, Dir: req.Dir}
	switch {
	case a == nil:
		r.Standing = standUnknown
	case a.exit != nil:
		r.Standing, r.Exit = standEnded, a.exit
	default:
		r.Standing = standRunning
		select {
		case <-a.ready:
			r.Started = a.started
		default: // It is just being started.
		}
	}
	return r
}

// stop sends the stop signal and sets the time of the kill.
func (s *supervisor) stop(req *request) *reply {
	sig, err := parseSignal(req.Signal)
	if err != nil {
		e, _ := errors.AsType[*types.Error](err)
		return &reply{ID: req.ID, Error: e}
	}
	s.mu.Lock()
	a := s.attempts[req.Dir]
	s.mu.Unlock()
	if a != nil {
		<-a.ready
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.standing(req)
	if r.Standing != standRunning || s.attempts[req.Dir] != a {
		return r
	}
	at := time.Now().Add(req.Grace)
	if sig == unix.SIGKILL {
		at = time.Now()
	}
	if a.killAt.IsZero() || at.Before(a.killAt) {
		a.killAt = at
		if a.timer != nil {
			a.timer.Stop()
		}
		a.timer = time.AfterFunc(time.Until(at), func() { s.kill(a) })
	}
	if a.sent[sig] {
		return r
	}
	a.sent[sig], a.last = true, sig
	if !a.reaped {
		s.signal(a, sig)
		a.grouped = sig
		if sig != unix.SIGKILL {
			// A stopped process would not see the signal.
			s.signal(a, unix.SIGCONT)
		}
	}
	return r
}

// kill ends an attempt whose grace is over. What is not in the group goes when
// the main process is gone (clear), at once because killAt has passed.
func (s *supervisor) kill(a *attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !a.reaped {
		s.signal(a, unix.SIGKILL)
	}
}

// signal signals the attempt's group. The caller holds mu and knows that the
// main process was not reaped, so that the number is still the group's.
func (s *supervisor) signal(a *attempt, sig unix.Signal) {
	if err := signalGroup(a.handle.Pid, sig); err != nil {
		s.log.Warn("signal an attempt", "dir", a.dir, "signal", signalName(sig), "error", err)
	}
}

// clear ends what the main process left behind and returns when it is gone. In
// the common case, that nothing is, it costs one look at the list of children.
func (s *supervisor) clear(a *attempt) error {
	told := map[int]bool{}
	// A process that was found stays the attempt's when what tied it to the
	// attempt has died before it.
	found := map[int]uint64{}
	kill := time.Now().Add(leftoverGrace)
	var giveUp time.Time
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		left, err := s.leftovers(a, found)
		if err != nil || len(left) == 0 {
			return err
		}
		for _, p := range left {
			found[p.pid] = p.start
		}
		s.mu.Lock()
		sig, grouped, deadline := unix.SIGTERM, a.grouped, kill
		if !a.killAt.IsZero() {
			sig, deadline = a.last, a.killAt
		}
		s.mu.Unlock()
		now := time.Now()
		switch {
		case now.Before(deadline):
			tell(left, told, a.handle.Pid, sig, grouped)
			pause = min(pause, time.Until(deadline)+time.Millisecond)
		case giveUp.IsZero() || now.Before(giveUp):
			if giveUp.IsZero() {
				giveUp = now.Add(killTimeout)
			}
			_ = signalAll(left, unix.SIGKILL) // What cannot be signalled is seen at giveUp.
		default:
			return types.Errorf(types.Unavailable, "%d processes of the attempt could not be killed, such as %d",
				len(left), left[0].pid)
		}
		pauseFor(pause)
	}
}

// tell sends sig once to each process that did not get it with its group.
func tell(ps []process, told map[int]bool, group int, sig, grouped unix.Signal) {
	for _, p := range ps {
		if told[p.pid] || p.pgid == group && sig == grouped {
			continue
		}
		told[p.pid] = true
		// One that may not be signalled is reported when it cannot be killed.
		_ = signalAll([]process{p}, sig)
		_ = signalAll([]process{p}, unix.SIGCONT)
	}
}

// leftovers returns the living processes of an attempt whose main process is
// gone. Each descends from an orphan that this process was given. found are
// processes (and their start times) that are known to be the attempt's.
func (s *supervisor) leftovers(a *attempt, found map[int]uint64) ([]process, error) {
	s.mu.Lock()
	// Orphans that cannot be attributed belong to the last attempt that leaves.
	last := orphansAreOurs && s.forking == 0
	for _, other := range s.attempts {
		last = last && (other == a || other.exit != nil)
	}
	pids, err := children()
	roots := map[int]bool{}
	for _, pid := range pids {
		if s.byPid[pid] == nil {
			roots[pid] = true
		}
	}
	s.mu.Unlock()
	if err != nil || len(roots) == 0 {
		return nil, err
	}
	for pid := range roots {
		p, ok := lookProcess(pid)
		ours := last || found[pid] == p.start && p.start != 0 || owns(a, p)
		if !ok || p.zombie || !ours {
			delete(roots, pid)
		}
	}
	if len(roots) == 0 {
		return nil, nil
	}
	table, err := processes()
	if err != nil {
		return nil, err
	}
	return living(table, func(process) bool { return false }, func(p process) bool { return roots[p.pid] }), nil
}

// owns tells whether a process is of the attempt's session or carries its mark.
func owns(a *attempt, p process) bool {
	return p.sid == a.handle.Pid || p.pgid == a.handle.Pid || marked(p.pid, a.dir)
}
