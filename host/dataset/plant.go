package dataset

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/features"
	"github.com/deconfound/deconfound/sdk/rng"
)

// fewestPlanted is the smallest number of rows that data is planted in.
const fewestPlanted = 100

// Plant makes the semi-synthetic dataset of a seed from the rows of s: real
// features and a planted bias. It has parts and test sets, see Planting.Tests. All
// of it follows from settings, seed, content and raw identifiers: patients are
// parted as by Split with a fixed test set, the draws are hashes of identifiers, and
// what the mechanisms need to know of the columns they know of all rows, as the
// world would, so that it is the same for every seed but for the drawn weights.
// Errors about a setting begin with its name.
func (s *Store) Plant(p Planting, seed int) (*Source, error) {
	w, err := s.world(p, seed)
	if err != nil {
		return nil, err
	}
	split, err := s.Split(SplitSpec{FixedTest: true}, seed)
	if err != nil {
		return nil, fmt.Errorf("plant in %s: %w", s.card.Name, err)
	}
	lay := layout{world: w, made: Made{
		Hash: p.DatasetHash(s.hash, seed),
		Card: Card{
			Name: s.card.Name + "_planted", Title: s.card.Title + ", semi-synthetic", Text: "Real rows with a planted bias: " + p.Recipe + ".",
			Licence: s.card.Licence, Citation: s.card.Citation, Source: s.card.Source,
		},
	}}
	lay.describe()
	same := w.law()
	lay.made.Train = lay.add("", split.Train, same)
	lay.made.Validation = lay.add("", split.Validation, same)
	laws := []law{same}
	names := append([]string{plainTest}, p.Tests()...)
	for _, name := range names[1:] {
		switch name {
		case "clean":
			laws = append(laws, law{world: w, keep: everything, effect: 1, purpose: "plant"})
		case ShiftDo:
			laws = append(laws, w.intervention(lay.made.Availability))
		case ShiftFlip:
			laws = append(laws, w.reversed())
		}
	}
	for i, name := range names {
		rows := lay.add(name, split.Test, laws[i])
		lay.made.Tests = append(lay.made.Tests, lay.test(name, rows))
	}
	if len(lay.made.Train) == 0 || len(lay.made.Validation) == 0 || len(lay.made.Tests[0].Rows) == 0 {
		return nil, fmt.Errorf("plant in %s: the %d rows leave a part without any", s.card.Name, len(w.rows))
	}
	return lay.source()
}

// CheckPlanting reports, without making anything, what Plant would refuse.
func (s *Store) CheckPlanting(p Planting) error {
	_, err := s.world(p, 0)
	return err
}

// PlantedModalities names the modalities that Plant leaves.
func (s *Store) PlantedModalities(p Planting) ([]string, error) {
	w, err := s.world(p, 0)
	if err != nil {
		return nil, err
	}
	return w.names(), nil
}

// world is what data is planted in: rows and columns that are used, and the hidden
// variable and the outcome of a planted confounder. Modalities are numbered among
// those that stay, rows by their position in rows.
type world struct {
	Planting
	store *Store
	seed  int

	kept       []int   // modalities of the store
	columns    [][]int // that stay, by modality
	covariates []int   // that stay
	rows       []int32
	place      map[int32]int // of a row in rows
	// z are the columns, standardised over the rows that have them, 0 in others: of
	// every modality [rows, len(columns)]. A sequence is the mean of its steps.
	z [][]float64

	hidden  []float64 // by row, of mean 0 and variance 1; nil without
	outcome *outcome  // nil where labels are real
}

