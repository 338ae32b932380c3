//go:build measure

package sweeps

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

// measured prints a figure for host/e2e/bench/tracker.py, which reads these lines.
func measured(what string, value float64) { fmt.Fprintf(os.Stdout, "measured %s %g\n", what, value) }

// trivial is a sweep of ten variants with half of their runs in the search and half
// in the replicates.
func trivial(name string, runs, more int) string {
	var text, axes strings.Builder
	for i := range 10 {
		fmt.Fprintf(&axes, "%q, ", fmt.Sprint("v", i))
		fmt.Fprintf(&text, "[variants.v%d]\nmissingness = %t\n", i, i%2 == 1)
	}
	seeds := make([]string, runs/20+more)
	for i := range seeds {
		seeds[i] = strconv.Itoa(i)
	}
	return fmt.Sprintf(`version = 1
name = %q
[axes]
dataset  = ["nafld"]
backbone = ["concat"]
variant  = [%s]
%s[metric]
name = "val/auroc"
[search]
method = "random"
trials = %d
[parameters]
"optimizer.lr" = { distribution = "log_uniform", min = 1e-4, max = 1e-2 }
[replicates]
seeds = [%s]
[run]
epochs = 10
`, name, axes.String(), text.String(), runs/20, strings.Join(seeds, ", "))
}

// untrained writes what a run of ten epochs writes and computes nothing.
func untrained(_ context.Context, spec RunSpec, _ []byte, rec Recorder, _ time.Duration) (Slice, error) {
	for epoch := range spec.Epochs {
		values := map[tracker.Metric]float64{{Name: "loss", Split: "train"}: 1 / float64(epoch+1), {Name: "auroc", Split: "val"}: 0.5}
		if err := rec.Points(epoch, values); err != nil {
			return Slice{}, err
		}
		rec.Progress(epoch + 1)
	}
	out := tracker.Outcome{Epoch: spec.Epochs, Reason: "completed", Metrics: map[tracker.Metric]float64{}}
	for i, name := range []string{"auroc", "auprc", "brier", "log_loss", "ece"} {
		for _, split := range []string{"val", "test"} {
			out.Metrics[tracker.Metric{Name: name, Split: split}] = goodness(spec) - float64(i)/10
		}
	}
	return Slice{Done: true, Epoch: spec.Epochs, Epochs: spec.Epochs, Outcome: &out}, nil
}

// large is the number of runs of a large sweep: 10,000, or the variable RUNS.
func large(t *testing.T) int {
	t.Helper()
	s := os.Getenv("RUNS")
	if s == "" {
		return 10_000
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// cpu is the processor time of this process and of the server, which must be on this
// machine.
func cpu(t *testing.T, store *tracker.Store) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	own := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	var backend int
	if err := store.Pool().QueryRow(t.Context(), `select pg_backend_pid()`).Scan(&backend); err != nil {
		t.Fatal(err)
	}
	server := stat(t, backend)[3] // its parent, the postmaster
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	// In hundredths of a second: user and system time, those of children that have
	// ended too.
	total := int64(0)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		switch s := stat(t, pid); {
		case len(s) == 0:
		case int64(pid) == server:
			total += s[13] + s[14] + s[15] + s[16]
		case s[3] == server:
			total += s[13] + s[14]
		}
	}
	return own + time.Duration(total)*10*time.Millisecond
}

// stat reads the numbers of /proc/PID/stat; nil if the process is gone.
func stat(t *testing.T, pid int) []int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	out := []int64{int64(pid), 0}
	for _, field := range strings.Fields(rest) {
		n, _ := strconv.ParseInt(field, 10, 64) // the state is a letter
		out = append(out, n)
	}
	return out
}

