package pglocal

import "syscall"

// dieWithParent makes a process get SIGINT, a fast shutdown for PostgreSQL, when
// the thread that started it ends.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }
