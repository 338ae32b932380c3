package search_test

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sweeps/search"
)

// With 100 trials and over 60 seeds the estimator beats random draws, and it is
// as good as Optuna's over 30 seeds: the mean over the functions of the ratio of
// mean regrets is 1 within its noise.
func TestTPE_Regret(t *testing.T) {
	text, err := os.ReadFile("testdata/regret.json")
	if err != nil {
		t.Fatal(err)
	}
	var optuna map[string][]float64
	if err := json.Unmarshal(text, &optuna); err != nil {
		t.Fatal(err)
	}
	mean := func(method string, f function, seeds, parallel int) float64 {
		total := 0.0
		for seed := range seeds {
			c := f.config(method, 100, seed)
			c.Parallel = parallel
			s, err := search.Simulate(c, f.at, search.Simulation{Workers: parallel})
			if err != nil {
				t.Fatal(err)
			}
			total += best(s) / float64(seeds)
		}
		return total
	}
	beatsRandom, beatsInParallel, ratio := 0, 0, 0.0
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		f, reference := functions[name], optuna[name]
		seeds := len(reference)
		if seeds < 20 {
			t.Fatalf("%s: %d seeds", name, seeds)
		}
		theirs := 0.0
		for _, v := range reference {
			theirs += v / float64(seeds)
		}
		ours, random, parallel := mean("tpe", f, 2*seeds, 1), mean("random", f, seeds, 1), mean("tpe", f, seeds/3, 4)
		t.Logf("%-11s tpe %8.4f, 4 at once %8.4f, random %8.4f, Optuna %8.4f", name, ours, parallel, random, theirs)
		if ours < random {
			beatsRandom++
		}
		if parallel < random {
			beatsInParallel++
		}
		ratio += ours / theirs / float64(len(functions))
	}
	if beatsRandom < 8 || beatsInParallel < 8 {
		t.Errorf("beats random on %d of %d functions, with 4 trials at once on %d; want 8", beatsRandom, len(functions), beatsInParallel)
	}
	if ratio > 1.05 {
		t.Errorf("mean regret %.3f of Optuna's", ratio)
	}
}

// A parallel search does not propose the same point again and again.
func TestTPE_Spreads(t *testing.T) {
	c := functions["camel"].config("tpe", 60, 1)
	c.Parallel = 8
	for i := range c.Space.Dimensions {
		c.Space.Dimensions[i].Step = 1
	}
	s := simulate(t, c, search.Simulation{Workers: 8})
	repeats := 0
	for _, tr := range s.Machine.Trials() {
		if tr.State == search.Repeat {
			repeats++
		}
	}
	if trained := 60 - repeats; trained < 40 { // of 49 points
		t.Errorf("%d of 49 points were tried in 60 trials", trained)
	}
}

// The proposal that follows ten thousand trials: the first of a process, and those
// after it.
func BenchmarkTPE_Propose10000(b *testing.B) {
	const finished = 10_000
	c := functions["hartmann6"].config("tpe", 1<<30, 1)
	c.Startup = finished
	m, err := search.New(c)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := m.Handle(search.Event{Kind: search.Start}); err != nil {
		b.Fatal(err)
	}
	end := func(m *search.Machine) {
		b.Helper()
		newest := m.Trials()[len(m.Trials())-1]
		value := search.Number(functions["hartmann6"].at(newest.Point, 1))
		if actions, err := m.Handle(search.Event{Kind: search.End, Trial: newest.Number, Value: value}); err != nil || len(actions) != 1 {
			b.Fatal(actions, err)
		}
	}
	for _, tr := range m.Trials()[:finished-1] {
		if _, err := m.Handle(search.Event{Kind: search.End, Trial: tr.Number, Value: search.Number(functions["hartmann6"].at(tr.Point, 1))}); err != nil {
			b.Fatal(err)
		}
	}
	text, err := m.Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			m, err := search.Restore(c, text)
			if err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			end(m)
		}
	})
	b.Run("next", func(b *testing.B) {
		for b.Loop() {
			end(m)
		}
	})
}
