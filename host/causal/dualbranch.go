package causal

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
)

// The values of DualBranch.Split.
const (
	// SplitGCE: the biased branch is what the generalised cross entropy learns
	// first.
	SplitGCE = "gce"
	// SplitAvailability: the biased part of a modality is what predicts the
	// availability of the others. See Separation.
	SplitAvailability = "availability"
	// SplitEnvironment: the biased part of a modality is what tells the environment
	// (site, period) of a row, found in the same way.
	SplitEnvironment = "environment"
	// SplitAttention: every column of h is shared out between the branches (CAL).
	SplitAttention = "attention"
	// SplitSubtraction: the causal part of h is what is left of it when the biased
	// one is subtracted (CaBiR).
	SplitSubtraction = "subtraction"
)

// The values of DualBranch.Mechanism: what drives the availability of modalities.
// It cannot be learned from the data and has to be declared.
const (
	MechanismConfounder = "confounder" // a latent confounder of features and label
	MechanismLabel      = "label"      // the label, or what it stands for
	MechanismSelf       = "self"       // the values of the modality themselves
)

// The values of DualBranch.At: where the biased part is taken from the causal one.
const (
	AtInput = "input" // out of the features, which the backbone erases
	AtHead  = "head"  // nowhere: the head learns it before h, whatever the backbone
)

// The values of DualBranch.Form: how the biased part is found.
const (
	FormLinear  = "linear"  // directions of the columns
	FormNetwork = "network" // directions of what a Predictor says
)

// The values of DualBranch.Contradicted: what is done where the training rows
// contradict the declared mechanism, see Examine.
const (
	ContradictedLeave = "leave" // nothing is taken out
	ContradictedWarn  = "warn"  // the diagnostic says so, and nothing else changes
)

// The values of DualBranch.Heads.
const (
	HeadsJoint    = "joint"    // C_c on [z_c; sg z_b], C_b on [sg z_c; z_b]
	HeadsSeparate = "separate" // C_c on z_c, C_b on z_b
)

// The values of DualBranch.Independence.
const (
	IndependenceHSIC       = "hsic"
	IndependenceVCLUB      = "vclub"
	IndependenceOrthogonal = "orthogonal"
	IndependenceNone       = "none"
)

// The values of DualBranch.Predict.
const (
	PredictMarginal = "marginal"
	PredictDrop     = "drop"
	PredictOwn      = "own"
)

// The values of DualBranch.Difficulty.
const (
	DifficultyRelative = "relative" // CE_b / (CE_c + CE_b)
	DifficultyClass    = "class"    // the same, divided by the mean of the class
)

// DualBranch are the settings of the dual-branch network; see
// DualBranchParameters for what each one means.
type DualBranch struct {
	Split, Mechanism   string
	At, Form           string
	Lead               float64
	Contradicted       string
	Heads              string
	Difficulty         string
	Q                  float64
	BiasWeight         float64
	SwapWeight         float64
	SwapStart          float64
	Independence       string
	IndependenceWeight float64
	InnerSteps         int
	InnerWidth         int
	InnerLearningRate  float64
	Predict            string
	Pool               int
	JointStart         float64
	Freeze             bool
}

