package sweeps

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExtend(t *testing.T) {
	text := edit(t, demo(t), "seeds = [0, 1, 2]", "seeds = [0, # the first\n  1, 2 , # the last\n]", "trials = 4", "trials = 4 # few")
	out, err := Extend("sweep.toml", []byte(text), Extension{Seeds: []int{2, 3, 4}, Trials: 6, Backbone: []string{"concat"}, Variant: []string{"ipw", "erm"}})
	if err != nil {
		t.Fatal(err)
	}
	want := edit(t, text, "1, 2 , # the last", "1, 2, 3, 4 , # the last", "trials = 4 #", "trials = 6 #")
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	p := compile(t, string(out))
	if len(p.Seeds) != 5 || p.Cells[0].Budget != 6 {
		t.Errorf("got seeds %v and %d trials", p.Seeds, p.Cells[0].Budget)
	}
	if got := Changed([]byte(text), out); len(got) != 2 || !strings.HasSuffix(got[0], "trials = 6 # few") {
		t.Errorf("got changed lines %q", got)
	}
	// What was there keeps its runs.
	before := compile(t, text)
	for i, c := range before.Cells {
		if diff := cmp.Diff(c.Trials, p.Cells[i].Trials[:4]); diff != "" {
			t.Errorf("%s: %s", c.Cell, diff)
		}
	}
	for name, e := range map[string]Extension{"fewer trials": {Trials: 2}} {
		if _, err := Extend("sweep.toml", []byte(text), e); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Extend("sweep.toml", []byte(single), Extension{Trials: 5}); err == nil || !strings.Contains(err.Error(), "search.trials") {
		t.Errorf("trials without a search: got %v", err)
	}
}
