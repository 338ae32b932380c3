package transport

import (
	"os"
	"sync"

	"github.com/deconfound/deconfound/sdk"
)

const (
	// slotSize is the room for the tensors of one message. Pages that nobody
	// touches cost nothing, so it is generous: a batch of 1024 rows with h of
	// width 1024.
	slotSize = 4 << 20
	// slabSize is the room of one session: two alternating slots a direction.
	slabSize = 4 * slotSize
	// arenaSlabs is the number of sessions of one process that have shared
	// memory; further ones send their tensors as bytes.
	arenaSlabs = 64
	// alignment of a tensor within a slot: a cache line.
	alignment = 64
)

// Arena is memory that a host shares with one plugin process. The host makes it
// with [NewArena] and passes its file on; the plugin maps it with [MapArena].
type Arena struct {
	file *os.File

	mu   sync.RWMutex // held for reading while mem is in use
	mem  []byte       // nil once closed
	free []uint64     // offsets of slabs without a session
}

// File is what the plugin process inherits.
func (a *Arena) File() *os.File { return a.file }

// Close unmaps the memory. Sessions that still use it get the code closed.
func (a *Arena) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mem == nil {
		return nil
	}
	err := unmap(a.mem)
	a.mem = nil
	if a.file != nil {
		if closeErr := a.file.Close(); err == nil {
			err = closeErr
		}
	}
	return err
}

// acquire takes a free slab for a session.
func (a *Arena) acquire() (offset uint64, ok bool) {
	if a == nil {
		return 0, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mem == nil || len(a.free) == 0 {
		return 0, false
	}
	offset = a.free[len(a.free)-1]
	a.free = a.free[:len(a.free)-1]
	return offset, true
}

// release gives a slab back and its pages to the system. It must not be called
// while the plugin may still write to the slab.
func (a *Arena) release(offset uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mem == nil {
		return
	}
	discard(a.mem[offset : offset+slabSize])
	a.free = append(a.free, offset)
}

// slab is a session's part of an arena. The zero value has no shared memory.
type slab struct {
	arena    *Arena
	offset   uint64
	slotSize uint64
}

// slabAt checks a slab that the other side named.
func (a *Arena) slabAt(offset, slotSize uint64) (slab, error) {
	if slotSize == 0 {
		return slab{}, nil
	}
	if a == nil {
		return slab{}, sdk.Errorf(sdk.CodeProtocol, "a session with shared memory in a process without")
	}
	a.mu.RLock()
	size := uint64(len(a.mem))
	a.mu.RUnlock()
	if offset%alignment != 0 || slotSize%alignment != 0 || slotSize > size/4 || offset > size-4*slotSize {
		return slab{}, sdk.Errorf(sdk.CodeProtocol, "slab of 4 slots of %d bytes at %d is outside the shared memory of %d bytes", slotSize, offset, size)
	}
	return slab{arena: a, offset: offset, slotSize: slotSize}, nil
}

// Directions of a slot.
const (
	fromHost   = 0
	fromPlugin = 2
)

// slot is the part of the slab that message number sequence of a direction uses.
func (s slab) slot(direction, sequence uint64) (offset, size uint64) {
	return s.offset + (direction+sequence%2)*s.slotSize, s.slotSize
}

// locked runs f with the memory of the arena, nil if there is none.
func (s slab) locked(f func(mem []byte) error) error {
	if s.slotSize == 0 {
		return f(nil)
	}
	s.arena.mu.RLock()
	defer s.arena.mu.RUnlock()
	if s.arena.mem == nil {
		return sdk.Errorf(sdk.CodeClosed, "the plugin process has ended")
	}
	return f(s.arena.mem)
}
