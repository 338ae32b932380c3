package tracker

import (
	"context"
	"fmt"
	"time"
)

// Pace is how fast the planned runs of a sweep are trained.
type Pace struct {
	Done, Running int
	Seconds       float64 // that workers spent on the runs that are done
	Share         float64 // of the runs in training, what is trained; in runs
}

// Pace reads how fast a sweep is trained.
func (r Reader) Pace(ctx context.Context, sweepID int64) (Pace, error) {
	const query = `select count(*) filter (where state = 'done'), count(*) filter (where state = 'running'),
			coalesce(sum(extract(epoch from busy)) filter (where state = 'done'), 0)::float8,
			coalesce(sum(epoch::float8 / greatest(epochs, 1)) filter (where state = 'running'), 0)::float8
		from run where planned and sweep_id = $1`
	var p Pace
	if err := r.db.QueryRow(ctx, query, sweepID).Scan(&p.Done, &p.Running, &p.Seconds, &p.Share); err != nil {
		return Pace{}, fmt.Errorf("read pace of sweep %d: %w", sweepID, err)
	}
	return p, nil
}

// Left is what so many open runs take, those in training among them, by the mean of
// the runs that are done and by as many at once as are training now; 0 where that
// says nothing.
func (p Pace) Left(open int) time.Duration {
	if p.Done == 0 || p.Running == 0 {
		return 0
	}
	runs := float64(open) - p.Share
	return time.Duration(runs * p.Seconds / float64(p.Done) / float64(p.Running) * float64(time.Second))
}
