package features

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/deconfound/deconfound/sdk/features/npy"
)

// file is a file in memory. The stores of one process that are open at the same
// time share it, however many sessions there are.
type file struct {
	id    fileID
	bytes []byte
	users int // guarded by mapped
}

// fileID tells files apart, also those that had the same name one after the
// other: a number is not given again while the file is mapped.
type fileID struct {
	device, number uint64
	size           int64
}

// mapped are the files that are in memory.
var mapped = struct {
	sync.Mutex
	files map[fileID]*file
}{files: map[fileID]*file{}}

// mapFile maps the file at path read-only, unless it is in memory already. The
// caller releases it.
func mapFile(path string) (*file, error) {
	opened, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer opened.Close() // the mapping outlives the descriptor
	var stat unix.Stat_t
	if err := unix.Fstat(int(opened.Fd()), &stat); err != nil {
		return nil, fmt.Errorf("stat %s: %w", path, err)
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG || stat.Size == 0 || stat.Size != int64(int(stat.Size)) {
		return nil, fmt.Errorf("%s: %w: size %d", path, npy.ErrFormat, stat.Size)
	}
	id := fileID{device: uint64(stat.Dev), number: stat.Ino, size: stat.Size} //nolint:unconvert // Dev is signed on some systems
	mapped.Lock()
	defer mapped.Unlock()
	f := mapped.files[id]
	if f == nil {
		data, err := unix.Mmap(int(opened.Fd()), 0, int(stat.Size), unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			return nil, fmt.Errorf("map %s: %w", path, err)
		}
		f = &file{id: id, bytes: data}
		mapped.files[id] = f
	}
	f.users++
	return f, nil
}

// release unmaps the file if nobody else uses it.
func (f *file) release() error {
	mapped.Lock()
	defer mapped.Unlock()
	if f.users--; f.users > 0 {
		return nil
	}
	delete(mapped.files, f.id)
	return unix.Munmap(f.bytes)
}
