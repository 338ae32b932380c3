package tracker_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"gonum.org/v1/gonum/stat/distuv"
)

// The brute force versions follow the definitions, not the SQL.

func bruteAUROC(score, label, w []float64) float64 {
	var hit, pairs float64
	for i := range score {
		for j := range score {
			if label[i] > label[j] {
				pairs += w[i] * w[j]
				switch {
				case score[i] > score[j]:
					hit += w[i] * w[j]
				case score[i] == score[j]:
					hit += w[i] * w[j] / 2
				}
			}
		}
	}
	return hit / pairs
}

func bruteAUPRC(score, label, w []float64) float64 {
	thresholds := slices.Clone(score)
	slices.Sort(thresholds)
	thresholds = slices.Compact(thresholds)
	slices.Reverse(thresholds)
	var total, area, before float64
	for i := range label {
		total += w[i] * label[i]
	}
	for _, threshold := range thresholds {
		var tp, called float64
		for i := range score {
			if score[i] >= threshold {
				tp += w[i] * label[i]
				called += w[i]
			}
		}
		if called == 0 {
			continue
		}
		area += (tp/total - before) * tp / called
		before = tp / total
	}
	return area
}

func mean(n int, w []float64, f func(i int) float64) float64 {
	var sum, weight float64
	for i := range n {
		sum += w[i] * f(i)
		weight += w[i]
	}
	return sum / weight
}

func bruteECE(score, label, w []float64) float64 {
	gap := map[int]float64{}
	var total, sum float64
	for i := range score {
		gap[min(int(score[i]*15), 14)] += w[i] * (score[i] - label[i])
		total += w[i]
	}
	for _, g := range gap {
		sum += math.Abs(g)
	}
	return sum / total
}

func TestAggregates(t *testing.T) {
	b := setup(t)
	random := rand.New(rand.NewPCG(1, 2))
	cases := []struct {
		n      int
		levels int // distinct scores; 0 = any
	}{{2, 0}, {10, 3}, {50, 0}, {300, 7}, {900, 0}, {900, 400}}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%d rows, %d levels", c.n, c.levels), func(t *testing.T) {
			score, label, weight, one := make([]float64, c.n), make([]float64, c.n), make([]float64, c.n), make([]float64, c.n)
			for i := range score {
				score[i] = random.Float64()
				if c.levels > 0 {
					score[i] = float64(random.IntN(c.levels)) / float64(c.levels)
				}
				if random.Float64() < 0.2+0.6*score[i] {
					label[i] = 1
				}
				weight[i], one[i] = float64(random.IntN(4))/2, 1
			}
			label[0], label[1], weight[0], weight[1] = 0, 1, 1, 1
			const query = `select auroc(s, l), auprc(s, l), brier(s, l), log_loss(s, l), ece(s, l),
				auroc(s, l > 0.5), auprc(s, l > 0.5), brier(s, l > 0.5), log_loss(s, l > 0.5), ece(s, l > 0.5),
				auroc(s, l, w), auprc(s, l, w), brier(s, l, w), log_loss(s, l, w), ece(s, l, w), auroc(s, l > 0.5, w), auprc(s, l > 0.5, w)
				from unnest($1::float8[], $2::float8[], $3::float8[]) x(s, l, w)`
			got := make([]float64, 17)
			targets := make([]any, len(got))
			for i := range got {
				targets[i] = &got[i]
			}
			if err := b.store.Pool().QueryRow(t.Context(), query, score, label, weight).Scan(targets...); err != nil {
				t.Fatal(err)
			}
			var want []float64
			for i, w := range [][]float64{one, one, weight} {
				_ = i
				brier := mean(c.n, w, func(i int) float64 { return (score[i] - label[i]) * (score[i] - label[i]) })
				logLoss := mean(c.n, w, func(i int) float64 {
					s := min(max(score[i], 1e-15), 1-1e-15)
					return -label[i]*math.Log(s) - (1-label[i])*math.Log(1-s)
				})
				want = append(want, bruteAUROC(score, label, w), bruteAUPRC(score, label, w), brier, logLoss, bruteECE(score, label, w))
			}
			want = append(want, want[10], want[11])
			for i := range want {
				if !(math.Abs(got[i]-want[i]) <= 1e-12*max(1, math.Abs(want[i]))) {
					t.Errorf("column %d: got %v, want %v", i, got[i], want[i])
				}
			}
		})
	}
}

