//go:build linux || darwin

package executortest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Facts is what a process finds out about itself.
type Facts struct {
	// Args and Env are bytes, as they may be no UTF-8.
	Args, Env [][]byte
	Dir       []byte
	Pid       int
	Group     int
	Session   int
	Stdin     string
	// Open are the file descriptors above 2 that it inherited.
	Open []string
}

// Helper is the programs of the suite's attempts; the main function of a test
// binary calls it when Harness.Helper was used. It returns the exit code.
func Helper(args []string) int {
	if err := help(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	return 0
}

func help(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: COMMAND FILE [ARG]…")
	}
	switch command, file := args[0], args[1]; command {
	case "facts": // Writes Facts to the file.
		return writeFacts(file, args[2:])
	case "escape": // Starts the rest in a session of its own, and writes its pid.
		return escape(file, args[2:], os.Environ())
	case "vanish": // The same, with an empty environment.
		return escape(file, args[2:], []string{})
	case "save": // Ignores the first TERM for a while, then writes the file.
		return save(file)
	case "deaf": // Ignores TERM, INT and USR1 and never ends.
		signal.Ignore(unix.SIGTERM, unix.SIGINT, unix.SIGUSR1)
		if err := writeWhole(file, []byte(strconv.Itoa(os.Getpid()))); err != nil {
			return err
		}
		<-time.After(time.Hour) // without a timer the runtime would see a deadlock
		return nil
	case "count": // Appends a byte for each TERM, ends at USR1.
		return countSignals(file)
	default:
		return fmt.Errorf("unknown command %q", command)
	}
}

func writeWhole(file string, b []byte) error {
	if err := os.WriteFile(file+".tmp", b, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".tmp", file)
}

func writeFacts(file string, args []string) error {
	f := Facts{Pid: os.Getpid(), Group: unix.Getpgrp()}
	for _, a := range args {
		f.Args = append(f.Args, []byte(a))
	}
	for _, e := range os.Environ() {
		f.Env = append(f.Env, []byte(e))
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	f.Dir = []byte(dir)
	if f.Session, err = unix.Getsid(0); err != nil {
		return err
	}
	// Reading tells what stdin is on any platform: an empty file or the null
	// device ends at once.
	n, readErr := os.Stdin.Read(make([]byte, 1))
	f.Stdin = fmt.Sprint(n, readErr)
	// The runtime's own descriptors are close-on-exec, inherited ones are not.
	for fd := 3; fd < 64; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			f.Open = append(f.Open, strconv.Itoa(fd))
		}
	}
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return writeWhole(file, b)
}

func escape(file string, argv, env []string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	return writeWhole(file, []byte(strconv.Itoa(cmd.Process.Pid)))
}

func save(file string) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM)
	if err := writeWhole(file+".ready", nil); err != nil {
		return err
	}
	<-signals
	// Longer than leftovers of a main process may live that was not stopped.
	<-time.After(1500 * time.Millisecond)
	return writeWhole(file, []byte("saved"))
}

func countSignals(file string) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGTERM, unix.SIGUSR1)
	if err := writeWhole(file, nil); err != nil {
		return err
	}
	for sig := range signals {
		if sig == unix.SIGUSR1 {
			return nil
		}
		f, err := os.OpenFile(filepath.Clean(file), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		if _, err := f.WriteString("x"); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
