package local

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// readStat parses /proc/PID/stat (proc_pid_stat(5)). The second field, the
// name in parentheses, may contain anything, also parentheses.
func readStat(pid int) (process, bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return process{}, false
	}
	end := bytes.LastIndexByte(b, ')')
	f := strings.Fields(string(b[end+1:]))
	if end < 0 || len(f) < 20 {
		return process{}, false
	}
	// A main thread that has ended while others of its process still do is a
	// zombie too, but the process has its files and memory until the last ended.
	p := process{pid: pid, zombie: (f[0] == "Z" || f[0] == "X") && (f[17] == "0" || f[17] == "1")}
	var errs [4]error
	p.ppid, errs[0] = strconv.Atoi(f[1])
	p.pgid, errs[1] = strconv.Atoi(f[2])
	p.sid, errs[2] = strconv.Atoi(f[3])
	p.start, errs[3] = strconv.ParseUint(f[19], 10, 64)
	return p, errors.Join(errs[:]...) == nil
}

// lookProcess returns one entry of the process table.
func lookProcess(pid int) (process, bool) { return readStat(pid) }

// processes returns the process table.
func processes() ([]process, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("read the process table: %w", err)
	}
	defer closeFile(d)
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("read the process table: %w", err)
	}
	var out []process
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, ok := readStat(pid); ok {
			out = append(out, p)
		}
	}
	return out, nil
}

// execTries is how often the environment of a process is read, 1 ms apart,
// that seems to have none.
const execTries = 10

// marked tells whether the process carries the attempt's mark. The environment
// of other users' processes cannot be read, nor needs to be. In the middle of
// an exec a process seems to have none, after its parent was told that the exec
// has succeeded.
func marked(pid int, dir string) bool {
	want := []byte(MarkEnv + "=" + dir)
	for range execTries {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
		if err != nil {
			return false
		}
		if len(b) > 0 {
			for v := range bytes.SplitSeq(b, []byte{0}) {
				if bytes.Equal(v, want) {
					return true
				}
			}
			return false
		}
		if p, ok := readStat(pid); !ok || p.zombie || p.pgid == 0 { // threads of the kernel have group 0
			return false
		}
		pauseFor(time.Millisecond)
	}
	return false
}

// bootID changes with every start of the machine.
func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// becomeSubreaper makes this process the parent of orphans among its
// descendants.
func becomeSubreaper() error {
	return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

// children returns the orphans that this process was given, beside other
// children of its first thread: the kernel gives orphans to the first thread,
// and keeps the list, so that this costs one small file. Without
// CONFIG_PROC_CHILDREN the process table is read.
func children() ([]int, error) {
	self := strconv.Itoa(os.Getpid())
	b, err := os.ReadFile("/proc/self/task/" + self + "/children")
	if errors.Is(err, fs.ErrNotExist) {
		return childrenByTable()
	}
	if err != nil {
		return nil, err
	}
	var out []int
	for f := range strings.FieldsSeq(string(b)) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			return nil, fmt.Errorf("children of this process: %w", err)
		}
		out = append(out, pid)
	}
	return out, nil
}

func childrenByTable() ([]int, error) {
	table, err := processes()
	if err != nil {
		return nil, err
	}
	var out []int
	for _, p := range table {
		if p.ppid == os.Getpid() {
			out = append(out, p.pid)
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
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if credErr != nil {
		return 0, credErr
	}
	return int(cred.Uid), nil
}

// openFiles is the folder that lists this process's file descriptors.
const openFiles = "/proc/self/fd"

// rssUnit is the unit of Rusage.Maxrss in bytes.
const rssUnit = 1024

// runningExecutable names this program even after its file was replaced.
func runningExecutable() (string, error) {
	path, err := os.Executable()
	if err == nil {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "/proc/self/exe", nil
}

// orphansAreOurs: what children returns beside attempts can only have been left
// by one. The kernel gives orphans of attempts to
// this process, which has no other children but attempts.
const orphansAreOurs = true
