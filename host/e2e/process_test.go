package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// process is a line of the process table.
type process struct {
	pid     int
	exe     string
	command string   // arguments, separated by NUL
	env     []string // as it was at its start
	cwd     string
}

func (p process) String() string {
	return fmt.Sprintf("%d %s", p.pid, strings.ReplaceAll(strings.TrimRight(p.command, "\x00"), "\x00", " "))
}

// processes finds everything that belongs to the installation: its directory is
// in the environment, the arguments, the working directory or the path of the
// program. The test process itself is not one.
func (h *home) processes() []process {
	h.t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		h.t.Skip("there is no /proc on this system")
	}
	var found []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		dir := filepath.Join("/proc", entry.Name())
		p := process{pid: pid}
		// A process may end meanwhile, or belong to somebody else.
		env, _ := os.ReadFile(filepath.Join(dir, "environ"))
		command, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		p.env, p.command = strings.Split(string(env), "\x00"), string(command)
		p.exe, _ = os.Readlink(filepath.Join(dir, "exe"))
		p.cwd, _ = os.Readlink(filepath.Join(dir, "cwd"))
		if strings.Contains(string(env)+p.command+p.exe+p.cwd+"/", h.dir+"/") || strings.Contains(string(env), "HOME="+h.dir+"\x00") {
			found = append(found, p)
		}
	}
	return found
}

// pluginProcesses are the running plugins.
func (h *home) pluginProcesses() []process {
	var found []process
	for _, p := range h.processes() {
		if strings.Contains(p.exe, "/plugins/") {
			found = append(found, p)
		}
	}
	return found
}

// expectNoProcesses waits for the end of processes that were told to end, and
// complains of what stays.
func (h *home) expectNoProcesses() {
	h.t.Helper()
	var left []process
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if left = h.processes(); len(left) == 0 {
			return
		}
	}
	for _, p := range left {
		h.t.Errorf("left over: %s", p)
	}
}
