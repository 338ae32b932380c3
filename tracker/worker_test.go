package tracker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
)

func (b *bundle) reap() []tracker.Run {
	b.Helper()
	return inTx(b, b.store.Reap)
}

func TestReap(t *testing.T) {
	b := setup(t)
	retry := planned(1)
	retry.MaxAttempts = 2
	runs := b.plan(true, retry, planned(2), planned(3), planned(4))
	alive := b.claim(runs[0])
	dying := b.register("dying")
	claim := func(r tracker.Run) tracker.Lease {
		l, err := b.store.Claim(t.Context(), r.ID, r.Fence, dying)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	var again, last, dropped tracker.Lease
	for i, r := range runs[1:] {
		switch l := claim(r); i {
		case 0:
			again = l
		case 1:
			last = l
		default:
			dropped = l
		}
	}
	b.rows(`update run set max_attempts = 2 where run_id = $1`, again.Run.ID)
	b.rows(`update run set planned = false where run_id = $1`, dropped.Run.ID)
	if got := b.reap(); len(got) != 0 {
		t.Fatalf("all workers live: got %+v", got)
	}
	workers, err := b.store.Workers(t.Context())
	if err != nil || len(workers) != 2 || !workers[1].Alive || len(workers[1].Runs) != 3 || workers[1].Name != "dying" || workers[1].PID != os.Getpid() {
		t.Errorf("workers: got %+v, %v", workers, err)
	}

	dying.Close()
	if lost, err := b.store.LostRuns(t.Context()); err != nil || len(lost) != 3 {
		t.Errorf("lost: got %d runs, %v; want 3", len(lost), err)
	}
	reaped := b.reap()
	if len(reaped) != 3 {
		t.Fatalf("got %d runs, want 3", len(reaped))
	}
	for _, want := range []struct {
		lease   tracker.Lease
		state   tracker.State
		attempt int
	}{{again, tracker.Queued, 2}, {last, tracker.Lost, 1}, {dropped, tracker.Cancelled, 1}} {
		got := b.run(want.lease.Run.ID)
		if got.State != want.state || got.Attempt != want.attempt || got.Fence != want.lease.Fence+1 || got.WorkerID != nil || got.ErrorCode != "lost" {
			t.Errorf("run %d: got %+v, want %s", got.ID, got, want.state)
		}
		wantErr(t, b.store.AppendPoints(t.Context(), want.lease, []tracker.Point{point(1, 1)}), tracker.ErrFenced)
	}
	if err := b.store.AppendPoints(t.Context(), alive, []tracker.Point{point(1, 1)}); err != nil {
		t.Errorf("a live worker's lease: %v", err)
	}
	if got := b.reap(); len(got) != 0 {
		t.Errorf("reap again: got %+v", got)
	}
}

func TestReap_PausedSweep(t *testing.T) {
	b := setup(t)
	p := planned(1)
	p.MaxAttempts = 2
	l := b.claim(b.plan(true, p)[0])
	b.tx(func(tx pgx.Tx) error { return b.store.PauseSweep(t.Context(), tx, b.sweep.ID) })
	b.worker.Close()
	if got := b.reap(); len(got) != 1 || got[0].State != tracker.Paused {
		t.Errorf("got %+v, want it paused", got)
	}
	b.wantState(l.Run.ID, tracker.Paused)
}

func TestReap_Concurrent(t *testing.T) {
	b := setup(t)
	var plan []tracker.PlannedRun
	for i := range 12 {
		p := planned(i)
		p.MaxAttempts = 5
		plan = append(plan, p)
	}
	for _, r := range b.plan(true, plan...) {
		b.claim(r)
	}
	b.worker.Close()
	var wg sync.WaitGroup
	var mu sync.Mutex
	count := map[int64]int{}
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for _, r := range b.reap() {
				mu.Lock()
				count[r.ID]++
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	if len(count) != len(plan) {
		t.Errorf("got %d runs, want %d", len(count), len(plan))
	}
	for id, n := range count {
		if n != 1 {
			t.Errorf("run %d was reaped %d times", id, n)
		}
	}
}

// A worker whose lock stands and that has not been heard of is dead: what it still
// writes under its lease is refused, and when it goes on it takes nothing away
// before the server has heard of it again.
func TestReap_Silent(t *testing.T) {
	b := setup(t)
	p := planned(1)
	p.MaxAttempts = 2
	l := b.claim(b.plan(true, p)[0])
	if got := b.reap(); len(got) != 0 {
		t.Fatalf("the worker was heard of, reaped %+v", got)
	}
	b.rows(`update worker set alive_until = now() - interval '1 second' where worker_id = $1`, b.worker.ID())
	if workers, err := b.store.Workers(t.Context()); err != nil || len(workers) != 1 || workers[0].Alive {
		t.Errorf("workers: got %+v, %v", workers, err)
	}
	if got := b.reap(); len(got) != 1 || got[0].State != tracker.Queued || got[0].Attempt != 2 {
		t.Fatalf("got %+v, want the run queued", got)
	}
	if !b.worker.Held() {
		t.Error("the lock is gone, so that the test shows nothing")
	}
	points := []tracker.Point{point(1, 1)}
	wantErr(t, b.store.AppendPoints(t.Context(), l, points), tracker.ErrFenced)
	wantErr(t, b.store.InTx(t.Context(), func(tx pgx.Tx) error {
		_, err := b.store.CommitSlice(t.Context(), tx, l, tracker.Slice{Epoch: 1, Points: points})
		return err
	}), tracker.ErrFenced)
	wantErr(t, b.store.SetProgress(t.Context(), l, 1), tracker.ErrFenced)
	if n := strings.TrimSpace(b.rows(`select count(*) from point`)); n != "0" {
		t.Errorf("%s points of the dead worker", n)
	}
}

// A process that stops within a transaction keeps others waiting for as long as the
// server lets it, and no longer.
func TestStore_StoppedInTransaction(t *testing.T) {
	b := setup(t)
	limit := func(f func(tx pgx.Tx) error) (out string) {
		b.tx(func(tx pgx.Tx) error {
			if err := f(tx); err != nil {
				return err
			}
			return tx.QueryRow(t.Context(), `show idle_in_transaction_session_timeout`).Scan(&out)
		})
		return out
	}
	if got := limit(func(pgx.Tx) error { return nil }); got != "8s" {
		t.Errorf("got %s, want 8s", got)
	}
	planning := func(tx pgx.Tx) error { return b.store.LockSweep(t.Context(), tx, b.sweep.ID) }
	if got := limit(planning); got != "8s" {
		t.Errorf("while planning: got %s, want 8s", got)
	}
	b.tx(func(tx pgx.Tx) error {
		return b.store.KeepProgress(t.Context(), tx, b.sweep.ID, tracker.Progress{Expected: 10_400, Detail: json.RawMessage("{}")})
	})
	if got := limit(planning); got != "1min" {
		t.Errorf("while planning 10,400 runs: got %s, want 1min", got)
	}
	l := b.lease(1)
	stopped, err := b.store.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stopped.Rollback(context.WithoutCancel(t.Context())) }() // its connection is gone
	if _, err := stopped.Exec(t.Context(), `set local idle_in_transaction_session_timeout = '100ms'`); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.CommitSlice(t.Context(), stopped, l, tracker.Slice{Epoch: 1}); err != nil {
		t.Fatal(err)
	}
	// Waits for the sweep's lock, which the server takes away.
	b.tx(func(tx pgx.Tx) error { return b.store.PauseSweep(t.Context(), tx, b.sweep.ID) })
	if err := stopped.Commit(t.Context()); err == nil {
		t.Error("what was stopped could commit")
	}
	b.wantState(l.Run.ID, tracker.Running)
}

// A worker with a short lease is heard of again and again: its runs stay with it
// for many times the lease.
func TestWorker_Beats(t *testing.T) {
	b := setup(t)
	w, err := b.store.Register(t.Context(), tracker.Registration{Name: "quick", Lease: 600 * time.Millisecond, Labels: map[string]string{"gpu": "no"}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	const until = `select alive_until from worker where name = 'quick'`
	first := b.rows(until)
	for range 3 {
		b.eventually("the worker beats", func() bool { return b.rows(until) != first })
		first = b.rows(until)
	}
	if !w.MayReap() {
		t.Error("a worker that beats may not reap")
	}
	if got := strings.TrimSpace(b.rows(`select labels->>'gpu' from worker where name = 'quick'`)); got != "no" {
		t.Errorf("got label %q", got)
	}
}

const workerVariable = "DECONFOUND_TEST_WORKER"

// TestWorkerProcess is not a test but the process that TestReap_Killed kills.
func TestWorkerProcess(t *testing.T) {
	dsn := os.Getenv(workerVariable)
	if dsn == "" {
		t.Skip("only as a process of TestReap_Killed")
	}
	s, err := tracker.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.RegisterWorker(t.Context(), "victim")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Claim(t.Context(), 1, 1, w); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(os.Stdout, "claimed")
	select {}
}

func TestReap_Killed(t *testing.T) {
	b := setup(t)
	p := planned(1)
	p.MaxAttempts = 2
	run := b.plan(true, p)[0]
	cmd := exec.Command(os.Args[0], "-test.run=^TestWorkerProcess$")
	cmd.Env = append(os.Environ(), workerVariable+"="+b.store.DSN())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for buf := make([]byte, 256); !strings.Contains(said.String(), "claimed"); {
		n, err := out.Read(buf)
		said.Write(buf[:n])
		if err != nil {
			t.Fatalf("worker process: %v\n%s", err, said.String())
		}
	}
	b.wantState(run.ID, tracker.Running)
	if got := b.reap(); len(got) != 0 {
		t.Fatalf("the process lives, reaped %+v", got)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	b.eventually("the server notices that the process is dead", func() bool { return len(b.reap()) == 1 })
	b.wantState(run.ID, tracker.Queued)
}

// eventually waits for something that another process does.
func (b *bundle) eventually(what string, f func() bool) {
	b.Helper()
	for deadline := time.Now().Add(30 * time.Second); !f(); time.Sleep(5 * time.Millisecond) { //nolint:forbidigo // polls what another process does
		if time.Now().After(deadline) {
			b.Fatalf("not within 30 s: %s", what)
		}
	}
}

func TestWorker_Reconnects(t *testing.T) {
	b := setup(t)
	l := b.lease(1)
	backend := func() string {
		return b.rows(`select pid from pg_stat_activity where application_name = 'deconfound worker' and datname = current_database()`)
	}
	before := backend()
	b.rows(`select pg_terminate_backend($1)`, strings.TrimSpace(before))
	b.eventually("the worker has a new connection", func() bool {
		now := backend()
		return now != "" && now != before && b.worker.Held()
	})
	if got := b.reap(); len(got) != 0 {
		t.Errorf("got %+v reaped after the reconnection", got)
	}
	if err := b.store.AppendPoints(t.Context(), l, []tracker.Point{point(1, 1)}); err != nil {
		t.Errorf("lease after the reconnection: %v", err)
	}
}

func TestRegisterWorker_Fails(t *testing.T) {
	b := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.store.RegisterWorker(ctx, "late"); err == nil {
		t.Error("got no error with a context that has ended")
	}
}
