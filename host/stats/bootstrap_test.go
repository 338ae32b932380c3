package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

func twoArms(seed uint64, rows int, seeds []int64, noiseA, noiseB float64) []Paired {
	var out []Paired
	for _, s := range seeds {
		a, b := simulateRun(seed, rows, s, "a", noiseA), simulateRun(seed, rows, s, "b", noiseB)
		clusters := make([]int64, rows)
		for i := range clusters {
			clusters[i] = s*1_000_000 + int64(i)
		}
		out = append(out, Paired{Baseline: a.Sample, Variant: b.Scores, Clusters: clusters})
	}
	return out
}

var binary = Task{Kind: Binary}

func TestPairedBootstrap_SignAndDirection(t *testing.T) {
	arms := twoArms(1, 600, []int64{0, 1, 2}, 3, 0.2) // the variant has less noise: it is better
	for _, metric := range []Metric{MetricAUROC, MetricAUPRC, MetricBrier, MetricLogLoss, MetricAccuracy} {
		got, err := PairedBootstrap(binary, metric, arms, Bootstrap{500, 0.95}, rand.New(rand.NewPCG(1, 1)))
		if err != nil {
			t.Fatal(err)
		}
		var want float64
		for _, s := range arms {
			e, _ := newEvaluator(metric, binary, s.Baseline, sequence(600), []int{0})
			f, _ := newEvaluator(metric, binary, Sample{Scores: s.Variant, Labels: s.Baseline.Labels}, sequence(600), []int{0})
			want += (f.value(orOnes(nil, 600)) - e.value(orOnes(nil, 600))) / 3
		}
		near(t, string(metric), float64(got.Estimate), want, 1e-12)
		if positive := metric.Better() == Higher; (got.Low > 0) != positive || (got.High < 0) == positive {
			t.Errorf("%s (better is %s): interval %v to %v of a clear improvement", metric, metric.Better(), got.Low, got.High)
		}
		if got.P > 0.05 {
			t.Errorf("%s: p of a clear difference is %v", metric, got.P)
		}
	}
}

func TestPairedBootstrap_NoDifference(t *testing.T) {
	arms := twoArms(2, 200, []int64{0, 1, 2}, 1, 1)
	for i := range arms {
		arms[i].Variant = arms[i].Baseline.Scores
	}
	got, err := PairedBootstrap(binary, MetricAUROC, arms, Bootstrap{200, 0.95}, rand.New(rand.NewPCG(1, 1)))
	if err != nil || got.Estimate != 0 || got.Low != 0 || got.High != 0 || got.P != 1 || got.Resamples != 200 {
		t.Errorf("of equal arms: %+v, %v", got, err)
	}
}

// With the same patients and the same predictions in every seed there is only
// sampling of patients, and the standard error must be DeLong's: seeds do not
// multiply patients.
func TestPairedBootstrap_SharedPatientsCountOnce(t *testing.T) {
	one := twoArms(3, 1000, []int64{0}, 2, 1)[0]
	_, variance, p := DeLongPaired(one.Baseline.Scores, one.Variant, one.Baseline.Labels)
	for _, seeds := range []int{1, 4} {
		arms := make([]Paired, seeds)
		for s := range arms {
			arms[s] = one
		}
		got, err := PairedBootstrap(binary, MetricAUROC, arms, Bootstrap{2000, 0.95}, rand.New(rand.NewPCG(5, 5)))
		if err != nil {
			t.Fatal(err)
		}
		se := float64(got.High-got.Low) / (2 * 1.96)
		if ratio := se / math.Sqrt(variance); ratio < 0.9 || ratio > 1.1 {
			t.Errorf("%d equal seeds: standard error is %.3f of DeLong's", seeds, ratio)
		}
	}
	if p > 1e-6 {
		t.Errorf("DeLong's p is %v for a clear difference", p)
	}
}

