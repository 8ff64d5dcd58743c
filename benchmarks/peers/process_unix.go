//go:build unix

package peers

import (
	"os/exec"
	"syscall"
)

// ownGroup gives the command a process group of its own, so that an interrupt
// at the terminal reaches the harness first, and its helpers die with it.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup kills the process and all that it started.
func killGroup(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // fails only if all are gone
}
