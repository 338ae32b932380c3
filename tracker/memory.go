package tracker

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Memory is what a run cost at its peak, in bytes; zero: not measured.
type Memory struct {
	Host    int64 // its share of the worker's own memory
	Plugins int64 // its share of that of its plugin processes
}

// writeMemory keeps the greater of what is stored and m. The transaction holds the
// run's lease.
func writeMemory(ctx context.Context, tx pgx.Tx, runID int64, m Memory) error {
	if m == (Memory{}) {
		return nil
	}
	const update = `update run set memory_host = $2::bigint, memory_plugins = $3::bigint
		where run_id = $1 and $2::bigint + $3::bigint > coalesce(memory_host + memory_plugins, 0)`
	_, err := tx.Exec(ctx, update, runID, m.Host, m.Plugins)
	return err
}
