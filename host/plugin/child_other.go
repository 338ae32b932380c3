//go:build unix && !linux

package plugin

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// ownGroup gives a process its own group. Without Pdeathsig it is the plugin
// that notices the end of the host, by the pipe it inherited.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit cannot wait without reaping here, so it does not wait at all.
func awaitExit(int) bool { return false }

func killGroup(pid int) { _ = unix.Kill(-pid, unix.SIGKILL) }
