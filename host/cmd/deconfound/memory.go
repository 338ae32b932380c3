package main

import (
	"bytes"
	"math"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/plugin"
)

// memoryLimit is the flag that says how much memory runs may take.
type memoryLimit int64

func (m *memoryLimit) String() string {
	if *m == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*m)>>20, 10) + "MiB"
}

// Set implements pflag.Value.
func (m *memoryLimit) Set(text string) error {
	n, err := plugin.ParseSize(text)
	*m = memoryLimit(n)
	return err
}

// Type implements pflag.Value.
func (m *memoryLimit) Type() string { return "size" }

// defaultMemory is three quarters of the memory there is.
func defaultMemory() memoryLimit { return memoryLimit(systemMemory() / 4 * 3) }

// addMemory adds the flag --memory.
func addMemory(cmd *cobra.Command, limit *memoryLimit) {
	*limit = defaultMemory()
	cmd.Flags().Var(limit, "memory", "begin no run beside others when the worker and its plugins would use more, e.g. 8GiB; three quarters of the memory of this machine or container")
}

// room answers whether another run may begin within a limit; 0 is none.
func (r *runner) room(limit memoryLimit) func(int) bool {
	return func(int) bool { return r.meter.Room(int64(limit)) }
}

// systemMemory is the memory that the machine has or the container may use, in
// bytes; 0 if neither is known.
func systemMemory() int64 {
	least := int64(math.MaxInt64)
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range bytes.Lines(text) {
			fields := bytes.Fields(line)
			if len(fields) > 1 && string(fields[0]) == "MemTotal:" {
				if kib, err := strconv.ParseInt(string(fields[1]), 10, 64); err == nil {
					least = kib << 10
				}
			}
		}
	}
	for _, path := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if limit, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64); err == nil { // else "max"
			least = min(least, limit)
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}
