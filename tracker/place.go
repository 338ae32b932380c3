package tracker

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker/content"
)

// PlacePostgres keeps contents in the database, which is the default.
const PlacePostgres = "postgres"

// WithContents says where contents are kept: PlacePostgres, or the URL of a
// bucket, see content.Open. The first that stores something decides for all, and
// is remembered in the database; "" follows.
func WithContents(url string) Option {
	return func(s *Store) { s.contents.url = url }
}

// contents is where the store keeps contents, once it was needed.
type contents struct {
	url string // of WithContents

	mu    sync.Mutex
	place content.Place
}

func (c *contents) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.place == nil {
		return nil
	}
	place := c.place
	c.place = nil
	return place.Close()
}

// place opens what the database says, and decides it if nothing is stored yet.
func (s *Store) place(ctx context.Context) (content.Place, error) {
	s.contents.mu.Lock()
	defer s.contents.mu.Unlock()
	if s.contents.place != nil {
		return s.contents.place, nil
	}
	url, prefix, err := s.settlePlace(ctx)
	if err != nil {
		return nil, fmt.Errorf("find the place of contents: %w", err)
	}
	if url == PlacePostgres {
		s.contents.place = content.Postgres(s.pool)
		return s.contents.place, nil
	}
	s.contents.place, err = content.Open(ctx, url, prefix)
	return s.contents.place, err
}

// settlePlace reads the place, after writing it if there is none, or none of its
// contents.
func (s *Store) settlePlace(ctx context.Context) (url, prefix string, err error) {
	if want := s.contents.url; want != "" && want != PlacePostgres {
		if _, err := content.Parse(want); err != nil {
			return "", "", err
		}
	}
	err = s.InTx(ctx, func(tx pgx.Tx) error {
		const read = `select url, prefix from content_place`
		err := tx.QueryRow(ctx, read).Scan(&url, &prefix)
		if err == nil && (s.contents.url == "" || s.contents.url == url) {
			return nil
		}
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		const settle = `insert into content_place (url) values (coalesce(nullif($1, ''), '` + PlacePostgres + `'))
			on conflict (single) do update set url = case when $1 <> '' and not exists (select from blob) then excluded.url else content_place.url end
			returning url, prefix`
		if err := tx.QueryRow(ctx, settle, s.contents.url).Scan(&url, &prefix); err != nil {
			return err
		}
		if s.contents.url != "" && s.contents.url != url {
			return fmt.Errorf("the contents of this database are kept in %s, this process was told %s; leave that out to follow, or collect all contents before changing it", url, s.contents.url)
		}
		return nil
	})
	return url, prefix, err
}
