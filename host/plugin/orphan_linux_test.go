package plugin

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/deconfound/deconfound/sdk"
)

// pidWatch waits for the end of a process that is not our child.
type pidWatch int

func watchPid(t *testing.T, pid int) pidWatch {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("watch process %d: %v", pid, err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return pidWatch(fd)
}

func (w pidWatch) awaitEnd(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(w), Events: unix.POLLIN}}, int(time.Until(deadline).Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			t.Fatalf("the process outlived its parent (%v)", err)
		}
		return
	}
}

// socketOf is the path of the socket that a process listens on.
func socketOf(t *testing.T, pid int) string {
	t.Helper()
	inodes := map[string]bool{}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, file := range files {
		if target, err := os.Readlink(file); err == nil {
			inodes[strings.Trim(strings.TrimPrefix(target, "socket:"), "[]")] = true
		}
	}
	table, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		// Num RefCount Protocol Flags Type St Inode Path
		if f := strings.Fields(line); len(f) == 8 && inodes[f[6]] && strings.Contains(f[7], socketDirPrefix) {
			return f[7]
		}
	}
	t.Fatalf("process %d listens on no socket", pid)
	return ""
}

// A host that is killed leaves no plugin behind: by the kernel's death signal,
// and by the inherited pipe alone. The next host removes the directory of its
// sockets, which not even the kernel does.
func TestHost_killed(t *testing.T) {
	for name, args := range map[string][]string{"signal": nil, "pipe": {"-start", "immortal"}} {
		t.Run(name, func(t *testing.T) {
			e := install(t, t.TempDir(), "backbone", "misbehave", args...)
			host := exec.Command(os.Args[0])
			base := t.TempDir()
			if len(base) > longestSocketDir {
				base = "/tmp"
			}
			host.Env = append(os.Environ(), "TEST_HOST_OF="+e.Dir, "TMPDIR="+base)
			host.Stderr = os.Stderr
			if _, err := host.StdinPipe(); err != nil {
				t.Fatal(err)
			}
			out, err := host.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := host.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = host.Wait() }()
			defer func() { _ = host.Process.Kill() }()
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			plugin := watchPid(t, pid)
			dir := filepath.Dir(socketOf(t, pid))
			if !strings.HasPrefix(dir, filepath.Join(base, socketDirPrefix)) {
				t.Errorf("the socket is in %s, not in a directory of its own in %s", dir, base)
			}
			if err := host.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			plugin.awaitEnd(t)
			_ = host.Wait() // its lock is gone with it
			sweep(base, time.Now().Add(time.Hour))
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("%s was left behind (%v)", dir, err)
			}
		})
	}
}

// Kill reaches the children of the plugin.
func TestProcess_family(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		p := start(t, Config{NoSockets: grpc})
		s := open(t, p, "family", 0)
		if _, err := forward(t, s); err != nil {
			t.Fatal(err)
		}
		terms, err := backward(t, s)
		if err != nil {
			t.Fatal(err)
		}
		child := watchPid(t, int(terms[0].Value))
		p.Kill()
		child.awaitEnd(t)
	})
}

// The crash of a plugin takes its children along, too.
func TestProcess_orphanedFamily(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		p := start(t, Config{NoSockets: grpc})
		s := open(t, p, "family", 0)
		if _, err := forward(t, s); err != nil {
			t.Fatal(err)
		}
		terms, err := backward(t, s)
		if err != nil {
			t.Fatal(err)
		}
		child := watchPid(t, int(terms[0].Value))
		pid, _ := strconv.Atoi(p.Pid())
		process, err := os.FindProcess(pid)
		if err != nil {
			t.Fatal(err)
		}
		if err := process.Kill(); err != nil {
			t.Fatal(err)
		}
		child.awaitEnd(t)
		gone(t, p)
		wants(t, p.Err(), sdk.CodePluginCrash, "killed")
	})
}
