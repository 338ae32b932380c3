package sweeps

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/deconfound/deconfound/tracker/trackertest"
)

// A job that is put back keeps its place, and is due at once, on a machine whose
// clock is ten minutes wrong; the server says what the right time is.
func TestProcess_PutBack(t *testing.T) {
	p := &process{}
	for _, wrong := range []time.Duration{-10 * time.Minute, 0, 10 * time.Minute} {
		p.clock.offset.Store(int64(wrong))
		server := time.Now().Add(wrong)
		for _, test := range []struct{ due, least, most time.Duration }{
			{-time.Hour, -61 * time.Minute, -time.Hour}, // waited for an hour
			{time.Hour, 0, 0}, // by a clock that was wrong in turn
		} {
			err := p.putBack(&river.Job[sliceArgs]{JobRow: &rivertype.JobRow{ScheduledAt: server.Add(test.due)}})
			snooze, ok := err.(*river.JobSnoozeError) //nolint:errorlint // it is not wrapped
			if !ok || snooze.Duration < test.least || snooze.Duration > test.most {
				t.Errorf("clock wrong by %v, due in %v: got %v", wrong, test.due, err)
			}
		}
	}
	store := trackertest.New(t)
	p.clock.offset.Store(int64(time.Hour))
	if err := p.clock.set(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	if off := time.Duration(p.clock.offset.Load()).Abs(); off > time.Minute {
		t.Errorf("the server of this machine is %v off", off)
	}
}

// A job that a machine with a fast clock has inserted is due at once.
func TestQueue_DueByTheServer(t *testing.T) {
	store := trackertest.New(t)
	q, err := newQueue(store)
	if err != nil {
		t.Fatal(err)
	}
	ctx := deadline(t)
	for range 2 {
		err = store.InTx(ctx, func(tx pgx.Tx) error {
			if err := q.slice(ctx, tx, sliceArgs{Run: 1}, 1); err != nil {
				return err
			}
			if err := q.advance(ctx, tx, 1); err != nil {
				return err
			}
			if err := q.later(ctx, tx, sliceArgs{Run: 2}, time.Hour); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `update river_job set scheduled_at = now() + interval '10 minutes' where state = 'available'`); err != nil {
				return err
			}
			if err := due(ctx, tx, queueSlices); err != nil {
				return err
			}
			return due(ctx, tx, queueAdvance)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var slices, advances, waiting int
	const count = `select count(*) filter (where state = 'available' and queue = 'slices' and scheduled_at <= now()),
		count(*) filter (where state = 'available' and queue = 'advance' and scheduled_at <= now()),
		count(*) filter (where state = 'scheduled' and scheduled_at > now() + interval '50 minutes') from river_job`
	if err := store.Pool().QueryRow(ctx, count).Scan(&slices, &advances, &waiting); err != nil || slices != 2 || advances != 1 || waiting != 2 {
		t.Errorf("%d slices and %d looks are due, %d wait, %v", slices, advances, waiting, err)
	}
}
