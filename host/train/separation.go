package train

import (
	"fmt"

	"github.com/deconfound/deconfound/host/causal"
	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/features"
	"github.com/deconfound/deconfound/sdk/rng"
)

// separationRows is how many rows are read from the store at a time.
const separationRows = 1024

// separation is the split of a run by availability or environment: one part a modality,
// found on training rows. It is a function of store, split, scaling and settings,
// so that every slice of a run finds the same bits.
type separation struct {
	parts []*causal.Separation
	// erases says that backbones are to take the parts out of the features.
	erases bool
	found  causal.Examination // of the declared mechanism
	width  int                // of b: the directions of all parts; 0 if the head does not use b
	// biased is b of every row of the store, [rows, width], in the order of the
	// modalities; zero where the row lacks one.
	biased []float32
}

// separate finds the split; nil if the variant has another one or none.
func (r *Run) separate() (*separation, error) {
	branch := r.cfg.DualBranch
	if !branch.Separates() {
		return nil, nil
	}
	store := r.data.Store
	if branch.Split == causal.SplitEnvironment && store.Environment() == nil {
		return nil, fmt.Errorf(`dual_branch.split = "environment" needs rows.environment in dataset.toml, and the dataset declares none; use split = "availability"`)
	}
	s := &separation{erases: branch.At == causal.AtInput}
	var predictors []*causal.Predictor // nil in the linear form
	for m := range store.Modalities() {
		part, predictor, err := r.separateModality(branch, m)
		if err != nil {
			return nil, err
		}
		s.parts, predictors = append(s.parts, part), append(predictors, predictor)
	}
	s.found = causal.Examine(branch, s.parts)
	for _, part := range s.parts {
		if s.left(branch) && part.Directions > 0 {
			part.Leave(s.found)
		}
		if branch.UsesBiased() {
			s.width += part.Directions
		}
	}
	if s.width == 0 {
		return s, nil
	}
	s.biased = make([]float32, store.Rows()*s.width)
	from := 0
	for m, part := range s.parts {
		if part.Directions == 0 {
			continue
		}
		if err := r.readBiased(s, m, from, predictors[m]); err != nil {
			return nil, err
		}
		from += part.Directions
	}
	return s, nil
}

// left reports whether nothing is taken out, because the training rows contradict
// the declared mechanism.
func (s *separation) left(branch *causal.DualBranch) bool {
	return s.found.Contradicted && branch.Contradicted == causal.ContradictedLeave
}

// branch is the dual branch that the head gets: none if all is left as it is. At the
// head a branch without b would still learn what the pattern says first.
func (s *separation) branch(declared *causal.DualBranch) *causal.DualBranch {
	if s != nil && s.left(declared) {
		return nil
	}
	return declared
}

// readBiased writes b of modality m, which begins at column from.
func (r *Run) readBiased(s *separation, m, from int, predictor *causal.Predictor) error {
	var rows []int32
	for row, a := range r.availability {
		if a>>m&1 == 1 {
			rows = append(rows, int32(row))
		}
	}
	values, err := r.columns(m, rows)
	if err != nil {
		return err
	}
	part := s.parts[m]
	if predictor != nil {
		values = predictor.Logits(values)
		// Of a training row speaks the network that has not seen it.
		at := make(map[int32]int, len(rows))
		for i, row := range rows {
			at[row] = i
		}
		for i, row := range r.having(m) {
			copy(values[at[row]*part.Width:(at[row]+1)*part.Width], predictor.Held()[i*part.Width:(i+1)*part.Width])
		}
	}
	covariates, p, err := r.given(r.cfg.DualBranch, rows)
	if err != nil {
		return err
	}
	for i, row := range rows {
		part.Biased(s.biased[int(row)*s.width+from:], values[i*part.Width:(i+1)*part.Width], covariates[i*p:(i+1)*p])
	}
	return nil
}

// having lists the training rows that have modality m.
func (r *Run) having(m int) []int32 {
	var rows []int32
	for _, row := range r.data.Split.Train {
		if r.availability[row]>>m&1 == 1 {
			rows = append(rows, row)
		}
	}
	return rows
}

// separateModality finds the part of modality m, and the predictor that it is made
// of in the network form.
func (r *Run) separateModality(branch *causal.DualBranch, m int) (*causal.Separation, *causal.Predictor, error) {
	store, rows := r.data.Store, r.having(m)
	if store.Modalities()[m].Always && branch.Split == causal.SplitAvailability {
		return &causal.Separation{
			Mechanism: branch.Mechanism, Rows: len(rows), Width: store.Modalities()[m].Width,
			Reason: "everybody has the modality: what it says about the availability of others is observed, and no latent confounder",
		}, nil, nil
	}
	values, err := r.columns(m, rows)
	if err != nil {
		return nil, nil, err
	}
	covariates, width, err := r.given(branch, rows)
	if err != nil {
		return nil, nil, err
	}
	sample := causal.Sample{
		Values:         values,
		Width:          store.Modalities()[m].Width,
		Availability:   gather(r.availability, rows, 1),
		Modality:       m,
		Modalities:     len(store.Modalities()),
		Task:           r.task,
		Labels:         gather(r.labels, rows, r.labelWidth),
		Covariates:     covariates,
		CovariateWidth: width,
	}
	if branch.Split == causal.SplitEnvironment {
		sample.Environment, sample.Environments = gather(store.Environment(), rows, 1), len(store.EnvironmentLevels())
	}
	var predictor *causal.Predictor
	if branch.Form == causal.FormNetwork {
		if predictor, err = causal.NewPredictor(branch.Mechanism, sample, rng.Derive(r.cfg.InitSeed, "predictor")); err != nil {
			return nil, nil, err
		}
	}
	return causal.Separate(branch.Mechanism, predictor.Sample(sample)), predictor, nil
}

