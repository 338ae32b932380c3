package sweeps

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/deconfound/deconfound/tracker"
)

// serverClock is the clock of the database's server, as far as this machine can tell:
// River compares times that several machines have written with its own, so that one
// machine with a wrong clock would hide jobs from the others. It implements
// rivertype.TimeGenerator.
type serverClock struct{ offset atomic.Int64 } // nanoseconds to add to this machine's

// set asks the server for the time.
func (c *serverClock) set(ctx context.Context, store *tracker.Store) error {
	begin := time.Now()
	var server time.Time
	if err := store.Pool().QueryRow(ctx, `select clock_timestamp()`).Scan(&server); err != nil {
		return err
	}
	c.offset.Store(int64(server.Sub(begin) - time.Since(begin)/2))
	return nil
}

// Now is the time of the server.
func (c *serverClock) Now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// NowOrNil leaves it to the server where the server can be asked.
func (c *serverClock) NowOrNil() *time.Time { return nil }
