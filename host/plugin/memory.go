package plugin

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/deconfound/deconfound/sdk"
)

const (
	// watchInterval is the time between two looks at the memory of processes.
	watchInterval = 200 * time.Millisecond
	// familyInterval is the time between two searches for the children of a plugin.
	familyInterval = time.Second
)

// family is a plugin process and whatever is in its process group: workers that it
// has started.
type family struct {
	mu      sync.Mutex
	members []int
	found   time.Time // when members were looked up
}

// memory is the anonymous resident memory of the family in bytes. Files it has
// mapped do not count: the feature store is shared and can be dropped. It fails if
// the leader cannot be asked.
func (f *family) memory(leader int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	total, err := ownMemory(leader)
	if err != nil {
		return 0, err
	}
	if now := time.Now(); now.Sub(f.found) >= familyInterval {
		f.members, f.found = groupMembers(leader), now
	}
	for _, pid := range f.members {
		if used, err := ownMemory(pid); err == nil { // one that has ended uses none
			total += used
		}
	}
	return total, nil
}

// watch kills the process when it and its group use more than limit bytes.
func (p *Process) watch(limit int64) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-p.ended:
			return
		case <-ticker.C:
		}
		used, err := p.Memory()
		if err == nil && used > limit {
			p.fail(p.failure(sdk.CodePluginMemory, fmt.Sprintf("it and its child processes used %d MiB of memory, exec.memory allows %d MiB", used>>20, limit>>20)))
			return
		}
	}
}

// Memory is the anonymous resident memory of the process and its group in bytes,
// without files it has mapped.
func (p *Process) Memory() (int64, error) {
	pid, err := strconv.Atoi(p.child.ID())
	if err != nil {
		return 0, fmt.Errorf("%s has no process", p.entry)
	}
	return p.family.memory(pid)
}

// ownMemory is the anonymous resident memory of one process in bytes.
func ownMemory(pid int) (int64, error) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("RssAnon:")); ok {
			number := bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))
			kib, err := strconv.ParseInt(string(number), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no RssAnon", path)
}

// groupMembers lists the other processes in the group of a leader.
func groupMembers(leader int) []int {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var out []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == leader {
			continue
		}
		text, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue
		}
		// pid (name) state parent group ...; the name may hold anything.
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(fields) > 2 && string(fields[2]) == strconv.Itoa(leader) {
			out = append(out, pid)
		}
	}
	slices.Sort(out)
	return out
}
