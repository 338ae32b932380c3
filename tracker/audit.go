package tracker

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// DatasetAudit is what was found out about a dataset when it was first trained on.
type DatasetAudit struct {
	Dataset string
	Hash    string
	MadeAt  time.Time
	Audit   json.RawMessage
}

// StoreDatasetAudit stores the audit of a dataset, a JSON object, unless there is
// one of this content.
func (s *Store) StoreDatasetAudit(ctx context.Context, name, hash string, audit json.RawMessage) error {
	err := s.InTx(ctx, func(tx pgx.Tx) error {
		id, err := datasetID(ctx, tx, name, hash)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into dataset_audit (dataset_id, audit) values ($1, $2) on conflict do nothing`, id, audit)
		return err
	})
	if err != nil {
		return fmt.Errorf("store the audit of dataset %q: %w", name, err)
	}
	return nil
}

// DatasetAudit reads the audit of the dataset with a content hash, or answers
// ErrNotFound.
func (r Reader) DatasetAudit(ctx context.Context, hash string) (DatasetAudit, error) {
	a := DatasetAudit{Hash: hash}
	const query = `select d.name, a.made_at, a.audit from dataset_audit a join dataset d using (dataset_id) where d.hash = $1`
	if err := r.db.QueryRow(ctx, query, hash).Scan(&a.Dataset, &a.MadeAt, &a.Audit); err != nil {
		return DatasetAudit{}, fmt.Errorf("read the audit of dataset %.12s: %w", hash, notFound(err))
	}
	return a, nil
}
