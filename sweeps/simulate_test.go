package sweeps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

// small is a sweep of two cells, two trials and two seeds.
const small = `version = 1
name = "small"
[axes]
dataset  = ["nafld"]
backbone = ["concat"]
variant  = ["erm", "md"]
[variants.erm]
[variants.md]
missingness = true
[metric]
name = "val/auroc"
select = "val/auroc@worst(pattern)"
[search]
method = "random"
trials = 2
[parameters]
"optimizer.lr" = { distribution = "log_uniform", min = 1e-4, max = 1e-2 }
[replicates]
seeds = [0, 1]
[run]
epochs = 3
retry = { max = 1, on = ["plugin_crash"] }
`

// single is a sweep of one run.
const single = `version = 1
name = "single"
[axes]
dataset  = ["nafld"]
backbone = ["concat"]
variant  = ["erm"]
[variants.erm]
[metric]
name = "val/auroc"
[replicates]
seeds = [0]
[run]
epochs = 3
retry = { max = 1, on = ["plugin_crash"] }
`

// trainer is a RunFunc that trains nothing. Its values depend on the spec only.
type trainer struct {
	// epochs of a slice; 0 trains to the end.
	perSlice int
	// before is called at the start of a slice and may end it.
	before func(ctx context.Context, spec RunSpec, epoch int, rec Recorder) error
	// outcome may change what a run leaves behind.
	outcome func(spec RunSpec, out *tracker.Outcome)

	mu     sync.Mutex
	slices map[Hash][]int // first epoch of each slice
}

// goodness is the validation value of a spec.
func goodness(spec RunSpec) float64 {
	hash, err := spec.Hash()
	if err != nil {
		return math.NaN()
	}
	return 0.5 + float64(hash[0])/512
}

func (tr *trainer) run(ctx context.Context, spec RunSpec, checkpoint []byte, rec Recorder, _ time.Duration) (Slice, error) {
	epoch := 0
	if len(checkpoint) > 0 {
		if err := json.Unmarshal(checkpoint, &epoch); err != nil {
			return Slice{}, err
		}
	}
	hash, err := spec.Hash()
	if err != nil {
		return Slice{}, err
	}
	tr.mu.Lock()
	if tr.slices == nil {
		tr.slices = map[Hash][]int{}
	}
	tr.slices[hash] = append(tr.slices[hash], epoch)
	tr.mu.Unlock()
	if tr.before != nil {
		if err := tr.before(ctx, spec, epoch, rec); err != nil {
			return Slice{}, err
		}
	}
	for n := 0; epoch < spec.Epochs; n++ {
		if tr.perSlice > 0 && n == tr.perSlice || n > 0 && rec.Pause() {
			text, err := json.Marshal(epoch)
			return Slice{Epoch: epoch, Epochs: spec.Epochs, Checkpoint: text}, err
		}
		err := rec.Points(epoch, map[tracker.Metric]float64{{Name: "loss", Split: "train"}: 1 / float64(epoch+1)})
		if err != nil {
			return Slice{}, err
		}
		epoch++
		rec.Progress(epoch)
	}
	out := tracker.Outcome{Epoch: epoch, Reason: "completed", Metrics: map[tracker.Metric]float64{
		{Name: "auroc", Split: "val"}:                         0.9,
		{Name: "auroc", Split: "val", Group: "worst_pattern"}: goodness(spec),
	}}
	if tr.outcome != nil {
		tr.outcome(spec, &out)
	}
	return Slice{Done: true, Epoch: epoch, Epochs: spec.Epochs, Outcome: &out}, nil
}

// count returns the number of slices that were begun.
func (tr *trainer) count() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	n := 0
	for _, s := range tr.slices {
		n += len(s)
	}
	return n
}

// codedError is an error as RunFuncs return it.
type codedError struct{ code, log string }

func (e codedError) Error() string { return "plugin went away" }
func (e codedError) Code() string  { return e.code }
func (e codedError) Log() string   { return e.log }

// deadline bounds a test that waits for something that does not happen.
func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// quick are the options of a worker whose interruption does not take long.
func quick(workers int) Options { return Options{Workers: workers, Grace: -1} }