// DualBranchParameters describes the settings under dual_branch.*.
func DualBranchParameters() []Parameter {
	return []Parameter{
		enum("split", "what tells the biased branch from the causal one: gce, bias is learned first (LfF, NeurIPS 2020); availability, the part of a modality that predicts which others are there is erased from the features of any backbone. environment, the same with what tells the environment of a row; attention, columns of h are shared out between a branch that suffices and one that is to say nothing of the label (CAL, KDD 2022), with bias_weight and swap_weight; subtraction, z_c is h less z_b, which the generalised cross entropy learns (CaBiR), with q, bias_weight, swap_weight and swap_start. Of the other settings mechanism, at, form, lead, contradicted, predict and pool are of availability and environment, the rest is of gce",
			SplitGCE, SplitAvailability, SplitEnvironment, SplitAttention, SplitSubtraction),
		choice("recipe", "a published method, whose settings are then the defaults: disc, branches by the generalised cross entropy, swapped, each row with its own z_b (DisC, NeurIPS 2022); cal, columns of h shared out by attention (CAL, KDD 2022); cabir, z_c is h less z_b (CaBiR)",
			RecipeDisC, RecipeCAL, RecipeCaBiR),
		choice("mechanism", "of split availability and environment, to be declared: what drives availability, or goes with the environment. confounder, a latent confounder of features and label; label, the label itself: the split is then made within classes; self, the values themselves: nothing is erased",
			MechanismConfounder, MechanismLabel, MechanismSelf),
		choice("at", "of split availability, where the biased part b is told from the rest: input, it is erased from the features, which the backbone must be able to do; head, nothing is erased, and the joint head learns what b and stratum say of y before h is opened to it, which any backbone allows. input is the default of the linear form, head of the network form",
			AtInput, AtHead),
		choice("form", "of split availability, how the biased part is found: linear (default), as directions of the columns of a modality; network, by small cross-fitted networks that predict the availability of the others, for confounding that no single column shows",
			FormLinear, FormNetwork),
		float("lead", 0.25, 0, 0.9, "of split availability at the head: share of training in which b and stratum are learned alone, at least one epoch"),
		enum("contradicted", "of split availability and environment, what to do where the training rows contradict mechanism confounder, as the diagnostic availability_mechanism says: leave, nothing is taken out and the run is one without dual branch; warn, go on",
			ContradictedLeave, ContradictedWarn),
		enum("heads", "joint: either head sees the other branch without gradient (DisEnt, NeurIPS 2021; DisC, NeurIPS 2022); separate: each head sees its own branch (LfF, CaBiR), and nothing is swapped",
			HeadsJoint, HeadsSeparate),
		enum("difficulty", "weight of a row in the causal loss: relative, CE_b/(CE_c+CE_b) (LfF, NeurIPS 2020); class, the same divided by its mean over the rows of the class in the batch and at most 3, without which a rare class takes all the weight",
			DifficultyRelative, DifficultyClass),
		float("q", 0.7, 0.01, 1, "exponent of the generalised cross entropy (Zhang and Sabuncu 2018)"),
		float("bias_weight", 1, 0, 1000, "weight of the biased branch's loss (DisEnt)"),
		float("swap_weight", 10, 0, 1000, "weight of the losses on z_b swapped within the batch (DisC)"),
		float("swap_start", 1.0/3, 0, 1, "share of training after which swapping starts (DisEnt)"),
		enum("independence", "penalty on the dependence of z_c and z_b: hsic (normalised, Gretton et al. 2005), vclub (CLUB, ICML 2020), orthogonal (squared cosine) or none",
			IndependenceHSIC, IndependenceVCLUB, IndependenceOrthogonal, IndependenceNone),
		float("independence_weight", 0.1, 0, 1000, "weight of the independence penalty"),
		integer("inner_steps", 3, 1, 100, "of vclub: steps of the variational network for one of the model (CLUB)"),
		integer("inner_width", 32, 1, 8192, "of vclub: hidden width of the variational network"),
		float("inner_learning_rate", 1e-3, 1e-8, 1, "of vclub: Adam learning rate of the variational network"),
		enum("predict", "marginal: average a joint head over training pairs (z_b, stratum), the backdoor sum; drop: z_b at its training mean, with split availability at the input no z_b; own: the row's own z_b, not an adjustment",
			PredictMarginal, PredictDrop, PredictOwn),
		integer("pool", 256, 1, 65536, "training rows whose (z_b, stratum) the marginal averages over"),
		float("joint_start", 2.0/3, 0, 1, "share of training after which the joint head is trained"),
		boolean("freeze", false, "once the joint head is trained, train nothing else, the backbone included"),
	}
}

// The values of dual_branch.recipe.
const (
	RecipeDisC  = "disc"
	RecipeCAL   = "cal"
	RecipeCaBiR = "cabir"
)

// recipes are the settings of published methods; those of a split stand in
// splitDefaults.
var recipes = map[string]map[string]any{
	RecipeDisC: {
		"split": SplitGCE, "heads": HeadsJoint, "difficulty": DifficultyRelative, "q": 0.7, "bias_weight": 1.0,
		"swap_weight": 10.0, "swap_start": 0.5, "independence": IndependenceNone, "predict": PredictOwn,
	},
	RecipeCAL:   {"split": SplitAttention},
	RecipeCaBiR: {"split": SplitSubtraction},
}

