package e2e

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Ctrl-C ends with a message that says how to go on, and going on gives the bits
// of a sweep that nobody disturbed.
func TestRun_Interrupted(t *testing.T) {
	t.Parallel()
	calm := newHome(t)
	data := cohort{name: "two", label: binary, rows: 320}
	plan := sweep{name: "long", dataset: `"two"`, variant: `"erm", "md_db"`, seeds: "0, 1", epochs: 200, more: `slice = "1s"`}
	calm.add(data)
	calm.trained(t, "--workers", "1", plan.write(calm))

	h := newHome(t).withKey(calm)
	h.add(data)
	file := plan.write(h)
	p := h.start("run", file)
	p.says(t, "[12] of 4 runs ended")
	p.interrupt(t)
	a := p.wait(t)
	if a.code != 130 || !strings.Contains(a.err, "run the same sweep file again to go on") {
		t.Fatalf("exit code %d, want 130 and a hint:\n%s%s", a.code, a.out, a.err)
	}
	h.expectNoProcesses()
	t.Log("queued, at epoch:", h.sqlRows(`select epoch from runs where state = 'queued'`))
	if s := h.trained(t, file); s.Done != 4 || s.New != 0 {
		t.Errorf("got %+v, want all 4 runs done and none of them new", s)
	}
	bitsOf(t, h.database()).same(t, bitsOf(t, calm.database()))
}

// Runs that were planned with data that has changed since do not train on the new
// data: they wait for a worker that has the old, and the status says so.
func TestWorker_AlteredDataset(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.add(cohort{name: "two", label: binary, rows: 320})
	file := sweep{name: "drifting", dataset: `"two"`, variant: `"erm"`, seeds: "0, 1, 2, 3", epochs: 200, more: `slice = "1s"`}.write(h)
	p := h.start("run", "--workers", "1", file)
	p.says(t, "[12] of 4 runs ended")
	p.interrupt(t)
	if a := p.wait(t); a.code != 130 {
		t.Fatalf("exit code %d:\n%s", a.code, a.err)
	}

	h.add(cohort{name: "two", label: binary, rows: 320, seed: 1})
	worker := h.start("worker")
	var s status
	eventually(t, "the other runs wait", func() bool {
		s = decode[status](t, h.must("sweep", "status", "--json", "drifting"))
		return len(s.Waiting) > 0 && strings.Contains(s.Waiting[0], "no worker has dataset two with content")
	})
	if text := h.must("sweep", "status", "drifting").out; !strings.Contains(text, "waiting: no worker has dataset two") {
		t.Errorf("got %s", text)
	}
	if text := worker.errors(); !strings.Contains(text, "this one lacks dataset two with content") {
		t.Errorf("got %s", text)
	}
	worker.interrupt(t)
	if a := worker.wait(t); a.code != 0 {
		t.Errorf("worker: exit code %d\n%s", a.code, a.err)
	}
	if s.Done == 0 || s.Failed != 0 || s.Done == 4 {
		t.Errorf("got %+v", s)
	}
	// Planned with the new data, the same file makes new runs; the old ones stay.
	if s := h.trained(t, file); s.New != 4 {
		t.Errorf("got %+v", s)
	}
	rows := h.sqlRows(`select count(distinct dataset_hash), count(*) filter (where state = 'done') from runs`)
	if got, want := fmt.Sprint(rows), fmt.Sprintf("[[2 %d]]", 4+s.Done); got != want {
		t.Errorf("got %s, want %s", got, want)
	}

	// A feature store that was changed in its place is refused.
	found, err := filepath.Glob(filepath.Join(h.data(), "stores", "*", "features", "*.npy"))
	if err != nil || len(found) == 0 {
		t.Fatal(found, err)
	}
	for _, path := range found {
		appendTo(t, path, "x")
	}
	if a := h.do("run", file); a.code == 0 || !strings.Contains(a.err, "deconfound data add") {
		t.Errorf("exit code %d\n%s", a.code, a.err)
	}
}

// Who watches a sweep sees epochs pass, also within a slice.
func TestRun_Progress(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.add(cohort{name: "two", label: binary, rows: 320})
	p := h.start("run", sweep{name: "watched", dataset: `"two"`, variant: `"erm"`, seeds: "0", epochs: 5000, more: `slice = "1h"`}.write(h))
	p.says(t, "runs ended")
	eventually(t, "an epoch is seen", func() bool {
		s := decode[struct {
			Active []struct{ Epoch, Epochs int }
		}](t, h.must("sweep", "status", "--json", "watched"))
		return len(s.Active) == 1 && s.Active[0].Epoch > 0 && s.Active[0].Epoch < s.Active[0].Epochs
	})
	p.interrupt(t)
	if a := p.wait(t); a.code != 130 {
		t.Errorf("exit code %d\n%s", a.code, a.err)
	}
}