// TestAggregates_Large has more rows than one state holds, in groups that take
// turns, so that their blocks interleave. Scores are permutations of 0 ... n-1:
// the rank sum gives the area without sorting.
func TestAggregates_Large(t *testing.T) {
	b := setup(t)
	const query = `with x as (select i % 3 as g, (i::bigint * 7919 % 30011)::float8 as s, i * 31 % 7 < 2 as l from generate_series(1, 30010) i),
		r as (select g, s, l, row_number() over (partition by g order by s) as rank from x),
		a as (select g, auroc(s, l) as got, auroc(s, l, 2.0) as weighted, auprc(s, l) as precision from x group by g)
		select a.got, a.weighted, a.precision,
		       (sum(rank) filter (where l) - count(*) filter (where l) * (count(*) filter (where l) + 1) / 2)::float8
		       / (count(*) filter (where l) * count(*) filter (where not l))::float8
		from r join a using (g) group by g, got, weighted, precision order by g`
	// Twice on one connection: the second time finds the settings of the first.
	conn, err := b.store.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for range 2 {
		rows, err := conn.Query(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		var got, weighted, precision, want float64
		groups := 0
		_, err = pgx.ForEachRow(rows, []any{&got, &weighted, &precision, &want}, func() error {
			groups++
			if math.Abs(got-want) > 1e-12 || math.Abs(weighted-want) > 1e-12 || precision < 0.2 || precision > 0.4 {
				t.Errorf("group %d: got %v, weighted %v, precision %v; want %v", groups, got, weighted, precision, want)
			}
			return nil
		})
		if err != nil || groups != 3 {
			t.Fatalf("got %d groups, %v", groups, err)
		}
	}
}

func TestAggregates_Edges(t *testing.T) {
	b := setup(t)
	for query, want := range map[string]string{
		`select auroc(s, l), auprc(s, l) from (values (0.5, 1), (0.7, 1)) x(s, l)`:                                                      "<nil> <nil>\n",
		`select auroc(s, l), auprc(s, l) from (values (0.5, 0), (0.7, 0)) x(s, l)`:                                                      "<nil> <nil>\n",
		`select auroc(s, l), auprc(s, l), brier(s, l), log_loss(s, l), ece(s, l) from (select 1.0 as s, 1 as l where false) x`:          "<nil> <nil> <nil> <nil> <nil>\n",
		`select auroc(s, l), auprc(s, l), brier(s, l) from (values (0.5, 1), (null, 1), (0.7, null), (0.25, 0)) x(s, l)`:                "1 1 0.15625\n",
		`select auroc(s::real, l::smallint), auroc(s::numeric, l::bigint), auroc(s::int, l::bool) from (values (0, 0), (1, 1)) x(s, l)`: "1 1 1\n",
		`select auroc(s, l), auprc(s, l), brier(s, l), ece(s, l) from (values ('NaN'::float8, 1), (0.5, 0)) x(s, l)`:                    "NaN NaN NaN NaN\n",
		`select auroc(s, l), auprc(s, l) from (values ('inf'::float8, 1), ('-inf', 0)) x(s, l)`:                                         "1 1\n",
		`select auroc(s, l, 0.0), auprc(s, l, 0.0), brier(s, l, 0.0) from (values (0.5, 1), (0.7, 0)) x(s, l)`:                          "<nil> <nil> <nil>\n",
		`select ece(s, l), log_loss(s, l) < 35 from (values (1.0, 0), (1.0, 1)) x(s, l)`:                                                "0.5 true\n",
		`select t_975(0), t_975(1), t_975(4)`: "<nil> 12.706204736174694 2.776445105197793\n",
		`select i % 2, auroc(i, i > 3) over (partition by i % 2 order by i) from generate_series(1, 5) i order by 1, 2`: "0 1\n0 <nil>\n1 1\n1 <nil>\n1 <nil>\n",
	} {
		if got := b.rows(query); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
}

func TestT975(t *testing.T) {
	b := setup(t)
	rows, err := b.store.Pool().Query(t.Context(), `select df, t_975(df) from unnest(array[1,2,3,7,12,19,29,30,31,35,50,99,500,10000]) df`)
	if err != nil {
		t.Fatal(err)
	}
	var df int
	var got float64
	_, err = pgx.ForEachRow(rows, []any{&df, &got}, func() error {
		want := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(df)}.Quantile(0.975)
		if math.Abs(got-want) > 2e-7 {
			t.Errorf("%d degrees of freedom: got %v, want %v", df, got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
