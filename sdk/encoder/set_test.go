package encoder_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

var modalities = []sdk.Modality{
	{Name: "labs", Kind: sdk.Tabular, Width: 3},
	{Name: "vitals", Kind: sdk.Sequence, Width: 2, Length: 4},
	{Name: "ecg", Kind: sdk.Embedding, Width: 3},
}

// counter is a source that counts what is read.
type counter struct{ read [3]int }

func (*counter) Rows() int { return 8 }

func (s *counter) Gather(m int, rows []int32, dst []float32) error {
	s.read[m] += len(rows)
	for i := range dst {
		dst[i] = float32(i%7) + float32(rows[i*len(rows)/len(dst)])
	}
	return nil
}

func (s *counter) Lengths(_ int, rows []int32, dst []int32) error {
	for i, r := range rows {
		dst[i] = 1 + r%4
	}
	return nil
}

func newSet(ps *nn.Params) *encoder.Set {
	return encoder.New(ps, encoder.Config{
		Modalities: modalities, Width: 5, Hidden: 4, Dropout: 0.5,
		Rand: func(labels ...any) *rand.Rand { return rng.Stream(1, labels...) },
	})
}

func TestSet_Encode(t *testing.T) {
	var ps nn.Params
	set := newSet(&ps)
	source := &counter{}
	availability := []uint64{0b111, 0b001, 0b010, 0, 0b011}
	b, err := backbone.NewLoader(modalities, source).Eval([]int32{4, 2, 7, 1, 0}, availability)
	if err != nil {
		t.Fatal(err)
	}
	tape := nn.NewTape()
	for m, e := range set.Encode(tape, b) {
		if e.Rows != 5 || e.Cols != 5 {
			t.Fatalf("embedding of %s is [%d, %d], want [5, 5]", modalities[m].Name, e.Rows, e.Cols)
		}
		observed, rows := set.Observed(tape, b, m)
		want := make([]float32, 5*5)
		for i, r := range rows {
			copy(want[r*5:], observed.Value[i*5:(i+1)*5])
		}
		if !slices.Equal(e.Value, want) {
			t.Errorf("embeddings of %s are %v, want %v", modalities[m].Name, e.Value, want)
		}
	}
	if want := [3]int{6, 6, 2}; source.read != want {
		t.Errorf("rows read %v, want twice the observed %v", source.read, want)
	}
}

func TestSet_Observed(t *testing.T) {
	var ps nn.Params
	set := newSet(&ps)
	b, err := backbone.NewLoader(modalities, &counter{}).Eval([]int32{4, 2, 7}, []uint64{0b010, 0, 0b010})
	if err != nil {
		t.Fatal(err)
	}
	tape := nn.NewTape()
	e, rows := set.Observed(tape, b, 1)
	if e.Rows != 2 || len(rows) != 2 || rows[0] != 0 || rows[1] != 2 {
		t.Errorf("observed rows %v of %d embeddings, want 0 and 2", rows, e.Rows)
	}
	if e, rows := set.Observed(tape, b, 0); e != nil || rows != nil {
		t.Errorf("a modality that no row has is embedded: %v", rows)
	}
}

// Steps after the length of a sequence must not count.
func TestSet_SequenceLength(t *testing.T) {
	var ps nn.Params
	set := newSet(&ps)
	encode := func(padding float32) []float32 {
		b, err := backbone.NewLoader(modalities, padded{padding}).Eval([]int32{0}, []uint64{0b010})
		if err != nil {
			t.Fatal(err)
		}
		e, _ := set.Observed(nn.NewTape(), b, 1)
		return e.Value
	}
	a, b := encode(0), encode(9)
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("embedding %v with padding 0, %v with padding 9", a, b)
		}
	}
}

// padded has a sequence of two steps and what is given after them.
type padded struct{ padding float32 }

func (padded) Rows() int { return 1 }

func (s padded) Gather(_ int, _ []int32, dst []float32) error {
	copy(dst, []float32{1, 2, 3, 4, s.padding, s.padding, s.padding, s.padding})
	return nil
}

func (padded) Lengths(_ int, _ []int32, dst []int32) error {
	dst[0] = 2
	return nil
}
