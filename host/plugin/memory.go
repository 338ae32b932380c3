package plugin

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/deconfound/deconfound/sdk"
)

// watchInterval is the time between two looks at a process's memory.
const watchInterval = 200 * time.Millisecond

// watch kills the process when its own memory exceeds limit bytes.
func (p *Process) watch(limit int64) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-p.ended:
			return
		case <-ticker.C:
		}
		used, err := ownMemory(p.child.ID())
		if err == nil && used > limit {
			p.fail(p.failure(sdk.CodePluginMemory, fmt.Sprintf("it used %d MiB of memory, exec.memory allows %d MiB", used>>20, limit>>20)))
			return
		}
	}
}

// ownMemory is the anonymous resident memory of a process in bytes. Files it has
// mapped do not count: the feature store is shared and can be dropped.
func ownMemory(pid string) (int64, error) {
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if rest, ok := bytes.CutPrefix(lines.Bytes(), []byte("RssAnon:")); ok {
			number := bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))
			kib, err := strconv.ParseInt(string(number), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%s/status has no RssAnon", pid)
}
