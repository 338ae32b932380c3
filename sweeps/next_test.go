package sweeps

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/deconfound/deconfound/tracker"
)

func TestNext_Winner(t *testing.T) {
	nan := math.NaN()
	for name, tc := range map[string]struct {
		goal    string
		results []Result // by trial
		want    int      // -1: no replicates
	}{
		"best":                {"maximize", []Result{{tracker.Done, 0.7}, {tracker.Done, 0.9}, {tracker.Done, 0.8}, {tracker.Done, 0.1}}, 1},
		"minimize":            {"minimize", []Result{{tracker.Done, 0.7}, {tracker.Done, 0.9}, {tracker.Done, 0.8}, {tracker.Done, 0.1}}, 3},
		"ties to the lower":   {"maximize", []Result{{tracker.Done, 0.7}, {tracker.Done, 0.9}, {tracker.Done, 0.9}, {tracker.Done, 0.9}}, 1},
		"failed never wins":   {"maximize", []Result{{tracker.Done, 0.7}, {tracker.Failed, 0.9}, {tracker.Cancelled, 0.9}, {tracker.Done, 0.1}}, 0},
		"NaN never wins":      {"maximize", []Result{{tracker.Done, nan}, {tracker.Done, nan}, {tracker.Done, 0.2}, {tracker.Done, nan}}, 2},
		"all failed":          {"maximize", []Result{{tracker.Failed, 0}, {tracker.Failed, 0}, {tracker.Failed, 0}, {tracker.Failed, 0}}, -1},
		"all undefined":       {"maximize", []Result{{tracker.Done, nan}, {tracker.Done, nan}, {tracker.Done, nan}, {tracker.Done, nan}}, -1},
		"one is still queued": {"maximize", []Result{{tracker.Done, 1}, {tracker.Done, 1}, {tracker.Queued, 0}, {tracker.Done, 1}}, -1},
		"one runs":            {"maximize", []Result{{tracker.Done, 1}, {tracker.Done, 1}, {tracker.Running, 0}, {tracker.Done, 1}}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			text := edit(t, demo(t), `["concat", "transformer"]`, `["concat"]`, `["erm", "md", "md_db", "ipw"]`, `["erm"]`)
			if tc.goal == "minimize" {
				text = edit(t, text, "val/auroc", "val/log_loss")
			}
			p := compile(t, text)
			results := map[Hash]Result{}
			for i, s := range next(t, p, nil) {
				results[hashOf(t, s)] = tc.results[i]
			}
			var got []int
			for _, s := range next(t, p, results) {
				if s.Phase == PhaseReplicate {
					got = append(got, s.Trial)
				}
			}
			var want []int
			if tc.want >= 0 {
				want = []int{tc.want, tc.want, tc.want}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("trials of the replicates (-want +got):\n%s", diff)
			}
			winners, err := p.Winners(results)
			if err != nil || (len(winners) == 1) != (tc.want >= 0) {
				t.Errorf("got winners %v, %v", winners, err)
			}
		})
	}
}

// A failed cell does not hold back the others, and replicate s has the same
// seeds in every cell.
func TestNext_CellsAreIndependent(t *testing.T) {
	p := compile(t, demo(t))
	specs := everything(t, p, func(s RunSpec) Result {
		if s.Variant == "md" {
			return Result{State: tracker.Failed}
		}
		return Result{State: tracker.Done, Value: float64(s.Trial)}
	})
	seeds := map[Cell][]int{}
	for _, s := range specs {
		if s.Phase == PhaseReplicate {
			if s.Trial != 3 {
				t.Errorf("%s: got trial %d, want 3", s.Cell(), s.Trial)
			}
			seeds[s.Cell()] = append(seeds[s.Cell()], s.SplitSeed)
		}
	}
	if len(seeds) != 6 {
		t.Errorf("got replicates in %d cells, want 6", len(seeds))
	}
	for cell, got := range seeds {
		slices.Sort(got)
		if diff := cmp.Diff([]int{0, 1, 2}, got); diff != "" {
			t.Errorf("%s: %s", cell, diff)
		}
	}
}
