package causal

import "fmt"

// The values of Missingness.Mode.
const (
	// Enumerate trains every row in its own stratum and predicts with the sum over
	// strata (backdoor adjustment).
	Enumerate = "enumerate"
	// NWGM lets h attend over the dictionary and adjusts inside the network, by
	// the normalised weighted geometric mean (CCIM, CVPR 2023).
	NWGM = "nwgm"
	// MaskDo draws the availability of training rows from the pattern marginal and
	// leaves the classifier alone.
	MaskDo = "mask_do"
)

// The values of Missingness.Dictionary.
const (
	Pattern      = "pattern"
	KMeans       = "kmeans"
	ClassPattern = "class_pattern"
	Learnable    = "learnable"
)

// The values of Missingness.Code.
const (
	OneHot    = "onehot"
	Prototype = "prototype"
	Both      = "both"
)

// The values of Missingness.Form, of mode nwgm.
const (
	Published  = "published"
	OwnStratum = "own_stratum"
)

// The values of Missingness.Context, of dictionary kmeans.
const (
	ContextAvailability   = "availability"
	ContextRepresentation = "representation"
	ContextBiased         = "biased"
)

// The values of Missingness.Initial, of dictionary learnable.
const (
	InitialNormal = "normal"
	InitialKMeans = "kmeans"
)

// Missingness are the settings of the missingness deconfounding module; see
// MissingnessParameters for what each one means.
type Missingness struct {
	Mode, Dictionary, Code string
	MinRows                int
	Clusters               int
	Context                string
	Warmup, Refresh        int
	Momentum               float64
	DoWeight               float64
	MaskDo                 bool
	Form                   string
	Renormalize            bool
	Attention, Projection  int
	Initial                string
}

// MissingnessParameters describes the settings under missingness.*.
func MissingnessParameters() []Parameter {
	return []Parameter{
		enum("mode", "enumerate: train in the own stratum, predict with sum_k P_k p(y|h,s_k); nwgm: attention over the dictionary before the classifier (CCIM, CVPR 2023); mask_do: draw the availability of training rows from the pattern marginal",
			Enumerate, NWGM, MaskDo),
		enum("dictionary", "strata and prior: pattern (availability patterns), kmeans (clusters of a context, CCIM), class_pattern (class means within patterns, VC R-CNN and CONTA; nwgm only), learnable (CATT, CVPR 2021; nwgm only)",
			Pattern, KMeans, ClassPattern, Learnable),
		enum("code", "how enumerate tells the classifier its stratum: onehot, prototype (the mean representation) or both",
			OneHot, Prototype, Both),
		integer("min_rows", 20, 1, 1e6, "patterns with fewer training rows join the nearest kept pattern (Hamming distance, then the larger one)"),
		integer("clusters", 16, 1, 1024, "entries of a kmeans or learnable dictionary (CCIM)"),
		enum("context", "what kmeans clusters: availability (with the covariates), representation (h; the stratum is then a function of x, use with care) or biased (z_b of the dual branch)",
			ContextAvailability, ContextRepresentation, ContextBiased),
		integer("warmup", 0, 0, 1e6, "epochs of a plain classifier before strata and dual branch start; at most a third of training. With a warm-up an encoder that sees the pattern learns it before the strata can, and the adjustment removes less"),
		integer("refresh", 1, 1, 1e6, "epochs between two builds of a dictionary of representations"),
		float("momentum", 0, 0, 0.999, "share of the old dictionary that a refresh keeps; 0 replaces it"),
		float("do_weight", 0, 0, 1, "share of the loss taken on the summed output instead of the own stratum; an ablation: 1 removes almost no confounding"),
		boolean("mask_do", false, "with enumerate or nwgm: draw the availability of training rows from the pattern marginal as well"),
		enum("form", "of nwgm: published (CCIM: the attended dictionary, also in training) or own_stratum (train with the own entry, predict with the prior mean; recommended)",
			Published, OwnStratum),
		boolean("renormalize", true, "of nwgm: scale attention times prior to sum 1; false is the published code, whose context shrinks as 1/K"),
		integer("attention", 256, 1, 8192, "of nwgm: width of queries and keys (CCIM)"),
		integer("projection", 128, 1, 8192, "of nwgm: width of the joint representation (CCIM)"),
		enum("initial", "of dictionary learnable: normal (N(0,1)/sqrt(width)) or kmeans (clusters of h after the warm-up)",
			InitialNormal, InitialKMeans),
	}
}

// ParseMissingness checks settings by name and fills in the defaults. Errors
// name the key, as missingness.<name>.
func ParseMissingness(raw map[string]any) (*Missingness, error) {
	s, err := settings("missingness", MissingnessParameters(), raw)
	if err != nil {
		return nil, err
	}
	m := &Missingness{
		Mode:        s.String("mode"),
		Dictionary:  s.String("dictionary"),
		Code:        s.String("code"),
		MinRows:     s.Int("min_rows"),
		Clusters:    s.Int("clusters"),
		Context:     s.String("context"),
		Warmup:      s.Int("warmup"),
		Refresh:     s.Int("refresh"),
		Momentum:    s.Float("momentum"),
		DoWeight:    s.Float("do_weight"),
		MaskDo:      s.Bool("mask_do"),
		Form:        s.String("form"),
		Renormalize: s.Bool("renormalize"),
		Attention:   s.Int("attention"),
		Projection:  s.Int("projection"),
		Initial:     s.String("initial"),
	}
	return m, m.validate()
}

// validate refuses combinations that would leak the label or have no strata.
func (m *Missingness) validate() error {
	own := m.Mode == Enumerate || (m.Mode == NWGM && m.Form == OwnStratum)
	how := `mode = "enumerate"`
	if m.Mode == NWGM {
		how = `form = "own_stratum"`
	}
	switch {
	case own && m.Dictionary == ClassPattern:
		return fmt.Errorf(`missingness: dictionary = "class_pattern" with %s leaks the label: the row's own stratum is a function of y, and the classifier would read y from its code; use dictionary = "pattern", or mode = "nwgm" with form = "published"`, how)
	case own && m.Dictionary == Learnable:
		return fmt.Errorf(`missingness: dictionary = "learnable" with %s has no own stratum to train a row in; use dictionary = "pattern" or "kmeans", or mode = "nwgm" with form = "published"`, how)
	case m.Mode == NWGM && m.DoWeight > 0:
		return fmt.Errorf(`missingness: do_weight = %v needs mode = "enumerate"; nwgm in its published form is already trained on the adjusted output`, m.DoWeight)
	}
	return nil
}

// samplesMasks reports whether training rows get a drawn availability.
func (m *Missingness) samplesMasks() bool { return m != nil && (m.Mode == MaskDo || m.MaskDo) }

// stratified reports whether there are strata at all.
func (m *Missingness) stratified() bool { return m != nil && m.Mode != MaskDo }
