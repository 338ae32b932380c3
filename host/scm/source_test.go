package scm

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/sdk/features"
)

func small(name string) Config {
	c, _ := Scenario(name)
	c.Rows, c.ValidationRows, c.TestRows = 300, 100, 200
	return c
}

func build(t testing.TB, c Config, seed uint64) *dataset.Store {
	t.Helper()
	src, err := Source(c, seed)
	if err != nil {
		t.Fatal(err)
	}
	store, err := dataset.Build(src, t.TempDir(), slices.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func TestSource_comesBackWithItsPartsAndItsTruth(t *testing.T) {
	c := small("S2")
	store := build(t, c, 3)
	split, err := store.Split(dataset.SplitSpec{Scheme: dataset.Given}, 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(split.Train) != 300 || len(split.Validation) != 100 || len(split.Test) != 200 {
		t.Errorf("parts have %d, %d and %d rows", len(split.Train), len(split.Validation), len(split.Test))
	}
	tests, err := store.Tests(Tests(), split, 3)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int32]bool{}
	for _, rows := range [][]int32{split.Train, split.Validation} {
		for _, row := range rows {
			seen[row] = true
		}
	}
	for _, set := range tests {
		if len(set.Rows) != 200 || len(set.Truth) != 200 {
			t.Errorf("%s has %d rows and %d truths", set.Name, len(set.Rows), len(set.Truth))
		}
		for _, row := range set.Rows {
			if seen[row] {
				t.Fatalf("row %d of %s is in another part too", row, set.Name)
			}
			seen[row] = true
		}
	}
	if len(seen) != store.Rows() {
		t.Errorf("%d of %d rows are in a part", len(seen), store.Rows())
	}
	// The truth belongs to the rows: recomputed from their causal columns.
	m := model(t, c, 3)
	do := tests[1]
	for i, row := range do.Rows {
		r := &Rows{model: m, U: []float64{0}, Availability: []uint64{store.Availability()[row]}}
		for k := range c.Modalities {
			values, err := store.Features().Raw(k, row)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range values[:c.Causal] {
				if r.Availability[0]>>k&1 == 0 != math.IsNaN(float64(x)) {
					t.Fatalf("row %d, modality %d: availability and values differ", row, k)
				}
				r.Causal = append(r.Causal, float64(x))
			}
		}
		if got := r.Truth()[0]; math.Abs(got-do.Truth[i]) > 1e-6 {
			t.Fatalf("truth of row %d is %v, stored %v", row, got, do.Truth[i])
		}
	}
	if _, err := store.Tests([]string{"rate:0.4"}, split, 3); err == nil {
		t.Error("a test set that was not made is found")
	}
	if _, err := store.Split(dataset.SplitSpec{}, 3); err == nil {
		t.Error("a made dataset is split anew")
	}
}

// What a plugin maps holds no truth: nothing but x.
func TestSource_truthIsPrivate(t *testing.T) {
	store := build(t, small("S2"), 3)
	private, err := os.Stat(filepath.Join(store.Dir(), "private"))
	if err != nil || private.Mode().Perm() != 0o700 {
		t.Errorf("private side: %v, %v", private.Mode(), err)
	}
	entries, err := os.ReadDir(store.FeatureDir())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"m00.npy", "m01.npy", "m02.npy", "store.json"}; !slices.Equal(names, want) {
		t.Errorf("a plugin sees %v, want %v", names, want)
	}
}

// The mean of a sequence is the row of columns a table would have.
func TestSource_sequencesKeepTheRow(t *testing.T) {
	c := small("S2")
	plain := build(t, c, 3)
	c.Sequences = 1
	store := build(t, c, 3)
	last := c.Modalities - 1
	if m := store.Modalities()[last]; m.Kind != features.Sequence || m.Length != c.Length {
		t.Fatalf("the last modality is %+v", m)
	}
	lengths := map[int32]bool{}
	for row := range int32(200) {
		if store.Availability()[row]>>last&1 == 0 {
			continue
		}
		steps := []int32{0}
		if err := store.Features().Lengths(last, []int32{row}, steps); err != nil {
			t.Fatal(err)
		}
		lengths[steps[0]] = true
		sequence, _ := store.Features().Raw(last, row)
		want, _ := plain.Features().Raw(last, row)
		for j, x := range want {
			mean := 0.0
			for s := range int(steps[0]) {
				mean += float64(sequence[s*c.Columns()+j]) / float64(steps[0])
			}
			if math.Abs(mean-float64(x)) > 1e-5 {
				t.Fatalf("row %d, column %d: mean is %v, want %v", row, j, mean, x)
			}
		}
	}
	if len(lengths) != c.Length-1 || lengths[0] || lengths[1] {
		t.Errorf("lengths are %v, want 2 to %d", lengths, c.Length)
	}
}

// TestSource_bits holds the bytes of small datasets against recorded sums: hashes
// name knobs and seed, so the same ones must give the same bits. After a change
// that is meant, raise Version and write down the new sums.
func TestSource_bits(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("recorded on amd64; other processors may round a product and a sum at once")
	}
	hard := small("S4")
	hard.Outcome, hard.Mixing, hard.Sequences = Nonlinear, Warp, 1
	for name, test := range map[string]struct {
		c    Config
		want string
	}{
		"S2":   {small("S2"), "bbcab37fc8e622fc50c264b8c7aaf078ba79e6efb93ecfbc3c35e154cdf04ab3"},
		"hard": {hard, "8d1483b0f9cdba74123ed49da683e1e4d0dc71152137409ecd9a3ac0f2eae2f9"},
	} {
		store := build(t, test.c, 1)
		sum := sha256.New()
		for _, file := range []string{"features/m00.npy", "features/m01.npy", "features/m02.npy", "private/availability.npy", "private/labels.npy", "private/covariates.npy", "private/given.npy", "private/truth.npy"} {
			data, err := os.ReadFile(filepath.Join(store.Dir(), file))
			if err != nil {
				t.Fatal(err)
			}
			sum.Write(data)
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != test.want {
			t.Errorf("%s: the bytes have sum %s, want %s", name, got, test.want)
		}
	}
}
