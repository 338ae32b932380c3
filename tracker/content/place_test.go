package content_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/deconfound/deconfound/tracker/content"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

// place is a place under test and what lies in it.
type place struct {
	content.Place
	raw    func() int        // objects or parts of contents, finished or not
	damage func(content.Sum) // changes the bytes of a content
}

func places(t *testing.T) map[string]func(t *testing.T) place {
	return map[string]func(t *testing.T) place{"postgres": inPostgres, "directory": inDirectory, "s3": inS3}
}

func inPostgres(t *testing.T) place {
	store := trackertest.New(t)
	pool := store.Pool()
	return place{content.Postgres(pool), func() (n int) {
		if err := pool.QueryRow(t.Context(), `select count(distinct sha256) from blob_part`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}, func(sum content.Sum) {
		const swap = `update blob_part set part = case part when 0 then 1 when 1 then 0 else part end + 100 where sha256 = $1`
		for _, sql := range []string{swap, `update blob_part set part = part - 100 where sha256 = $1`} {
			if _, err := pool.Exec(t.Context(), sql, sum[:]); err != nil {
				t.Fatal(err)
			}
		}
	}}
}

func inDirectory(t *testing.T) place {
	dir := t.TempDir()
	files := func() (list []string) {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				list = append(list, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	p, err := content.Open(t.Context(), "file://"+dir, "some/prefix/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return place{p, func() int { return len(files()) }, func(sum content.Sum) {
		for _, path := range files() {
			if strings.HasSuffix(path, sum.String()) {
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				text[len(text)/2]++
				if err := os.WriteFile(path, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}}
}

func inS3(t *testing.T) place {
	backend := s3mem.New()
	if err := backend.CreateBucket("contents"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	p, err := content.Open(t.Context(), "s3://contents?region=us-east-1&use_path_style=true&endpoint="+server.URL, "some/prefix/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	names := func() (list []string) {
		objects, err := backend.ListBucket("contents", nil, gofakes3.ListBucketPage{})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects.Contents {
			list = append(list, o.Key)
		}
		return list
	}
	return place{p, func() int { return len(names()) }, func(sum content.Sum) {
		for _, name := range names() {
			if strings.HasSuffix(name, sum.String()) {
				o, err := backend.GetObject("contents", name, nil)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(o.Contents)
				if err != nil {
					t.Fatal(err)
				}
				text[len(text)/2]++
				if _, err := backend.PutObject("contents", name, map[string]string{}, bytes.NewReader(text), int64(len(text)), nil); err != nil {
					t.Fatal(err)
				}
			}
		}
	}}
}

// random is incompressible and longer than one part of any place.
func random() []byte {
	data := make([]byte, 6<<20)
	source := rand.New(rand.NewPCG(1, 2))
	for i := range data {
		data[i] = byte(source.Uint32())
	}
	return data
}

func read(t *testing.T, p content.Place, sum content.Sum) ([]byte, error) {
	t.Helper()
	r, err := p.Get(t.Context(), sum)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}

// unreadable fails the test when it is read.
type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("a content that is there was read again")
	return 0, io.EOF
}

func TestPlace(t *testing.T) {
	long := random()
	for name, open := range places(t) {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			for _, data := range [][]byte{nil, []byte("short"), long} {
				sum := content.SumOf(data)
				if _, err := p.Get(t.Context(), sum); !errors.Is(err, content.ErrNotFound) {
					t.Errorf("%d bytes before Put: got %v", len(data), err)
				}
				if err := p.Put(t.Context(), sum, int64(len(data)), bytes.NewReader(data)); err != nil {
					t.Fatal(err)
				}
				if err := p.Put(t.Context(), sum, int64(len(data)), unreadable{t}); err != nil {
					t.Error(err)
				}
				if got, err := read(t, p, sum); err != nil || !bytes.Equal(got, data) {
					t.Errorf("got %d bytes, %v; want %d", len(got), err, len(data))
				}
			}
			if got := p.raw(); got != 3 {
				t.Errorf("%d contents lie there, want 3", got)
			}
			p.damage(content.SumOf(long))
			// A client of S3 compares sums of its own first.
			if _, err := read(t, p, content.SumOf(long)); !errors.Is(err, content.ErrDamaged) && (err == nil || !strings.Contains(err.Error(), "checksum did not match")) {
				t.Errorf("damaged content: got %v", err)
			}
			for range 2 {
				if err := p.Delete(t.Context(), content.SumOf(long)); err != nil {
					t.Error(err)
				}
			}
			if _, err := p.Get(t.Context(), content.SumOf(long)); !errors.Is(err, content.ErrNotFound) {
				t.Errorf("after Delete: got %v", err)
			}
			if got := p.raw(); got != 2 {
				t.Errorf("%d contents lie there after Delete, want 2", got)
			}
		})
	}
}

// broken gives some bytes, then ends as f says.
func broken(data []byte, f func() error) io.Reader {
	return io.MultiReader(bytes.NewReader(data), readerFunc(func([]byte) (int, error) { return 0, f() }))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestPlace_Interrupted leaves nothing of a content that did not come whole, and
// takes the whole one afterwards.
func TestPlace_Interrupted(t *testing.T) {
	long := random()
	sum, size := content.SumOf(long), int64(len(long))
	for name, open := range places(t) {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			ctx, cancel := context.WithCancel(t.Context())
			cut := errors.New("the link is cut")
			for what, put := range map[string]func() error{
				"error": func() error {
					return p.Put(t.Context(), sum, size, broken(long[:5<<20+1], func() error { return cut }))
				},
				"cancelled": func() error {
					return p.Put(ctx, sum, size, broken(long[:5<<20+1], func() error { cancel(); return ctx.Err() }))
				},
				"too short": func() error { return p.Put(t.Context(), sum, size, bytes.NewReader(long[:5<<20+1])) },
				"too long": func() error {
					return p.Put(t.Context(), sum, size, broken(long, func() error { return fmt.Errorf("%w", cut) }))
				},
				"wrong": func() error { return p.Put(t.Context(), content.SumOf(nil), size, bytes.NewReader(long)) },
			} {
				if err := put(); err == nil {
					t.Errorf("%s: got no error", what)
				}
				if got := p.raw(); got != 0 {
					t.Errorf("%s: %d contents lie there, want none", what, got)
				}
			}
			for _, bad := range []int64{size - 1, size + 1} {
				if err := p.Put(t.Context(), sum, bad, bytes.NewReader(long)); !errors.Is(err, content.ErrDamaged) {
					t.Errorf("announced with %d bytes: got %v", bad, err)
				}
			}
			if err := p.Put(t.Context(), sum, size, bytes.NewReader(long)); err != nil {
				t.Fatal(err)
			}
			if got, err := read(t, p, sum); err != nil || !bytes.Equal(got, long) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
		})
	}
}

// TestPlace_Together stores the same content from many sides at once.
func TestPlace_Together(t *testing.T) {
	data := random()
	sum := content.SumOf(data)
	for name, open := range places(t) {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					if err := p.Put(t.Context(), sum, int64(len(data)), bytes.NewReader(data)); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if got, err := read(t, p, sum); err != nil || !bytes.Equal(got, data) || p.raw() != 1 {
				t.Errorf("got %d bytes, %v, of %d contents", len(got), err, p.raw())
			}
		})
	}
}
