package tracker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Run is one training of a sweep.
type Run struct {
	ID           int64
	SweepID      int64
	Hash         []byte // SHA-256 of the canonical run spec
	Dataset      string
	DatasetHash  string
	Backbone     string
	BackboneHash string
	Variant      string
	Strategy     string // "" if the variant has none
	StrategyHash string
	Phase        Phase
	Trial        int
	Replicate    *int // nil in the search phase
	SplitSeed    int64
	InitSeed     int64
	Spec         json.RawMessage
	Priority     int // River's: 1 first, 4 last

	State       State
	Planned     bool // the sweep's current revision wants it
	Fence       int64
	Attempt     int // from 1; a lost or failed attempt counts, a slice does not
	MaxAttempts int
	WorkerID    *int32
	Epoch       int  // completed epochs
	Epochs      int  // of the whole run
	Until       int  // epoch at which it waits for its search method; 0: never
	Held        bool // it waits there

	StopReason   string // of a run that is done or pruned: completed, early_stop ...
	ErrorCode    string
	ErrorMessage string
	ErrorLog     string // last lines of the log; read by Run, left out by Runs

	Memory Memory

	CreatedAt time.Time
	StartedAt *time.Time
	EndedAt   *time.Time
	Provenance
}

// Provenance says with what code and where a run was trained.
type Provenance struct {
	GitCommit   string
	GitDirty    bool
	HostVersion string
	Environment json.RawMessage // a JSON object; nil = {}
}

const runColumns = `r.run_id, r.sweep_id, r.run_hash, d.name, d.hash, r.backbone, r.backbone_hash, r.variant, r.strategy,
	r.strategy_hash, r.phase::text, r.trial, r.replicate, r.split_seed, r.init_seed, r.spec, r.priority, r.state::text,
	r.planned, r.fence, r.attempt, r.max_attempts, r.worker_id, r.epoch, r.epochs, r.stop_reason, r.error_code,
	r.error_message, r.created_at, r.started_at, r.ended_at, r.git_commit, coalesce(r.git_dirty, false),
	r.host_version, r.environment, coalesce(r.memory_host, 0), coalesce(r.memory_plugins, 0), r.until, r.held`

func (r *Run) targets() []any {
	return []any{&r.ID, &r.SweepID, &r.Hash, &r.Dataset, &r.DatasetHash, &r.Backbone, &r.BackboneHash, &r.Variant, &r.Strategy,
		&r.StrategyHash, &r.Phase, &r.Trial, &r.Replicate, &r.SplitSeed, &r.InitSeed, &r.Spec, &r.Priority, &r.State,
		&r.Planned, &r.Fence, &r.Attempt, &r.MaxAttempts, &r.WorkerID, &r.Epoch, &r.Epochs, &r.StopReason, &r.ErrorCode,
		&r.ErrorMessage, &r.CreatedAt, &r.StartedAt, &r.EndedAt, &r.GitCommit, &r.GitDirty,
		&r.HostVersion, &r.Environment, &r.Memory.Host, &r.Memory.Plugins, &r.Until, &r.Held}
}

func scanRun(row pgx.CollectableRow) (Run, error) {
	var r Run
	err := row.Scan(r.targets()...)
	return r, err
}

// RunFilter selects runs; a zero field selects everything.
type RunFilter struct {
	SweepID  int64
	IDs      []int64 // nil = all, empty = none
	Phase    Phase
	States   []State
	Backbone string
	Variant  string
	Planned  *bool
}

// where is the condition of a filter on the table run, named r, with its
// arguments from $1 on. It says only what the filter asks, so that PostgreSQL
// plans for that.
func (f RunFilter) where() (string, []any) {
	conditions, args := []string{"true"}, []any{}
	add := func(condition string, arg any) {
		args = append(args, arg)
		conditions = append(conditions, fmt.Sprintf(condition, len(args)))
	}
	if f.SweepID != 0 {
		add("r.sweep_id = $%d", f.SweepID)
	}
	if f.IDs != nil {
		add("r.run_id = any($%d::bigint[])", f.IDs)
	}
	if f.Phase != "" {
		add("r.phase = $%d::text::run_phase", string(f.Phase))
	}
	if len(f.States) > 0 {
		states := make([]string, len(f.States))
		for i, s := range f.States {
			states[i] = string(s)
		}
		add("r.state = any($%d::text[]::run_state[])", states)
	}
	if f.Backbone != "" {
		add("r.backbone = $%d", f.Backbone)
	}
	if f.Variant != "" {
		add("r.variant = $%d", f.Variant)
	}
	if f.Planned != nil {
		add("r.planned = $%d", *f.Planned)
	}
	return strings.Join(conditions, " and "), args
}

// Runs lists the runs that the filter selects, by ascending ID.
func (r Reader) Runs(ctx context.Context, f RunFilter) ([]Run, error) {
	where, args := f.where()
	rows, err := r.db.Query(ctx, `select `+runColumns+` from run r join dataset d using (dataset_id) where `+where+` order by r.run_id`, args...)
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	runs, err := pgx.CollectRows(rows, scanRun)
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	return runs, nil
}

// RunName is what tells a run from others.
type RunName struct {
	ID                                int64
	Sweep, Dataset, Backbone, Variant string
	Seed                              int64
	State                             State
}

// NewestRuns names the newest runs whose number begins with the digits, at most limit.
func (r Reader) NewestRuns(ctx context.Context, digits string, limit int) ([]RunName, error) {
	const query = `select r.run_id, s.name, d.name, r.backbone, r.variant, r.split_seed, r.state::text
		from run r join sweep s using (sweep_id) join dataset d using (dataset_id)
		where starts_with(r.run_id::text, $1) order by r.run_id desc limit $2`
	rows, err := r.db.Query(ctx, query, digits, limit)
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[RunName])
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	return out, nil
}

// Run reads one run, its error log too.
func (r Reader) Run(ctx context.Context, id int64) (Run, error) {
	var run Run
	row := r.db.QueryRow(ctx, `select `+runColumns+`, r.error_log from run r join dataset d using (dataset_id) where r.run_id = $1`, id)
	err := row.Scan(append(run.targets(), &run.ErrorLog)...)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Run{}, fmt.Errorf("read run %d: %w", id, err)
	}
	return run, nil
}
