package pgtest

import "syscall"

func attributes(int, int) *syscall.SysProcAttr { return nil }
