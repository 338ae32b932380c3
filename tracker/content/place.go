package content

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Sum is the SHA-256 of a content: its name.
type Sum [sha256.Size]byte

func (s Sum) String() string { return hex.EncodeToString(s[:]) }

// SumOf hashes a content.
func SumOf(data []byte) Sum { return sha256.Sum256(data) }

// Errors that callers tell apart, with errors.Is.
var (
	// ErrNotFound says that the place does not have the content.
	ErrNotFound = errors.New("content not found")
	// ErrDamaged says that bytes are not those that their name promises.
	ErrDamaged = errors.New("content is damaged")
)

// Place is where contents are kept. It may be used by many goroutines and
// processes at once.
type Place interface {
	// Put keeps size bytes of content under sum. Afterwards the place has all of
	// it or, after an error, what it had before: a reader never sees a part. One
	// that is there already is not written again, and content may then be left
	// unread. It is ErrDamaged if content has another size or sum.
	Put(ctx context.Context, sum Sum, size int64, content io.Reader) error
	// Get opens a content, or answers ErrNotFound. Reading it ends with io.EOF
	// only if all bytes had the sum, else with ErrDamaged. The caller closes it.
	Get(ctx context.Context, sum Sum) (io.ReadCloser, error)
	// Delete removes a content; one that is not there is no error.
	Delete(ctx context.Context, sum Sum) error
	// Close releases the connection to the place. What was opened must be closed
	// before.
	Close() error
}

// checked is a reader that does not end well unless it gave what was promised.
type checked struct {
	from io.Reader
	sum  Sum
	size int64 // less than 0: not known
	read int64
	hash hash.Hash
}

func check(from io.Reader, sum Sum, size int64) *checked {
	return &checked{from: from, sum: sum, size: size, hash: sha256.New()}
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.hash.Write(p[:n])
	c.read += int64(n)
	switch {
	case c.size >= 0 && c.read > c.size:
		return 0, fmt.Errorf("%w: more than the %d bytes of %.12s", ErrDamaged, c.size, c.sum)
	case err == io.EOF && c.size >= 0 && c.read < c.size:
		return n, fmt.Errorf("%w: %d of the %d bytes of %.12s", ErrDamaged, c.read, c.size, c.sum)
	case err == io.EOF && Sum(c.hash.Sum(nil)) != c.sum:
		return n, fmt.Errorf("%w: expected %.12s, got %.12s", ErrDamaged, c.sum, Sum(c.hash.Sum(nil)))
	}
	return n, err
}

// opened is a content that is read and checked at once.
type opened struct {
	*checked
	close func() error
}

func (o opened) Close() error { return o.close() }
