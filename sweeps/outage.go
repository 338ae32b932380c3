package sweeps

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/deconfound/deconfound/tracker"
)

// Waits between attempts while the database is away.
const (
	outageFirst = 100 * time.Millisecond
	outageLast  = 5 * time.Second
)

// outage keeps trying while the database is away, and asks the caller's
// Reconnect to bring it back, one goroutine at a time.
type outage struct {
	reconnect func(context.Context) error // may be nil
	wait      func(context.Context, time.Duration) error
	// limit is how long an attempt may take: a connection over which nothing comes
	// any more does not say so. 0 is for ever.
	limit time.Duration
	tell  func(error) // is called when the database goes away; may be nil

	mu sync.Mutex
}

// Survive calls f until it succeeds, fails for another reason than an absent
// database, or ctx ends. Before every further attempt it asks reconnect, which
// may be nil, to bring the database back. f must be safe to repeat when its
// first outcome is unknown.
func Survive(ctx context.Context, reconnect, f func(context.Context) error) error {
	o := outage{reconnect: reconnect, wait: sleep}
	return o.survive(ctx, f)
}

// survive calls f until it succeeds, fails for another reason than an absent
// database, or ctx ends. f must be safe to repeat when its first outcome is
// unknown; a fenced transaction is.
func (o *outage) survive(ctx context.Context, f func(context.Context) error) error {
	return o.surviveWithin(ctx, o.limit, f)
}

// surviveWithin is survive with another limit for an attempt.
func (o *outage) surviveWithin(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	for pause := outageFirst; ; pause = min(2*pause, outageLast) {
		err := within(ctx, limit, f)
		late := limit > 0 && errors.Is(err, context.DeadlineExceeded)
		if err == nil || !absent(err) && !late || ctx.Err() != nil {
			return err
		}
		if o.tell != nil && pause == outageFirst {
			o.tell(err)
		}
		if o.reconnect != nil {
			o.mu.Lock()
			// An error means that it is still away, which f will find out.
			_ = o.reconnect(ctx)
			o.mu.Unlock()
		}
		if werr := o.wait(ctx, pause); werr != nil {
			return err
		}
	}
}

// within calls f with a deadline; 0 is none.
func within(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	return f(ctx)
}

// absent reports whether err means that the database cannot be reached, is
// starting or stopping, or has no room at the moment, and not that it refused the
// statement.
func absent(err error) bool {
	if errors.Is(err, tracker.ErrStale) || errors.Is(err, tracker.ErrFenced) || errors.Is(err, tracker.ErrNotFound) || errors.Is(err, ErrLacksSampler) {
		return false
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		// 08: connection exception; 57P01-57P03, 57P05: shutdown, crash, cannot
		// connect now, idle timeout; 53: disk full, out of memory, too many
		// connections; 25P03: this process was stopped within a transaction.
		return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P") || strings.HasPrefix(pg.Code, "53") || pg.Code == "25P03"
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) || pgconn.SafeToRetry(err) || pgconn.Timeout(err) {
		return true
	}
	text := err.Error()
	for _, sign := range []string{"conn closed", "unexpected EOF", "broken pipe", "connection reset", "connection refused", "failed to deallocate", "bad connection"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