// With far more variation between trainings than between patients, the interval
// must be Student's over seeds.
func TestPairedBootstrap_SeedsAreDrawn(t *testing.T) {
	var arms []Paired
	var differences []float64
	for s, noise := range []float64{0, 1, 3, 6, 12, 0.5, 20, 2} {
		one := twoArms(6, 3000, []int64{int64(s)}, 2, noise)[0]
		arms = append(arms, one)
		d, _, _ := DeLongPaired(one.Baseline.Scores, one.Variant, one.Baseline.Labels)
		differences = append(differences, d)
	}
	got, err := PairedBootstrap(binary, MetricAUROC, arms, Bootstrap{1000, 0.95}, rand.New(rand.NewPCG(5, 5)))
	if err != nil {
		t.Fatal(err)
	}
	want := MeanInterval(differences, 0.95)
	if ratio := float64((got.High - got.Low) / (want.High - want.Low)); ratio < 0.9 || ratio > 1.15 {
		t.Errorf("the interval is %.3f of Student's over seeds", ratio)
	}
}

// Rows of a patient are drawn together: doubling every row must not narrow the
// interval.
func TestPairedBootstrap_ClustersAreDrawnTogether(t *testing.T) {
	one := twoArms(4, 500, []int64{0}, 2, 1)[0]
	twice := Paired{Clusters: withMirror(one.Clusters)}
	twice.Variant = withMirror(one.Variant)
	twice.Baseline.Scores, twice.Baseline.Labels = withMirror(one.Baseline.Scores), withMirror(one.Baseline.Labels)
	opts := Bootstrap{500, 0.95}
	a, _ := PairedBootstrap(binary, MetricAUROC, []Paired{one}, opts, rand.New(rand.NewPCG(1, 1)))
	b, _ := PairedBootstrap(binary, MetricAUROC, []Paired{twice}, opts, rand.New(rand.NewPCG(1, 1)))
	near(t, "low", float64(b.Low), float64(a.Low), 1e-9)
	near(t, "high", float64(b.High), float64(a.High), 1e-9)
}

// withMirror is values and then values backwards, so that the two rows of a
// patient are at no fixed distance.
func withMirror[T any](values []T) []T {
	mirror := slices.Clone(values)
	slices.Reverse(mirror)
	return slices.Concat(values, mirror)
}

func TestPercentileP(t *testing.T) {
	thousand := make([]float64, 999)
	for i := range thousand {
		thousand[i] = -1
	}
	for _, test := range []struct {
		replicates []float64
		want       float64
	}{
		{[]float64{1, 2, 3, 4}, 2.0 / 5}, {[]float64{-1, 1, 2, 3, 4, 5, 6, 7, 8}, 4.0 / 10},
		{[]float64{-1, 1}, 1}, {[]float64{0, 0, 0}, 1}, {[]float64{0, 1, 1, 1}, 4.0 / 5}, {thousand, 0.002},
	} {
		near(t, "p", percentileP(test.replicates), test.want, 1e-12)
	}
	if p := percentileP(nil); !math.IsNaN(p) {
		t.Errorf("p without replicates is %v", p)
	}
}

// Under the null the test must not reject much more often than it says.
func TestPairedBootstrap_NullRejections(t *testing.T) {
	const tries = 120
	rejected := 0
	for k := range uint64(tries) {
		arms := twoArms(100+k, 150, []int64{0, 1, 2, 3, 4}, 1.5, 1.5)
		got, err := PairedBootstrap(binary, MetricBrier, arms, Bootstrap{199, 0.95}, rand.New(rand.NewPCG(k, 9)))
		if err != nil {
			t.Fatal(err)
		}
		if got.P < 0.05 {
			rejected++
		}
	}
	if rate := float64(rejected) / tries; rate > 0.12 {
		t.Errorf("rejects %.3f of true nulls at 0.05", rate)
	}
}

