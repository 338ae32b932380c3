package bundle

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Names of a cache's directory. An entry is a directory named by the sum of its
// archive, with a lock file beside it that whoever uses it holds shared; the file's
// time says when it was last asked for.
const (
	lockSuffix = ".lock"
	partPrefix = ".part-"
)

// Cache keeps directories that were fetched, under the sum of their archive. Several
// processes may share one. The entries least recently asked for go when it grows
// over its limit, unless a process uses them.
type Cache struct {
	dir   string
	limit int64

	mu    sync.Mutex
	inUse map[string]*os.File // the locks that this process holds, by entry
}

// OpenCache opens a cache of at most limit bytes, and makes it when it is used.
func OpenCache(dir string, limit int64) *Cache {
	return &Cache{dir: dir, limit: limit, inUse: map[string]*os.File{}}
}

// Close lets other processes remove what this one used.
func (c *Cache) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, lock := range c.inUse {
		errs = append(errs, lock.Close())
	}
	clear(c.inUse)
	return errors.Join(errs...)
}

// Get answers the directory of an archive and keeps it until Close. One that is not
// there is fetched: open gives the archive and size its size, and check says whether
// the directory that came out of it is what was wanted. It appears whole and checked
// or not at all.
func (c *Cache) Get(sum [32]byte, open func() (io.ReadCloser, error), check func(dir string) error) (string, error) {
	name := hex.EncodeToString(sum[:])
	dir, err := c.get(name, open, check)
	if err != nil {
		return "", fmt.Errorf("fetch %.12s: %w", name, err)
	}
	return dir, nil
}

func (c *Cache) get(name string, open func() (io.ReadCloser, error), check func(dir string) error) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return "", err
	}
	dir := filepath.Join(c.dir, name)
	if err := c.hold(name); err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	part, err := os.MkdirTemp(c.dir, partPrefix)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(part)
	if err := os.Chmod(part, 0o755); err != nil { // a plugin may run as another user
		return "", err
	}
	archive, err := open()
	if err != nil {
		return "", err
	}
	err = errors.Join(Unpack(archive, part, c.limit), archive.Close())
	if err != nil {
		return "", err
	}
	if err := check(part); err != nil {
		return "", err
	}
	if err := os.Rename(part, dir); err != nil {
		if _, exists := os.Stat(dir); exists != nil { // no other process was faster
			return "", err
		}
	}
	return dir, c.trim()
}

// hold takes the shared lock of an entry. One that is being removed is waited for.
func (c *Cache) hold(name string) error {
	path := filepath.Join(c.dir, name+lockSuffix)
	now := time.Now()
	if c.inUse[name] != nil {
		return os.Chtimes(path, now, now)
	}
	for {
		lock, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		if err := flock(lock, unix.LOCK_SH); err != nil {
			return errors.Join(err, lock.Close())
		}
		held, err := lock.Stat()
		if err != nil {
			return errors.Join(err, lock.Close())
		}
		if there, err := os.Stat(path); err == nil && os.SameFile(held, there) {
			c.inUse[name] = lock
			return os.Chtimes(path, now, now)
		}
		lock.Close() // it was removed with its entry in the meantime
	}
}

func flock(file *os.File, how int) error {
	for {
		err := unix.Flock(int(file.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// trim removes entries, the one longest unused first, until the rest is within the
// limit, and what fetches that were killed left behind.
func (c *Cache) trim() error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	type entry struct {
		name string
		size int64
		used time.Time
	}
	var list []entry
	var total int64
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), partPrefix) {
			if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
				if err := os.RemoveAll(filepath.Join(c.dir, e.Name())); err != nil {
					return err
				}
			}
			continue
		}
		lock, err := os.Stat(filepath.Join(c.dir, e.Name()+lockSuffix))
		if err != nil || !e.IsDir() {
			continue
		}
		size, err := treeSize(filepath.Join(c.dir, e.Name()))
		if err != nil {
			return err
		}
		total += size
		list = append(list, entry{e.Name(), size, lock.ModTime()})
	}
	slices.SortFunc(list, func(a, b entry) int { return cmp.Or(a.used.Compare(b.used), strings.Compare(a.name, b.name)) })
	for _, e := range list {
		if total <= c.limit {
			return nil
		}
		gone, err := c.remove(e.name)
		if err != nil {
			return err
		}
		if gone {
			total -= e.size
		}
	}
	return nil
}

// remove deletes an entry that nobody uses.
func (c *Cache) remove(name string) (bool, error) {
	if c.inUse[name] != nil {
		return false, nil
	}
	path := filepath.Join(c.dir, name)
	lock, err := os.OpenFile(path+lockSuffix, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return false, nil // somebody uses it
	}
	// Away at once, so that a process that is killed in here leaves no half entry.
	gone, err := os.MkdirTemp(c.dir, partPrefix)
	if err != nil {
		return false, err
	}
	if err := os.Rename(path, filepath.Join(gone, "entry")); err != nil {
		return false, errors.Join(err, os.RemoveAll(gone))
	}
	return true, errors.Join(os.Remove(path+lockSuffix), os.RemoveAll(gone))
}

func treeSize(dir string) (int64, error) {
	var size int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}
