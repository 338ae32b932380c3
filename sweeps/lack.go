package sweeps

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
)

// lack is what this process would need to train some runs, and has not.
type lack struct {
	run  tracker.Run // one of them
	what []string
}

// errLacks says that a run was left to other workers.
var errLacks = errors.New("this worker lacks what the run needs")

// accept answers errLacks to a run that this process cannot train. What it finds
// holds for all runs with the same need, for some time.
func (p *process) accept(ctx context.Context, tx pgx.Tx, run tracker.Run) error {
	need := run.Need()
	p.mu.Lock()
	checked, able := p.able[need]
	p.mu.Unlock()
	if able && time.Since(checked) < policyLifetime {
		return nil
	}
	what, err := p.missing(ctx, p.store.In(tx), run)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(what) == 0 {
		p.able[need] = time.Now()
		delete(p.lacks, need)
		return nil
	}
	p.lacks[need] = lack{run: run, what: what}
	return errLacks
}

// missing answers what this process would need to train a run, and has not: one line
// each, for people.
func (p *process) missing(ctx context.Context, read tracker.Reader, run tracker.Run) ([]string, error) {
	policy, err := p.policyFrom(ctx, read, run.SweepID)
	if err != nil {
		return nil, err
	}
	what := policy.Requires.missing(policy.Contract, p.opts)
	if len(what) > 0 || p.opts.Lacks == nil {
		return what, nil
	}
	spec, err := ParseSpec(run.Spec)
	if err != nil {
		return nil, nil //nolint:nilerr // the run fails by that, and says so
	}
	return p.opts.Lacks(spec), nil
}

// lacking are the needs of runs that this process cannot train.
func (p *process) lacking() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]string, 0, len(p.lacks))
	for need := range p.lacks {
		out = append(out, need)
	}
	slices.Sort(out)
	return out
}

// reviewLacks looks again at what was lacking, which may have been installed, and
// records what is.
func (p *process) reviewLacks(ctx context.Context) error {
	for _, need := range p.lacking() {
		p.mu.Lock()
		l := p.lacks[need]
		p.mu.Unlock()
		what, err := p.missing(ctx, p.store.Reader, l.run)
		switch {
		case errors.Is(err, tracker.ErrNotFound): // the sweep was deleted
			what = nil
		case err != nil:
			return err
		}
		p.mu.Lock()
		if len(what) == 0 {
			delete(p.lacks, need)
		} else {
			p.lacks[need] = lack{run: l.run, what: what}
		}
		p.mu.Unlock()
	}
	return p.recordLacks(ctx)
}

// recordLacks writes what this process cannot train, if that has changed.
func (p *process) recordLacks(ctx context.Context) error {
	p.mu.Lock()
	var list []tracker.Lack
	text := ""
	for need, l := range p.lacks {
		list = append(list, tracker.Lack{SweepID: l.run.SweepID, Need: need, What: l.what})
	}
	slices.SortFunc(list, func(a, b tracker.Lack) int { return cmp.Compare(a.Need, b.Need) })
	for _, l := range list {
		text += l.Need + "\n" + strings.Join(l.What, "\n") + "\n\n"
	}
	known := p.recorded == text
	p.mu.Unlock()
	if known {
		return nil
	}
	if err := p.store.SetLacks(ctx, p.worker, list); err != nil {
		return err
	}
	for _, l := range list {
		p.log.Warn("runs are left to other workers: this one lacks "+strings.Join(l.What, ", "), "sweep", l.SweepID)
	}
	p.mu.Lock()
	p.recorded = text
	p.mu.Unlock()
	return nil
}

// waiting says why runs of a sweep that wait are not taken: for each need that every
// living worker lacks, what the workers lack. It is empty while somebody can.
func waiting(ctx context.Context, read tracker.Reader, sweepID int64) ([]string, error) {
	workers, err := read.Workers(ctx)
	if err != nil {
		return nil, err
	}
	alive, lacking := 0, map[string]int{}
	what := map[string]map[string]bool{}
	for _, w := range workers {
		if !w.Alive {
			continue
		}
		alive++
		for _, l := range w.Lacks {
			if l.SweepID != sweepID {
				continue
			}
			lacking[l.Need]++
			if what[l.Need] == nil {
				what[l.Need] = map[string]bool{}
			}
			for _, text := range l.What {
				what[l.Need][text] = true
			}
		}
	}
	if alive == 0 {
		return []string{"no worker is there"}, nil
	}
	var out []string
	for need, n := range lacking {
		if n < alive {
			continue
		}
		for text := range what[need] {
			out = append(out, "no worker has "+text)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
