//go:build chaos

package e2e

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// How long a worker takes to do what it is told, in the middle of a long slice: the
// figures are reported, and that nothing is left of it is asserted.
func TestChaos_Steering(t *testing.T) {
	h := newHome(t)
	h.add(cohort{name: "two", label: binary, rows: 320})
	file := sweep{name: "steered", dataset: `"two"`, variant: `"erm"`, seeds: "0", epochs: 100000, more: `slice = "1h"`}.write(h)
	first := h.start("run", "--workers", "1", file)
	first.says(t, "runs ended")
	db := h.database()
	training := func(worker *program) {
		t.Helper()
		epoch := -1
		eventually(t, "it trains", func() bool {
			var now int
			if err := db.QueryRow(t.Context(), `select coalesce(max(epoch), -1) from run where state = 'running'`).Scan(&now); err != nil {
				t.Fatalf("%v\n%s", err, worker.errors())
			}
			on := epoch >= 0 && now > epoch
			epoch = now
			return on
		})
	}
	training(first)
	first.interrupt(t)
	begin := time.Now()
	if a := first.wait(t); a.code != 130 {
		t.Errorf("exit code %d\n%s", a.code, a.err)
	}
	t.Logf("drain: %v from Ctrl-C to the end of the process", time.Since(begin).Round(time.Millisecond))
	alone := func(after string) {
		t.Helper()
		if left := h.pluginProcesses(); len(left) > 0 {
			t.Errorf("left over after %s: %v", after, left)
		}
	}
	alone("a drain")

	worker := h.start("worker", "--workers", "1")
	training(worker)
	h.must("sweep", "pause", "steered")
	var took time.Duration
	eventually(t, "the run is paused", func() bool {
		return db.QueryRow(t.Context(), `select max(e.at) - max(s.paused_at) from run_event e, sweep s where e.new = 'paused' and s.paused_at is not null`).Scan(&took) == nil
	})
	t.Logf("pause: %v until the run is stored and paused", took.Round(time.Millisecond))
	h.must("sweep", "resume", "steered")
	training(worker)
	h.must("sweep", "cancel", "steered")
	worker.says(t, "slice dropped")
	var cancelled time.Time
	if err := db.QueryRow(t.Context(), `select cancelled_at from sweep`).Scan(&cancelled); err != nil {
		t.Fatal(err)
	}
	text := worker.errors()
	found := regexp.MustCompile(`time=(\S+) .*slice dropped`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no time in %s", text)
	}
	dropped, err := time.Parse(time.RFC3339, found[1])
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("cancel: %v until the slice is dropped", dropped.Sub(cancelled).Round(time.Millisecond))
	// Twice, without waiting: the run is back where its last slice ended.
	h.must("sweep", "resume", "steered")
	training(worker)
	before := h.sqlRows(`select epoch, attempt from runs`)
	worker.interrupt(t)
	begin = time.Now()
	worker.interrupt(t)
	if a := worker.wait(t); a.code != 0 || !strings.Contains(a.err, "stopping") {
		t.Errorf("exit code %d\n%s", a.code, a.err)
	}
	t.Logf("twice: %v from the second Ctrl-C to the end of the process", time.Since(begin).Round(time.Millisecond))
	if got := h.sqlRows(`select state, attempt from runs`); len(got) != 1 || got[0][0] != "queued" || got[0][1] != before[0][1] {
		t.Errorf("got %v, want the run queued in attempt %v", got, before[0][1])
	}
	alone("two interrupts")

	// The same while the process is about to begin: nothing is lost then either.
	early := h.start("worker", "--workers", "2")
	early.says(t, "waiting for runs")
	early.interrupt(t)
	early.interrupt(t)
	if a := early.wait(t); a.code != 0 && a.code != 130 { // 130: before it was registered
		t.Errorf("interrupted twice at once: exit code %d\n%s", a.code, a.err)
	}
	alone("two interrupts at once")
	// And it goes on from there.
	last := h.start("worker", "--workers", "1")
	training(last)
	last.interrupt(t)
	if a := last.wait(t); a.code != 0 {
		t.Errorf("exit code %d\n%s", a.code, a.err)
	}
	alone("the last drain")
	if said := h.must("db", "check").out; !strings.Contains(said, "Nothing is wrong") {
		t.Errorf("db check: %s", said)
	}
}
