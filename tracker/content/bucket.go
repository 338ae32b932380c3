package content

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob" // file:///directory
	_ "gocloud.dev/blob/s3blob"   // s3://bucket?region=...&endpoint=...
	"gocloud.dev/gcerrors"
)

// bucket keeps contents as objects, named by prefix and sum.
type bucket struct{ bucket *blob.Bucket }

// Open opens a bucket that a URL names:
//
//	file:///directory          which every worker must see under this path
//	s3://bucket?region=...     and with endpoint=... and use_path_style=true a server
//	                           other than Amazon's; credentials come from the
//	                           environment or the profile of the AWS tools
//
// Names of objects begin with prefix. A directory is made if it is not there.
func Open(ctx context.Context, address, prefix string) (Place, error) {
	u, err := Parse(address)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "file" {
		query := u.Query()
		query.Set("create_dir", "true")
		query.Set("metadata", "skip")   // no second file beside each
		query.Set("no_tmp_dir", "true") // a rename is atomic on one file system only
		u.RawQuery = query.Encode()
	}
	b, err := blob.OpenBucket(ctx, u.String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", address, err)
	}
	return bucket{blob.PrefixedBucket(b, prefix)}, nil
}

// Parse checks the URL of a bucket.
func Parse(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("place of contents: %w", err)
	case u.User != nil:
		return nil, errors.New("place of contents: the URL has a password or a user; it is stored in the database, so let credentials come from the environment")
	case u.Scheme == "file" && u.Host == "" && filepath.IsAbs(u.Path), u.Scheme == "s3" && u.Host != "":
		return u, nil
	}
	return nil, fmt.Errorf("place of contents: %q is neither file:///DIRECTORY nor s3://BUCKET?region=REGION", address)
}

// objectName spreads the objects of a directory over 256 others.
func objectName(sum Sum) string {
	text := sum.String()
	return text[:2] + "/" + text
}

// Put writes an object, which appears with the end of its last byte.
func (b bucket) Put(ctx context.Context, sum Sum, size int64, content io.Reader) error {
	fail := func(err error) error { return fmt.Errorf("store content %.12s: %w", sum, err) }
	// One of another size is no content of ours: written over.
	if a, err := b.bucket.Attributes(ctx, objectName(sum)); err == nil && a.Size == size {
		return nil
	} else if err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fail(err)
	}
	ctx, abandon := context.WithCancel(ctx)
	defer abandon()
	w, err := b.bucket.NewWriter(ctx, objectName(sum), &blob.WriterOptions{ContentType: "application/octet-stream"})
	if err != nil {
		return fail(err)
	}
	if _, err := io.Copy(w, check(content, sum, size)); err != nil {
		abandon() // Close then keeps nothing
		_ = w.Close()
		return fail(err)
	}
	if err := w.Close(); err != nil {
		return fail(err)
	}
	return nil
}

// Get streams an object.
func (b bucket) Get(ctx context.Context, sum Sum) (io.ReadCloser, error) {
	r, err := b.bucket.NewReader(ctx, objectName(sum), nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read content %.12s: %w", sum, err)
	}
	return opened{check(r, sum, r.Size()), r.Close}, nil
}

// Delete removes an object.
func (b bucket) Delete(ctx context.Context, sum Sum) error {
	if err := b.bucket.Delete(ctx, objectName(sum)); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("delete content %.12s: %w", sum, err)
	}
	return nil
}

// Close closes the bucket.
func (b bucket) Close() error { return b.bucket.Close() }
