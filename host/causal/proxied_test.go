package causal

import (
	"math"
	"slices"
	"testing"
)

// The prediction is the mean over pairs (b, stratum) of training rows, or over
// strata alone where b is the row's own.
func TestProxied_predictsByDefinition(t *testing.T) {
	for name, task := range tasks {
		for _, predict := range []string{PredictMarginal, PredictOwn} {
			cfg := testConfig(t, "md_availability", task)
			cfg.DualBranch.Predict, cfg.DualBranch.Pool = predict, 9
			d := newTrainer(t, cfg)
			for s := range cfg.Epochs * testSteps {
				d.step(s, false)
			}
			rep, availability := d.h[:2*testWidth], []uint64{1, 6}
			got, err := d.head.Predict(rep, availability)
			if err != nil {
				t.Fatal(err)
			}
			h := rowsOf(widen(rep), testWidth)
			codes := rowsOf(widen(d.head.strata.codes()), d.head.strata.codeWidth())
			score := func(in, codes matrix) []float64 {
				var out []float64
				p := make([]float64, task.Outputs())
				for _, row := range twoLayers(d.head.valuesByName(), "joint", "joint", concat(in, codes)) {
					task.probabilities(p, narrow(row))
					out = append(out, p...)
				}
				return out
			}
			own := matrix{codes[d.head.strata.patterns.stratum(1)], codes[d.head.strata.patterns.stratum(6)]}
			observed := score(h, own)
			causal, biased, err := d.head.Branches(rep)
			if at := testWidth - testBiased; err != nil || !slices.Equal(causal, slices.Concat(rep[:at], rep[testWidth:testWidth+at])) ||
				!slices.Equal(biased, slices.Concat(rep[at:testWidth], rep[testWidth+at:])) {
				t.Errorf("branches: got %v and %v, %v", causal, biased, err)
			}
			do := make([]float64, len(observed))
			if predict == PredictOwn {
				for k, prior := range d.head.strata.prior {
					for i, p := range score(h, matrix{codes[k], codes[k]}) {
						do[i] += prior * p
					}
				}
			} else {
				pool := d.head.network.(*proxied).pool
				if len(pool) != 9 {
					t.Fatalf("pool of %d rows", len(pool))
				}
				for _, row := range pool {
					b := widen(d.head.training.Biased[row*testBiased : (row+1)*testBiased])
					told := matrix{}
					for _, r := range h {
						told = append(told, slices.Concat(r[:testWidth-testBiased], b))
					}
					code := codes[d.head.strata.own[row]]
					for i, p := range score(told, matrix{code, code}) {
						do[i] += p / 9
					}
				}
			}
			compare(t, name+" do by "+predict, got.Do, narrow(do), 1e-4)
			compare(t, name+" observed by "+predict, got.Observed, narrow(observed), 1e-4)
			// Row 0 takes b of row 1 and the other way round.
			at := testWidth - testBiased
			swapped := matrix{slices.Concat(h[0][:at], h[1][at:]), slices.Concat(h[1][:at], h[0][at:])}
			reliance := 0.0
			for i, p := range score(swapped, own) {
				reliance += math.Abs(p-observed[i]) / float64(len(observed))
			}
			near(t, name+" spurious reliance", termOf(t, got.Terms, "spurious_reliance"), reliance, 1e-5)
		}
	}
}

// Without a biased part the head is the one without dual branch, to the bit:
// where nothing is erased, nothing changes.
func TestProxied_nothingErasedChangesNothing(t *testing.T) {
	for _, md := range []string{"erm", "md_warmup"} {
		for _, predict := range []string{PredictMarginal, PredictDrop, PredictOwn} {
			plain := testConfig(t, md, tasks["binary"])
			with := plain
			with.DualBranch = testConfig(t, "availability", plain.Task).DualBranch
			with.DualBranch.Predict = predict
			a, b := newTrainer(t, plain), newTrainer(t, with)
			for s := range plain.Epochs * testSteps {
				a.step(s, true)
				b.step(s, true)
			}
			if !slices.Equal(a.log, b.log) {
				t.Errorf("%s, %s: training differs", md, predict)
			}
			p, err := a.head.Predict(a.h[:testWidth], []uint64{3})
			if err != nil {
				t.Fatal(err)
			}
			q, err := b.head.Predict(b.h[:testWidth], []uint64{3})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(p.Do, q.Do) || a.head.schedule != b.head.schedule {
				t.Errorf("%s, %s: got %v, want %v", md, predict, q.Do, p.Do)
			}
		}
	}
}

// At the head, h is closed at first: no gradient leaves the head, and b and stratum
// alone are learned, which is then the answer for every h. Then it is opened. The
// sum over the pool, and b at its mean, are those of an open h.
func TestProxied_leadsAtTheHead(t *testing.T) {
	for _, variant := range []string{"availability_head", "md_availability_head"} {
		cfg := testConfig(t, variant, tasks["binary"])
		d := newTrainer(t, cfg)
		lead := d.head.schedule.lead
		if want := map[string]int{"availability_head": 2, "md_availability_head": 3}[variant]; lead != want || d.head.schedule.settled() != want {
			t.Errorf("%s: h is opened in epoch %d, settled in %d", variant, lead, d.head.schedule.settled())
		}
		for s := range cfg.Epochs * testSteps {
			if epoch := s / testSteps; d.head.Frozen(epoch) != (epoch < lead) {
				t.Errorf("%s: frozen in epoch %d is %v", variant, epoch, d.head.Frozen(epoch))
			}
			d.step(s, false)
			rep := slices.Clone(d.h[:2*testWidth])
			copy(rep[testWidth:], rep[:testWidth]) // the same b, and availability below
			rep[testWidth]++
			p, err := d.head.Predict(rep, []uint64{3, 3})
			if err != nil {
				t.Fatal(err)
			}
			if closed := s < lead*testSteps; closed != (p.Do[0] == p.Do[1]) || closed != (p.Observed[0] == p.Observed[1]) {
				t.Fatalf("%s: step %d: h changes the answer from %v to %v", variant, s, p.Do[0], p.Do[1])
			}
		}
	}
}
