package tracker

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// What a bundle holds.
const (
	BundlePlugin = "plugin"
	BundleStore  = "store"
)

// Bundle is an archive that workers may fetch: a plugin, or a feature store.
type Bundle struct {
	Kind     string // BundlePlugin or BundleStore
	Hash     string // what a run asks for
	Name     string // for people
	Platform string // GOOS/GOARCH it was built for; "" any
	Content
}

// PutBundle offers an archive, which PutContent has stored, to all workers. The
// first of a kind and hash stays.
func (s *Store) PutBundle(ctx context.Context, b Bundle) error {
	const insert = `insert into bundle (kind, hash, platform, name, sha256) values ($1, $2, $3, $4, $5) on conflict do nothing`
	if _, err := s.pool.Exec(ctx, insert, b.Kind, b.Hash, b.Platform, b.Name, b.Sum[:]); err != nil {
		return fmt.Errorf("offer %s %s: %w", b.Kind, b.Name, err)
	}
	return nil
}

// Bundle finds an archive, or answers ErrNotFound.
func (r Reader) Bundle(ctx context.Context, kind, hash string) (Bundle, error) {
	b := Bundle{Kind: kind, Hash: hash}
	var sum []byte
	const query = `select x.name, x.platform, x.sha256, b.size from bundle x join blob b using (sha256) where x.kind = $1 and x.hash = $2`
	err := r.db.QueryRow(ctx, query, kind, hash).Scan(&b.Name, &b.Platform, &sum, &b.Size)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Bundle{}, fmt.Errorf("find %s %.19s: %w", kind, hash, err)
	}
	copy(b.Sum[:], sum)
	return b, nil
}

// WithdrawBundles takes archives of a name back: no worker fetches them any more.
// What was fetched stays where it is; the contents go with CollectGarbage. It
// answers how many there were.
func (s *Store) WithdrawBundles(ctx context.Context, kind, name string) (int, error) {
	tag, err := s.pool.Exec(ctx, `delete from bundle where kind = $1 and name = $2`, kind, name)
	if err != nil {
		return 0, fmt.Errorf("withdraw %s %s: %w", kind, name, err)
	}
	return int(tag.RowsAffected()), nil
}
