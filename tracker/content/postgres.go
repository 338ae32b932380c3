package content

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/klauspost/compress/zstd"
)

// partSize is how much of a content a row holds, before compression: what a
// reader or a writer has in memory.
const partSize = 4 << 20

// postgres keeps contents in the table blob_part.
type postgres struct{ pool *pgxpool.Pool }

// Postgres keeps contents in the table blob_part that the pool's search path
// finds. The pool stays the caller's.
func Postgres(pool *pgxpool.Pool) Place { return postgres{pool} }

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

// Put writes the parts in one transaction, whose end shows them all.
func (p postgres) Put(ctx context.Context, sum Sum, size int64, content io.Reader) error {
	err := pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		// Of two that write the same content the second waits and then finds it.
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended($1, 0))`, "content "+sum.String()); err != nil {
			return err
		}
		var exists bool
		if err := tx.QueryRow(ctx, `select exists (select from blob_part where sha256 = $1)`, sum[:]).Scan(&exists); err != nil || exists {
			return err
		}
		from := check(content, sum, size)
		enc, _ := codec()
		buffer, packed := make([]byte, min(partSize, size+1)), []byte(nil)
		for part := 0; ; part++ {
			n, err := io.ReadFull(from, buffer)
			last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
			if err != nil && !last {
				return err
			}
			if n > 0 || part == 0 { // an empty content has one empty part
				packed = enc.EncodeAll(buffer[:n], packed[:0])
				if _, err := tx.Exec(ctx, `insert into blob_part (sha256, part, data) values ($1, $2, $3)`, sum[:], part, packed); err != nil {
					return err
				}
			}
			if last {
				return nil
			}
		}
	})
	if err != nil {
		return fmt.Errorf("store content %.12s: %w", sum, err)
	}
	return nil
}

// Get reads a part at a time and holds no connection in between.
func (p postgres) Get(ctx context.Context, sum Sum) (io.ReadCloser, error) {
	r := &partReader{ctx: ctx, pool: p.pool, sum: sum}
	if err := r.next(); err != nil {
		if errors.Is(err, io.EOF) {
			err = ErrNotFound
		}
		return nil, fmt.Errorf("read content %.12s: %w", sum, err)
	}
	return opened{check(r, sum, -1), func() error { return nil }}, nil
}

// Delete removes all parts.
func (p postgres) Delete(ctx context.Context, sum Sum) error {
	if _, err := p.pool.Exec(ctx, `delete from blob_part where sha256 = $1`, sum[:]); err != nil {
		return fmt.Errorf("delete content %.12s: %w", sum, err)
	}
	return nil
}

func (postgres) Close() error { return nil }

// partReader reads the parts of a content.
type partReader struct {
	ctx  context.Context //nolint:containedctx // an io.Reader has no other way
	pool *pgxpool.Pool
	sum  Sum
	part int
	rest []byte
}

func (r *partReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// next fetches a part; io.EOF after the last.
func (r *partReader) next() error {
	var data []byte
	err := r.pool.QueryRow(r.ctx, `select data from blob_part where sha256 = $1 and part = $2`, r.sum[:], r.part).Scan(&data)
	if errors.Is(err, pgx.ErrNoRows) {
		return io.EOF
	}
	if err != nil {
		return err
	}
	_, dec := codec()
	if r.rest, err = dec.DecodeAll(data, nil); err != nil {
		return fmt.Errorf("%w: part %d of %.12s: %w", ErrDamaged, r.part, r.sum, err)
	}
	r.part++
	return nil
}
