package causal

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParameters_describeThemselves(t *testing.T) {
	for section, parameters := range map[string][]Parameter{
		"missingness": MissingnessParameters(), "dual_branch": DualBranchParameters(),
	} {
		seen := map[string]bool{}
		for _, p := range parameters {
			if seen[p.Name] || p.Text == "" || p.Name != strings.ToLower(p.Name) {
				t.Errorf("%s.%s is described badly", section, p.Name)
			}
			seen[p.Name] = true
			if p.Default == nil { // empty unless given
				if p.Type != Enum || len(p.Values) == 0 {
					t.Errorf("%s.%s has no default and takes %v", section, p.Name, p.Values)
				}
				continue
			}
			if v, err := p.check(section, p.Default); err != nil || v != p.Default {
				t.Errorf("default of %s.%s: %v, %v", section, p.Name, v, err)
			}
			if p.Type == Enum && (len(p.Values) == 0 || !slices.Contains(p.Values, p.Default.(string))) {
				t.Errorf("%s.%s takes %v, default %v", section, p.Name, p.Values, p.Default)
			}
			if (p.Type == Float || p.Type == Int) && !(p.Min < p.Max) {
				t.Errorf("%s.%s is bounded by %v and %v", section, p.Name, p.Min, p.Max)
			}
		}
	}
}

// Every setting reaches the field of its name.
func TestParse_setsEveryField(t *testing.T) {
	raw := func(parameters []Parameter) map[string]any {
		out := map[string]any{}
		for _, p := range parameters {
			switch p.Type {
			case Float:
				out[p.Name] = p.Max
			case Int:
				out[p.Name] = int64(p.Max)
			case Bool:
				out[p.Name] = !p.Default.(bool)
			default:
				out[p.Name] = p.Values[len(p.Values)-1]
			}
		}
		return out
	}
	check := func(defaults, changed any) {
		t.Helper()
		a, b := reflect.ValueOf(defaults).Elem(), reflect.ValueOf(changed).Elem()
		for i := range a.NumField() {
			if reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) && a.Type().Field(i).Name != "Split" {
				t.Errorf("%s does not change with its setting", a.Type().Field(i).Name)
			}
		}
	}
	m, err := ParseMissingness(nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := ParseMissingness(raw(MissingnessParameters()))
	if err != nil {
		t.Fatal(err)
	}
	check(m, n)
	d, err := ParseDualBranch(nil)
	if err != nil {
		t.Fatal(err)
	}
	set := raw(DualBranchParameters())
	delete(set, "recipe") // has a test of its own
	set["split"], set["predict"] = SplitAvailability, PredictDrop
	e, err := ParseDualBranch(set)
	if err != nil {
		t.Fatal(err)
	}
	check(d, e)
	if m.Mode != Enumerate || m.Dictionary != Pattern || m.MinRows != 20 || m.DoWeight != 0 || !m.Renormalize ||
		d.Q != 0.7 || d.SwapWeight != 10 || d.BiasWeight != 1 || d.IndependenceWeight != 0.1 || d.Pool != 256 || d.Predict != PredictMarginal {
		t.Errorf("defaults: %+v, %+v", m, d)
	}
}

