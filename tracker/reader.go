package tracker

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// SweepReader is a login that may read the sweeps of an owner.
type SweepReader struct {
	Owner string    `json:"owner"`
	Login string    `json:"login"`
	Since time.Time `json:"since"`
}

// AddReader lets a login read the sweeps of the database user, those to come too. The
// login needs the role deconfound_reader, which an administrator grants; it need not
// exist yet.
func (s *Store) AddReader(ctx context.Context, login string) error {
	if _, err := s.pool.Exec(ctx, `insert into sweep_reader (login) values ($1) on conflict do nothing`, login); err != nil {
		return fmt.Errorf("add reader %q: %w", login, err)
	}
	return nil
}

// RemoveReader takes AddReader back; ErrNotFound if the login was no reader of the
// database user's sweeps.
func (s *Store) RemoveReader(ctx context.Context, login string) error {
	tag, err := s.pool.Exec(ctx, `delete from sweep_reader where owner = session_user and login = $1`, login)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("remove reader %q: %w", login, err)
	}
	return nil
}

// SweepReaders lists who reads whose sweeps.
func (r Reader) SweepReaders(ctx context.Context) ([]SweepReader, error) {
	rows, err := r.db.Query(ctx, `select owner, login, since from sweep_reader order by owner, login`)
	if err != nil {
		return nil, fmt.Errorf("list readers: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[SweepReader])
	if err != nil {
		return nil, fmt.Errorf("list readers: %w", err)
	}
	return out, nil
}
