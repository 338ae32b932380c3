package tracker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// SweepSpec is a sweep as its file says it.
type SweepSpec struct {
	Owner    string // "" = the database user
	Name     string
	TOML     string          // the file, byte for byte
	Spec     json.RawMessage // what it compiles to
	Analysis []byte          // the analysis section in canonical form; only its hash is kept
	Baseline string          // baseline variant; "" if none is declared
}

// Sweep is a sweep as the database knows it.
type Sweep struct {
	ID          int64
	Owner       string
	Name        string
	Revision    int
	Baseline    string
	Spec        json.RawMessage // of the newest revision
	TOML        string
	CreatedAt   time.Time
	UpdatedAt   time.Time
	PausedAt    *time.Time
	PauseReason string // why it paused by itself; "" by hand
	CancelledAt *time.Time
	// AnalysisAmended says that the analysis section is not the one that the sweep
	// began with. Not of UpsertSweep.
	AnalysisAmended bool

	// Of UpsertSweep only.
	Created         bool // there was none of this name
	Changed         bool // there is a new revision
	AnalysisChanged bool // the analysis section differs from the revision before
}

// bytesPerRun is less than a run takes of what a sweep compiles to.
const bytesPerRun = 64

// UpsertSweep stores a sweep, or a new revision of it when its file has changed.
// Storing the same file again changes nothing.
func (s *Store) UpsertSweep(ctx context.Context, tx pgx.Tx, spec SweepSpec) (Sweep, error) {
	fail := func(err error) (Sweep, error) { return Sweep{}, fmt.Errorf("store sweep %q: %w", spec.Name, err) }
	if spec.Spec == nil {
		spec.Spec = json.RawMessage("{}")
	}
	if err := plans(ctx, tx, len(spec.Spec)/bytesPerRun); err != nil {
		return fail(err)
	}
	const insert = `insert into sweep (owner, name) values (coalesce(nullif($1, ''), session_user), $2)
		on conflict (owner, name) do nothing`
	if _, err := tx.Exec(ctx, insert, spec.Owner, spec.Name); err != nil {
		return fail(err)
	}
	var id int64
	const find = `select sweep_id from sweep where owner = coalesce(nullif($1, ''), session_user) and name = $2`
	if err := tx.QueryRow(ctx, find, spec.Owner, spec.Name).Scan(&id); err != nil {
		return fail(err)
	}
	if err := lockSweep(ctx, tx, id); err != nil {
		return fail(err)
	}
	var out Sweep
	const read = `select sweep_id, owner, name, revision, created_at, updated_at, paused_at, cancelled_at from sweep
		where sweep_id = $1`
	err := tx.QueryRow(ctx, read, id).Scan(&out.ID, &out.Owner, &out.Name, &out.Revision,
		&out.CreatedAt, &out.UpdatedAt, &out.PausedAt, &out.CancelledAt)
	if err != nil {
		return fail(err)
	}
	specHash := sha256.Sum256([]byte(spec.TOML + "\x00" + string(spec.Spec)))
	analysisHash := sha256.Sum256(spec.Analysis)
	out.Created = out.Revision == 0
	out.Baseline, out.Spec, out.TOML = spec.Baseline, spec.Spec, spec.TOML
	if !out.Created {
		var oldSpec, oldAnalysis []byte
		const newest = `select spec_sha256, analysis_sha256 from sweep_revision where sweep_id = $1 and revision = $2`
		if err := tx.QueryRow(ctx, newest, out.ID, out.Revision).Scan(&oldSpec, &oldAnalysis); err != nil {
			return fail(err)
		}
		out.AnalysisChanged = !bytes.Equal(oldAnalysis, analysisHash[:])
		if bytes.Equal(oldSpec, specHash[:]) && !out.AnalysisChanged {
			return out, nil
		}
	}
	out.Changed = true
	out.Revision++
	const revision = `insert into sweep_revision (sweep_id, revision, spec_toml, spec, spec_sha256, analysis_sha256)
		values ($1, $2, $3, $4, $5, $6)`
	if _, err := tx.Exec(ctx, revision, out.ID, out.Revision, spec.TOML, spec.Spec, specHash[:], analysisHash[:]); err != nil {
		return fail(err)
	}
	const update = `update sweep set revision = $2, baseline = nullif($3, ''), updated_at = now() where sweep_id = $1`
	if _, err := tx.Exec(ctx, update, out.ID, out.Revision, spec.Baseline); err != nil {
		return fail(err)
	}
	return out, nil
}

// headColumns are those of a sweep but what its file says and compiles to, which
// is megabytes for one of ten thousand runs.
const headColumns = `s.sweep_id, s.owner, s.name, s.revision, coalesce(s.baseline, ''),
	s.created_at, s.updated_at, s.paused_at, s.cancelled_at, s.pause_reason,
	v.analysis_sha256 <> (select f.analysis_sha256 from sweep_revision f where f.sweep_id = s.sweep_id and f.revision = 1)`

const sweepColumns = headColumns + `, v.spec, v.spec_toml`

func (s *Sweep) head() []any {
	return []any{&s.ID, &s.Owner, &s.Name, &s.Revision, &s.Baseline,
		&s.CreatedAt, &s.UpdatedAt, &s.PausedAt, &s.CancelledAt, &s.PauseReason, &s.AnalysisAmended}
}

