// Package cli is the command line of tuner: one file a command. Everything that
// a command takes from its surroundings comes through State, so that whole
// commands can be tested.
package cli

import (
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

// State is what a command gets from its surroundings. System is the only place
// that asks the operating system.
type State struct {
	Args    []string // without the program's name
	Environ []string
	Dir     string // working directory, absolute
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	// Size returns columns and lines of the terminal behind Stderr; 0 if it is
	// none.
	Size func() (width, height int)
	// Notify relays the signals to c until stop is called.
	Notify func(c chan<- os.Signal, sigs ...os.Signal) (stop func())
	Now    func() time.Time
	// Executable is the path of this program, for its supervisor.
	Executable string

	// shared is the clock of the database that was opened, nil if none was.
	shared func() time.Time
}

// now is the time by which stored times are judged: that of the database, else
// of this machine.
func (s *State) now() time.Time {
	if s.shared != nil {
		return s.shared()
	}
	return s.Now()
}

// System is the State of this process.
func System() State {
	dir, err := os.Getwd()
	if err != nil {
		dir = "." // a deleted directory: whatever needs it fails with its own message
	}
	exe, err := os.Executable()
	if err != nil {
		exe = os.Args[0]
	}
	return State{
		Args: os.Args[1:], Environ: os.Environ(), Dir: dir,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Size: func() (int, int) {
			fd := int(os.Stderr.Fd())
			if !term.IsTerminal(fd) {
				return 0, 0
			}
			w, h, err := term.GetSize(fd)
			if err != nil {
				return 80, 24
			}
			return w, h
		},
		Notify: func(c chan<- os.Signal, sigs ...os.Signal) func() {
			signal.Notify(c, sigs...)
			return func() { signal.Stop(c) }
		},
		Now: time.Now, Executable: exe,
	}
}

// Getenv returns the last value of a variable, "" if it is not set.
func (s *State) Getenv(key string) string {
	v := ""
	for _, kv := range s.Environ {
		if k, val, ok := strings.Cut(kv, "="); ok && k == key {
			v = val
		}
	}
	return v
}

// stopSignals are those that end a sweep in stages.
var stopSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}
