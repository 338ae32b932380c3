package tracker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"
)

// codec is shared: both halves are safe for concurrent use of the All methods,
// and making them is what costs.
var codec = sync.OnceValues(func() (*zstd.Encoder, *zstd.Decoder) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err) // the options are constant
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	return enc, dec
})

// Artifact is a file of a run.
type Artifact struct {
	Path   string
	Kind   string // log, model, environment ...
	SHA256 []byte // of the content
	Size   int64
}

// PutArtifact stores a file of the lease's run. Equal contents are stored once.
// A second file of the same path replaces the first.
func (s *Store) PutArtifact(ctx context.Context, tx pgx.Tx, l Lease, path, kind string, content []byte) error {
	if err := l.hold(ctx, tx, false); err != nil {
		return fmt.Errorf("store artifact %q of run %d: %w", path, l.Run.ID, err)
	}
	enc, _ := codec()
	hash := sha256.Sum256(content)
	// touched_at keeps a concurrent CollectGarbage off a blob that was unused.
	const blob = `insert into blob (sha256, size, data) values ($1, $2, $3)
		on conflict (sha256) do update set touched_at = now()`
	if _, err := tx.Exec(ctx, blob, hash[:], len(content), enc.EncodeAll(content, nil)); err != nil {
		return fmt.Errorf("store artifact %q of run %d: %w", path, l.Run.ID, err)
	}
	const artifact = `insert into artifact (run_id, path, kind, sha256) values ($1, $2, $3, $4)
		on conflict (run_id, path) do update set kind = excluded.kind, sha256 = excluded.sha256`
	if _, err := tx.Exec(ctx, artifact, l.Run.ID, path, kind, hash[:]); err != nil {
		return fmt.Errorf("store artifact %q of run %d: %w", path, l.Run.ID, err)
	}
	return nil
}

// Artifacts lists the files of a run, by path.
func (r Reader) Artifacts(ctx context.Context, runID int64) ([]Artifact, error) {
	const query = `select a.path, a.kind, a.sha256, b.size from artifact a join blob b using (sha256) where a.run_id = $1 order by a.path`
	rows, err := r.db.Query(ctx, query, runID)
	if err != nil {
		return nil, fmt.Errorf("list artifacts of run %d: %w", runID, err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Artifact])
	if err != nil {
		return nil, fmt.Errorf("list artifacts of run %d: %w", runID, err)
	}
	return out, nil
}

// Artifact reads a file of a run and checks its hash.
func (r Reader) Artifact(ctx context.Context, runID int64, path string) ([]byte, error) {
	var want, data []byte
	const query = `select sha256, data from artifact join blob using (sha256) where run_id = $1 and path = $2`
	err := r.db.QueryRow(ctx, query, runID, path).Scan(&want, &data)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read artifact %q of run %d: %w", path, runID, err)
	}
	_, dec := codec()
	content, err := dec.DecodeAll(data, nil)
	if err != nil {
		return nil, fmt.Errorf("read artifact %q of run %d: %w", path, runID, err)
	}
	if got := sha256.Sum256(content); !bytes.Equal(got[:], want) {
		return nil, fmt.Errorf("read artifact %q of run %d: its hash is %x, recorded as %x", path, runID, got, want)
	}
	return content, nil
}

// CollectGarbage deletes contents that no artifact has named for at least grace
// and answers how many bytes they had.
func (s *Store) CollectGarbage(ctx context.Context, grace time.Duration) (int64, error) {
	const query = `with gone as (delete from blob b where touched_at <= now() - $1::interval
		and not exists (select from artifact a where a.sha256 = b.sha256) returning size)
		select coalesce(sum(size), 0)::bigint from gone`
	var n int64
	if err := s.pool.QueryRow(ctx, query, grace).Scan(&n); err != nil {
		return 0, fmt.Errorf("collect garbage: %w", err)
	}
	return n, nil
}

// DeleteSweep deletes a sweep with its runs and everything that was recorded on
// them. Contents of artifacts go with the next CollectGarbage.
func (s *Store) DeleteSweep(ctx context.Context, tx pgx.Tx, sweepID int64) error {
	tag, err := tx.Exec(ctx, `delete from sweep where sweep_id = $1`, sweepID)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("delete sweep %d: %w", sweepID, err)
	}
	return nil
}