// splitDefaults are defaults that differ from the declared ones with a split: CAL
// weights the uniform and the intervened loss by half, CaBiR begins to swap after ten
// of fifty epochs, and both predict from the causal branch.
var splitDefaults = map[string]map[string]any{
	SplitAttention:   {"bias_weight": 0.5, "swap_weight": 0.5, "predict": PredictDrop},
	SplitSubtraction: {"bias_weight": 0.5, "swap_weight": 1.0, "swap_start": 0.2, "predict": PredictDrop},
}

// DualBranchDefaults are the defaults, by name, that differ from the declared ones
// beside given settings: those of their recipe and their split.
func DualBranchDefaults(given map[string]any) map[string]any {
	name, _ := given["recipe"].(string)
	out := map[string]any{}
	maps.Copy(out, recipes[name])
	split, ok := given["split"].(string)
	if !ok {
		split, _ = out["split"].(string)
	}
	maps.Copy(out, splitDefaults[split])
	return out
}

// ParseDualBranch checks settings by name and fills in the defaults. Errors name
// the key, as dual_branch.<name>.
func ParseDualBranch(raw map[string]any) (*DualBranch, error) {
	s, err := settings("dual_branch", DualBranchParameters(), raw)
	if err != nil {
		return nil, err
	}
	defaults := DualBranchDefaults(raw)
	for name, value := range defaults {
		if _, given := raw[name]; !given {
			s[name] = value
		}
	}
	for _, name := range []string{"split", "predict"} {
		if own, ok := recipes[s.String("recipe")][name]; ok && s[name] != own {
			return nil, fmt.Errorf("dual_branch.recipe = %q has %s = %q, and %q is given; remove %s, or write the settings out without a recipe", s.String("recipe"), name, own, s[name], name)
		}
	}
	split, mechanism := s.String("split"), s.String("mechanism")
	at, form := s.String("at"), s.String("form")
	parts := split == SplitAvailability || split == SplitEnvironment
	for _, name := range []string{"mechanism", "at", "form"} {
		if value := s.String(name); value != "" && !parts {
			return nil, fmt.Errorf(`dual_branch.%s = %q belongs to split = "availability" and "environment", and the split is %q; change the split or remove %s`, name, value, split, name)
		}
	}
	switch {
	case parts && mechanism == "":
		return nil, fmt.Errorf(`dual_branch.split = %q needs mechanism = "confounder", "label" or "self": what drives availability cannot be learned from the data, declare it`, split)
	case split == SplitEnvironment && mechanism == MechanismSelf:
		return nil, errors.New(`dual_branch.mechanism = "self" belongs to split = "availability": an environment does not come about by the values of a modality; declare "confounder" or "label"`)
	case (split == SplitAttention || split == SplitSubtraction) && s.String("predict") != PredictDrop:
		return nil, fmt.Errorf(`dual_branch.predict = %q cannot be combined with split = %q, which predicts from the causal branch; use predict = "drop"`, s.String("predict"), split)
	case split == SplitSubtraction && s.Float("bias_weight") > 1:
		return nil, fmt.Errorf(`dual_branch.bias_weight = %v with split = "subtraction" is the share of the biased head, at most 1`, s.Float("bias_weight"))
	case form == FormNetwork && at == AtInput:
		return nil, errors.New(`dual_branch.form = "network" finds no directions of the features that could be erased at the input; use at = "head"`)
	}
	if parts {
		form = cmp.Or(form, FormLinear)
		if at == "" {
			at = AtInput
			if form == FormNetwork {
				at = AtHead
			}
		}
	}
	return &DualBranch{
		At:                 at,
		Form:               form,
		Lead:               s.Float("lead"),
		Contradicted:       s.String("contradicted"),
		Split:              split,
		Mechanism:          mechanism,
		Heads:              s.String("heads"),
		Difficulty:         s.String("difficulty"),
		Q:                  s.Float("q"),
		BiasWeight:         s.Float("bias_weight"),
		SwapWeight:         s.Float("swap_weight"),
		SwapStart:          s.Float("swap_start"),
		Independence:       s.String("independence"),
		IndependenceWeight: s.Float("independence_weight"),
		InnerSteps:         s.Int("inner_steps"),
		InnerWidth:         s.Int("inner_width"),
		InnerLearningRate:  s.Float("inner_learning_rate"),
		Predict:            s.String("predict"),
		Pool:               s.Int("pool"),
		JointStart:         s.Float("joint_start"),
		Freeze:             s.Bool("freeze"),
	}, nil
}