// TestMeasureOverhead runs sweeps of a trivial model: small ones, a large one, small
// ones again.
func TestMeasureOverhead(t *testing.T) {
	store := trackertest.New(t)
	large := large(t)
	small, number := 100, 0
	one := func(runs int) (wall, processor time.Duration) {
		number++
		// From plan to enqueued, and from the first run to the last.
		start := time.Now()
		cpu0 := cpu(t, store)
		p := compile(t, trivial(fmt.Sprint("trivial", number), runs, 0))
		if _, err := Enqueue(t.Context(), store, p); err != nil {
			t.Fatal(err)
		}
		planning, planningCPU := time.Since(start), cpu(t, store)-cpu0
		var mu sync.Mutex
		var first, last time.Time
		var firstCPU, lastCPU time.Duration
		n := 0
		run := func(ctx context.Context, spec RunSpec, checkpoint []byte, rec Recorder, budget time.Duration) (Slice, error) {
			mu.Lock()
			n++
			switch n {
			case 1:
				first, firstCPU = time.Now(), cpu(t, store)
			case runs * 99 / 100:
				last, lastCPU = time.Now(), cpu(t, store)
			}
			mu.Unlock()
			return untrained(ctx, spec, checkpoint, rec, budget)
		}
		status, err := Run(t.Context(), store, p, run, Options{Workers: 2, Grace: -1})
		if err != nil || !status.Finished || status.Done < runs*99/100 { // of ten thousand learning rates a few are drawn twice
			t.Fatalf("got %+v, %v", status, err)
		}
		each := func(planning, running time.Duration) time.Duration {
			return planning/time.Duration(runs) + running/time.Duration(runs*99/100-1)
		}
		return each(planning, last.Sub(first)), each(planningCPU, lastCPU-firstCPU)
	}
	one(small) // connections, caches, plans
	var walls, processors []time.Duration
	several := func() {
		for range 5 {
			wall, processor := one(small)
			walls, processors = append(walls, wall), append(processors, processor)
		}
	}
	several()
	wall, processor := one(large)
	several()
	slices.Sort(walls)
	slices.Sort(processors)
	middle := len(walls) / 2
	measured("overhead.small.ms", walls[middle].Seconds()*1e3)
	measured("overhead.large.ms", wall.Seconds()*1e3)
	measured("overhead.small.cpu.ms", processors[middle].Seconds()*1e3)
	measured("overhead.large.cpu.ms", processor.Seconds()*1e3)

	name := fmt.Sprint("trivial", 7)
	fill(t, store, name)
	measured("status.ms", best(t, 9, func() {
		status, err := StatusOf(t.Context(), store, name)
		if err != nil || !status.Finished || len(status.Winners) != 10 {
			t.Fatalf("got %+v, %v", status, err)
		}
	}))
	for what, query := range map[string]string{
		"leaderboard.all.ms":    `select * from leaderboard`,
		"leaderboard.sweep.ms":  `select * from leaderboard where sweep = '` + name + `'`,
		"leaderboard.metric.ms": `select * from leaderboard where sweep = '` + name + `' and metric = 'auroc' and split = 'test'`,
	} {
		measured(what, best(t, 9, func() {
			rows, err := store.Pool().Query(t.Context(), query)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for rows.Next() {
				n++
			}
			if err := rows.Err(); err != nil || n < 10 {
				t.Fatalf("%d rows, %v", n, err)
			}
		}))
	}
	begin := time.Now()
	report, err := Enqueue(t.Context(), store, compile(t, trivial(name, large, 1)))
	if err != nil || report.New != 10 || report.Existing < large*99/100 {
		t.Fatalf("got %+v, %v", report, err)
	}
	measured("extend.s", time.Since(begin).Seconds())
}

