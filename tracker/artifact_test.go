package tracker_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/content"
)

// contentOf is the name of a text.
func contentOf(text string) tracker.Content {
	return tracker.Content{Sum: content.SumOf([]byte(text)), Size: int64(len(text))}
}

// keep stores a text.
func (b *bundle) keep(store *tracker.Store, text string) tracker.Content {
	b.Helper()
	c := contentOf(text)
	if err := store.PutContent(b.Context(), c, strings.NewReader(text)); err != nil {
		b.Fatal(err)
	}
	return c
}

// read answers a content.
func (b *bundle) read(store *tracker.Store, c tracker.Content) (string, error) {
	b.Helper()
	r, err := store.Content(b.Context(), c)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), errors.Join(err, r.Close())
}

func TestArtifacts(t *testing.T) {
	b := setup(t)
	l := b.lease(1)
	put := func(path, text string) {
		c := b.keep(b.store, text)
		b.tx(func(tx pgx.Tx) error { return b.store.PutArtifact(t.Context(), tx, l, path, "log", c) })
	}
	put("a.log", "same")
	put("b.log", "same")
	put("b.log", "same")
	put("c.log", "")
	if got := b.rows(`select count(*) from blob`); got != "2\n" {
		t.Errorf("got %s blobs, want 2", got)
	}
	list, err := b.store.Artifacts(t.Context(), l.Run.ID)
	if err != nil || len(list) != 3 || list[0].Path != "a.log" || list[0].Content != contentOf("same") || list[0].Kind != "log" {
		t.Errorf("list: got %+v, %v", list, err)
	}
	a, err := b.store.Artifact(t.Context(), l.Run.ID, "b.log")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.read(b.store, a.Content); err != nil || got != "same" {
		t.Errorf("read: got %q, %v", got, err)
	}
	put("c.log", "other")
	if n, err := b.store.CollectGarbage(t.Context(), 0); err != nil || n != 0 {
		t.Errorf("garbage: got %d bytes, %v; want the empty content only", n, err)
	}
	if got := b.rows(`select (select count(*) from blob), (select count(distinct sha256) from blob_part)`); got != "2 2\n" {
		t.Errorf("got %s blobs and contents after the collection, want 2", got)
	}
	b.rows(`update blob_part set data = (select data from blob_part where sha256 <> $1)  where sha256 = $1`, a.Sum[:])
	if _, err := b.read(b.store, a.Content); !errors.Is(err, content.ErrDamaged) {
		t.Errorf("damaged content: got %v", err)
	}
	_, err = b.store.Artifact(t.Context(), l.Run.ID, "none")
	wantErr(t, err, tracker.ErrNotFound)
}

// TestCollectGarbage_Grace keeps what nothing names yet: its name may be on the way.
func TestCollectGarbage_Grace(t *testing.T) {
	b := setup(t)
	young, bundled := b.keep(b.store, "young"), b.keep(b.store, "bundled")
	if err := b.store.PutBundle(t.Context(), tracker.Bundle{Kind: tracker.BundlePlugin, Hash: "h", Name: "n", Content: bundled}); err != nil {
		t.Fatal(err)
	}
	if n, err := b.store.CollectGarbage(t.Context(), time.Hour); err != nil || n != 0 {
		t.Errorf("within the grace: got %d bytes, %v; want none", n, err)
	}
	if n, err := b.store.CollectGarbage(t.Context(), 0); err != nil || n != young.Size {
		t.Errorf("after the grace: got %d bytes, %v; want %d", n, err, young.Size)
	}
	if _, err := b.read(b.store, young); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("collected content: got %v", err)
	}
	if got, err := b.read(b.store, bundled); err != nil || got != "bundled" {
		t.Errorf("content of a bundle: got %q, %v", got, err)
	}
	b.keep(b.store, "young")
	if got, err := b.read(b.store, young); err != nil || got != "young" {
		t.Errorf("stored again: got %q, %v", got, err)
	}
	if n, err := b.store.WithdrawBundles(t.Context(), tracker.BundlePlugin, "n"); err != nil || n != 1 {
		t.Errorf("withdraw: got %d, %v", n, err)
	}
	if n, err := b.store.CollectGarbage(t.Context(), 0); err != nil || n != young.Size+bundled.Size {
		t.Errorf("after the withdrawal: got %d bytes, %v", n, err)
	}
}

// TestContents_Place holds all processes to the place that the first has chosen.
func TestContents_Place(t *testing.T) {
	b := setup(t)
	open := func(url string) *tracker.Store {
		t.Helper()
		s, err := tracker.Open(t.Context(), b.store.DSN(), tracker.WithContents(url))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	dir := "file://" + t.TempDir()
	c := b.keep(open(dir), "in a directory")
	if got := b.rows(`select url, (select count(*) from blob_part) from content_place`); got != dir+" 0\n" {
		t.Errorf("got %s, want everything in %s", got, dir)
	}
	for _, url := range []string{"", dir} {
		if got, err := b.read(open(url), c); err != nil || got != "in a directory" {
			t.Errorf("process with %q: got %q, %v", url, got, err)
		}
	}
	for _, url := range []string{tracker.PlacePostgres, "file://" + t.TempDir()} {
		if err := open(url).PutContent(t.Context(), c, strings.NewReader("in a directory")); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("process with %q: got %v, want a refusal that names %s", url, err, dir)
		}
	}
	for url, want := range map[string]string{"ftp://host/x": "neither", "file://relative": "neither", "s3://user:secret@bucket": "password"} {
		if _, err := open(url).Content(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %q in it", url, err, want)
		}
	}
	if _, err := open(dir).CollectGarbage(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	c = b.keep(open(tracker.PlacePostgres), "moved")
	if got, err := b.read(open(""), c); err != nil || got != "moved" {
		t.Errorf("after the change of an empty place: got %q, %v", got, err)
	}
}

func TestHoldUnitKey(t *testing.T) {
	b := setup(t)
	if err := b.store.HoldUnitKey(t.Context(), "d", "dh", "one"); err != nil {
		t.Fatal(err)
	}
	if err := b.store.HoldUnitKey(t.Context(), "d", "dh", "one"); err != nil {
		t.Errorf("the same again: %v", err)
	}
	wantErr(t, b.store.HoldUnitKey(t.Context(), "d", "dh", "two"), tracker.ErrOtherKey)
	for hash, want := range map[string]string{"dh": "one", "unknown": ""} {
		if got, err := b.store.Aside().UnitKey(t.Context(), hash); err != nil || got != want {
			t.Errorf("key of %s: got %q, %v; want %q", hash, got, err, want)
		}
	}
	wantErr(t, b.store.DescribeDataset(t.Context(), tracker.DatasetInfo{Name: "d", Hash: "dh", Key: "two", Task: "binary"}), tracker.ErrOtherKey)
	if err := b.store.DescribeDataset(t.Context(), tracker.DatasetInfo{Name: "d", Hash: "dh", Task: "binary"}); err != nil {
		t.Errorf("without a key: %v", err)
	}
}
