package tracker

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Lack is what a worker would need to train some runs of a sweep, and has not.
type Lack struct {
	SweepID int64    `json:"sweep_id"`
	Need    string   `json:"need"` // of the runs, see Run.Need
	What    []string `json:"what"` // for people: "label gpu=yes"
}

// Need names what a run needs of its worker: two runs with the same one can be
// trained by the same workers.
func (r Run) Need() string {
	return fmt.Sprintf("%d/%s/%s/%s", r.SweepID, r.DatasetHash, r.BackboneHash, r.StrategyHash)
}

// NeedSQL is Run.Need of the run r with the dataset d.
const NeedSQL = `(r.sweep_id || '/' || d.hash || '/' || r.backbone_hash || '/' || r.strategy_hash)`

// SetLacks records what the worker cannot train, instead of what it said before.
func (s *Store) SetLacks(ctx context.Context, worker *Worker, lacks []Lack) error {
	if lacks == nil {
		lacks = []Lack{}
	}
	text, err := json.Marshal(lacks)
	if err == nil {
		_, err = s.pool.Exec(ctx, `update worker set lacks = $2 where worker_id = $1`, worker.id, text)
	}
	if err != nil {
		return fmt.Errorf("record what worker %q lacks: %w", worker.name, err)
	}
	return nil
}

// Holding is a run that a worker holds.
type Holding struct {
	RunID, Fence int64
	Paused       bool // its sweep is
}

// Holdings lists the runs that the worker holds.
func (r Reader) Holdings(ctx context.Context, worker *Worker) ([]Holding, error) {
	rows, err := r.db.Query(ctx, `select run_id, fence, paused_at is not null from run join sweep using (sweep_id) where worker_id = $1 and state = 'running'`, worker.id)
	if err != nil {
		return nil, fmt.Errorf("list the runs of worker %q: %w", worker.name, err)
	}
	held, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Holding])
	if err != nil {
		return nil, fmt.Errorf("list the runs of worker %q: %w", worker.name, err)
	}
	return held, nil
}
