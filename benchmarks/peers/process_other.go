//go:build !unix

package peers

import "os/exec"

func ownGroup(*exec.Cmd) {}

// killGroup kills the process; there are no groups here.
func killGroup(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // fails only if it is gone
}