// Separates reports whether the split is one of the columns of a modality, made
// before training by availability or environment. d may be nil.
func (d *DualBranch) Separates() bool {
	return d != nil && (d.Split == SplitAvailability || d.Split == SplitEnvironment)
}

// attends reports whether the split is made by attention.
func (d *DualBranch) attends() bool { return d != nil && d.Split == SplitAttention }

// subtracts reports whether the split is made by subtraction.
func (d *DualBranch) subtracts() bool { return d != nil && d.Split == SplitSubtraction }

// UsesBiased reports whether the head needs the biased part of every row beside
// its representation.
func (d *DualBranch) UsesBiased() bool {
	return d.Separates() && (d.Predict != PredictDrop || d.At == AtHead)
}

// swaps reports whether z_b is swapped in some stage.
func (d *DualBranch) swaps() bool { return d.Heads == HeadsJoint && d.SwapWeight > 0 }

// Compatible returns why two components cannot work together, or not with a task
// and a number of modalities, or nil. Either component may be nil.
func Compatible(m *Missingness, d *DualBranch, task Task, modalities int) error {
	if d != nil && d.Split == SplitAvailability && modalities < 2 {
		return fmt.Errorf(`dual_branch.split = "availability" parts a modality by the availability of the others, and the dataset has %d; use another split`, modalities)
	}
	if d != nil && d.Split == SplitGCE && d.Difficulty == DifficultyClass && task.Kind == Multilabel {
		return fmt.Errorf(`dual_branch.difficulty = "class" needs one class a row; the task is multilabel: use "relative"`)
	}
	if m == nil {
		return nil
	}
	switch {
	case m.stratified() && m.Dictionary == ClassPattern && task.Kind == Multilabel:
		return fmt.Errorf(`missingness.dictionary = "class_pattern" needs one class a row; the task is multilabel: use "pattern"`)
	case d == nil && m.stratified() && m.Dictionary == KMeans && m.Context == ContextBiased:
		return fmt.Errorf(`missingness.context = "biased" clusters z_b, which only dual_branch has; add dual_branch, or use context = "availability"`)
	case (d.Separates() || d.attends() || d.subtracts()) && m.stratified() && m.Dictionary == KMeans && m.Context == ContextBiased:
		return fmt.Errorf(`missingness.context = "biased" clusters the z_b of dual_branch.split = "gce"; with split = %q use context = "availability"`, d.Split)
	case d.Separates() && d.At == AtHead && m.stratified() && m.Warmup > 0:
		return fmt.Errorf(`missingness.warmup = %d cannot be combined with dual_branch.at = "head": in a warm-up h learns what b is to say; set it to 0`, m.Warmup)
	case d.Separates() && !d.UsesBiased(): // the head is that of missingness alone
	case d.Separates() && m.Mode == NWGM:
		return fmt.Errorf(`missingness.mode = "nwgm" has no strata to pair with z_b; use mode = "enumerate", or dual_branch.predict = "drop" with at = "input"`)
	case d.Separates() && m.DoWeight > 0:
		return fmt.Errorf(`missingness.do_weight = %v cannot be combined with dual_branch.predict = %q: its joint head is trained on own pairs; set it to 0`, m.DoWeight, d.Predict)
	case d != nil && m.Mode == NWGM:
		return fmt.Errorf(`missingness.mode = "nwgm" cannot be combined with dual_branch: it has no strata to pair with z_b; use mode = "enumerate"`)
	case d != nil && m.DoWeight > 0:
		return fmt.Errorf(`missingness.do_weight = %v cannot be combined with dual_branch: its joint head is trained on own pairs; set it to 0`, m.DoWeight)
	}
	return nil
}
