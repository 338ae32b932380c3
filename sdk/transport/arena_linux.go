package transport

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// NewArena makes shared memory for one plugin process. It is sparse: pages cost
// nothing until they are touched.
func NewArena() (*Arena, error) {
	const size = arenaSlabs * slabSize
	fd, err := unix.MemfdCreate("deconfound", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("create shared memory: %w", err)
	}
	file := os.NewFile(uintptr(fd), "deconfound-arena")
	if err := unix.Ftruncate(fd, size); err != nil {
		file.Close()
		return nil, fmt.Errorf("size shared memory: %w", err)
	}
	// Without the seals a plugin could shrink the file, and the host would die
	// of SIGBUS at its next access.
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		file.Close()
		return nil, fmt.Errorf("seal shared memory: %w", err)
	}
	mem, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("map shared memory: %w", err)
	}
	a := &Arena{file: file, mem: mem}
	for i := arenaSlabs - 1; i >= 0; i-- {
		a.free = append(a.free, uint64(i)*slabSize)
	}
	return a, nil
}

// MapArena maps the shared memory that the process inherited as fd.
func MapArena(fd int) (*Arena, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, fmt.Errorf("stat shared memory: %w", err)
	}
	mem, err := unix.Mmap(fd, 0, int(stat.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map shared memory: %w", err)
	}
	return &Arena{mem: mem}, nil
}

func unmap(mem []byte) error { return unix.Munmap(mem) }

// discard frees the pages behind mem; they read as zero afterwards.
func discard(mem []byte) { _ = unix.Madvise(mem, unix.MADV_REMOVE) }
