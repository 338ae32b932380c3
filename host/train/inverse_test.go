package train

import (
	"math"
	"strconv"
	"testing"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/sdk/features"
	"github.com/deconfound/deconfound/sdk/rng"
)

// inverseRun is a run on rows whose second modality goes with a covariate of two
// values: who has 1 has it in 8 of 10 rows, others in 3; the third is there always.
func inverseRun(t *testing.T, covariates bool) *Run {
	t.Helper()
	const n = 6000
	r := rng.Stream(1, "inverse")
	m := dataset.Made{Hash: "inverse", Card: dataset.Card{Name: "inverse"}}
	for range 3 {
		m.Modalities = append(m.Modalities, dataset.Modality{Name: "m" + strconv.Itoa(len(m.Modalities)), Kind: features.Tabular, Width: 1})
		m.Values = append(m.Values, features.Values{Data: make([]float32, n)})
	}
	if covariates {
		m.CovariateNames = []string{"w"}
	}
	for row := range int32(n) {
		w, mask := r.IntN(2), uint64(0b101)
		if r.Float64() < []float64{.3, .8}[w] {
			mask |= 0b010
		}
		m.Availability, m.Labels, m.IDs = append(m.Availability, mask), append(m.Labels, float32(row%2)), append(m.IDs, strconv.Itoa(int(row)))
		if covariates {
			m.Covariates = append(m.Covariates, float32(w))
		}
		switch {
		case row < n/2:
			m.Train = append(m.Train, row)
		case row < n-10:
			m.Validation = append(m.Validation, row)
		}
	}
	m.Tests = []dataset.TestSet{{Name: "test", Rows: []int32{n - 1}}}
	source, err := dataset.Make(m)
	if err != nil {
		t.Fatal(err)
	}
	store, err := dataset.Build(source, t.TempDir(), make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return &Run{data: Data{Store: store, Split: dataset.Split{Train: m.Train, Validation: m.Validation}}, availability: store.Availability()}
}

// The weights are P(δ)/P(δ|w), as counted, and availability is unrelated to w under
// them.
func TestRun_inverseWeights(t *testing.T) {
	r := inverseRun(t, true)
	rows := r.data.Split.Validation
	weights := r.inverseWeights(rows)
	if len(weights) != len(rows) {
		t.Fatalf("%d weights for %d rows", len(weights), len(rows))
	}
	w := r.data.Store.Covariates(rows, r.data.Split.Train)
	var have, all, sum [2]float64
	for i, row := range rows {
		level := 0
		if w[i] > 0 {
			level = 1
		}
		all[level]++
		sum[level] += weights[i]
		if r.availability[row]>>1&1 == 1 {
			have[level] += weights[i]
		}
		p := []float64{.3, .8}[level]
		want := .55 / p
		if r.availability[row]>>1&1 == 0 {
			want = .45 / (1 - p)
		}
		if math.Abs(weights[i]/want-1) > .1 {
			t.Fatalf("row %d of level %d has weight %.3f, want %.3f", row, level, weights[i], want)
		}
	}
	if a, b := have[0]/sum[0], have[1]/sum[1]; math.Abs(a-b) > .03 {
		t.Errorf("under the weights m1 is in %.3f and %.3f of the levels", a, b)
	}
	if got := inverseRun(t, false).inverseWeights(rows); got != nil {
		t.Error("without covariates there are weights")
	}
}
