package dataset

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/features"
	"github.com/deconfound/deconfound/sdk/rng"
)

// plantRows is the number of rows of the base, two of each patient.
const plantRows = 8000

// plantBase has a block that is always there, of columns age and sex=f, and the
// modalities a (2 columns), b (2) and c (1), which one row in ten misses if gaps are
// asked for. All columns are normal and share a factor; age moves the label, too.
// The named block has other values, "label" other labels, and nothing else changes.
func plantBase(t *testing.T, gaps bool, redrawn string) *Store {
	t.Helper()
	src := &Source{hash: "base" + redrawn, values: make([]features.Values, 4)}
	src.content = content{
		card: Card{Name: "demo", Title: "Demo"}, task: sdk.Task{Kind: sdk.Binary, Classes: 2}, classes: []string{"0", "1"},
		covariate: []string{"age"}, groups: []Group{{Name: "sex", Levels: []string{"f", "m"}}},
		environment: &Group{Name: "environment", Levels: []string{"x", "y", "z"}},
		modalities: []Modality{
			{Name: "base", Width: 2, Columns: []string{"age", "sex=f"}, Always: true}, {Name: "a", Width: 2, Columns: []string{"a1", "a2"}},
			{Name: "b", Width: 2, Columns: []string{"b1", "b2"}}, {Name: "c", Width: 1, Columns: []string{"c1"}},
		},
	}
	for m := range src.modalities {
		src.modalities[m].Kind = features.Tabular
	}
	r, other := rng.Stream(1, "base"), rng.Stream(1, "other")
	for row := range plantRows {
		f, logit, mask := r.NormFloat64(), -1.0, uint64(1)
		for m, modality := range src.modalities {
			if m > 0 && (!gaps || r.Float64() > .1) {
				mask |= 1 << m
			}
			for c := range modality.Width {
				x := .6*f + .8*r.NormFloat64()
				if logit += .4 * x; redrawn == modality.Name {
					x = other.NormFloat64()
				}
				if m == 0 && c == 0 {
					src.covariates = append(src.covariates, float32(x))
				}
				src.values[m].Data = append(src.values[m].Data, float32(x))
			}
		}
		src.availability = append(src.availability, mask)
		u := r.Float64()
		if redrawn == "label" {
			u = 1 - u
		}
		y := float32(0)
		if u < sigmoid(logit) {
			y = 1
		}
		src.labels = append(src.labels, y)
		src.ids, src.patient = append(src.ids, "row-"+itoa(row)), append(src.patient, int32(row/2))
		if row%2 == 0 {
			src.patients = append(src.patients, "patient-"+itoa(row/2))
		}
		src.groups[0].Values = append(src.groups[0].Values, int32(row%2))
		src.environment.Values = append(src.environment.Values, int32(row%3))
	}
	store, err := Build(src, t.TempDir(), testKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func planting(t *testing.T, settings map[string]any) Planting {
	t.Helper()
	complete := map[string]any{"base": "demo"}
	maps.Copy(complete, settings)
	p, err := ParsePlanting(complete)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func plant(t *testing.T, base *Store, settings map[string]any, seed int) *Source {
	t.Helper()
	src, err := base.Plant(planting(t, settings), seed)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// masks are the patterns by identifier, of the training law and of other sets.
func masks(src *Source) map[string]uint64 {
	out := map[string]uint64{}
	for row, id := range src.ids {
		out[id] = src.availability[row]
	}
	return out
}

// own are the rows of the training law: training, validation and test as they are.
func own(src *Source) []int32 {
	return slices.Concat(src.given.train, src.given.validation, src.given.tests[0].Rows)
}

func setOf(t *testing.T, src *Source, name string) TestSet {
	t.Helper()
	i := slices.IndexFunc(src.given.tests, func(s TestSet) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("no test set %s", name)
	}
	return src.given.tests[i]
}

// differ counts the rows whose bit m is not the same.
func differ(a, b map[string]uint64, m int) (n int) {
	for id, mask := range a {
		if (mask^b[id])>>m&1 == 1 {
			n++
		}
	}
	return n
}

func mean(src *Source, rows []int32, of func(row int32) float64) float64 {
	sum := 0.0
	for _, row := range rows {
		sum += of(row)
	}
	return sum / float64(len(rows))
}

func has(src *Source, m int) func(row int32) float64 {
	return func(row int32) float64 { return float64(src.availability[row] >> m & 1) }
}

// correlation of two variables of rows.
func correlation(src *Source, rows []int32, a, b func(row int32) float64) float64 {
	ma, mb := mean(src, rows, a), mean(src, rows, b)
	product := func(x, y func(int32) float64, mx, my float64) float64 {
		return mean(src, rows, func(row int32) float64 { return (x(row) - mx) * (y(row) - my) })
	}
	return product(a, b, ma, mb) / math.Sqrt(product(a, a, ma, ma)*product(b, b, mb, mb))
}

// real looks up what a row had before anything was dropped.
func realValue(base *Store, src *Source, m, column int) func(row int32) float64 {
	byID := map[string]int32{}
	for row, id := range base.ids {
		byID[id] = int32(row)
	}
	return func(row int32) float64 {
		id, _, _ := strings.Cut(src.ids[row], "|")
		return base.cell(m, byID[id], column)
	}
}

// Every mechanism drops the declared share.
func TestPlant_rates(t *testing.T) {
	base := plantBase(t, true, "")
	for _, mask := range []string{MaskMCAR, MaskMAR, MaskMNAR, MaskSelf, MaskQuantile, MaskLabel, MaskConfounder} {
		settings := map[string]any{"mask": mask, "missing": .25}
		complete := .9
		if mask == MaskConfounder {
			settings["recipe"], settings["hidden"], complete = PlantConfounder, "environment", 1
		}
		src := plant(t, base, settings, 3)
		for m := 1; m <= 3; m++ {
			if got, want := mean(src, own(src), has(src, m)), complete*.75; math.Abs(got-want) > .02 {
				t.Errorf("%s: %s is observed in %.3f of the rows, want %.3f", mask, src.modalities[m].Name, got, want)
			}
		}
		if mean(src, own(src), has(src, 0)) != 1 {
			t.Errorf("%s drops what is always observed", mask)
		}
		for row, mask := range src.availability {
			for m, v := range src.values {
				if width := src.modalities[m].Width; math.IsNaN(float64(v.Data[row*width])) != (mask>>m&1 == 0) {
					t.Fatalf("row %d of pattern %b has value %v of modality %d", row, mask, v.Data[row*width], m)
				}
			}
		}
	}
}

// What a mask does not depend on can be anything: the mask stays, bit by bit. What
// it depends on cannot, and correlates with it.
func TestPlant_dependence(t *testing.T) {
	bases := map[string]*Store{}
	for _, redrawn := range []string{"", "base", "a", "b", "c", "label"} {
		bases[redrawn] = plantBase(t, false, redrawn)
	}
	for mask, decides := range map[string]string{MaskMCAR: "", MaskMAR: "base", MaskSelf: "a", MaskQuantile: "a", MaskLabel: "label"} {
		settings := map[string]any{"mask": mask}
		before := masks(plant(t, bases[""], settings, 0))
		for block, base := range bases {
			switch n := differ(before, masks(plant(t, base, settings, 0)), 1); {
			case block != decides && n > 0:
				t.Errorf("%s: %s decides of a in %d rows", mask, block, n)
			case block == decides && block != "" && n < plantRows/20:
				t.Errorf("%s: %s decides of a in %d rows only", mask, block, n)
			}
		}
	}
	// Three modalities in ten, here one, decide of the others.
	before := masks(plant(t, bases[""], map[string]any{"mask": MaskMNAR}, 0))
	moved := map[string]int{}
	for _, block := range []string{"base", "a", "b", "c", "label"} {
		after := masks(plant(t, bases[block], map[string]any{"mask": MaskMNAR}, 0))
		for m := 1; m <= 3; m++ {
			if n := differ(before, after, m); n > plantRows/20 {
				moved[block]++
			} else if n > 0 {
				t.Errorf("mnar: %s decides of modality %d in %d rows only", block, m, n)
			}
		}
	}
	if len(moved) != 1 || moved["base"]+moved["label"] > 0 || slices.Max(slices.Collect(maps.Values(moved))) != 2 {
		t.Errorf("mnar: the masks that each block decides of are %v, want 2 of one modality", moved)
	}
}

// The strength of the dependence is the declared one, and flip reverses it.
func TestPlant_strength(t *testing.T) {
	base := plantBase(t, false, "")
	src := plant(t, base, map[string]any{"mask": MaskLabel, "strength": .75, "missing": .4}, 0)
	logOdds := func(rows []int32) float64 {
		var n [2][2]float64
		for _, row := range rows {
			n[int(src.labels[row])][src.availability[row]>>1&1]++
		}
		return math.Log(n[1][1] * n[0][0] / (n[1][0] * n[0][1]))
	}
	if got := logOdds(own(src)); math.Abs(got-1.5) > .2 { // 2y − 1 makes it twice the strength
		t.Errorf("log odds ratio of mask and label %.2f, want 1.5", got)
	}
	if got := logOdds(setOf(t, src, "flip").Rows); math.Abs(got+1.5) > .4 {
		t.Errorf("log odds ratio of mask and label in flip %.2f, want -1.5", got)
	}
	for _, name := range []string{"do", "clean"} {
		rows := setOf(t, src, name).Rows
		if got := correlation(src, rows, has(src, 1), func(row int32) float64 { return float64(src.labels[row]) }); math.Abs(got) > .08 {
			t.Errorf("%s: mask and label correlate by %.3f", name, got)
		}
	}
	if rows := setOf(t, src, "clean").Rows; mean(src, rows, has(src, 1)) != 1 {
		t.Error("clean misses something")
	}
	// Its one column decides of c: by more than chance, and by less than all.
	src = plant(t, base, map[string]any{"mask": MaskSelf}, 0)
	own0, flipped := correlation(src, own(src), has(src, 3), realValue(base, src, 3, 0)), setOf(t, src, "flip").Rows
	if got := correlation(src, flipped, has(src, 3), realValue(base, src, 3, 0)); math.Abs(own0) < .4 || math.Abs(own0) > .7 || got*own0 > -.15 {
		t.Errorf("c and its mask correlate by %.2f, flipped by %.2f", own0, got)
	}
}

// Censoring drops none on the other side of the quantile.
func TestPlant_quantile(t *testing.T) {
	base := plantBase(t, false, "")
	for cut, share := range map[string]float64{"upper": .4, "lower": .4, "both": .4} {
		src := plant(t, base, map[string]any{"mask": MaskQuantile, "cut": cut, "missing": .2, "quantile": .4}, 0)
		value := realValue(base, src, 3, 0)
		var sorted []float64
		for _, row := range own(src) {
			sorted = append(sorted, value(row))
		}
		slices.Sort(sorted)
		var dropped, low, high float64
		for _, row := range own(src) {
			if src.availability[row]>>3&1 == 1 {
				continue
			}
			dropped++
			switch rank, _ := slices.BinarySearch(sorted, value(row)); {
			case float64(rank) < share*float64(len(sorted)):
				low++
			case float64(rank) > (1-share)*float64(len(sorted))-2:
				high++
			}
		}
		if cut == "both" && (low < .4*dropped || high < .4*dropped) || cut != "both" && max(low, high) != dropped {
			t.Errorf("%s: of %v dropped rows %v are low and %v high", cut, dropped, low, high)
		}
	}
}

func TestPlant_flipClass(t *testing.T) {
	src := plant(t, plantBase(t, true, ""), map[string]any{"recipe": PlantFlipClass, "modality": "b", "share": .7}, 1)
	share := func(rows []int32, class float32) float64 {
		rows = slices.DeleteFunc(slices.Clone(rows), func(row int32) bool { return src.labels[row] != class })
		return mean(src, rows, has(src, 2))
	}
	for name, want := range map[string][2]float64{"test": {.9, .27}, "flip": {.27, .9}, "clean": {.9, .9}} {
		for class := range want {
			if got := share(setOf(t, src, name).Rows, float32(class)); math.Abs(got-want[class]) > .05 {
				t.Errorf("%s: rows of class %d have b in %.3f, want %.2f", name, class, got, want[class])
			}
		}
	}
	if a, b := share(src.given.train, 1), share(setOf(t, src, "do").Rows, 1)-share(setOf(t, src, "do").Rows, 0); math.Abs(a-.27) > .03 || math.Abs(b) > .06 {
		t.Errorf("training rows of class 1 have b in %.3f, want .27; do differs between classes by %.3f", a, b)
	}
	if src.given.tests[0].Truth != nil {
		t.Error("there is no truth of real labels")
	}
}

// The hidden variable is in no row, moves label and masks in the rows as they are,
// and neither where the masks are intervened on.
func TestPlant_confounder(t *testing.T) {
	base := plantBase(t, false, "")
	settings := map[string]any{"recipe": PlantConfounder, "hidden": "age", "causal": "a b", "prevalence": .3}
	src := plant(t, base, settings, 2)
	if diff := cmp.Diff([]string{"sex=f"}, src.modalities[0].Columns); diff != "" || len(src.covariate) != 0 || src.modalities[0].Width != 1 {
		t.Errorf("base shows (-want +got):\n%s; covariates %v", diff, src.covariate)
	}
	label := func(row int32) float64 { return float64(src.labels[row]) }
	age := realValue(base, src, 0, 0)
	if got := mean(src, own(src), label); math.Abs(got-.3) > .02 {
		t.Errorf("prevalence %.3f, want .3", got)
	}
	do, rows := setOf(t, src, "do").Rows, own(src)
	if a, b := correlation(src, rows, label, age), correlation(src, do, label, age); a < .4 || b > .25 {
		t.Errorf("hidden variable and label correlate by %.2f, under do by %.2f", a, b)
	}
	if a, b := correlation(src, rows, has(src, 1), age), correlation(src, do, has(src, 1), age); a < .4 || math.Abs(b) > .08 {
		t.Errorf("hidden variable and mask correlate by %.2f, under do by %.2f", a, b)
	}
	flip := setOf(t, src, "flip").Rows
	if a, b := correlation(src, rows, has(src, 1), label), correlation(src, flip, has(src, 1), label); a < .1 || b > -.03 {
		t.Errorf("mask and label correlate by %.2f, flipped by %.2f", a, b)
	}
	tested := src.given.tests[0]
	latent := map[int32]float64{}
	for i, row := range tested.Rows {
		latent[row] = tested.Confounder[i]
	}
	if got := correlation(src, tested.Rows, age, func(row int32) float64 { return latent[row] }); got < 1-1e-9 {
		t.Errorf("the confounder of the test rows correlates with age by %v", got)
	}
	for _, hidden := range []string{"environment", "sex", "c1", "pc:c"} {
		src := plant(t, base, map[string]any{"recipe": PlantConfounder, "hidden": hidden, "mask": "none"}, 2)
		if _, shown := (&Store{content: src.content}).Lookup("c"); shown == (hidden == "c1" || hidden == "pc:c") {
			t.Errorf("hidden %s: c is shown %v", hidden, shown)
		}
	}
}

// Under do the truth is the chance of the label: it is calibrated, by pattern and in
// every fifth of its range, and by the log loss no worse than one that knows less.
func TestPlant_truth(t *testing.T) {
	base := plantBase(t, false, "")
	for _, effect := range []string{"do", "clean"} {
		var truths, labels []float64
		byPattern := map[uint64][]float64{}
		for seed := range 4 {
			src := plant(t, base, map[string]any{"recipe": PlantConfounder, "hidden": "environment", "beta": 2.0}, seed)
			set := setOf(t, src, effect)
			for i, row := range set.Rows {
				p, y := set.Truth[i], float64(src.labels[row])
				truths, labels = append(truths, p), append(labels, y)
				byPattern[src.availability[row]] = append(byPattern[src.availability[row]], y-p)
			}
		}
		for pattern, left := range byPattern {
			sum := 0.0
			for _, d := range left {
				sum += d
			}
			if n := float64(len(left)); math.Abs(sum)/n > 4*.5/math.Sqrt(n) {
				t.Errorf("%s, pattern %b: labels exceed the truth by %.3f in %v rows", effect, pattern, sum/n, n)
			}
		}
		order := sequence(len(truths))
		slices.SortFunc(order, func(a, b int) int { return int(math.Copysign(1, truths[a]-truths[b])) })
		for fifth := range 5 {
			sum, n := 0.0, len(order)/5
			for _, i := range order[fifth*n : (fifth+1)*n] {
				sum += labels[i] - truths[i]
			}
			if math.Abs(sum)/float64(n) > 4*.5/math.Sqrt(float64(n)) {
				t.Errorf("%s, fifth %d: labels exceed the truth by %.3f", effect, fifth, sum/float64(n))
			}
		}
	}
	// Of complete rows it is the mean over the hidden values of all rows.
	w, err := base.world(planting(t, map[string]any{"recipe": PlantConfounder, "hidden": "age"}), 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		want := 0.0
		for _, u := range w.hidden {
			want += sigmoid(w.outcome.base+w.outcome.score[i]+1.5*u) / float64(len(w.hidden))
		}
		if got := w.outcome.truth(i, 0b1111, 1); math.Abs(got-want) > 5e-4 {
			t.Errorf("row %d: truth %.5f, want %.5f", i, got, want)
		}
	}
}

// Where the missing columns are linear in the observed ones, the truth of a row that
// misses some is the mean over rows like it.
func TestPlant_truthOfIncompleteRows(t *testing.T) {
	base := plantBase(t, false, "")
	w, err := base.world(planting(t, map[string]any{"recipe": PlantConfounder, "hidden": "environment", "beta": 1.0}), 0)
	if err != nil {
		t.Fatal(err)
	}
	// Regress the truth of the complete row on that of the row that only has c and
	// base: a conditional mean has slope 1 and intercept 0.
	var partial, full []float64
	for i := range w.rows {
		partial, full = append(partial, w.outcome.truth(i, 0b1001, 1)), append(full, w.outcome.truth(i, 0b1111, 1))
	}
	mp, mf, product, square := 0.0, 0.0, 0.0, 0.0
	for i := range partial {
		mp, mf = mp+partial[i]/float64(len(partial)), mf+full[i]/float64(len(full))
	}
	for i := range partial {
		product += (partial[i] - mp) * (full[i] - mf)
		square += (partial[i] - mp) * (partial[i] - mp)
	}
	if slope := product / square; math.Abs(slope-1) > .05 || math.Abs(mf-mp) > .005 {
		t.Errorf("slope %.3f and difference %.4f, want 1 and 0", slope, mf-mp)
	}
}

// A seed is a dataset, and no patient crosses parts.
func TestPlant_seeds(t *testing.T) {
	base := plantBase(t, true, "")
	settings := map[string]any{"mask": MaskSelf}
	first, again, other := plant(t, base, settings, 0), plant(t, base, settings, 0), plant(t, base, settings, 1)
	if diff := cmp.Diff(masks(first), masks(again)); diff != "" || first.Hash() != again.Hash() {
		t.Errorf("a seed gives two datasets (-first +again):\n%s", diff)
	}
	if first.Hash() == other.Hash() || cmp.Equal(masks(first), masks(other)) {
		t.Error("two seeds give one dataset")
	}
	if p := planting(t, map[string]any{"mask": MaskSelf, "missing": .31}); p.Hash(base.Hash()) == planting(t, settings).Hash(base.Hash()) || p.Hash("x") == p.Hash("y") {
		t.Error("a setting or the base is not part of the hash")
	}
	part := map[string]int{}
	for i, rows := range [][]int32{first.given.train, first.given.validation, setOf(t, first, "test").Rows, setOf(t, first, "do").Rows} {
		for _, row := range rows {
			patient := first.patients[first.patient[row]]
			if was, ok := part[patient]; ok && was != min(i, 2) {
				t.Fatalf("%s is in parts %d and %d", patient, was, i)
			}
			part[patient] = min(i, 2)
		}
	}
	var tested [2]map[string]bool
	for i, src := range []*Source{first, other} {
		tested[i] = map[string]bool{}
		for _, row := range src.given.tests[0].Rows {
			tested[i][src.ids[row]] = true
		}
	}
	if diff := cmp.Diff(tested[0], tested[1]); diff != "" {
		t.Errorf("the seeds test other patients:\n%s", diff)
	}
	store, err := Build(first, t.TempDir(), testKey)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if g, ok := store.Group("sex"); !ok || len(g.Values) != store.Rows() || store.Environment() == nil || store.Patients() >= store.Rows() {
		t.Error("subgroups, environment or patients are lost")
	}
}

func TestParsePlanting(t *testing.T) {
	for text, settings := range map[string]map[string]any{
		"base is missing":                          {},
		"hiden is not a setting":                   {"base": "demo", "hiden": "age"},
		"did you mean hidden?":                     {"base": "demo", "hiden": "age"},
		"hidden is missing":                        {"base": "demo", "recipe": "confounder"},
		"modality is missing":                      {"base": "demo", "recipe": "flip_class"},
		`hidden goes with recipe = "confounder"`:   {"base": "demo", "hidden": "age"},
		`quantile goes with mask = "quantile"`:     {"base": "demo", "mask": "mar", "quantile": .5},
		"strength goes with a mask by a score":     {"base": "demo", "mask": "mcar", "strength": 1.0},
		"did you mean mcar?":                       {"base": "demo", "mask": "mcarr"},
		"missing is 2, it must lie between":        {"base": "demo", "missing": int64(2)},
		"missing is 0.6, more than the quantile":   {"base": "demo", "mask": "quantile", "missing": .6},
		`mask is "confounder", which goes with`:    {"base": "demo", "mask": "confounder"},
		"share is x, it takes a number":            {"base": "demo", "recipe": "flip_class", "modality": "a", "share": "x"},
		"prevalence is 0.001, it must lie between": {"base": "demo", "recipe": "confounder", "hidden": "age", "prevalence": .001},
	} {
		if _, err := ParsePlanting(settings); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v: got %v, want %s", settings, err, text)
		}
	}
	for _, settings := range []map[string]any{
		{}, {"mask": "quantile"}, {"recipe": "flip_class", "modality": "a"}, {"recipe": "confounder", "hidden": "age", "causal": "a b"},
	} {
		p := planting(t, settings)
		again, err := ParsePlanting(p.Settings())
		if diff := cmp.Diff(p.Settings(), again.Settings()); err != nil || diff != "" {
			t.Errorf("%v: %v (-want +got):\n%s", settings, err, diff)
		}
	}
	if p := planting(t, map[string]any{"recipe": "confounder", "hidden": "age"}); p.Mask != MaskConfounder || !p.HasTruth() || !slices.Contains(p.Tests(), "flip") {
		t.Errorf("a planted confounder masks by %q", p.Mask)
	}
	if slices.Contains(planting(t, nil).Tests(), "flip") {
		t.Error("a mask without direction has a flip")
	}
}

func TestStore_CheckPlanting(t *testing.T) {
	base := plantBase(t, true, "")
	for text, settings := range map[string]map[string]any{
		`modalities names "aa"`:           {"modalities": "a aa"},
		"did you mean a?":                 {"modalities": "base aa"},
		"none that may be missing":        {"modalities": "base"},
		`modality is "base", which every`: {"recipe": "flip_class", "modality": "base"},
		`modality is "c", which is not`:   {"recipe": "flip_class", "modality": "c", "modalities": "a b"},
		`hidden is "agee"`:                {"recipe": "confounder", "hidden": "agee"},
		`no modality "d"`:                 {"recipe": "confounder", "hidden": "pc:d"},
		`causal names "c"`:                {"recipe": "confounder", "hidden": "pc:c", "causal": "c"},
		"two modalities that may be":      {"mask": "mnar", "modalities": "base a"},
	} {
		if err := base.CheckPlanting(planting(t, settings)); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v: got %v, want %s", settings, err, text)
		}
	}
	if err := base.CheckPlanting(planting(t, map[string]any{"recipe": "confounder", "hidden": "age"})); err != nil {
		t.Error(err)
	}
}