func scanHead(row pgx.CollectableRow) (Sweep, error) {
	var s Sweep
	err := row.Scan(s.head()...)
	return s, err
}

func scanSweep(row pgx.CollectableRow) (Sweep, error) {
	var s Sweep
	err := row.Scan(append(s.head(), &s.Spec, &s.TOML)...)
	return s, err
}

// Sweep finds a sweep by name. An owner of "" means the database user, and if
// that user has none of the name, the only one of the name that anybody has.
func (r Reader) Sweep(ctx context.Context, owner, name string) (Sweep, error) {
	return r.namedSweep(ctx, owner, name, sweepColumns, scanSweep)
}

// SweepHead is Sweep without Spec and TOML.
func (r Reader) SweepHead(ctx context.Context, owner, name string) (Sweep, error) {
	return r.namedSweep(ctx, owner, name, headColumns, scanHead)
}

func (r Reader) namedSweep(ctx context.Context, owner, name, columns string, scan pgx.RowToFunc[Sweep]) (Sweep, error) {
	query := `select ` + columns + ` from sweep s join sweep_revision v using (sweep_id, revision)
		where s.name = $2 and ($1 = '' or s.owner = $1) order by s.owner = session_user desc, s.owner`
	rows, err := r.db.Query(ctx, query, owner, name)
	if err != nil {
		return Sweep{}, fmt.Errorf("find sweep %q: %w", name, err)
	}
	found, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return Sweep{}, fmt.Errorf("find sweep %q: %w", name, err)
	}
	if len(found) == 0 {
		return Sweep{}, fmt.Errorf("find sweep %q: %w", name, ErrNotFound)
	}
	if owner == "" && len(found) > 1 {
		var user string
		if err := r.db.QueryRow(ctx, `select session_user::text`).Scan(&user); err != nil {
			return Sweep{}, fmt.Errorf("find sweep %q: %w", name, err)
		}
		if found[0].Owner != user {
			return Sweep{}, fmt.Errorf("find sweep %q: %s and %s both have one; name the owner", name, found[0].Owner, found[1].Owner)
		}
	}
	return found[0], nil
}

// SweepByID finds a sweep by its number.
func (r Reader) SweepByID(ctx context.Context, id int64) (Sweep, error) {
	return r.numberedSweep(ctx, id, sweepColumns, scanSweep)
}

// SweepHeadByID is SweepByID without Spec and TOML.
func (r Reader) SweepHeadByID(ctx context.Context, id int64) (Sweep, error) {
	return r.numberedSweep(ctx, id, headColumns, scanHead)
}

func (r Reader) numberedSweep(ctx context.Context, id int64, columns string, scan pgx.RowToFunc[Sweep]) (Sweep, error) {
	query := `select ` + columns + ` from sweep s join sweep_revision v using (sweep_id, revision) where s.sweep_id = $1`
	rows, err := r.db.Query(ctx, query, id)
	if err != nil {
		return Sweep{}, fmt.Errorf("find sweep %d: %w", id, err)
	}
	found, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Sweep{}, fmt.Errorf("find sweep %d: %w", id, err)
	}
	return found, nil
}

// Revision reads what a sweep compiled to at an earlier revision.
func (r Reader) Revision(ctx context.Context, id int64, revision int) (json.RawMessage, error) {
	var spec json.RawMessage
	err := r.db.QueryRow(ctx, `select spec from sweep_revision where sweep_id = $1 and revision = $2`, id, revision).Scan(&spec)
	if err != nil {
		return nil, fmt.Errorf("read revision %d of sweep %d: %w", revision, id, notFound(err))
	}
	return spec, nil
}

// SweepStatus is a sweep, without Spec and TOML, with the number of its planned
// runs in each state.
type SweepStatus struct {
	Sweep
	Counts map[Phase]map[State]int
}

// Sweeps lists all sweeps, the newest first.
func (r Reader) Sweeps(ctx context.Context) ([]SweepStatus, error) {
	rows, err := r.db.Query(ctx, `select `+headColumns+` from sweep s join sweep_revision v using (sweep_id, revision)
		order by s.updated_at desc, s.sweep_id desc`)
	if err != nil {
		return nil, fmt.Errorf("list sweeps: %w", err)
	}
	sweeps, err := pgx.CollectRows(rows, scanHead)
	if err != nil {
		return nil, fmt.Errorf("list sweeps: %w", err)
	}
	counts := map[int64]map[Phase]map[State]int{}
	rows, err = r.db.Query(ctx, `select sweep_id, phase::text, state::text, count(*) from run where planned group by 1, 2, 3`)
	if err != nil {
		return nil, fmt.Errorf("list sweeps: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var phase Phase
		var state State
		var n int
		if err := rows.Scan(&id, &phase, &state, &n); err != nil {
			return nil, fmt.Errorf("list sweeps: %w", err)
		}
		if counts[id] == nil {
			counts[id] = map[Phase]map[State]int{Search: {}, Replicate: {}}
		}
		counts[id][phase][state] = n
	}
	out := make([]SweepStatus, len(sweeps))
	for i, s := range sweeps {
		out[i] = SweepStatus{Sweep: s, Counts: counts[s.ID]}
	}
	return out, rows.Err()
}
