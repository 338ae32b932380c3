package sweeps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/sweeps/search"
	"github.com/deconfound/deconfound/tracker"
)

// ProposeFunc asks the plugin of a search for the point of one trial: a value for each
// of ask.Dimensions. The same ask has the same answer. An error pauses the sweep with
// its first line, unless it is ErrLacksSampler, which leaves the search to workers that
// have the plugin, or ctx has ended.
type ProposeFunc func(ctx context.Context, ask search.Ask) (map[string]any, error)

// ErrLacksSampler says that the plugin of a search is not here, or not with the content
// that the sweep was planned with.
var ErrLacksSampler = errors.New("this worker lacks the sampler of the search")

const (
	// proposeTimeout bounds one proposal, with the start of the plugin.
	proposeTimeout = 5 * time.Minute
	// refusals is how many points of one trial constraints may refuse.
	refusals = 100
	// lackPatience is how long a search waits for a worker that has its plugin.
	lackPatience = time.Minute
	// longestReason bounds what is shown of a plugin's error, in bytes.
	longestReason = 1000
)

// offered are points that were proposed, by the place of their cell in a plan.
type offered struct {
	revision int // of the plan
	events   map[int]search.Event
}

// asking is a search that wants a point.
type asking struct {
	place int // of the cell
	cell  Cell
	judge *search.Machine // that knows the space and nothing else
	ask   search.Ask
}

// asks are the searches that want a point from a plugin. They share nothing with the
// course.
func (c *course) asks() ([]asking, error) {
	var out []asking
	for i, cell := range c.plan.Cells {
		if cell.machine == nil {
			continue
		}
		ask, wanted := cell.machine.Ask()
		if !wanted {
			continue
		}
		judge, err := search.New(cell.Adaptive.Search)
		if err != nil {
			return nil, fmt.Errorf("search cell %s: %w", cell.Cell, err)
		}
		out = append(out, asking{i, cell.Cell, judge, ask})
	}
	return out, nil
}

// unproposed says why a sampler has given no usable point.
type unproposed struct {
	asking
	cause error
}

func (e *unproposed) Unwrap() error { return e.cause }

// Error is what people see of a paused sweep. It has one line.
func (e *unproposed) Error() string {
	text, _, _ := strings.Cut(e.cause.Error(), "\n")
	text = strings.TrimSuffix(text, "; its last lines:") // which are in the log
	if len(text) > longestReason {
		text = text[:longestReason] + "..."
	}
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	return fmt.Sprintf("sampler %s gives no point for trial %d of %s: %s", e.ask.Plugin.Name, e.ask.Number, e.cell, text)
}

// point asks until the constraints allow a point.
func (a asking) point(ctx context.Context, propose ProposeFunc) (search.Event, error) {
	for range refusals {
		values, err := proposeWithin(ctx, a.ask, propose)
		if ctx.Err() != nil {
			return search.Event{}, ctx.Err()
		}
		if err != nil {
			return search.Event{}, &unproposed{a, err}
		}
		p, allowed, err := a.judge.Judge(values)
		if err != nil {
			return search.Event{}, &unproposed{a, err}
		}
		if allowed {
			return search.Offer(a.ask.Number, p), nil
		}
		a.ask.Refused = append(slices.Clip(a.ask.Refused), values)
	}
	return search.Event{}, &unproposed{a, fmt.Errorf("the constraints refuse each of %d points", refusals)}
}

// proposeWithin is one call of propose, whose panic is an error.
func proposeWithin(ctx context.Context, ask search.Ask, propose ProposeFunc) (values map[string]any, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, proposeTimeout, fmt.Errorf("no answer within %v", proposeTimeout))
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	values, err = propose(ctx, ask)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return values, err
}

// propose asks for every point that is wanted, outside of any transaction: a plugin may
// take its time. The error is that of ctx, or context.Canceled if the process stops.
func (q *queue) propose(ctx context.Context, revision int, asks []asking) (offered, error) {
	out := offered{revision: revision, events: map[int]search.Event{}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-q.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	for _, a := range asks {
		if q.sampler == nil {
			return out, &unproposed{a, ErrLacksSampler}
		}
		e, err := a.point(ctx, q.sampler)
		if err != nil {
			return out, err
		}
		out.events[a.place] = e
	}
	return out, nil
}

// pauseUnproposed pauses a sweep whose sampler is of no use. The error is
// tracker.ErrNotOwner if that is for another database user to do.
func pauseUnproposed(ctx context.Context, store *tracker.Store, sweepID int64, why *unproposed) error {
	return store.InTx(ctx, func(tx pgx.Tx) error {
		return store.PauseSweepBecause(ctx, tx, sweepID, why.Error())
	})
}

// others reports whether other workers are there.
func (p *process) others(ctx context.Context) (bool, error) {
	workers, err := p.store.Workers(ctx)
	if err != nil {
		return false, err
	}
	alive := 0
	for _, w := range workers {
		if w.Alive {
			alive++
		}
	}
	return alive > 1, nil
}
