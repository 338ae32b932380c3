package search_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/deconfound/deconfound/sweeps/search"
)

// feed hands events to a machine and answers its actions without Create.
func feed(t *testing.T, m *search.Machine, events ...search.Event) []search.Action {
	t.Helper()
	var out []search.Action
	for _, e := range events {
		actions, err := m.Handle(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range actions {
			if a.Kind != search.Create {
				out = append(out, a)
			}
		}
	}
	return out
}

func start(t *testing.T, c search.Config) *search.Machine {
	t.Helper()
	m, err := search.New(c)
	if err != nil {
		t.Fatal(err)
	}
	feed(t, m, search.Event{Kind: search.Start})
	return m
}

func report(trial, epoch int, value float64) search.Event {
	return search.NewReport(trial, epoch, []float64{value}, "minimize")
}

// The promotions are those of algorithm 2 of Li et al.: after n results, the
// best n/eta.
func TestASHA_Promotions(t *testing.T) {
	m := start(t, config("random", 9, asha)) // rungs at 1 and 3 of 9 epochs
	if diff := cmp.Diff([]int{1, 3}, m.Rungs()); diff != "" {
		t.Fatal(diff)
	}
	for _, step := range []struct {
		event search.Event
		want  []search.Action
	}{
		{report(0, 1, 5), nil},
		{report(2, 1, 4), nil}, // waits for trial 1
		{report(1, 1, 6), []search.Action{{Kind: search.Continue, Trial: 2, Until: 3}}},
		// Three of nine can go on: a fourth place is the end.
		{report(3, 1, 1), []search.Action{{Kind: search.Continue, Trial: 3, Until: 3}, {Kind: search.Prune, Trial: 1}}},
		{report(4, 1, 9), []search.Action{{Kind: search.Prune, Trial: 4}}},
		{report(5, 1, 2), []search.Action{{Kind: search.Continue, Trial: 5, Until: 3}, {Kind: search.Prune, Trial: 0}}},
	} {
		if diff := cmp.Diff(step.want, feed(t, m, step.event)); diff != "" {
			t.Errorf("after trial %d (-want +got):\n%s", step.event.Trial, diff)
		}
	}
	// The last three are worse: the rung is complete with three promoted.
	feed(t, m, report(6, 1, 10), report(7, 1, 10), report(8, 1, 10))
	// In the second rung results count in the order of promotion: 2, 3, 5.
	if got := feed(t, m, report(5, 3, 1), report(3, 3, 3)); len(got) > 0 {
		t.Errorf("before trial 2: got %v", got)
	}
	want := []search.Action{{Kind: search.Continue, Trial: 5, Until: 9}, {Kind: search.Prune, Trial: 2}, {Kind: search.Prune, Trial: 3}}
	if diff := cmp.Diff(want, feed(t, m, report(2, 3, 2))); diff != "" {
		t.Errorf("second rung (-want +got):\n%s", diff)
	}
	feed(t, m, search.Event{Kind: search.End, Trial: 5, Value: 0.5})
	if !m.Finished() {
		t.Error("the search has not ended")
	}
}

// Even the smallest search ends with a trial that was trained to its end, unless
// all have failed.
func TestASHA_SmallSearches(t *testing.T) {
	for trials := range 12 {
		s := simulate(t, config("random", trials+1, asha), search.Simulation{Workers: 3, Seed: uint64(trials)})
		done := 0
		for _, tr := range s.Machine.Trials() {
			if tr.State == search.Done {
				done++
			}
		}
		if done < 1 {
			t.Errorf("%d trials: none was trained to its end", trials+1)
		}
	}
}

// A trial that ends before its rung (patience) keeps its place with its value.
func TestASHA_EndsEarly(t *testing.T) {
	m := start(t, config("random", 3, asha))
	got := feed(t, m, search.Event{Kind: search.End, Trial: 0, Value: 1}, report(1, 1, 2), report(2, 1, 3))
	want := []search.Action{{Kind: search.Prune, Trial: 1}, {Kind: search.Prune, Trial: 2}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !m.Finished() {
		t.Error("the search has not ended")
	}
}

// A trial that failed counts as the worst, and comes back at its own rank when it
// was tried again.
func TestASHA_FailedAndRetried(t *testing.T) {
	m := start(t, config("random", 6, asha))
	got := feed(t, m, search.Event{Kind: search.Fail, Trial: 0}, report(1, 1, 5), report(2, 1, 6))
	if diff := cmp.Diff([]search.Action{{Kind: search.Continue, Trial: 1, Until: 3}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got = feed(t, m, report(0, 1, 1))
	if diff := cmp.Diff([]search.Action{{Kind: search.Continue, Trial: 0, Until: 3}, {Kind: search.Prune, Trial: 2}}, got); diff != "" {
		t.Errorf("tried again (-want +got):\n%s", diff)
	}
}

// On noisy curves it finds nearly the best trial with a third of the epochs.
func TestASHA_Saves(t *testing.T) {
	epochs, regret, reference := 0, 0.0, 0.0
	const seeds = 30
	for seed := range seeds {
		c := functions["sphere"].config("random", 81, seed)
		c.Epochs, c.Stop = 81, &search.Stop{Type: search.ASHA, Min: 3, Eta: 3}
		f := func(p search.Point, epoch int) float64 {
			v := functions["sphere"].at(p, epoch)
			noise := rand.New(rand.NewPCG(uint64(v*1e6), uint64(epoch))).NormFloat64()
			return v*(1+2/float64(epoch)) + 2*noise/float64(epoch)
		}
		s, err := search.Simulate(c, f, search.Simulation{Workers: 4, Seed: uint64(seed)})
		if err != nil {
			t.Fatal(err)
		}
		c.Stop = nil
		full, err := search.Simulate(c, f, search.Simulation{})
		if err != nil {
			t.Fatal(err)
		}
		epochs += s.Epochs
		regret += best(s) - best(full)
		reference += best(full)
	}
	if share := float64(epochs) / float64(81*81*seeds); share > 0.2 {
		t.Errorf("%.0f %% of the epochs", 100*share)
	}
	if regret > 0.1*reference {
		t.Errorf("mean regret %v on a mean best value of %v", regret/seeds, reference/seeds)
	}
}

// best is the best value of the trials that were trained to the end, to be minimised.
func best(s *search.Simulated) float64 {
	out := 0.0
	first := true
	for _, tr := range s.Machine.Trials() {
		if v := float64(tr.Value); tr.State == search.Done && (first || v < out) {
			out, first = v, false
		}
	}
	return out
}

func TestCostOf(t *testing.T) {
	cost, err := search.CostOf(81, 9, asha)
	if err != nil {
		t.Fatal(err)
	}
	// 81 trials for 1 epoch, 27 for 2 more, 9 for 6 more, and what was promoted
	// too early.
	const synchronous = 81 + 27*2 + 9*6
	if cost.Trials != 81 || cost.Worst != 81*9 || cost.Expected < synchronous || cost.Expected > 1.5*synchronous {
		t.Errorf("got %+v, without early promotions it is %d", cost, synchronous)
	}
	if cost, err = search.CostOf(81, 9, nil); err != nil || cost.Expected != 81*9 {
		t.Errorf("got %+v, %v", cost, err)
	}
}
