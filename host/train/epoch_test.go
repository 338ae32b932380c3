package train

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/host/causal"
)

// An epoch visits every row once, in an order of its own, in batches of nearly
// the same size: the last one is no straggler.
func TestBatches(t *testing.T) {
	for _, test := range []struct {
		n, size int
		want    []int
	}{
		{10, 4, []int{3, 3, 4}}, {9, 8, []int{4, 5}}, {8, 8, []int{8}}, {3, 8, []int{3}}, {257, 64, []int{51, 51, 52, 51, 52}},
	} {
		var sizes []int
		var all []int32
		for _, b := range batches(test.n, test.size, 1, 2) {
			sizes = append(sizes, len(b))
			all = append(all, b...)
		}
		if !slices.Equal(sizes, test.want) {
			t.Errorf("%d rows in batches of %d: sizes %v, want %v", test.n, test.size, sizes, test.want)
		}
		sorted := slices.Sorted(slices.Values(all))
		for i, p := range sorted {
			if int(p) != i {
				t.Fatalf("%d rows: positions %v", test.n, sorted)
			}
		}
	}
	first := slices.Concat(batches(50, 8, 1, 0)...)
	if !slices.Equal(first, slices.Concat(batches(50, 8, 1, 0)...)) {
		t.Error("the same epoch has two orders")
	}
	for _, other := range [][][]int32{batches(50, 8, 1, 1), batches(50, 8, 2, 0)} {
		if slices.Equal(first, slices.Concat(other...)) {
			t.Error("another epoch or seed has the same order")
		}
	}
}

func TestConfig_Validate(t *testing.T) {
	good := Config{Epochs: 1, BatchSize: 2, Width: 1, Select: Selection{Name: "auroc", Worst: "pattern"}}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Config){
		"run.epochs":     func(c *Config) { c.Epochs = 0 },
		"run.batch_size": func(c *Config) { c.BatchSize = 1 },
		"run.width":      func(c *Config) { c.Width = 0 },
		"run.patience":   func(c *Config) { c.Patience = -1 },
		`"accuracies"`:   func(c *Config) { c.Select.Name = "accuracies" },
		`"sex"`:          func(c *Config) { c.Select.Worst = "sex" },
	} {
		c := good
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestSelection(t *testing.T) {
	nan := math.NaN()
	for _, test := range []struct {
		maximize bool
		a, b     float64
		want     bool
	}{
		{true, 2, 1, true}, {true, 1, 2, false}, {true, 1, 1, false}, {false, 1, 2, true}, {false, 2, 1, false},
		{true, nan, 1, false}, {true, 1, nan, true}, {false, nan, nan, false},
	} {
		if got := (Selection{Maximize: test.maximize}).better(test.a, test.b); got != test.want {
			t.Errorf("%+v: got %v", test, got)
		}
	}
	s := Selection{Name: "auroc", Worst: "pattern"}
	if got := s.Metric(); got != (Metric{Name: "auroc", Split: "val", Group: "worst_pattern"}) || got.label() != "val/auroc@worst(pattern)" {
		t.Errorf("got %+v, %s", got, got.label())
	}
}

// The mask comes after h, and its gradient stays in the host.
func TestRun_revealsAndConceals(t *testing.T) {
	r := &Run{cfg: Config{Width: 2}, revealed: 3}
	masks := []uint64{0b101, 0b010}
	got := r.reveal([]float32{1, 2, 3, 4}, []int32{0, 1}, masks, masks)
	if want := []float32{1, 2, 1, 0, 1, 3, 4, 0, 1, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := r.conceal(got); !slices.Equal(got, []float32{1, 2, 3, 4}) {
		t.Errorf("got %v", got)
	}

	// b comes last; a modality that is not observed has zeros.
	r.separation = &separation{
		parts:  []*causal.Separation{{Directions: 2}, {}, {Directions: 1}},
		width:  3,
		biased: []float32{0, 0, 0, 10, 11, 12, 20, 21, 22},
	}
	got = r.reveal([]float32{1, 2, 3, 4}, []int32{2, 1}, masks, []uint64{0b111, 0b110})
	if want := []float32{1, 2, 1, 0, 1, 20, 21, 22, 3, 4, 0, 1, 0, 0, 0, 12}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := r.conceal(got); !slices.Equal(got, []float32{1, 2, 3, 4}) {
		t.Errorf("got %v", got)
	}
}

// What lies beyond the length of a sequence is padding and no step.
func TestMeanStep(t *testing.T) {
	values := []float32{1, 10, 3, 20, 99, 99}
	if got := meanStep(values, 2, 2); !slices.Equal(got, []float32{2, 15}) {
		t.Errorf("got %v", got)
	}
	if got := meanStep(values, 2, 0); !slices.Equal(got, []float32{0, 0}) {
		t.Errorf("no step: got %v", got)
	}
}
