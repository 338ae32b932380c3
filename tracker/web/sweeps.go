package web

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/deconfound/deconfound/tracker"
)

// sweepRow is a sweep and how far it has come.
type sweepRow struct {
	tracker.Sweep
	progress
}

// progress counts the planned runs of a sweep.
type progress struct {
	Done, Running, Waiting, Paused, Failed, Cancelled, Pruned int
	// Expected are all runs of the sweep, as far as they are known.
	Expected int
	// Left is what the open runs take, by the mean of those that are done and by as
	// many at once as are training now; 0 where that says nothing.
	Left time.Duration

	share   float64 // of the runs in training, what is trained; in runs
	seconds float64 // of the runs that are done
}

// Ended counts the runs that nothing more happens to by itself.
func (p progress) Ended() int { return p.Done + p.Failed + p.Cancelled + p.Pruned }

// Open says whether anything is still to do.
func (p progress) Open() bool { return p.Running+p.Waiting+p.Paused > 0 }

// estimate fills Expected and Left.
func (p *progress) estimate(expected int) {
	p.Expected = max(expected, p.Ended()+p.Running+p.Waiting+p.Paused)
	p.Left = tracker.Pace{Done: p.Done, Running: p.Running, Seconds: p.seconds, Share: p.share}.Left(p.Expected - p.Ended())
}

// State is the sweep's in a word.
func (r sweepRow) State() string {
	switch {
	case r.CancelledAt != nil:
		return "cancelled"
	case r.PausedAt != nil:
		return "paused"
	case r.Running > 0:
		return "training"
	case r.Waiting+r.Paused > 0:
		return "waiting"
	case r.Failed > 0:
		return "ended with failures"
	}
	return "ended"
}

// progressOf counts the runs of one sweep, or of all where id is 0.
func (s *Server) progressOf(ctx context.Context, id int64) (map[int64]*progress, error) {
	return remember(s, fmt.Sprintf("progress %d", id), func() (map[int64]*progress, error) { return s.readProgress(ctx, id) })
}

func (s *Server) readProgress(ctx context.Context, id int64) (map[int64]*progress, error) {
	const query = `select sweep_id, state::text, count(*),
			coalesce(sum(epoch::float8 / greatest(epochs, 1)) filter (where state = 'running'), 0)::float8,
			coalesce(sum(extract(epoch from busy)) filter (where state = 'done'), 0)::float8
		from run where planned and ($1 = 0 or sweep_id = $1) group by 1, 2`
	rows, err := s.config.Store.Pool().Query(ctx, query, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[int64]*progress{}
	for rows.Next() {
		var sweep int64
		var state tracker.State
		var n int
		var share, seconds float64
		if err := rows.Scan(&sweep, &state, &n, &share, &seconds); err != nil {
			return nil, err
		}
		p := out[sweep]
		if p == nil {
			p = &progress{}
			out[sweep] = p
		}
		p.share += share
		p.seconds += seconds
		switch state {
		case tracker.Done:
			p.Done += n
		case tracker.Running:
			p.Running += n
		case tracker.Queued:
			p.Waiting += n
		case tracker.Paused:
			p.Paused += n
		case tracker.Failed, tracker.Lost:
			p.Failed += n
		case tracker.Cancelled:
			p.Cancelled += n
		case tracker.Pruned:
			p.Pruned += n
		}
	}
	return out, rows.Err()
}

// expected asks the program for all runs of a sweep that has not ended.
func (s *Server) expected(ctx context.Context, row *sweepRow) {
	n := 0
	if row.Open() && s.config.Expected != nil {
		var err error
		if n, err = remember(s, fmt.Sprintf("expected %d", row.ID), func() (int, error) { return s.config.Expected(ctx, row.Sweep) }); err != nil {
			s.log.Warn("count the runs of a sweep", "sweep", row.Name, "error", err)
		}
	}
	row.estimate(n)
}

type sweepsPage struct {
	Sweeps []sweepRow
	More   int // sweeps that are not shown
}

// maxSweeps is how many sweeps the first page lists, the newest.
const maxSweeps = 200

func (s *Server) sweepsPage(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	list, err := s.config.Store.Sweeps(ctx)
	if err != nil {
		return err
	}
	counts, err := s.progressOf(ctx, 0)
	if err != nil {
		return err
	}
	page := sweepsPage{More: max(0, len(list)-maxSweeps)}
	for _, sweep := range list[:min(len(list), maxSweeps)] {
		row := sweepRow{Sweep: sweep.Sweep}
		if p := counts[sweep.ID]; p != nil {
			row.progress = *p
		}
		s.expected(ctx, &row)
		page.Sweeps = append(page.Sweeps, row)
	}
	return s.render(w, r, "sweeps", "Sweeps", page)
}