func runs(t *testing.T, store *tracker.Store, sweepID int64) []tracker.Run {
	t.Helper()
	out, err := store.Runs(t.Context(), tracker.RunFilter{SweepID: sweepID})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// mustRun runs a sweep and wants it to finish.
func mustRun(t *testing.T, store *tracker.Store, p *Plan, run RunFunc, opts Options) Status {
	t.Helper()
	status, err := Run(deadline(t), store, p, run, opts)
	if err != nil {
		t.Fatal(err)
	}
	if !status.Finished {
		t.Fatalf("got %+v, want a finished sweep", status)
	}
	return status
}

func TestRun_EndToEnd(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	p := compile(t, small)
	tr := &trainer{}
	var seen []Status
	opts := quick(2)
	opts.Progress = func(s Status) { seen = append(seen, s) }
	status := mustRun(t, store, p, tr.run, opts)

	if status.Done != 2*2+2*2 || status.Expected != 8 || status.Failed != 0 || status.Epochs != 24 || status.EpochsPlanned != 24 {
		t.Errorf("got %+v", status)
	}
	if len(seen) < 2 || !seen[len(seen)-1].Finished || seen[0].Expected != 8 {
		t.Errorf("got progress %+v", seen)
	}

	// The winner of each cell is the better of its two trials, by the rule.
	best := map[Cell]Winner{}
	for _, s := range next(t, p, nil) {
		if w, ok := best[s.Cell()]; !ok || goodness(s) > w.Value {
			best[s.Cell()] = Winner{s.Cell(), s.Trial, goodness(s)}
		}
	}
	for _, w := range status.Winners {
		if w != best[w.Cell] {
			t.Errorf("got winner %+v, want %+v", w, best[w.Cell])
		}
	}
	replicates := 0
	for _, r := range runs(t, store, status.ID) {
		spec, err := ParseSpec(r.Spec)
		if err != nil {
			t.Fatal(err)
		}
		if got := hashOf(t, spec); string(got[:]) != string(r.Hash) {
			t.Errorf("run %d: the stored spec has another hash", r.ID)
		}
		if r.Phase == tracker.Replicate {
			replicates++
			if r.Trial != best[spec.Cell()].Trial || r.Replicate == nil || int64(*r.Replicate) != r.SplitSeed {
				t.Errorf("got replicate %+v", r)
			}
		}
	}
	if replicates != 4 {
		t.Errorf("got %d replicates, want 4", replicates)
	}

	// The same sweep again does nothing.
	report, err := Enqueue(t.Context(), store, p)
	want := Report{Sweep: status.ID, Revision: 1, Existing: 8, Done: 8}
	if diff := cmp.Diff(want, report); err != nil || diff != "" {
		t.Errorf("second time (-want +got):\n%s%v", diff, err)
	}
	again := mustRun(t, store, p, func(context.Context, RunSpec, []byte, Recorder, time.Duration) (Slice, error) {
		t.Error("a run was repeated")
		return Slice{}, errors.New("repeated")
	}, quick(2))
	if again.Done != 8 {
		t.Errorf("got %+v", again)
	}

	// One more seed: two more runs.
	more := compile(t, edit(t, small, "seeds = [0, 1]", "seeds = [0, 1, 2]"))
	if report, err = Enqueue(t.Context(), store, more); err != nil || report.New != 2 || report.Existing != 8 || !report.Extended || report.AnalysisChanged {
		t.Errorf("got %+v, %v", report, err)
	}
	if s := mustRun(t, store, more, tr.run, quick(1)); s.Done != 10 || tr.count() != 10 {
		t.Errorf("got %+v and %d slices", s, tr.count())
	}
}

func TestRun_Slices(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	tr := &trainer{perSlice: 1}
	status := mustRun(t, store, compile(t, single), tr.run, quick(2))
	for _, starts := range tr.slices {
		if diff := cmp.Diff([]int{0, 1, 2}, starts); diff != "" {
			t.Errorf("first epochs of the slices (-want +got):\n%s", diff)
		}
	}
	run := runs(t, store, status.ID)[0]
	history, err := store.MetricHistory(t.Context(), tracker.Metric{Name: "loss", Split: "train"}, run.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := []tracker.StepValue{{Step: 0, Value: 1}, {Step: 1, Value: 0.5}, {Step: 2, Value: 1.0 / 3}}
	if diff := cmp.Diff(want, history[run.ID]); diff != "" {
		t.Errorf("curve (-want +got):\n%s", diff)
	}
	if run.Attempt != 1 || run.Epoch != 3 || run.StopReason != "completed" {
		t.Errorf("got %+v", run)
	}
}

// Any number of workers, in any order, in any slices gives the same results.
func TestWork_TwoWorkers(t *testing.T) {
	t.Parallel()
	want := map[string]float64{}
	for _, workers := range []int{1, 2} {
		store := trackertest.New(t)
		p := compile(t, small)
		report, err := Enqueue(t.Context(), store, p)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(deadline(t))
		var group sync.WaitGroup
		trainers := make([]trainer, workers)
		for i := range trainers {
			trainers[i].perSlice = workers
			other, err := tracker.Open(ctx, store.DSN())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(other.Close)
			group.Go(func() {
				if err := Work(ctx, other, trainers[i].run, quick(2)); err != nil {
					t.Error(err)
				}
			})
		}
		watch := newProcess(store, nil, Options{Refresh: 20 * time.Millisecond})
		status, err := watch.follows(ctx, report.Sweep)
		if err != nil || !status.Finished || status.Done != 8 {
			t.Errorf("got %+v, %v", status, err)
		}
		stop()
		group.Wait()

		values, err := store.Results(t.Context(), tracker.RunFilter{SweepID: report.Sweep}, tracker.Metric{Name: "auroc", Split: "val", Group: "worst_pattern"})
		if err != nil {
			t.Fatal(err)
		}
		got, slices := map[string]float64{}, 0
		for _, r := range runs(t, store, report.Sweep) {
			for _, v := range values[r.ID] {
				got[fmt.Sprintf("%x", r.Hash)] = v
			}
		}
		for i := range trainers {
			slices += trainers[i].count()
		}
		if workers == 1 {
			want = got
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("two workers got other results (-one +two):\n%s", diff)
		}
		// One epoch a slice takes three slices; two epochs a slice take two.
		if wantSlices := 8 * (4 - workers); slices != wantSlices {
			t.Errorf("%d workers: got %d slices, want %d", workers, slices, wantSlices)
		}
	}
}

// Each seed of the sweep is a case: how an attempt ends, and what becomes of the
// run.
func TestRun_Failures(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		fail    func(attempt int) error
		outcome func(*tracker.Outcome)
		slice   *Slice
		state   tracker.State
		code    string
		log     string
		attempt int
	}{
		{name: "retried and well", fail: func(n int) error { return codedOnce(n, "plugin_crash") }, state: tracker.Done, attempt: 2},
		{name: "retried to the end", fail: func(int) error { return codedError{"plugin_crash", "last words"} }, state: tracker.Failed, code: "plugin_crash", log: "last words", attempt: 2},
		{name: "not retried", fail: func(int) error { return fmt.Errorf("train: %w", codedError{"nan", ""}) }, state: tracker.Failed, code: "nan", attempt: 1},
		{name: "without a code", fail: func(int) error { return errors.New("odd") }, state: tracker.Failed, code: CodeError, attempt: 1},
		{name: "panic", fail: func(int) error { panic("odd") }, state: tracker.Failed, code: CodePanic, log: "goroutine", attempt: 1},
		{name: "timeout", fail: func(int) error { return context.DeadlineExceeded }, state: tracker.Failed, code: CodeTimeout, attempt: 1},
		{
			name:    "refused by the store",
			outcome: func(out *tracker.Outcome) { out.Predictions = []tracker.Prediction{{TestSet: "id"}} },
			state:   tracker.Failed, code: CodeError, attempt: 1,
		},
		{name: "no outcome", slice: &Slice{Done: true}, state: tracker.Failed, code: CodeError, attempt: 1},
		{name: "no checkpoint", slice: &Slice{Epoch: 1}, state: tracker.Failed, code: CodeError, attempt: 1},
	}
	store := trackertest.New(t)
	tr := &trainer{
		outcome: func(spec RunSpec, out *tracker.Outcome) {
			if f := cases[spec.SplitSeed].outcome; f != nil {
				f(out)
			}
		},
	}
	attempts := make([]int, len(cases))
	run := func(ctx context.Context, spec RunSpec, checkpoint []byte, rec Recorder, budget time.Duration) (Slice, error) {
		c := cases[spec.SplitSeed]
		attempts[spec.SplitSeed]++
		if c.slice != nil {
			return *c.slice, nil
		}
		if c.fail != nil {
			if err := c.fail(attempts[spec.SplitSeed]); err != nil {
				return Slice{}, err
			}
		}
		return tr.run(ctx, spec, checkpoint, rec, budget)
	}
	status := mustRun(t, store, compile(t, edit(t, single, "seeds = [0]", "seeds = [0, 1, 2, 3, 4, 5, 6, 7, 8]")), run, quick(2))
	if status.Done != 1 || len(status.Failures) != len(cases)-1 || !strings.Contains(status.Hint(), "retry single") {
		t.Errorf("got %+v, hint %q", status, status.Hint())
	}
	for _, r := range runs(t, store, status.ID) {
		r, err := store.Run(t.Context(), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		c := cases[r.SplitSeed]
		if r.State != c.state || r.ErrorCode != c.code || r.Attempt != c.attempt || !strings.Contains(r.ErrorLog, c.log) {
			t.Errorf("%s: got state %s, code %q, attempt %d, message %q, log %q", c.name, r.State, r.ErrorCode, r.Attempt, r.ErrorMessage, r.ErrorLog)
		}
	}
}

func codedOnce(n int, code string) error {
	if n == 1 {
		return codedError{code: code}
	}
	return nil
}

// A cell that fails holds back no other, and Retry completes it later.
func TestRetry_FailedCell(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	p := compile(t, small)
	broken := &trainer{before: func(_ context.Context, spec RunSpec, _ int, _ Recorder) error {
		if spec.Variant == "md" {
			return codedError{code: "nan"}
		}
		return nil
	}}
	status := mustRun(t, store, p, broken.run, quick(2))
	if status.Done != 4 || status.Failed != 2 || status.Expected != 6 || len(status.Winners) != 1 {
		t.Fatalf("got %+v", status)
	}
	n, err := Retry(t.Context(), store, "small")
	if err != nil || n != 2 {
		t.Fatalf("got %d runs to retry, %v, want 2", n, err)
	}
	if status = mustRun(t, store, p, new(trainer).run, quick(2)); status.Done != 8 || status.Failed != 0 {
		t.Errorf("got %+v", status)
	}
}

// A trial that is retried and wins replaces the replicates of the earlier winner.
func TestRetry_ChangesWinner(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	p := compile(t, edit(t, small, `["erm", "md"]`, `["erm"]`))
	first := &trainer{
		before: func(_ context.Context, spec RunSpec, _ int, _ Recorder) error {
			if spec.Trial == 1 && spec.Phase == PhaseSearch {
				return codedError{code: "nan"}
			}
			return nil
		},
		outcome: func(spec RunSpec, out *tracker.Outcome) {
			out.Metrics[tracker.Metric{Name: "auroc", Split: "val", Group: "worst_pattern"}] = float64(spec.Trial) / 4
		},
	}
	if s := mustRun(t, store, p, first.run, quick(2)); s.Winners[0].Trial != 0 || s.Done != 3 {
		t.Fatalf("got %+v", s)
	}
	if _, err := Retry(t.Context(), store, "small", tracker.Failed); err != nil {
		t.Fatal(err)
	}
	first.before = nil
	s := mustRun(t, store, p, first.run, quick(2))
	if s.Winners[0].Trial != 1 || s.Done != 4 {
		t.Errorf("got %+v, want two trials and two replicates of trial 1", s)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	ctx := deadline(t)
	p := compile(t, single)
	causes := make(chan error, 1)
	tr := &trainer{before: func(slice context.Context, _ RunSpec, _ int, _ Recorder) error {
		if err := Cancel(ctx, store, "single"); err != nil {
			return err
		}
		select {
		case <-slice.Done():
			causes <- context.Cause(slice)
			return slice.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	status, err := Run(ctx, store, p, tr.run, Options{Workers: 1})
	if err != nil || !status.Cancelled || status.Stopped != 1 || status.Finished {
		t.Fatalf("got %+v, %v", status, err)
	}
	if cause := <-causes; !errors.Is(cause, tracker.ErrFenced) {
		t.Errorf("got cause %v, want the lost fence", cause)
	}
	if !strings.Contains(status.Hint(), "resume single") {
		t.Errorf("got hint %q", status.Hint())
	}
	if _, err := Enqueue(ctx, store, p); !errors.Is(err, ErrCancelled) {
		t.Errorf("got %v, want ErrCancelled", err)
	}
	if _, err := Retry(ctx, store, "single", tracker.Cancelled); !errors.Is(err, ErrCancelled) {
		t.Errorf("got %v, want ErrCancelled", err)
	}
	if err := Resume(ctx, store, "single"); err != nil {
		t.Fatal(err)
	}
	if s := mustRun(t, store, p, new(trainer).run, quick(1)); s.Done != 1 {
		t.Errorf("got %+v", s)
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	ctx := deadline(t)
	p := compile(t, small)
	var once sync.Once
	tr := &trainer{perSlice: 1, before: func(context.Context, RunSpec, int, Recorder) (err error) {
		once.Do(func() { err = Pause(ctx, store, "small") })
		return err
	}}
	status, err := Run(ctx, store, p, tr.run, Options{Workers: 1})
	if err != nil || !status.Paused || status.Finished || status.Held != 4 || status.Open() {
		t.Fatalf("got %+v, %v", status, err)
	}
	if tr.count() != 1 || !strings.Contains(status.Hint(), "resume small") {
		t.Errorf("got %d slices and hint %q", tr.count(), status.Hint())
	}
	if report, err := Enqueue(ctx, store, p); err != nil || !report.Paused || report.New != 0 {
		t.Errorf("got %+v, %v", report, err)
	}
	if err := Resume(ctx, store, "small"); err != nil {
		t.Fatal(err)
	}
	if s := mustRun(t, store, p, tr.run, quick(2)); s.Done != 8 || tr.count() != 3*8 {
		t.Errorf("got %+v after %d slices", s, tr.count())
	}
}

// Asked to stop, a slice goes on to its next checkpoint; the run waits with it.
func TestRun_StopsAtCheckpoint(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	p := compile(t, single)
	ctx, stop := context.WithCancel(deadline(t))
	tr := &trainer{before: func(_ context.Context, _ RunSpec, epoch int, rec Recorder) error {
		if epoch == 0 {
			stop()
			return until(t, rec.Pause)
		}
		return nil
	}}
	status, err := Run(ctx, store, p, tr.run, Options{Workers: 1, Grace: time.Minute})
	if !errors.Is(err, ErrStopped) || status.Queued != 1 || !strings.Contains(status.Hint(), "same sweep file") {
		t.Fatalf("got %+v, %v", status, err)
	}
	if run := runs(t, store, status.ID)[0]; run.Epoch != 1 || run.Attempt != 1 {
		t.Errorf("got epoch %d, attempt %d, want 1 and 1", run.Epoch, run.Attempt)
	}
	mustRun(t, store, p, tr.run, quick(1))
	for _, starts := range tr.slices {
		if diff := cmp.Diff([]int{0, 1}, starts); diff != "" {
			t.Error(diff)
		}
	}
}

// until polls without a sleep what has no event.
func until(t *testing.T, f func() bool) error {
	ctx := deadline(t)
	for !f() {
		if err := sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// Without grace a slice is abandoned and the run is back at its last checkpoint.
func TestRun_StopsAtOnce(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	p := compile(t, single)
	ctx, stop := context.WithCancel(deadline(t))
	tr := &trainer{perSlice: 1, before: func(slice context.Context, _ RunSpec, epoch int, _ Recorder) error {
		if epoch == 1 {
			stop()
			<-slice.Done()
			return slice.Err()
		}
		return nil
	}}
	status, err := Run(ctx, store, p, tr.run, quick(1))
	if !errors.Is(err, ErrStopped) || status.Queued != 1 {
		t.Fatalf("got %+v, %v", status, err)
	}
	if run := runs(t, store, status.ID)[0]; run.Epoch != 1 || run.Attempt != 1 {
		t.Errorf("got epoch %d, attempt %d, want 1 and 1", run.Epoch, run.Attempt)
	}
	if s := mustRun(t, store, p, new(trainer).run, quick(1)); s.Done != 1 {
		t.Errorf("got %+v", s)
	}
}

// A run of a worker that died goes on at once, from its checkpoint, and a
// waiting run whose job is gone is found.
func TestReap(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	ctx := deadline(t)
	p := compile(t, edit(t, single, "seeds = [0]", "seeds = [0, 1]"))
	report, err := Enqueue(ctx, store, p)
	if err != nil || report.New != 2 {
		t.Fatalf("got %+v, %v", report, err)
	}
	dead, err := store.RegisterWorker(ctx, "dead")
	if err != nil {
		t.Fatal(err)
	}
	first := runs(t, store, report.Sweep)[0]
	if _, err := store.Claim(ctx, first.ID, first.Fence, dead); err != nil {
		t.Fatal(err)
	}
	dead.Close()
	if _, err := store.Pool().Exec(ctx, `delete from river_job`); err != nil {
		t.Fatal(err)
	}
	tr := &trainer{}
	if s := mustRun(t, store, p, tr.run, quick(2)); s.Done != 2 || tr.count() != 2 {
		t.Errorf("got %+v after %d slices", s, tr.count())
	}
	if run := runs(t, store, report.Sweep)[0]; run.Attempt != 2 {
		t.Errorf("got attempt %d of the lost run, want 2", run.Attempt)
	}
}

// When all connections break in the middle of a slice, it goes on, and its
// result counts.
func TestRun_SurvivesOutage(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	p := compile(t, single)
	tr := &trainer{perSlice: 2, before: func(ctx context.Context, _ RunSpec, epoch int, _ Recorder) error {
		if epoch > 0 {
			return nil
		}
		_, err := store.Pool().Exec(ctx, `select pg_terminate_backend(pid) from pg_stat_activity
			where datname = current_database() and pid <> pg_backend_pid()`)
		return err
	}}
	reconnects := 0
	opts := quick(1)
	opts.Reconnect = func(context.Context) error { reconnects++; return nil }
	status := mustRun(t, store, p, tr.run, opts)
	if run := runs(t, store, status.ID)[0]; run.State != tracker.Done || run.Attempt != 1 || tr.count() != 2 {
		t.Errorf("got %s in attempt %d after %d slices", run.State, run.Attempt, tr.count())
	}
}

// A sweep that shrinks drops what waits; one that grows again revives it.
func TestEnqueue_Shrink(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	ctx := deadline(t)
	if _, err := Enqueue(ctx, store, compile(t, small)); err != nil {
		t.Fatal(err)
	}
	half := compile(t, edit(t, small, `["erm", "md"]`, `["erm"]`))
	report, err := Enqueue(ctx, store, half)
	if err != nil || report.New != 0 || report.Existing != 2 {
		t.Fatalf("got %+v, %v", report, err)
	}
	if s := mustRun(t, store, half, new(trainer).run, quick(2)); s.Done != 4 {
		t.Errorf("got %+v", s)
	}
	report, err = Enqueue(ctx, store, compile(t, small))
	if err != nil || report.New != 2 || report.Done != 4 {
		t.Errorf("got %+v, %v", report, err)
	}
	if s := mustRun(t, store, compile(t, small), new(trainer).run, quick(2)); s.Done != 8 {
		t.Errorf("got %+v", s)
	}
}

func TestControl_UnknownSweep(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	ctx := deadline(t)
	_, retry := Retry(ctx, store, "none")
	_, status := StatusOf(ctx, store, "none")
	for _, err := range []error{Pause(ctx, store, "none"), Resume(ctx, store, "none"), Cancel(ctx, store, "none"), retry, status} {
		if !errors.Is(err, tracker.ErrNotFound) || !strings.Contains(err.Error(), "none") {
			t.Errorf("got %v", err)
		}
	}
}

// A spec that this program cannot read is a failure with a code of its own.
func TestRun_UnreadableSpec(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	ctx := deadline(t)
	p := compile(t, single)
	if _, err := Enqueue(ctx, store, p); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Pool().Exec(ctx, `update run set spec = '{"version": 99}'`); err != nil {
		t.Fatal(err)
	}
	if s := mustRun(t, store, p, new(trainer).run, quick(1)); len(s.Failures) != 1 || s.Failures[0].Code != CodeSpec {
		t.Errorf("got %+v", s.Failures)
	}
}

func TestAbsent(t *testing.T) {
	for _, err := range []error{tracker.ErrStale, fmt.Errorf("x: %w", tracker.ErrFenced), tracker.ErrNotFound, errors.New("syntax error")} {
		if absent(err) {
			t.Errorf("%v counts as an absent database", err)
		}
	}
	for _, text := range []string{"conn closed", "unexpected EOF", "write: broken pipe"} {
		if !absent(errors.New(text)) {
			t.Errorf("%s does not count as an absent database", text)
		}
	}
}

// survive tries again after each failure of the database, after asking for it
// to be brought back, and waits longer each time.
func TestOutage_Survive(t *testing.T) {
	var waits []time.Duration
	calls, reconnects := 0, 0
	o := &outage{
		reconnect: func(context.Context) error { reconnects++; return errors.New("not yet") },
		wait:      func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil },
	}
	err := o.survive(t.Context(), func(context.Context) error {
		if calls++; calls < 9 {
			return errors.New("conn closed")
		}
		return tracker.ErrFenced
	})
	if !errors.Is(err, tracker.ErrFenced) || calls != 9 || reconnects != 8 {
		t.Errorf("got %v after %d calls and %d reconnects", err, calls, reconnects)
	}
	if !slices.IsSorted(waits) || waits[0] != outageFirst || waits[7] != outageLast {
		t.Errorf("got waits %v", waits)
	}
}

// A lease whose claim was answered into a broken connection goes back without
// costing an attempt; one whose result was refused has failed.
func TestReap_Stranded(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	ctx := deadline(t)
	report, err := Enqueue(ctx, store, compile(t, edit(t, single, "seeds = [0]", "seeds = [0, 1]")))
	if err != nil {
		t.Fatal(err)
	}
	p := newProcess(store, nil, quick(1))
	if p.queue, err = newQueue(store); err != nil {
		t.Fatal(err)
	}
	if p.worker, err = store.RegisterWorker(ctx, "stranded"); err != nil {
		t.Fatal(err)
	}
	defer p.worker.Close()
	for i, r := range runs(t, store, report.Sweep) {
		if _, err := store.Claim(ctx, r.ID, r.Fence, p.worker); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			p.refused[leaseKey{r.ID, r.Fence}] = "no room"
		}
	}
	if err := p.releaseStranded(ctx); err != nil {
		t.Fatal(err)
	}
	got := runs(t, store, report.Sweep)
	if got[0].State != tracker.Queued || got[0].Attempt != 1 {
		t.Errorf("got %s in attempt %d, want queued in attempt 1", got[0].State, got[0].Attempt)
	}
	if got[1].State != tracker.Failed || got[1].ErrorMessage != "no room" {
		t.Errorf("got %s, %q", got[1].State, got[1].ErrorMessage)
	}
	if s := mustRun(t, store, compile(t, edit(t, single, "seeds = [0]", "seeds = [0, 1]")), new(trainer).run, quick(1)); s.Done != 1 || s.Failed != 1 {
		t.Errorf("got %+v", s)
	}
}
