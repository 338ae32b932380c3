package plugin

import (
	"fmt"
	"os"
	"strconv"
)

// Held is what a process and its group have at a time.
type Held struct {
	Memory  int64 // anonymous resident memory in bytes
	Files   int   // open
	Threads int
}

// Held asks the system, which must have /proc.
func (p *Process) Held() (Held, error) {
	leader, err := strconv.Atoi(p.child.ID())
	if err != nil {
		return Held{}, fmt.Errorf("%s has no process", p.entry)
	}
	var h Held
	for _, pid := range append([]int{leader}, groupMembers(leader)...) {
		memory, err := ownMemory(pid)
		if err == nil {
			var files, threads []os.DirEntry
			if files, err = os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err == nil {
				threads, err = os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
			}
			h.Memory, h.Files, h.Threads = h.Memory+memory, h.Files+len(files), h.Threads+len(threads)
		}
		if err != nil && pid == leader {
			return Held{}, err
		}
	}
	return h, nil
}
