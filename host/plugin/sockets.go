//go:build unix

package plugin

import (
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// longestSocketDir leaves room for the names go-plugin adds: the whole path of
	// a unix socket has at most 107 bytes.
	longestSocketDir = 50
	socketDirPrefix  = "deconfound-"
	// ownerFile is locked for as long as the host lives.
	ownerFile = "owner"
	// youngest is the age below which a directory is not taken for a leftover,
	// because its host may not have locked it yet.
	youngest = time.Minute
)

// sweepOnce has a host clean up after killed ones when it starts its first plugin.
var sweepOnce sync.Once

// socketDir makes a private directory (mode 0700) for the sockets of one plugin.
// The file marks it as in use until it is closed, by us or by our death.
func socketDir() (dir string, owner *os.File, err error) {
	base := os.TempDir()
	if len(base) > longestSocketDir {
		base = "/tmp"
	}
	sweepOnce.Do(func() { sweep(base, time.Now().Add(-youngest)) })
	if dir, err = os.MkdirTemp(base, socketDirPrefix); err != nil {
		return "", nil, err
	}
	if owner, err = os.Create(filepath.Join(dir, ownerFile)); err == nil {
		if err = unix.Flock(int(owner.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return dir, owner, nil
		}
		owner.Close()
	}
	os.RemoveAll(dir)
	return "", nil, err
}

// WorkDir makes a private directory for one training and a function that deletes
// it. If this process is killed, the next one deletes it.
func WorkDir() (dir string, remove func(), err error) {
	dir, owner, err := socketDir()
	if err != nil {
		return "", nil, err
	}
	return dir, func() {
		_ = os.RemoveAll(dir)
		_ = owner.Close()
	}, nil
}

// sweep removes the directories of hosts that were killed before they could.
func sweep(base string, before time.Time) {
	found, _ := filepath.Glob(filepath.Join(base, socketDirPrefix+"*", ownerFile))
	for _, path := range found {
		info, err := os.Lstat(path)
		if err != nil || !info.Mode().IsRegular() || info.ModTime().After(before) {
			continue
		}
		owner, err := os.Open(path)
		if err != nil {
			continue // another user's
		}
		if unix.Flock(int(owner.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			os.RemoveAll(filepath.Dir(path))
		}
		owner.Close()
	}
}
