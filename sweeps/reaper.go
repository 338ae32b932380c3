package sweeps

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
)

// reap brings back what fell through: runs of dead workers, waiting runs whose
// job is gone, runs that this worker holds without training them, and sweeps
// whose next step was not taken. It does nothing while the server has not heard of
// this worker, else it would take its own runs for lost.
func (p *process) reap(ctx context.Context) {
	if !p.worker.MayReap() {
		return
	}
	for _, step := range []struct {
		doing string
		do    func(context.Context) error
	}{
		{"reap lost runs", p.reapLost},
		{"find forgotten runs", p.requeueForgotten},
		{"find stranded runs", p.releaseStranded},
		{"advance settled sweeps", p.advanceSettled},
		{"record what is lacking", p.reviewLacks},
		{"compare the schema", p.compareSchema},
		{"compare clocks", func(ctx context.Context) error { return p.clock.set(ctx, p.store) }},
	} {
		bounded, cancel := context.WithTimeout(ctx, p.outage.limit)
		err := step.do(bounded)
		cancel()
		if err != nil && ctx.Err() == nil {
			p.log.Warn("could not "+step.doing, "error", err)
		}
	}
}

// errUnheard says that the server has not heard of this worker since it began to look
// for dead ones.
var errUnheard = errors.New("this worker was cut off itself")

func (p *process) reapLost(ctx context.Context) error {
	return p.store.InTx(ctx, func(tx pgx.Tx) error {
		runs, err := p.store.Reap(ctx, tx)
		if err != nil {
			return err
		}
		// All this may have waited for a link that was cut: look again before it counts.
		if len(runs) > 0 && !p.worker.MayReap() {
			return errUnheard
		}
		ended := map[int64]bool{}
		for _, r := range runs {
			p.log.Info("run of a dead worker", "run", r.ID, "state", string(r.State))
			if r.State.Ended() && !ended[r.SweepID] {
				ended[r.SweepID] = true
				if err := p.queue.advance(ctx, tx, r.SweepID); err != nil {
					return err
				}
			}
		}
		return p.queue.slices(ctx, tx, runs)
	})
}

// forgotten finds waiting runs without a job that carries their fence. A job that
// nobody made available when it was due, for whatever reason, counts as none, and so
// does one that was fetched and not turned into a lease for a while: its worker is
// dead. A second job for the same fence does no harm.
const forgotten = `select r.run_id, r.fence, r.sweep_id, r.priority from run r join sweep s using (sweep_id)
	where r.state = 'queued' and r.planned and s.paused_at is null and s.cancelled_at is null
	  and not exists (select from river_job j
	    where j.kind = $1 and (j.args->>'run')::bigint = r.run_id and (j.args->>'fence')::bigint = r.fence
	      and (j.state = 'available' or j.state in ('scheduled', 'retryable', 'pending') and j.scheduled_at > now() - interval '30 seconds'
	        or j.state = 'running' and j.attempted_at > now() - interval '15 seconds'))
	order by r.run_id for update of r skip locked`

func (p *process) requeueForgotten(ctx context.Context) error {
	return p.store.InTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, forgotten, sliceArgs{}.Kind())
		if err != nil {
			return err
		}
		type waiting struct {
			ID, Fence, Sweep int64
			Priority         int
		}
		runs, err := pgx.CollectRows(rows, pgx.RowToStructByPos[waiting])
		if err != nil {
			return err
		}
		for _, r := range runs {
			p.log.Info("run without a job", "run", r.ID)
			if err := p.queue.slice(ctx, tx, sliceArgs{Run: r.ID, Fence: r.Fence, Sweep: r.Sweep}, r.Priority); err != nil {
				return err
			}
		}
		return nil
	})
}