// given returns what the columns of a modality are regressed on, [len(rows), width]:
// what is observed of everybody; the covariates alone where the environment is
// asked for, of which modalities that no row lacks may tell as well as others.
func (r *Run) given(branch *causal.DualBranch, rows []int32) (values []float32, width int, err error) {
	if branch.Split == causal.SplitEnvironment {
		return r.covariates(rows), r.data.Store.CovariateWidth(), nil
	}
	return r.ofEverybody(rows)
}

// ofEverybody returns what is observed of every row, [len(rows), width]: the
// covariates and the modalities that no row lacks. What these say about
// availability can be adjusted for and needs no erasing.
func (r *Run) ofEverybody(rows []int32) (values []float32, width int, err error) {
	store := r.data.Store
	type block struct {
		values []float32
		width  int
	}
	blocks := []block{{r.covariates(rows), store.CovariateWidth()}}
	for m, modality := range store.Modalities() {
		if !modality.Always {
			continue
		}
		columns, err := r.columns(m, rows)
		if err != nil {
			return nil, 0, err
		}
		blocks = append(blocks, block{columns, modality.Width})
	}
	for i := range rows {
		for _, b := range blocks {
			values = append(values, b.values[i*b.width:(i+1)*b.width]...)
		}
	}
	for _, b := range blocks {
		width += b.width
	}
	return values, width, nil
}

// columns returns the standardised columns of a modality, [len(rows), width]; of
// a sequence their means over its time steps.
func (r *Run) columns(m int, rows []int32) ([]float32, error) {
	modality, store := r.data.Store.Modalities()[m], r.data.Store.Features()
	size := modality.Width * max(modality.Length, 1)
	out := make([]float32, 0, len(rows)*modality.Width)
	for from := 0; from < len(rows); from += separationRows {
		chunk := rows[from:min(from+separationRows, len(rows))]
		values := make([]float32, len(chunk)*size)
		if err := store.Gather(m, chunk, r.data.Scaling[m], values); err != nil {
			return nil, fmt.Errorf("read features: %w", err)
		}
		if modality.Kind != features.Sequence {
			out = append(out, values...)
			continue
		}
		lengths := make([]int32, len(chunk))
		if err := store.Lengths(m, chunk, lengths); err != nil {
			return nil, fmt.Errorf("read features: %w", err)
		}
		for i, length := range lengths {
			out = append(out, meanStep(values[i*size:(i+1)*size], modality.Width, int(length))...)
		}
	}
	return out, nil
}

// meanStep averages the first steps of a sequence; zeros if there are none.
func meanStep(values []float32, width, steps int) []float32 {
	sum := make([]float64, width)
	for j, v := range values[:steps*width] {
		sum[j%width] += float64(v) / float64(steps)
	}
	out := make([]float32, width)
	for j, v := range sum {
		out[j] = float32(v)
	}
	return out
}

// erasure is what a backbone erases from modality m.
func (s *separation) erasure(m int) sdk.Erasure {
	if s == nil || !s.erases || s.parts[m].Directions == 0 {
		return sdk.Erasure{}
	}
	p := s.parts[m]
	return sdk.Erasure{Directions: p.Directions, Read: narrow(p.Read), Write: narrow(p.Write), Offset: narrow(p.Offset)}
}

// of returns b of rows, [len(rows), width], under the given availability: a
// modality that it hides contributes zeros.
func (s *separation) of(rows []int32, availability []uint64) []float32 {
	if s == nil || s.width == 0 {
		return nil
	}
	out := gather(s.biased, rows, s.width)
	for i, a := range availability {
		b := out[i*s.width : (i+1)*s.width]
		for m, part := range s.parts {
			if a>>m&1 == 0 {
				clear(b[:part.Directions])
			}
			b = b[part.Directions:]
		}
	}
	return out
}

// diagnostics describes the split of every modality.
func (s *separation) diagnostics(modalities []dataset.Modality) []Diagnostic {
	if s == nil {
		return nil
	}
	out := []Diagnostic{s.examination()}
	for m, p := range s.parts {
		d := Diagnostic{
			Name:     s.found.Split + "_split/" + modalities[m].Name,
			Estimate: p.Erased,
			Detail: map[string]any{
				"mechanism": p.Mechanism, "rows": p.Rows, "columns": p.Width, "directions": p.Directions,
				"singular_values": append([]float64{}, p.Singular...), "threshold": p.Threshold, "erased_variance": p.Erased,
			},
		}
		switch {
		case p.Reason != "":
			d.Detail["reason"] = p.Reason
		case p.Erased > wholeModality:
			d.Verdict = "warn"
			d.Detail["reason"] = "next to everything in the modality is taken for the trace of a confounder"
		default:
			d.Verdict = "ok"
		}
		out = append(out, d)
	}
	return out
}

// examination holds the declared mechanism against the training rows. Its estimate
// is the p value of one factor, or of nothing within classes; 1 where neither was
// tested.
func (s *separation) examination() Diagnostic {
	e := s.found
	d := Diagnostic{
		Name: s.found.Split + "_mechanism", Estimate: 1, Verdict: e.Verdict,
		Detail: map[string]any{"mechanism": e.Mechanism, "reason": e.Reason},
	}
	for _, p := range []struct {
		name  string
		value float64
	}{{"p_within_classes", e.Within}, {"p_one_factor", e.OneFactor}} {
		if p.value == p.value {
			d.Estimate = min(p.value, 1)
			d.Detail[p.name] = d.Estimate
		}
	}
	return d
}

// wholeModality is the share of variance beyond which a modality is as good as
// erased.
const wholeModality = 0.95

func narrow(values []float64) []float32 {
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = float32(v)
	}
	return out
}
