//go:build unix && !linux

package pgtest

import "syscall"

func attributes(uid, gid int) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{}
	if uid >= 0 {
		a.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return a
}
