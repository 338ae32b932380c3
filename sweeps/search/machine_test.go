package search_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/deconfound/deconfound/sweeps/search"
)

// training is an objective that improves with the epochs, faster for some points
// than for others, so that ranks change on the way.
func training(p search.Point, epoch int) float64 {
	x, _ := p["x0"].(float64)
	y, _ := p["x1"].(float64)
	return (x*x + y*y) * (1 + 3*math.Abs(math.Sin(5*x))/float64(epoch))
}

var (
	asha   = &search.Stop{Type: search.ASHA, Min: 1, Eta: 3}
	median = &search.Stop{Type: search.Median, Min: 2, Interval: 2, Startup: 3}
)

func config(method string, trials int, stop *search.Stop) search.Config {
	c := functions["camel"].config(method, trials, 7)
	c.Stop, c.Epochs = stop, 9
	if method == "grid" {
		for i := range c.Space.Dimensions {
			c.Space.Dimensions[i].Step = 1
		}
	}
	return c
}

func simulate(t *testing.T, c search.Config, s search.Simulation) *search.Simulated {
	t.Helper()
	if c.Method == search.Outside {
		s.Propose = proposer(search.Source{Seed: 5})
	}
	out, err := search.Simulate(c, training, s)
	if err != nil {
		t.Fatal(err)
	}
	if !out.Machine.Finished() {
		t.Fatalf("%s: the search has not ended", c.Method)
	}
	return out
}