func TestParse_errors(t *testing.T) {
	for _, test := range []struct {
		section string
		raw     map[string]any
		want    []string
	}{
		{"missingness", map[string]any{"mod": "enumerate"}, []string{`no setting "mod"`, `did you mean "mode"`}},
		{"missingness", map[string]any{"qqqqqqqqqqqq": 1.0}, []string{"it has mode, dictionary"}},
		{"missingness", map[string]any{"mode": "enumerat"}, []string{"missingness.mode", `did you mean "enumerate"`, "nwgm, mask_do"}},
		{"missingness", map[string]any{"mode": 3.0}, []string{"missingness.mode"}},
		{"missingness", map[string]any{"clusters": 2.5}, []string{"missingness.clusters is 2.5", "integer from 1 to 1024"}},
		{"missingness", map[string]any{"clusters": 0}, []string{"missingness.clusters is 0"}},
		{"missingness", map[string]any{"momentum": "much"}, []string{"missingness.momentum is much", "from 0 to 0.999"}},
		{"missingness", map[string]any{"mask_do": 1.0}, []string{"missingness.mask_do is 1", "true or false"}},
		{"missingness", map[string]any{"dictionary": "class_pattern"}, []string{"leaks the label", `mode = "nwgm"`}},
		{"missingness", map[string]any{"dictionary": "class_pattern", "mode": "nwgm", "form": "own_stratum"}, []string{"leaks the label", "own_stratum"}},
		{"missingness", map[string]any{"dictionary": "learnable"}, []string{"no own stratum"}},
		{"missingness", map[string]any{"mode": "nwgm", "do_weight": 0.5}, []string{"do_weight", "enumerate"}},
		{"dual_branch", map[string]any{"split": "availability"}, []string{
			`dual_branch.split = "availability" needs mechanism = "confounder", "label" or "self": what drives availability cannot be learned from the data, declare it`,
		}},
		{"dual_branch", map[string]any{"split": "availability", "mechanism": "confounders"}, []string{
			`dual_branch.mechanism is "confounders" (did you mean "confounder"?); it takes confounder, label, self`,
		}},
		{"dual_branch", map[string]any{"mechanism": "label"}, []string{
			`dual_branch.mechanism = "label" belongs to split = "availability" and "environment", and the split is "gce"; change the split or remove mechanism`,
		}},
		{"dual_branch", map[string]any{"at": "head"}, []string{
			`dual_branch.at = "head" belongs to split = "availability" and "environment", and the split is "gce"`,
		}},
		{"dual_branch", map[string]any{"form": "network"}, []string{
			`dual_branch.form = "network" belongs to split = "availability" and "environment", and the split is "gce"`,
		}},
		{"dual_branch", map[string]any{"split": "availability", "mechanism": "label", "form": "network", "at": "input"}, []string{
			`dual_branch.form = "network" finds no directions of the features that could be erased at the input; use at = "head"`,
		}},
		{"dual_branch", map[string]any{"split": "environment", "mechanism": "self"}, []string{"an environment does not come about by the values"}},
		{"dual_branch", map[string]any{"split": "environment"}, []string{`split = "environment" needs mechanism`}},
		{"dual_branch", map[string]any{"split": "attention", "predict": "marginal"}, []string{`split = "attention", which predicts from the causal branch; use predict = "drop"`}},
		{"dual_branch", map[string]any{"recipe": "cabir", "predict": "marginal"}, []string{`split = "subtraction", which predicts from the causal branch; use predict = "drop"`}},
		{"dual_branch", map[string]any{"recipe": "cabir", "split": "gce"}, []string{`dual_branch.recipe = "cabir" has split = "subtraction", and "gce" is given`}},
		{"dual_branch", map[string]any{"recipe": "disc", "predict": "marginal"}, []string{`dual_branch.recipe = "disc" has predict = "own"`}},
		{"dual_branch", map[string]any{"recipe": "cabir", "bias_weight": 1.5}, []string{"dual_branch.bias_weight = 1.5", "at most 1"}},
		{"dual_branch", map[string]any{"recipe": "disk"}, []string{`dual_branch.recipe is "disk"`, `did you mean "disc"?`}},
		{"dual_branch", map[string]any{"split": "attention", "at": "head"}, []string{`and the split is "attention"; change the split or remove at`}},
		{"dual_branch", map[string]any{"split": "random"}, []string{"dual_branch.split", "gce, availability"}},
		{"dual_branch", map[string]any{"q": 0.0}, []string{"dual_branch.q is 0"}},
		{"dual_branch", map[string]any{"swap_wieght": 1.0}, []string{`did you mean "swap_weight"`}},
	} {
		var err error
		if test.section == "missingness" {
			_, err = ParseMissingness(test.raw)
		} else {
			_, err = ParseDualBranch(test.raw)
		}
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v: got %v, want %q", test.raw, err, want)
			}
		}
	}
}

func TestParse_takesNumbersOfAnyKind(t *testing.T) {
	m, err := ParseMissingness(map[string]any{"clusters": 8.0, "momentum": 0, "warmup": 3, "do_weight": float32(0.5)})
	if err != nil || m.Clusters != 8 || m.Momentum != 0 || m.Warmup != 3 || m.DoWeight != 0.5 {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestCompatible(t *testing.T) {
	missingness := func(raw map[string]any) *Missingness {
		m, err := ParseMissingness(raw)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	d, err := ParseDualBranch(nil)
	if err != nil {
		t.Fatal(err)
	}
	availability := func(predict string) *DualBranch {
		d, err := ParseDualBranch(map[string]any{"split": "availability", "mechanism": "confounder", "predict": predict})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	head := availability("drop")
	head.At = AtHead
	if err := Compatible(nil, availability("drop"), tasks["binary"], 1); err == nil ||
		err.Error() != `dual_branch.split = "availability" parts a modality by the availability of the others, and the dataset has 1; use another split` {
		t.Errorf("one modality: got %v", err)
	}
	for _, test := range []struct {
		m    *Missingness
		d    *DualBranch
		task string
		want string
	}{
		{missingness(map[string]any{"mode": "nwgm"}), availability("drop"), "multilabel", ""},
		{missingness(map[string]any{"mode": "nwgm"}), availability("marginal"), "binary", `dual_branch.predict = "drop"`},
		{missingness(map[string]any{"do_weight": 0.1}), availability("drop"), "binary", ""},
		{missingness(map[string]any{"do_weight": 0.1}), availability("own"), "binary", "do_weight"},
		{missingness(map[string]any{"dictionary": "kmeans", "context": "biased"}), availability("drop"), "binary", `use context = "availability"`},
		{missingness(map[string]any{"mode": "nwgm"}), head, "binary", `with at = "input"`},
		{missingness(map[string]any{"warmup": 2}), head, "binary", "missingness.warmup = 2 cannot be combined"},
		{missingness(nil), head, "binary", ""},
		{nil, nil, "binary", ""},
		{nil, d, "binary", ""},
		{missingness(nil), d, "multilabel", ""},
		{missingness(map[string]any{"mode": "nwgm"}), d, "binary", "cannot be combined with dual_branch"},
		{missingness(map[string]any{"do_weight": 0.1}), d, "binary", "do_weight"},
		{missingness(map[string]any{"dictionary": "kmeans", "context": "biased"}), nil, "binary", "z_b"},
		{missingness(map[string]any{"dictionary": "kmeans", "context": "biased"}), d, "binary", ""},
		{missingness(map[string]any{"dictionary": "class_pattern", "mode": "nwgm"}), nil, "multilabel", "one class a row"},
	} {
		err := Compatible(test.m, test.d, tasks[test.task], 3)
		if (err == nil) != (test.want == "") || (err != nil && !strings.Contains(err.Error(), test.want)) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}