// releaseStranded ends leases that this worker holds according to the database
// and does not train. Usually the answer to a claim was lost with the
// connection: the run goes back to where it was. If its result could not be
// stored, the attempt has failed.
func (p *process) releaseStranded(ctx context.Context) error {
	runs, err := p.store.Runs(ctx, tracker.RunFilter{States: []tracker.State{tracker.Running}})
	if err != nil {
		return err
	}
	for _, r := range runs {
		key := leaseKey{r.ID, r.Fence}
		p.mu.Lock()
		_, held := p.active[key]
		refused := p.refused[key]
		p.mu.Unlock()
		if held || r.WorkerID == nil || *r.WorkerID != p.worker.ID() {
			continue
		}
		lease := tracker.Lease{Run: r, Fence: r.Fence, Worker: p.worker.ID()}
		if refused != "" {
			err = p.fail(lease, tracker.Failure{Code: CodeError, Message: refused})
		} else {
			err = p.release(ctx, lease)
		}
		if err != nil && !errors.Is(err, tracker.ErrFenced) {
			return fmt.Errorf("run %d: %w", r.ID, err)
		}
	}
	return nil
}

// release gives a run back with the checkpoint that the database has.
func (p *process) release(ctx context.Context, lease tracker.Lease) error {
	p.log.Info("lease without a slice", "run", lease.Run.ID)
	const newest = `select epoch, data from checkpoint where run_id = $1`
	err := p.store.Pool().QueryRow(ctx, newest, lease.Run.ID).Scan(&lease.Epoch, &lease.Checkpoint)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	return p.giveBack(lease, nil)
}

// settledSweep is what a sweep was when it was advanced by advanceSettled.
type settledSweep struct{ revision, ended, held int }

// advanceSettled advances sweeps in which nothing waits or runs but, perhaps, for
// a decision of the search: their last advance job may be gone.
func (p *process) advanceSettled(ctx context.Context) error {
	sweeps, err := p.store.Sweeps(ctx)
	if err != nil {
		return err
	}
	for _, s := range sweeps {
		open, ended, held := 0, 0, 0
		for _, counts := range s.Counts {
			for state, n := range counts {
				switch {
				case state.Ended():
					ended += n
				case state == tracker.Paused:
					held += n
				default:
					open += n
				}
			}
		}
		now := settledSweep{s.Revision, ended, held}
		if s.PausedAt != nil {
			delete(p.settled, s.ID) // it may be resumed
		}
		if open > 0 || s.PausedAt != nil || s.CancelledAt != nil || p.settled[s.ID] == now {
			continue
		}
		policy, err := p.policyFrom(ctx, p.store.Reader, s.ID)
		if err != nil {
			return err
		}
		if policy.Contract != Contract {
			continue // for a worker of that contract
		}
		err = advanceSweep(ctx, p.store, p.queue, s.ID)
		if errors.Is(err, ErrLacksSampler) {
			err = p.store.InTx(ctx, func(tx pgx.Tx) error { // another worker may have it
				return errors.Join(p.store.LockSweep(ctx, tx, s.ID), p.queue.advance(ctx, tx, s.ID))
			})
		}
		if err != nil {
			return err
		}
		p.settled[s.ID] = now // only this loop uses the map
	}
	return nil
}

// compareSchema ends the work of a program that the database has left behind.
func (p *process) compareSchema(ctx context.Context) error {
	applied, newest, err := p.store.SchemaVersion(ctx)
	if err == nil && applied > newest {
		p.endUse(fmt.Errorf("%w: it has schema %d, this program knows %d", ErrOutdated, applied, newest))
	}
	return err
}

// watch cancels slices whose lease no longer holds, and has those of paused sweeps
// end at their next checkpoint.
func (p *process) watch(ctx context.Context) {
	p.mu.Lock()
	training := make(map[leaseKey]*holding, len(p.active))
	for key, h := range p.active {
		if h != nil {
			training[key] = h
		}
	}
	p.mu.Unlock()
	if len(training) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	held, err := p.store.Holdings(ctx, p.worker)
	if err != nil {
		return // the database is away; the commit will find out
	}
	for _, h := range held {
		key := leaseKey{h.RunID, h.Fence}
		if mine := training[key]; mine != nil && h.Paused {
			mine.paused.Store(true)
		}
		delete(training, key)
	}
	// What is left has ended, by this process itself or by somebody else.
	for _, h := range training {
		h.cancel(tracker.ErrFenced)
	}
}
