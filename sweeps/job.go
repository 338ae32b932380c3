package sweeps

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/deconfound/deconfound/tracker"
)

// Queues of River.
const (
	queueSlices  = "slices"
	queueAdvance = "advance"
)

// SliceTimeout bounds a slice, whatever run.slice says: an epoch that lasts
// longer cannot be trained. River takes a job for stuck after rescueAfter; that
// is harmless, because the fence of the run decides who may write.
const (
	SliceTimeout = 6 * time.Hour
	rescueAfter  = 7 * time.Hour
)

// Jobs that have ended are of no interest: what happened is in the tracker.
const jobRetention = time.Hour

// sliceArgs is the job that trains one slice. A job whose fence is no longer
// the run's does nothing.
type sliceArgs struct {
	Run   int64 `json:"run"`
	Fence int64 `json:"fence"`
	Sweep int64 `json:"sweep"` // of the run
}

func (sliceArgs) Kind() string { return "slice" }

// advanceArgs is the job that looks what a sweep needs next.
type advanceArgs struct {
	Sweep int64 `json:"sweep"`
}

func (advanceArgs) Kind() string { return "advance" }

// queue inserts jobs, always in the transaction of the rows they belong to.
type queue struct {
	client  *river.Client[pgx.Tx]
	courses courses // of the sweeps that this process has advanced
	sampler ProposeFunc
	stop    <-chan struct{} // ends what samplers are asked; nil: nothing does
	log     *slog.Logger
}

// newQueue returns a queue that inserts and works nothing.
func newQueue(store *tracker.Store) (*queue, error) {
	client, err := river.NewClient(riverpgxv5.New(store.Pool()), &river.Config{
		Schema: tracker.Schema,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	return &queue{client: client, log: slog.New(slog.DiscardHandler)}, nil
}

func (q *queue) slice(ctx context.Context, tx pgx.Tx, args sliceArgs, priority int) error {
	opts := &river.InsertOpts{Queue: queueSlices, Priority: min(max(priority, 1), 4)}
	if _, err := q.client.InsertTx(ctx, tx, args, opts); err != nil {
		return fmt.Errorf("enqueue run %d: %w", args.Run, err)
	}
	return due(ctx, tx, queueSlices)
}

// due has the available jobs of a queue be due by the clock of the server. River
// stamps jobs with the clock of the machine that inserts them; from one that is
// ahead, they would stay hidden from every worker until that time.
func due(ctx context.Context, tx pgx.Tx, queue string) error {
	const stamp = `update river_job set scheduled_at = now() where id in (select id from river_job
		where state = 'available' and queue = $1 and priority between 1 and 4
		and scheduled_at > now() and scheduled_at > clock_timestamp() for update skip locked)`
	if _, err := tx.Exec(ctx, stamp, queue); err != nil {
		return fmt.Errorf("enqueue by the server's clock: %w", err)
	}
	return nil
}

// later enqueues a slice that no worker takes before the wait is over.
func (q *queue) later(ctx context.Context, tx pgx.Tx, args sliceArgs, wait time.Duration) error {
	if wait <= 0 {
		return q.slice(ctx, tx, args, continued)
	}
	// By the clock of the server, which decides when a job is due: the one of this
	// machine may be wrong.
	var now time.Time
	if err := tx.QueryRow(ctx, `select clock_timestamp()`).Scan(&now); err != nil {
		return fmt.Errorf("enqueue run %d: %w", args.Run, err)
	}
	opts := &river.InsertOpts{Queue: queueSlices, Priority: continued, ScheduledAt: now.Add(wait)}
	if _, err := q.client.InsertTx(ctx, tx, args, opts); err != nil {
		return fmt.Errorf("enqueue run %d: %w", args.Run, err)
	}
	return nil
}

// slices enqueues a job for each run that waits.
func (q *queue) slices(ctx context.Context, tx pgx.Tx, runs []tracker.Run) error {
	var params []river.InsertManyParams
	for _, r := range runs {
		if r.State != tracker.Queued {
			continue
		}
		params = append(params, river.InsertManyParams{
			Args:       sliceArgs{Run: r.ID, Fence: r.Fence, Sweep: r.SweepID},
			InsertOpts: &river.InsertOpts{Queue: queueSlices, Priority: min(max(r.Priority, 1), 4)},
		})
	}
	if len(params) == 0 {
		return nil
	}
	if _, err := q.client.InsertManyFastTx(ctx, tx, params); err != nil {
		return fmt.Errorf("enqueue %d runs: %w", len(params), err)
	}
	return due(ctx, tx, queueSlices)
}

// putBack gives a job back to the queue, where it was.
func (p *process) putBack(job *river.Job[sliceArgs]) error {
	return &river.JobSnoozeError{Duration: min(0, job.ScheduledAt.Sub(p.clock.Now()))}
}

// advance enqueues a look at a sweep unless one waits already. The transaction must
// hold the sweep's lock: whoever takes the waiting job then waits for the
// transaction's end, and sees what it has done.
func (q *queue) advance(ctx context.Context, tx pgx.Tx, sweep int64) error {
	const waits = `select exists (select from river_job where state = 'available' and queue = $1 and (args->>'sweep')::bigint = $2)`
	var waiting bool
	if err := tx.QueryRow(ctx, waits, queueAdvance, sweep).Scan(&waiting); err != nil {
		return fmt.Errorf("enqueue advance of sweep %d: %w", sweep, err)
	}
	if waiting {
		return nil
	}
	if _, err := q.client.InsertTx(ctx, tx, advanceArgs{Sweep: sweep}, &river.InsertOpts{Queue: queueAdvance, Priority: 1}); err != nil {
		return fmt.Errorf("enqueue advance of sweep %d: %w", sweep, err)
	}
	return due(ctx, tx, queueAdvance)
}
