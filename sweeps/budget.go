package sweeps

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
)

// Budget bounds what a sweep may take before it pauses by itself; a zero field
// does not. What workers have begun by then goes on to its next checkpoint, or to
// its end, so that each may end one run beyond the bound. It changes no result and is
// no part of the plan's hash.
type Budget struct {
	Runs  int     `json:"runs,omitempty"`  // that have ended: done, failed, lost or pruned
	Hours float64 `json:"hours,omitempty"` // that workers have spent on slices, added up
}

func readBudget(v value) Budget {
	var b Budget
	if !v.table("runs", "hours") {
		return b
	}
	if !v.get("runs").present() && !v.get("hours").present() {
		v.report("bounds nothing; write runs = 100 or hours = 12")
	}
	if n, ok := v.get("runs").integer(1); ok {
		b.Runs = int(n)
	}
	if h, ok := v.get("hours").number(); ok {
		if h <= 0 {
			v.get("hours").report("is %s, it must be above 0", plain(h))
		}
		b.Hours = h
	}
	return b
}

// budgetReason begins every reason to pause for a budget.
const budgetReason = "the budget"

// reached says that the budget is used up, or "".
func (b Budget) reached(ended int, busy time.Duration) string {
	switch {
	case b.Runs > 0 && ended >= b.Runs:
		return fmt.Sprintf(budgetReason+" of %d runs is used up", b.Runs)
	case b.Hours > 0 && busy.Hours() >= b.Hours:
		return fmt.Sprintf(budgetReason+" of %s hours of training is used up", plain(b.Hours))
	}
	return ""
}

// enforce pauses a sweep whose budget is used up while there is work left.
// Running slices end at their next checkpoint.
func (b Budget) enforce(ctx context.Context, tx pgx.Tx, store *tracker.Store, sweepID int64) error {
	if b == (Budget{}) {
		return nil
	}
	spent, err := store.In(tx).Spent(ctx, sweepID)
	if err != nil || spent.Open == 0 {
		return err
	}
	reason := b.reached(spent.Ended, spent.Busy)
	if reason == "" {
		return nil
	}
	err = store.PauseSweepBecause(ctx, tx, sweepID, reason)
	if errors.Is(err, tracker.ErrNotOwner) {
		return nil // the next worker of the owner will
	}
	return err
}

// release lets a sweep go on that paused for its budget, if the plan's leaves room
// now.
func (b Budget) release(ctx context.Context, tx pgx.Tx, store *tracker.Store, q *queue, sweep tracker.Sweep) (released bool, err error) {
	if sweep.PausedAt == nil || sweep.PauseReason == "" {
		return false, nil
	}
	spent, err := store.In(tx).Spent(ctx, sweep.ID)
	if err != nil || b.reached(spent.Ended, spent.Busy) != "" {
		return false, err
	}
	waiting, err := store.ResumeSweep(ctx, tx, sweep.ID)
	if err != nil {
		return false, err
	}
	return true, q.slices(ctx, tx, waiting)
}