// The level holds whatever part of the difference comes from trainings and
// whatever from patients, and whether seeds share their patients or not; and the
// interval covers as often as it says, for the two agree.
func TestResample_holdsItsLevel(t *testing.T) {
	const patients, tries = 60, 200
	worse := func(a, b float64) bool { return a < b }
	for _, seeds := range []int{2, 3, 5} {
		for _, trainings := range []float64{0, 1, 3, 10} { // sd, in that of a mean over patients
			for _, shared := range []bool{true, false} {
				rejected, uncovered := 0, 0
				for k := range uint64(tries) {
					r := rand.New(rand.NewPCG(k, 77))
					common := make([]float64, patients)
					for i := range common {
						common[i] = r.NormFloat64()
					}
					pairs := make([]pair, seeds)
					for s := range pairs {
						training := trainings * r.NormFloat64() / math.Sqrt(patients)
						p := pair{weights: orOnes(nil, patients)}
						var a, b losses
						for i := range patients {
							cluster, own := i, common[i]
							if !shared {
								cluster, own = s*patients+i, r.NormFloat64()
							}
							p.cluster = append(p.cluster, int32(cluster))
							a = append(a, rowLoss{row: int32(i)})
							b = append(b, rowLoss{loss: training + own + 0.5*r.NormFloat64(), row: int32(i)})
						}
						p.groups = []group{{target: targetOverall, arms: []evaluator{a, b}}}
						pairs[s] = p
					}
					got := resample(pairs, 1, seeds*patients, 1, worse, Bootstrap{199, 0.95}, r)[0][0]
					if got.P < 0.05 {
						rejected++
					}
					if got.Low > 0 || got.High < 0 {
						uncovered++
					}
				}
				for what, n := range map[string]int{"rejected": rejected, "not covered": uncovered} {
					if rate := float64(n) / tries; rate > 0.09 {
						t.Errorf("%d seeds, trainings %v, shared patients %v: %.3f of true nulls %s at 0.05", seeds, trainings, shared, rate, what)
					}
				}
			}
		}
	}
}

// The draws for a target have Student's quantiles at its degrees of freedom.
func TestDrawStudent(t *testing.T) {
	const draws = 20000
	r := rand.New(rand.NewPCG(3, 3))
	beyond := [5]float64{}
	for range draws {
		for f, v := range drawStudent(5, r) {
			if f > 0 && math.Abs(v) > (distuv.StudentsT{Sigma: 1, Nu: float64(f)}).Quantile(0.95) {
				beyond[f] += 1.0 / draws
			}
		}
	}
	for f := 1; f < 5; f++ {
		near(t, "share beyond the central 90 %", beyond[f], 0.1, 0.008)
	}
}

func TestPairedBootstrap_BadInput(t *testing.T) {
	opts, r := Bootstrap{10, 0.95}, rand.New(rand.NewPCG(1, 1))
	good := twoArms(1, 50, []int64{0}, 1, 1)[0]
	bad := good
	bad.Variant = good.Variant[:3]
	if _, err := PairedBootstrap(binary, MetricAUROC, []Paired{bad}, opts, r); err == nil {
		t.Error("3 scores for 50 labels are accepted")
	}
	bad = good
	bad.Baseline.Scores = nil
	if _, err := PairedBootstrap(binary, MetricAUROC, []Paired{bad}, opts, r); err == nil {
		t.Error("no scores for 50 labels are accepted")
	}
	if _, err := PairedBootstrap(binary, "nonsense", []Paired{good}, opts, r); err == nil {
		t.Error("an unknown metric is accepted")
	}
	bad = good
	bad.Clusters = good.Clusters[:3]
	if !panics(func() { _, _ = PairedBootstrap(binary, MetricAUROC, []Paired{bad}, opts, r) }) {
		t.Error("3 clusters for 50 rows do not panic")
	}
	few := twoArms(1, 12, []int64{0}, 1, 1)
	got, err := PairedBootstrap(binary, MetricAUROC, few, opts, r)
	if err != nil || got.Estimate.Defined() || got.P.Defined() {
		t.Errorf("of 12 rows: %+v, %v; want nothing defined", got, err)
	}
}

func BenchmarkPairedBootstrap(b *testing.B) {
	arms := twoArms(1, 2117, []int64{0, 1, 2}, 2, 1)
	for _, metric := range []Metric{MetricAUROC, MetricAUPRC, MetricBrier} {
		b.Run(string(metric), func(b *testing.B) {
			for b.Loop() {
				if _, err := PairedBootstrap(binary, metric, arms, Bootstrap{2000, 0.95}, rand.New(rand.NewPCG(1, 1))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompare(b *testing.B) {
	in := Input{Task: binary, Metric: MetricAUROC, Baseline: "a", Cells: simulate(1, 2117, []int64{0, 1, 2, 3, 4}, map[string]float64{"a": 2, "b": 1, "c": 3, "d": 2})}
	for b.Loop() {
		if _, err := Compare(in); err != nil {
			b.Fatal(err)
		}
	}
}