func (s *Store) world(p Planting, seed int) (*world, error) {
	switch {
	case s.given != nil:
		return nil, fmt.Errorf("base is %s, which was made with its parts; name a dataset of tables", s.card.Name)
	case s.task.Kind != sdk.Binary:
		return nil, fmt.Errorf("base is %s, whose label is %s; data is planted for binary ones", s.card.Name, s.task.Kind)
	}
	w := &world{Planting: p, store: s, seed: seed, place: map[int32]int{}}
	if err := w.choose(); err != nil {
		return nil, err
	}
	var hidden []float64 // by row of the store
	if p.Recipe == PlantConfounder {
		var err error
		if hidden, err = w.hide(); err != nil {
			return nil, err
		}
	}
	if len(w.kept) == 0 {
		return nil, fmt.Errorf("modalities leaves none with a column that is not hidden")
	}
	if err := w.checkNames(); err != nil {
		return nil, err
	}
	w.selectRows(hidden)
	if len(w.rows) < fewestPlanted {
		return nil, fmt.Errorf("modalities leaves %d rows of %s that have all of them, at least %d are needed; name fewer: %s", len(w.rows), s.card.Name, fewestPlanted, s.shares())
	}
	w.standardise()
	if hidden != nil {
		for _, row := range w.rows {
			w.hidden = append(w.hidden, hidden[row])
		}
		if !standardise(w.hidden, nil) {
			return nil, fmt.Errorf("hidden is %q, which is the same in all %d rows", p.Hidden, len(w.rows))
		}
		var err error
		if w.outcome, err = w.fit(); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// choose sets kept, columns and covariates to what the settings name.
func (w *world) choose() error {
	for m := range w.store.modalities {
		if len(w.Modalities) == 0 || slices.Contains(w.Modalities, w.store.modalities[m].Name) {
			w.kept = append(w.kept, m)
			w.columns = append(w.columns, sequence(w.store.modalities[m].Width))
		}
	}
	w.covariates = sequence(len(w.store.covariate))
	for _, name := range w.Modalities {
		if _, ok := w.store.Lookup(name); !ok {
			return fmt.Errorf("modalities names %q, which is not one of %s%s", name, w.store.card.Name, didYouMean(name, w.store.modalityNames()))
		}
	}
	return nil
}

// checkNames checks the settings that name modalities among those that stay.
func (w *world) checkNames() error {
	for _, name := range w.Causal {
		if !slices.Contains(w.names(), name) {
			return fmt.Errorf("causal names %q, which is not one of the modalities %s%s", name, strings.Join(w.names(), ", "), didYouMean(name, w.names()))
		}
	}
	droppable := w.droppable()
	if w.Recipe == PlantFlipClass {
		m := slices.Index(w.names(), w.Modality)
		if m < 0 {
			return fmt.Errorf("modality is %q, which is not one of %s%s", w.Modality, strings.Join(w.names(), ", "), didYouMean(w.Modality, w.names()))
		}
		if !slices.Contains(droppable, m) {
			return fmt.Errorf("modality is %q, which every row has", w.Modality)
		}
		return nil
	}
	if len(droppable) == 0 && w.Mask != MaskNone {
		return fmt.Errorf("modalities leaves none that may be missing")
	}
	if len(droppable) < 2 && (w.Mask == MaskMNAR || w.Mask == MaskMAR && len(w.alwaysColumns()) == 0) {
		return fmt.Errorf(`mask is %q, which needs two modalities that may be missing; use "self"`, w.Mask)
	}
	return nil
}

// selectRows takes all rows that have a modality, or, for a planted confounder, all
// that have every one and the hidden variable.
func (w *world) selectRows(hidden []float64) {
	for row := range int32(w.store.Rows()) {
		native := w.native(row)
		if native == 0 || w.Recipe == PlantConfounder && (native != 1<<len(w.kept)-1 || math.IsNaN(hidden[row])) {
			continue
		}
		w.place[row] = len(w.rows)
		w.rows = append(w.rows, row)
	}
}

// native is what a row of the store has.
func (w *world) native(row int32) uint64 {
	var mask uint64
	for k, m := range w.kept {
		mask |= w.store.availability[row] >> m & 1 << k
	}
	return mask
}

func (w *world) names() []string {
	var names []string
	for _, m := range w.kept {
		names = append(names, w.store.modalities[m].Name)
	}
	return names
}

// droppable are the modalities that an intervention may drop.
func (w *world) droppable() []int {
	var out []int
	for k, m := range w.kept {
		if !w.store.modalities[m].Always {
			out = append(out, k)
		}
	}
	return out
}

func (s *Store) modalityNames() []string {
	var names []string
	for _, m := range s.modalities {
		names = append(names, m.Name)
	}
	return names
}

// shares says how many rows have each modality.
func (s *Store) shares() string {
	have := make([]int, len(s.modalities))
	for _, mask := range s.availability {
		for ; mask != 0; mask &= mask - 1 {
			have[bits.TrailingZeros64(mask)]++
		}
	}
	var parts []string
	for m, n := range have {
		parts = append(parts, fmt.Sprintf("%s in %d", s.modalities[m].Name, n))
	}
	return strings.Join(parts, ", ")
}

// standardise fills z.
func (w *world) standardise() {
	for k, m := range w.kept {
		width := len(w.columns[k])
		z := make([]float64, len(w.rows)*width)
		for c, column := range w.columns[k] {
			values := make([]float64, len(w.rows))
			for i, row := range w.rows {
				values[i] = w.store.cell(m, row, column)
			}
			standardise(values, nil)
			for i, v := range values {
				z[i*width+c] = v
			}
		}
		w.z = append(w.z, z)
	}
}

// standardise gives values mean 0 and variance 1 over those that are used, nil
// being all, and known; what is not is 0, and so is everything if it does not vary.
func standardise(values []float64, used func(i int) bool) (varies bool) {
	n, mean, square := 0.0, 0.0, 0.0
	for i, v := range values {
		if math.IsNaN(v) || used != nil && !used(i) {
			continue
		}
		n++
		d := v - mean
		mean += d / n
		square += d * (v - mean)
	}
	sd := math.Sqrt(square / n)
	varies = sd > 1e-9*(1+math.Abs(mean))
	for i, v := range values {
		if values[i] = (v - mean) / sd; math.IsNaN(v) || !varies || used != nil && !used(i) {
			values[i] = 0
		}
	}
	return varies
}

// cell is a column of a modality of a row, the mean over the steps of a sequence;
// NaN if it is missing.
func (s *Store) cell(m int, row int32, column int) float64 {
	modality := s.modalities[m]
	if s.availability[row]>>m&1 == 0 {
		return math.NaN()
	}
	raw, err := s.features.Raw(m, row)
	if err != nil {
		return math.NaN() // not a row of the store
	}
	sum, n := 0.0, 0.0
	for at := column; at < len(raw); at += modality.Width {
		if v := float64(raw[at]); !math.IsNaN(v) {
			sum += v
			n++
		}
	}
	return sum / n // 0/0 is NaN
}

// uniform is the draw of a purpose for a row of the world.
func (w *world) uniform(purpose string, i int, more ...string) float64 {
	return uniform(append([]string{w.store.card.Name, purpose, seedLabel(w.seed), w.store.ids[w.rows[i]]}, more...)...)
}

// layout writes rows of the world, as laws have them, into a made dataset.
type layout struct {
	*world
	made Made
	// cells of every row of the dataset
	from   []int32 // of the store
	truth  []float64
	latent []float64
}

func (l *layout) describe() {
	s := l.store
	for k, m := range l.kept {
		modality := s.modalities[m]
		modality.Width = len(l.columns[k])
		modality.OneHot, modality.Columns = nil, nil
		for to, column := range l.columns[k] {
			if slices.Contains(s.modalities[m].OneHot, column) {
				modality.OneHot = append(modality.OneHot, to)
			}
			if s.modalities[m].Columns != nil {
				modality.Columns = append(modality.Columns, s.modalities[m].Columns[column])
			}
		}
		l.made.Modalities = append(l.made.Modalities, modality)
		l.made.Values = append(l.made.Values, features.Values{})
	}
	for _, c := range l.covariates {
		l.made.CovariateNames = append(l.made.CovariateNames, s.covariate[c])
	}
	for _, g := range s.groups {
		l.made.Groups = append(l.made.Groups, Group{Name: g.Name, Levels: g.Levels})
	}
	if s.environment != nil {
		l.made.Environment = &Group{Name: s.environment.Name, Levels: s.environment.Levels}
	}
}

// add appends those of the rows that are in the world, and returns where.
func (l *layout) add(set string, rows []int32, of law) []int32 {
	var out []int32
	for _, row := range rows {
		i, ok := l.place[row]
		if !ok {
			continue
		}
		id, y := l.store.ids[row], of.label(i)
		if set != "" && set != plainTest {
			id += "|" + set
		}
		mask := of.mask(i, y)
		out = append(out, int32(len(l.from)))
		l.from = append(l.from, row)
		l.made.Availability = append(l.made.Availability, mask)
		l.made.Labels = append(l.made.Labels, float32(y))
		l.made.IDs = append(l.made.IDs, id)
		l.made.Patients = append(l.made.Patients, l.store.patients[l.store.patient[row]])
		truth, latent := math.NaN(), math.NaN()
		if l.outcome != nil && set != "" {
			truth, latent = l.outcome.truth(i, mask, of.effect), l.hidden[i]
		}
		l.truth, l.latent = append(l.truth, truth), append(l.latent, latent)
	}
	return out
}

func (l *layout) test(name string, rows []int32) TestSet {
	set := TestSet{Name: name, Rows: rows}
	if l.outcome == nil {
		return set
	}
	for _, row := range rows {
		set.Truth = append(set.Truth, l.truth[row])
		if name == plainTest {
			set.Confounder = append(set.Confounder, l.latent[row])
		}
	}
	return set
}

// source copies the features, in a random order of rows that says nothing of their
// part.
func (l *layout) source() (*Source, error) {
	d, s := &l.made, l.store
	order := rng.Stream(uint64(l.seed), "plant", s.card.Name, "order").Perm(len(l.from)) // row of the dataset by place
	to := make([]int32, len(order))
	for place, row := range order {
		to[row] = int32(place)
	}
	d.Availability, d.Labels, d.IDs, d.Patients = permuted(d.Availability, order), permuted(d.Labels, order), permuted(d.IDs, order), permuted(d.Patients, order)
	from := permuted(l.from, order)
	for _, part := range [][]int32{d.Train, d.Validation} {
		for i, row := range part {
			part[i] = to[row]
		}
		slices.Sort(part)
	}
	for t := range d.Tests {
		sortTest(&d.Tests[t], to)
	}
	for k, m := range l.kept {
		if err := l.copy(k, m, from); err != nil {
			return nil, err
		}
	}
	for _, row := range from {
		for _, c := range l.covariates {
			d.Covariates = append(d.Covariates, s.covariates[int(row)*len(s.covariate)+c])
		}
		for g := range d.Groups {
			d.Groups[g].Values = append(d.Groups[g].Values, s.groups[g].Values[row])
		}
		if d.Environment != nil {
			d.Environment.Values = append(d.Environment.Values, s.environment.Values[row])
		}
	}
	return Make(*d)
}

func permuted[T any](values []T, order []int) []T {
	out := make([]T, len(order))
	for place, row := range order {
		out[place] = values[row]
	}
	return out
}

// sortTest gives the rows their places, in ascending order.
func sortTest(set *TestSet, to []int32) {
	order := sequence(len(set.Rows))
	slices.SortFunc(order, func(a, b int) int { return int(to[set.Rows[a]]) - int(to[set.Rows[b]]) })
	rows := permuted(set.Rows, order)
	for i, row := range rows {
		rows[i] = to[row]
	}
	set.Rows = rows
	if set.Truth != nil {
		set.Truth = permuted(set.Truth, order)
	}
	if set.Confounder != nil {
		set.Confounder = permuted(set.Confounder, order)
	}
}

// copy writes the values of a modality; what a row misses is NaN.
func (l *layout) copy(k, m int, from []int32) error {
	s, width := l.store, len(l.columns[k])
	steps := max(s.modalities[m].Length, 1)
	v := &l.made.Values[k]
	length := []int32{0}
	for at, row := range from {
		raw, err := s.features.Raw(m, row)
		if err != nil {
			return fmt.Errorf("plant in %s: %w", s.card.Name, err)
		}
		has := l.made.Availability[at]>>k&1 == 1
		for step := range steps {
			for _, column := range l.columns[k] {
				x := float32(math.NaN())
				if has {
					x = raw[step*s.modalities[m].Width+column]
				}
				v.Data = append(v.Data, x)
			}
		}
		if s.modalities[m].Kind != features.Sequence {
			continue
		}
		length[0] = 0
		if has {
			if err := s.features.Lengths(m, []int32{row}, length); err != nil {
				return fmt.Errorf("plant in %s: %w", s.card.Name, err)
			}
		}
		v.Lengths = append(v.Lengths, length[0])
	}
	if len(v.Data) != len(from)*steps*width {
		return fmt.Errorf("plant in %s: modality %s has %d values", s.card.Name, s.modalities[m].Name, len(v.Data))
	}
	return nil
}

func sequence(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
