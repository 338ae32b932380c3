package sweeps

import (
	"slices"
	"testing"
)

func TestPlan_Needs(t *testing.T) {
	base := func(dataset string) RunSpec { return RunSpec{Dataset: DatasetRef{Name: dataset}} }
	p := &Plan{SearchSeed: 7, Seeds: []int{3, 1, 7}, Cells: []CellPlan{
		{Trials: []Trial{{Base: base("a")}, {Base: base("not asked")}}},
		{Searched: true, Adaptive: &Adaptive{Template: base("b")}},
		{},
	}}
	needs := p.Needs()
	var names []string
	for _, n := range needs {
		names = append(names, n.Spec.Dataset.Name)
		if !slices.Equal(n.Seeds, []int{1, 3, 7}) {
			t.Errorf("%s: got seeds %v, want 1, 3, 7", n.Spec.Dataset.Name, n.Seeds)
		}
	}
	if !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("got cells %v, want a and b", names)
	}
	p.Cells = p.Cells[:1]
	p.Seeds = nil
	if got := p.Needs()[0].Seeds; len(got) != 0 {
		t.Errorf("without search and replicates: got seeds %v", got)
	}
}
