//go:build unix

package serve

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/deconfound/deconfound/sdk/transport"
)

// divert moves standard output away and lets file descriptor 1 lead to standard
// error, so that not even a C library prints into the handshake.
func divert() *os.File {
	fd, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return os.Stdout
	}
	if err := dup(2, 1); err != nil {
		unix.Close(fd)
		return os.Stdout
	}
	return os.NewFile(uintptr(fd), "handshake")
}

// inherited returns the file descriptor that the host names in a variable, and
// keeps both from the plugin's own children.
func inherited(variable string) (int, bool) {
	fd, err := strconv.Atoi(os.Getenv(variable))
	_ = os.Unsetenv(variable)
	if err != nil || fd < 3 {
		return 0, false
	}
	unix.CloseOnExec(fd)
	return fd, true
}

// watchParent ends the process, and its children if it leads a process group,
// when the host's end of the inherited pipe closes: the host is gone.
func watchParent() {
	fd, ok := inherited(transport.ParentVariable)
	if !ok {
		return
	}
	pipe := os.NewFile(uintptr(fd), "host")
	go func() {
		var b [1]byte
		for {
			if n, err := pipe.Read(b[:]); n == 0 && err != nil {
				break
			}
		}
		if unix.Getpgrp() == os.Getpid() {
			_ = unix.Kill(0, unix.SIGKILL)
		}
		os.Exit(1)
	}()
}
