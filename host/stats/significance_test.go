package stats

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
)

func TestWilcoxon_SciPy(t *testing.T) {
	for i, f := range load(t).Wilcoxon {
		w, p := Wilcoxon(f.Differences)
		near(t, "statistic", w, f.Statistic, 0)
		near(t, "p", p, f.P, 1e-12)
		if t.Failed() {
			t.Fatalf("case %d with %d differences", i, len(f.Differences))
		}
	}
	w, p := Wilcoxon([]float64{0, 0, math.NaN()})
	nan(t, "statistic of zeros", w)
	nan(t, "p of zeros", p)
	_, p = Wilcoxon([]float64{1, 2, 3, 4, 5})
	near(t, "smallest p of five", p, 0.0625, 0)
}

func TestSignFlip_SciPy(t *testing.T) {
	for _, f := range load(t).SignFlip {
		near(t, "p", SignFlip(f.Differences, 0, nil), f.P, 1e-12)
	}
	nan(t, "p without differences", SignFlip(nil, 10, nil))
	near(t, "p of zeros", SignFlip([]float64{0, 0, 0}, 0, nil), 1, 0)
}

func TestSignFlip_Sampled(t *testing.T) {
	d := make([]float64, 70)
	for i := range d {
		d[i] = float64(i%7) - 2.7
	}
	var mean, square float64
	for _, v := range d {
		mean += v
		square += v * v
	}
	normal := math.Erfc(math.Abs(mean) / math.Sqrt(2*square)) // the limit of the null distribution
	got := SignFlip(d, 20000, rand.New(rand.NewPCG(1, 2)))
	near(t, "p", got, normal, 0.01)
	if again := SignFlip(d, 20000, rand.New(rand.NewPCG(1, 2))); again != got {
		t.Errorf("same stream, p %v and %v", got, again)
	}
	near(t, "p is never 0", SignFlip(make70(5), 99, rand.New(rand.NewPCG(1, 2))), 0.01, 1e-12)
}

func make70(v float64) []float64 {
	d := make([]float64, 70)
	for i := range d {
		d[i] = v
	}
	return d
}

func TestCorrection_Reference(t *testing.T) {
	for _, f := range load(t).Correction {
		holm, bh := Holm(f.P), BenjaminiHochberg(f.P)
		for i := range f.P {
			near(t, "holm", holm[i], f.Holm[i], 1e-12)
			near(t, "benjamini-hochberg", bh[i], f.BenjaminiHochberg[i], 1e-12)
		}
	}
	got := Holm([]float64{math.NaN(), 0.01, 0.04})
	nan(t, "untested", got[0])
	near(t, "family of two", got[1], 0.02, 1e-15)
	near(t, "family of two", got[2], 0.04, 1e-15)
}

func TestMeanInterval_SciPy(t *testing.T) {
	for _, f := range load(t).TInterval {
		got := MeanInterval(append(f.Values, math.NaN()), f.Confidence)
		near(t, "mean", float64(got.Estimate), f.Mean, 1e-12)
		near(t, "low", float64(got.Low), f.Low, 1e-9)
		near(t, "high", float64(got.High), f.High, 1e-9)
	}
	one := MeanInterval([]float64{3}, 0.95)
	near(t, "mean of one", float64(one.Estimate), 3, 0)
	nan(t, "low of one", float64(one.Low))
	nan(t, "mean of none", float64(MeanInterval(nil, 0.95).Estimate))
}

func TestNumber_JSON(t *testing.T) {
	data, err := json.Marshal(Interval{1.5, Number(math.NaN()), Number(math.Inf(1))})
	if err != nil || string(data) != `{"estimate":1.5,"low":null,"high":null}` {
		t.Fatalf("got %s, %v", data, err)
	}
	var back Interval
	if err := json.Unmarshal(data, &back); err != nil || back.Estimate != 1.5 || back.Low.Defined() {
		t.Fatalf("got %v, %v", back, err)
	}
}

// The mean of independent rows has a known standard error, which the bootstrap
// must find; with every row in twice, only resampling by patient finds it.
func TestBootstrapInterval_Clusters(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	const n = 400
	var values []float64
	var patients []int64
	for i := range n {
		v := r.NormFloat64()
		values = append(values, v, v)
		patients = append(patients, int64(i), int64(i))
	}
	mean := func(w []float64) float64 {
		var sum, total float64
		for i, v := range values {
			sum += w[i] * v
			total += w[i]
		}
		return sum / total
	}
	got := BootstrapInterval(mean, patients, nil, 2000, 0.95, r)
	width := float64(got.High - got.Low)
	near(t, "width", width, 2*1.96/math.Sqrt(n), 0.02)
	near(t, "estimate", float64(got.Estimate), mean(orOnes(nil, 2*n)), 0)
	if !panics(func() { BootstrapInterval(mean, patients, []float64{1}, 10, 0.95, r) }) {
		t.Error("one weight for 800 rows does not panic")
	}
	none := BootstrapInterval(func([]float64) float64 { return math.NaN() }, patients, nil, 10, 0.95, r)
	nan(t, "low without a defined replicate", float64(none.Low))
}
