package tracker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker/content"
)

// Content names bytes by their SHA-256 and says how many there are.
type Content struct {
	Sum  content.Sum
	Size int64
}

// Artifact is a file of a run.
type Artifact struct {
	Path string
	Kind string // log, model, environment ...
	Content
}

// PutContent stores a content, or finds that it is there. Until something names
// it, it stays for the grace of CollectGarbage: name it in a transaction of its
// own, afterwards. The reader may be left unread.
func (s *Store) PutContent(ctx context.Context, c Content, from io.Reader) error {
	place, err := s.place(ctx)
	if err != nil {
		return err
	}
	// First, and committed: a collection that is deleting this content holds the
	// row until it is gone, and any later one finds the content young.
	const touch = `insert into blob (sha256, size) values ($1, $2) on conflict (sha256) do update set touched_at = now()`
	if _, err := s.pool.Exec(ctx, touch, c.Sum[:], c.Size); err != nil {
		return fmt.Errorf("store content %.12s: %w", c.Sum, err)
	}
	return place.Put(ctx, c.Sum, c.Size, from)
}

// Content opens a content; its errors are those of content.Place. The caller
// closes it.
func (s *Store) Content(ctx context.Context, c Content) (io.ReadCloser, error) {
	place, err := s.place(ctx)
	if err != nil {
		return nil, err
	}
	return place.Get(ctx, c.Sum)
}

// PutArtifact makes a content, which PutContent has stored, a file of the lease's
// run. A second file of the same path replaces the first.
func (s *Store) PutArtifact(ctx context.Context, tx pgx.Tx, l Lease, path, kind string, c Content) error {
	if err := l.hold(ctx, tx, false); err != nil {
		return fmt.Errorf("store artifact %q of run %d: %w", path, l.Run.ID, err)
	}
	const artifact = `insert into artifact (run_id, path, kind, sha256) values ($1, $2, $3, $4)
		on conflict (run_id, path) do update set kind = excluded.kind, sha256 = excluded.sha256`
	if _, err := tx.Exec(ctx, artifact, l.Run.ID, path, kind, c.Sum[:]); err != nil {
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
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a Artifact, err error) {
		var sum []byte
		err = row.Scan(&a.Path, &a.Kind, &sum, &a.Size)
		copy(a.Sum[:], sum)
		return a, err
	})
	if err != nil {
		return nil, fmt.Errorf("list artifacts of run %d: %w", runID, err)
	}
	return out, nil
}

// Artifact finds a file of a run.
func (r Reader) Artifact(ctx context.Context, runID int64, path string) (Artifact, error) {
	list, err := r.Artifacts(ctx, runID)
	if err != nil {
		return Artifact{}, err
	}
	for _, a := range list {
		if a.Path == path {
			return a, nil
		}
	}
	return Artifact{}, fmt.Errorf("read artifact %q of run %d: %w", path, runID, ErrNotFound)
}

// CollectGarbage deletes contents that neither an artifact nor a bundle has named
// for at least grace and answers how many bytes they had, before compression.
func (s *Store) CollectGarbage(ctx context.Context, grace time.Duration) (int64, error) {
	fail := func(err error) (int64, error) { return 0, fmt.Errorf("collect garbage: %w", err) }
	const unused = ` from blob b where touched_at <= now() - $1::interval
		and not exists (select from artifact a where a.sha256 = b.sha256) and not exists (select from bundle x where x.sha256 = b.sha256)`
	rows, err := s.pool.Query(ctx, `select sha256`+unused+` order by sha256`, grace)
	if err != nil {
		return fail(err)
	}
	sums, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return fail(err)
	}
	if len(sums) == 0 {
		return 0, nil
	}
	place, err := s.place(ctx)
	if err != nil {
		return fail(err)
	}
	var freed int64
	for _, sum := range sums {
		// The row stays locked until the content is gone, see PutContent. When it
		// cannot be deleted the row stays, and the next collection tries again.
		err := s.InTx(ctx, func(tx pgx.Tx) error {
			var size int64
			err := tx.QueryRow(ctx, `delete`+unused+` and b.sha256 = $2 returning size`, grace, sum).Scan(&size)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil // wanted again
			}
			if err != nil {
				return err
			}
			freed += size
			return place.Delete(ctx, content.Sum(sum))
		})
		if err != nil {
			return freed, fmt.Errorf("collect garbage: %w", err)
		}
	}
	return freed, nil
}
