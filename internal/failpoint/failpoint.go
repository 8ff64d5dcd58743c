// Package failpoint ends the process with SIGKILL at a named place, so that
// crash tests can cut exactly between two steps that must not depend on each
// other. The process's main makes a Set from the environment (Env) and hands it
// down in Config structs; nothing is global.
package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Env is the environment variable that mains read, such as
// "supervisor.after_start:3" or "engine.before_commit,supervisor.before_start:2".
const Env = "TUNER_FAILPOINT"

// Set is the failpoints that are armed in this process. A nil Set has none; it
// is safe for concurrent use.
type Set struct {
	points map[string]*point
	kill   func()
}

type point struct {
	at   int64
	hits atomic.Int64
}

// Parse reads a comma-separated list of name or name:n; the process dies when
// the name is hit for the n-th time (default 1). Empty text gives a nil Set.
func Parse(text string) (*Set, error) {
	if text == "" {
		return nil, nil
	}
	s := &Set{points: map[string]*point{}, kill: killSelf}
	for entry := range strings.SplitSeq(text, ",") {
		name, count, counted := strings.Cut(entry, ":")
		n := int64(1)
		if counted {
			var err error
			if n, err = strconv.ParseInt(count, 10, 64); err != nil || n < 1 {
				return nil, fmt.Errorf("failpoint %q: the part after the colon must be a number from 1 on", entry)
			}
		}
		if name == "" {
			return nil, fmt.Errorf("failpoint %q has no name", entry)
		}
		if s.points[name] != nil {
			return nil, fmt.Errorf("failpoint %q is named twice", name)
		}
		s.points[name] = &point{at: n}
	}
	return s, nil
}

// Hit ends the process if name is armed and this is the n-th time it is hit.
func (s *Set) Hit(name string) {
	if s == nil {
		return
	}
	if p := s.points[name]; p != nil && p.hits.Add(1) == p.at {
		s.kill()
	}
}

// killSelf does not return: no deferred function and no other goroutine's next
// step may count on having run.
func killSelf() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill() // Cannot fail for one's own process.
	}
	<-time.After(time.Hour) // the signal comes first; without a timer the runtime would see a deadlock
}