// fill gives the runs of a sweep 1,000 points each.
func fill(t *testing.T, store *tracker.Store, name string) {
	t.Helper()
	for _, sql := range []string{
		`insert into metric (name, split) select 'm' || i, 'train' from generate_series(1, 50) i`,
		`insert into keyset (metric_ids) select array_agg(metric_id order by metric_id) from metric where split = 'train' and name like 'm%'`,
		`insert into keyset_member (metric_id, keyset_id, idx) select u.id, k.keyset_id, u.idx
			from keyset k, unnest(k.metric_ids) with ordinality u(id, idx) where cardinality(k.metric_ids) = 50`,
		`insert into point (run_id, step, keyset_id, v)
			select r.run_id, s, (select keyset_id from keyset where cardinality(metric_ids) = 50), (select array_agg(random() + i + s) from generate_series(1, 50) i)
			  from run r join sweep w using (sweep_id), generate_series(101, 120) s where w.name = '` + name + `'`,
		`analyze`,
	} {
		if _, err := store.Pool().Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// best is the least time of n calls, in milliseconds.
func best(t *testing.T, n int, f func()) float64 {
	t.Helper()
	out := time.Hour
	for range n {
		begin := time.Now()
		f()
		out = min(out, time.Since(begin))
	}
	return out.Seconds() * 1e3
}

// TestMeasureSuggestion asks for the trials that follow ten thousand finished ones.
func TestMeasureSuggestion(t *testing.T) {
	store := trackertest.New(t)
	const further = 20
	finished := large(t) - further - 1 // a search has 10,000 trials at most
	text := edit(t, trivial("search", 200, 0), `method = "random"`, fmt.Sprintf("method = \"tpe\"\nstartup = %d\nparallel = 1", finished),
		"trials = 10\n", fmt.Sprintf("trials = %d\n", finished+further+1), "[variants.v1]", "[variants.v1x]")
	text = strings.Replace(text, "[replicates]", `"optimizer.weight_decay" = { distribution = "log_uniform", min = 1e-6, max = 1e-2 }
"optimizer.beta1" = { distribution = "uniform", min = 0.5, max = 0.99 }
"optimizer.clip_norm" = { distribution = "uniform", min = 0.1, max = 10.0 }
"head.dropout" = { distribution = "uniform", min = 0.0, max = 0.5 }
"head.hidden" = { distribution = "int_uniform", min = 8, max = 512 }
[replicates]`, 1)
	variants := strings.Index(text, "variant  = [")
	text = text[:variants] + `variant  = ["v0"]` + text[variants+strings.Index(text[variants:], "\n"):]
	p := compile(t, text)
	report, err := Enqueue(t.Context(), store, p)
	if err != nil || report.New != finished {
		t.Fatalf("got %+v, %v", report, err)
	}
	endAll(t, store, report.Sweep)
	q, err := newQueue(store)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := advanceSweep(t.Context(), store, q, report.Sweep); err != nil {
		t.Fatal(err)
	}
	measured("suggest.first.s", time.Since(begin).Seconds()) // takes in ten thousand results at once
	var times []time.Duration
	var processor time.Duration
	for i := range further {
		endAll(t, store, report.Sweep)
		before, begin := cpu(t, store), time.Now()
		if err := advanceSweep(t.Context(), store, q, report.Sweep); err != nil {
			t.Fatal(err)
		}
		times = append(times, time.Since(begin))
		processor += cpu(t, store) - before
		if n := len(runs(t, store, report.Sweep)); n != finished+2+i {
			t.Fatalf("%d runs after %d suggestions", n, i+1)
		}
	}
	slices.Sort(times)
	measured("suggest.min.ms", times[0].Seconds()*1e3)
	measured("suggest.ms", times[len(times)/2].Seconds()*1e3)
	measured("suggest.max.ms", times[len(times)-1].Seconds()*1e3)
	measured("suggest.cpu.ms", processor.Seconds()*1e3/further)
	// Another process takes over.
	if q, err = newQueue(store); err != nil {
		t.Fatal(err)
	}
	begin = time.Now()
	if err := advanceSweep(t.Context(), store, q, report.Sweep); err != nil {
		t.Fatal(err)
	}
	measured("suggest.takeover.s", time.Since(begin).Seconds())
}

// endAll ends the waiting runs of a sweep with a result, as workers would.
func endAll(t *testing.T, store *tracker.Store, sweepID int64) {
	t.Helper()
	err := store.InTx(t.Context(), func(tx pgx.Tx) error {
		for _, sql := range []string{
			`insert into metric (name, split) values ('auroc', 'val') on conflict do nothing`,
			`insert into result (run_id, metric_id, value) select r.run_id, m.metric_id, get_byte(r.run_hash, 0) / 256.0
				from run r, metric m where r.sweep_id = $1 and r.state = 'queued' and m.name = 'auroc' and m.split = 'val' and m.grp = ''`,
			`update run set state = 'done', ended_at = now(), fence = fence + 1 where sweep_id = $1 and state = 'queued'`,
		} {
			args := []any{}
			if strings.Contains(sql, "$1") {
				args = append(args, sweepID)
			}
			if _, err := tx.Exec(t.Context(), sql, args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
