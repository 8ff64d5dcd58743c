package local

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// zombieState is SZOMB of sys/proc.h.
const zombieState = 5

func fromKinfo(k *unix.KinfoProc) process {
	p := process{
		pid:    int(k.Proc.P_pid),
		ppid:   int(k.Eproc.Ppid),
		pgid:   int(k.Eproc.Pgid),
		start:  uint64(k.Proc.P_starttime.Sec)*1_000_000 + uint64(k.Proc.P_starttime.Usec),
		zombie: k.Proc.P_stat == zombieState,
	}
	// The session in the table is a kernel address.
	if sid, err := unix.Getsid(p.pid); err == nil {
		p.sid = sid
	}
	return p
}

// lookProcess returns one entry of the process table.
func lookProcess(pid int) (process, bool) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(k.Proc.P_pid) != pid {
		return process{}, false
	}
	return fromKinfo(k), true
}

// processes returns the process table.
func processes() ([]process, error) {
	ks, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil, fmt.Errorf("read the process table: %w", err)
	}
	out := make([]process, 0, len(ks))
	for i := range ks {
		out = append(out, fromKinfo(&ks[i]))
	}
	return out, nil
}

// marked tells whether the process carries the attempt's mark. kern.procargs2
// gives the number of arguments, the path of the program, and then arguments
// and environment, each ended by a zero byte.
func marked(pid int, dir string) bool {
	b, err := unix.SysctlRaw("kern.procargs2", pid)
	if err != nil || len(b) < 4 {
		return false
	}
	args := int(binary.LittleEndian.Uint32(b))
	_, rest, _ := bytes.Cut(b[4:], []byte{0})
	rest = bytes.TrimLeft(rest, "\x00") // The path is padded.
	want := []byte(MarkEnv + "=" + dir)
	for f := range bytes.SplitSeq(rest, []byte{0}) {
		// Only what follows the arguments counts: an argument may look like it.
		if args--; args < 0 && bytes.Equal(f, want) {
			return true
		}
	}
	return false
}

// bootID changes with every start of the machine.
func bootID() (string, error) {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return "", fmt.Errorf("read the boot id: %w", err)
	}
	return id, nil
}

// becomeSubreaper does nothing: macOS has no such thing, and orphans go to
// launchd. They are found by group and mark.
func becomeSubreaper() error { return nil }

// children returns the processes that may be leftovers of attempts: those that
// were left to launchd and belong to this user. Which attempt they are of, if
// any, only group and mark tell.
func children() ([]int, error) {
	ks, err := unix.SysctlKinfoProcSlice("kern.proc.uid", os.Getuid())
	if err != nil {
		return nil, fmt.Errorf("read the process table: %w", err)
	}
	var out []int
	for i := range ks {
		if ks[i].Eproc.Ppid == 1 {
			out = append(out, int(ks[i].Proc.P_pid))
		}
	}
	return out, nil
}

// peerUID returns the user of the process at the other end of a socket.
func peerUID(c *net.UnixConn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Xucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, credErr
	}
	return int(cred.Uid), nil
}

// openFiles is the folder that lists this process's file descriptors.
const openFiles = "/dev/fd"

// rssUnit is the unit of Rusage.Maxrss in bytes.
const rssUnit = 1

// runningExecutable names this program.
func runningExecutable() (string, error) { return os.Executable() }

// orphansAreOurs: what children returns beside attempts can only have been left
// by one. Orphans go to launchd, as do
// strangers.
const orphansAreOurs = false
