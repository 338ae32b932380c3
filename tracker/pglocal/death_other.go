//go:build unix && !linux

package pglocal

import "syscall"

// dieWithParent does nothing: only Linux can tie a process to its parent. The
// next supervisor stops a server that was left over.
func dieWithParent(*syscall.SysProcAttr) {}
