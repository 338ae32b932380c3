package tracker

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// followEvery is how often the epochs of runs in training are looked at: a slice
// that ends notifies nobody, only a change of state does.
const followEvery = 2 * time.Second

// Follow calls changed when it begins to listen, after every change of a run's
// state, and while runs in training get on, until ctx ends or the connection is
// lost; it answers why. It holds a connection of its own, and calls changed from
// the caller's goroutine.
func (s *Store) Follow(ctx context.Context, changed func()) error {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig.Copy())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, `listen deconfound_run`); err != nil {
		return err
	}
	changed() // what happened before is not known
	var before string
	for {
		wait, cancel := context.WithTimeout(ctx, followEvery)
		_, err := conn.WaitForNotification(wait)
		timeout := wait.Err() != nil
		cancel()
		switch {
		case err == nil:
			changed()
		case ctx.Err() != nil || !timeout || conn.IsClosed():
			return err
		default:
			var now string
			const progress = `select count(*) || '/' || coalesce(sum(epoch), 0) || '/' || coalesce(max(run_id), 0) from run where state = 'running'`
			if err := conn.QueryRow(ctx, progress).Scan(&now); err != nil {
				return err
			}
			if now != before {
				before = now
				changed()
			}
		}
	}
}