func trials(t *testing.T, m *search.Machine) string {
	t.Helper()
	text, err := json.MarshalIndent(m.Trials(), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var cases = map[string]search.Config{
	"random": config("random", 30, nil), "grid": config("grid", 0, nil), "sobol": config("sobol", 30, nil), "tpe": config("tpe", 30, nil),
	"random+asha": config("random", 30, asha), "sobol+asha": config("sobol", 30, asha), "grid+asha": config("grid", 0, asha),
	"random+median": config("random", 30, median), "sobol+median": config("sobol", 30, median),
	"tpe+asha": config("tpe", 30, asha), "tpe+median": config("tpe", 30, median),
	"plugin": config(search.Outside, 30, nil), "plugin+asha": config(search.Outside, 30, asha), "plugin+median": config(search.Outside, 30, median),
}

// A machine that is written and read back between any two events has the same
// future, whatever the workers do; and its log, replayed, is the same again.
func TestMachine_SnapshotAndReplay(t *testing.T) {
	for name, c := range cases {
		for _, workers := range []int{1, 4} {
			if c.Method == "tpe" || c.Method == search.Outside {
				c.Parallel = workers
			}
			s := search.Simulation{Workers: workers, Seed: 3, Lost: 0.1, Crash: 0.05}
			plain := simulate(t, c, s)
			s.Restore = true
			restored := simulate(t, c, s)
			if diff := cmp.Diff(trials(t, plain.Machine), trials(t, restored.Machine)); diff != "" {
				t.Errorf("%s, %d workers: restored (-plain +restored):\n%s", name, workers, diff)
			}
			text, err := json.Marshal(plain.Log)
			if err != nil {
				t.Fatal(err)
			}
			var log []search.Decision
			if err := json.Unmarshal(text, &log); err != nil {
				t.Fatal(err)
			}
			again, err := search.Replay(c, log)
			if err != nil {
				t.Errorf("%s, %d workers: %v", name, workers, err)
				continue
			}
			if diff := cmp.Diff(trials(t, plain.Machine), trials(t, again)); diff != "" {
				t.Errorf("%s, %d workers: replayed (-plain +replayed):\n%s", name, workers, diff)
			}
		}
	}
}

// Any number of workers at any speed, some of which die, decide as one does; only
// TPE with a stopping rule sees the order.
func TestMachine_OrderOfArrival(t *testing.T) {
	for name, c := range cases {
		if c.Method == "tpe" || c.Method == search.Outside {
			c.Parallel = 4
			if c.Stop != nil {
				continue
			}
		}
		want := trials(t, simulate(t, c, search.Simulation{}).Machine)
		for _, s := range []search.Simulation{{Workers: 3, Seed: 1}, {Workers: 8, Seed: 2, Lost: 0.2}, {Workers: 50, Seed: 5}} {
			if diff := cmp.Diff(want, trials(t, simulate(t, c, s).Machine)); diff != "" {
				t.Errorf("%s with %+v (-one worker +these):\n%s", name, s, diff)
			}
		}
	}
}

// A replay of a log that does not belong to the configuration says so.
func TestReplay_Differs(t *testing.T) {
	s := simulate(t, cases["tpe"], search.Simulation{})
	other := cases["tpe"]
	other.Source.Seed++
	if _, err := search.Replay(other, s.Log); err == nil {
		t.Error("a log of another seed was replayed")
	}
}

// Every cell makes the trials it was given, whatever fails.
func TestMachine_Budget(t *testing.T) {
	for name, c := range cases {
		for _, crash := range []float64{0, 0.3, 1} {
			s := simulate(t, c, search.Simulation{Workers: 4, Seed: 9, Crash: crash})
			if got := len(s.Machine.Trials()); got != s.Machine.Budget() || c.Method != "grid" && got != 30 {
				t.Errorf("%s, %v crash: %d trials of %d", name, crash, got, s.Machine.Budget())
			}
			for _, tr := range s.Machine.Trials() {
				if tr.State == search.Training || tr.State == search.Waiting {
					t.Errorf("%s: trial %d is left %s", name, tr.Number, tr.State)
				}
			}
		}
	}
}

// More trials continue a search; another space is another search.
func TestRestore_Extended(t *testing.T) {
	for name, c := range cases {
		if c.Method == "grid" {
			continue
		}
		s := simulate(t, c, search.Simulation{})
		text, err := s.Machine.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		more := c
		more.Trials = 40
		m, err := search.Restore(more, text)
		if err != nil || m.Finished() {
			t.Fatalf("%s: %v", name, err)
		}
		actions, err := m.Handle(search.Event{Kind: search.Start})
		if ask, wanted := m.Ask(); wanted && ask.Number == 30 {
			actions, err = m.Handle(search.Offer(30, search.Point{"x0": 0.25, "x1": 0.5}))
		}
		if err != nil || len(actions) == 0 {
			t.Fatalf("%s: got %v, %v", name, actions, err)
		}
		for _, a := range actions {
			if a.Kind == search.Create && a.Trial < 30 {
				t.Errorf("%s: trial %d again", name, a.Trial)
			}
		}
		other := c
		other.Space.Dimensions = slices.Clone(c.Space.Dimensions)
		other.Space.Dimensions[0].Max++
		if _, err := search.Restore(other, text); !errors.Is(err, search.ErrOther) {
			t.Errorf("%s: another space: got %v", name, err)
		}
	}
}

// An event that comes twice, too early, or for a trial that is not there changes
// nothing.
func TestMachine_StaleEvents(t *testing.T) {
	m, err := search.New(cases["random+asha"])
	if err != nil {
		t.Fatal(err)
	}
	actions, err := m.Handle(search.Event{Kind: search.Start})
	if err != nil || len(actions) != 30 || actions[0].Until != 1 {
		t.Fatalf("got %d actions, %v", len(actions), err)
	}
	report := search.NewReport(0, 1, []float64{0.5}, "minimize")
	if _, err := m.Handle(report); err != nil {
		t.Fatal(err)
	}
	before := trials(t, m)
	for _, e := range []search.Event{report, search.NewReport(1, 3, []float64{1, 1, 1}, "minimize"), {Kind: search.Start}} {
		if actions, err := m.Handle(e); err != nil || len(actions) > 0 {
			t.Errorf("%+v: got %v, %v", e, actions, err)
		}
	}
	if _, err := m.Handle(search.Event{Kind: search.End, Trial: 99}); err == nil {
		t.Error("a trial that does not exist has ended")
	}
	if diff := cmp.Diff(before, trials(t, m)); diff != "" {
		t.Error(diff)
	}
}

// Values without a definition, and trials that failed and are tried again.
func TestMachine_FailedAndRetried(t *testing.T) {
	c := config("random", 3, nil)
	m, err := search.New(c)
	if err != nil {
		t.Fatal(err)
	}
	nan := search.Number(math.NaN())
	for _, e := range []search.Event{
		{Kind: search.Start},
		{Kind: search.End, Trial: 0, Value: nan},
		{Kind: search.Fail, Trial: 1},
		{Kind: search.End, Trial: 1, Value: 3},
		{Kind: search.End, Trial: 2, Value: 1},
	} {
		if _, err := m.Handle(e); err != nil {
			t.Fatal(err)
		}
	}
	var got []search.State
	for _, tr := range m.Trials() {
		got = append(got, tr.State)
	}
	if diff := cmp.Diff([]search.State{search.Failed, search.Done, search.Done}, got); diff != "" {
		t.Error(diff)
	}
}

func ExampleSimulate() {
	c := search.Config{
		Method: "random", Trials: 9, Goal: "maximize", Epochs: 9, Stop: &search.Stop{Type: search.ASHA, Min: 1, Eta: 3},
		Space: search.Space{Dimensions: []search.Dimension{{Name: "optimizer.lr", Type: "float", Kind: search.LogUniform, Min: 1e-4, Max: 1e-1}}},
	}
	s, err := search.Simulate(c, func(p search.Point, epoch int) float64 {
		lr, _ := p["optimizer.lr"].(float64)
		return 1 - math.Abs(math.Log10(lr)+2) - 1/float64(epoch)
	}, search.Simulation{Workers: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	done := 0
	for _, t := range s.Machine.Trials() {
		if t.State == search.Done {
			done++
		}
	}
	fmt.Println(len(s.Machine.Trials()), "trials,", done, "trained to the end,", s.Epochs, "of", 9*9, "epochs")
	// Output: 9 trials, 1 trained to the end, 21 of 81 epochs
}
