package plugin

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/deconfound/deconfound/sdk"
)

// shell is a script in sh; its parameters are $1 to $4: train, val, test and out.
func shell(t *testing.T, text string, more ...string) Execution {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "run.sh"), text)
	write(t, filepath.Join(dir, ScriptManifestName), `[script]
name = "shell"
version = "1"
predictions = "p.csv"
command = ["sh", "run.sh", "{train}", "{val}", "{test}", "{out}"]
`+strings.Join(more, "\n"))
	e, err := ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	return Execution{Entry: e, Fields: map[string]string{"train": "a b", "val": "$v", "test": "t", "out": dir}}
}

func TestExecute(t *testing.T) {
	t.Setenv("PGPASSWORD", "secret")
	t.Setenv("DECONFOUND_DSN", "secret")
	x := shell(t, `pwd > "$4/pwd"; printf '%s|' "$@" > "$4/arguments"; env > "$4/env"; echo one; echo 1\|1\|unix\|x; echo log`)
	var lines []string
	x.Line = func(line string) (bool, error) {
		lines = append(lines, line)
		return line == "one", nil
	}
	if _, err := Execute(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(lines, ","); got != "one,1|1|unix|x,log" {
		t.Errorf("got the lines %s", got)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(x.Entry.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if got, want := read("arguments"), "a b|$v|t|"+x.Entry.Dir+"|"; got != want {
		t.Errorf("got the arguments %s, want %s", got, want)
	}
	if got := strings.TrimSpace(read("pwd")); got != x.Entry.Dir {
		t.Errorf("it ran in %s, want %s", got, x.Entry.Dir)
	}
	if env := read("env"); strings.Contains(env, "secret") || !strings.Contains(env, "PATH=") {
		t.Errorf("got the variables %s", env)
	}
}

func TestExecute_failures(t *testing.T) {
	for name, c := range map[string]struct {
		text, more string
		code       sdk.Code
		parts      []string
	}{
		"status":  {"echo out; echo cannot read >&2; exit 3", "", sdk.CodePluginCrash, []string{"status 3", "cannot read", "out"}},
		"signal":  {"kill -SEGV $$", "", sdk.CodePluginCrash, []string{"segmentation"}},
		"missing": {"exec no_such_program", "", sdk.CodePluginCrash, []string{"no_such_program"}},
		"late":    {"echo begun; sleep 1000", `timeout = "300ms"`, sdk.CodeDeadline, []string{"300ms", "script.timeout", "begun"}},
		"memory": {`x=$(head -c 100000000 /dev/zero | tr '\0' x); sleep 1000`, `memory = "64MiB"`, sdk.CodePluginMemory,
			[]string{"64 MiB", "script.memory"}},
		"flood": {"head -c 30000000 /dev/zero; exit 9", "", sdk.CodePluginCrash, []string{"status 9"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peak, err := Execute(t.Context(), shell(t, c.text, c.more))
			wants(t, err, c.code, c.parts...)
			if name == "memory" && peak < 64<<20 {
				t.Errorf("got a peak of %d bytes", peak)
			}
			if len(err.Error()) > shownLines*(maxLine+100) {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
	x := shell(t, "")
	x.Entry.Command[0] = "no-such-interpreter"
	_, err := Execute(t.Context(), x)
	wants(t, err, sdk.CodePluginStart, "no-such-interpreter")
}

// An error about a line ends the script.
func TestExecute_line(t *testing.T) {
	x := shell(t, "echo bad; sleep 1000")
	x.Line = func(string) (bool, error) { return true, sdk.Errorf(sdk.CodeBadRequest, "no epoch") }
	_, err := Execute(t.Context(), x)
	wants(t, err, sdk.CodeBadRequest, "no epoch")
}

// A script that changed after it was locked does not run.
func TestExecute_lock(t *testing.T) {
	x := shell(t, "exit 0")
	lock, err := WriteLock(filepath.Join(t.TempDir(), LockName), []Entry{x.Entry})
	if err != nil {
		t.Fatal(err)
	}
	x.Lock = lock
	if _, err := Execute(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(x.Entry.Dir, "run.sh"), "exit 1")
	_, err = Execute(t.Context(), x)
	wants(t, err, sdk.CodePluginAltered, LockName)
}

// parentAndChild is a script with a child that outlives it, which says its process number.
const parentAndChild = "sleep 1000 & echo $!; "

// Nothing that a script has started is left: when it is cancelled, and when it ends.
func TestExecute_children(t *testing.T) {
	for name, text := range map[string]string{"cancelled": parentAndChild + "wait", "ended": parentAndChild + "read _ < "} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			fifo := filepath.Join(t.TempDir(), "fifo")
			if out, err := exec.Command("mkfifo", fifo).CombinedOutput(); err != nil {
				t.Fatalf("%v %s", err, out)
			}
			if name == "ended" {
				text += fifo
			}
			x := shell(t, text)
			child := make(chan pidWatch, 1)
			x.Line = func(line string) (bool, error) {
				pid, err := strconv.Atoi(line)
				if err != nil {
					return false, err
				}
				child <- watchPid(t, pid)
				if name == "cancelled" {
					cancel()
				} else if err := os.WriteFile(fifo, []byte("\n"), 0o600); err != nil {
					t.Error(err)
				}
				return true, nil
			}
			_, err := Execute(ctx, x)
			if name == "cancelled" {
				wants(t, err, sdk.CodeCanceled)
				if !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			} else if err != nil {
				t.Error(err)
			}
			(<-child).awaitEnd(t)
		})
	}
}

// A host that is killed leaves neither script nor its children behind.
func TestHost_killedWithScript(t *testing.T) {
	x := shell(t, "sleep 1000 & echo $!; wait")
	host := exec.Command(os.Args[0])
	host.Env = append(os.Environ(), "TEST_HOST_OF="+x.Entry.Dir)
	host.Stderr = os.Stderr
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
	child := watchPid(t, pid)
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.awaitEnd(t)
}

// The directory of a training goes with it, and with the host.
func TestWorkDir(t *testing.T) {
	dir, remove, err := WorkDir()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	sweep(filepath.Dir(dir), time.Now().Add(time.Hour))
	if _, err := os.Stat(dir); err != nil {
		t.Error("it was taken for a leftover:", err)
	}
	remove()
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
