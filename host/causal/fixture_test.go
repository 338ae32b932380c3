package causal

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// tasks are the three kinds, by name.
var tasks = map[string]Task{
	"binary":     {Kind: Binary},
	"multiclass": {Kind: Multiclass, Classes: 3},
	"multilabel": {Kind: Multilabel, Classes: 3},
}

// variants are configurations of the two components that together reach every
// path of the package.
var variants = map[string][2]map[string]any{
	"erm":            {},
	"md":             {{"warmup": 0}, nil},
	"md_warmup":      {{"warmup": 2, "code": "both", "momentum": 0.5}, nil},
	"md_do":          {{"warmup": 1, "do_weight": 0.3}, nil},
	"md_mask":        {{"warmup": 0, "mask_do": true, "code": "prototype"}, nil},
	"mask_do":        {{"mode": "mask_do"}, nil},
	"md_kmeans":      {{"dictionary": "kmeans", "clusters": 4, "warmup": 1}, nil},
	"md_kmeans_h":    {{"dictionary": "kmeans", "clusters": 4, "context": "representation", "refresh": 2, "momentum": 0.3, "warmup": 1}, nil},
	"nwgm":           {{"mode": "nwgm", "attention": 6, "projection": 5, "warmup": 1}, nil},
	"nwgm_raw":       {{"mode": "nwgm", "renormalize": false, "dictionary": "class_pattern", "attention": 6, "projection": 5, "warmup": 1}, nil},
	"nwgm_own":       {{"mode": "nwgm", "form": "own_stratum", "projection": 5, "warmup": 1}, nil},
	"nwgm_learnable": {{"mode": "nwgm", "dictionary": "learnable", "clusters": 4, "attention": 6, "projection": 5, "warmup": 0}, nil},
	"nwgm_init":      {{"mode": "nwgm", "dictionary": "learnable", "initial": "kmeans", "clusters": 4, "attention": 6, "projection": 5, "warmup": 1}, nil},
	"db":             {nil, {}},
	"db_drop":        {nil, {"predict": "drop", "independence": "vclub", "inner_width": 6}},
	"db_own":         {nil, {"predict": "own", "independence": "orthogonal", "bias_weight": 0.6, "swap_weight": 3}},
	"db_class":       {nil, {"difficulty": "class"}},
	"db_separate":    {nil, {"heads": "separate", "independence": "none"}},
	"md_db":          {{"warmup": 2}, {"independence_weight": 0.5}},
	"md_db_vclub":    {{"warmup": 1, "code": "both"}, {"independence": "vclub", "inner_width": 6, "predict": "drop"}},
	"md_db_freeze":   {{"warmup": 1}, {"freeze": true, "predict": "own"}},
	"md_db_biased":   {{"warmup": 1, "dictionary": "kmeans", "context": "biased", "clusters": 3}, {"pool": 7}},
	"mask_do_db":     {{"mode": "mask_do"}, {"swap_weight": 0.0}},

	"availability":           {nil, {"split": "availability", "mechanism": "label", "pool": 7}},
	"availability_drop":      {nil, {"split": "availability", "mechanism": "confounder", "predict": "drop"}},
	"md_availability":        {{"warmup": 2, "code": "both"}, {"split": "availability", "mechanism": "confounder"}},
	"md_availability_own":    {{}, {"split": "availability", "mechanism": "confounder", "predict": "own"}},
	"md_availability_kmeans": {{"dictionary": "kmeans", "clusters": 4, "context": "representation", "warmup": 1}, {"split": "availability", "mechanism": "label"}},
	"availability_head":      {nil, {"split": "availability", "mechanism": "confounder", "at": "head", "predict": "drop"}},
	"md_availability_head":   {{"code": "both"}, {"split": "availability", "mechanism": "confounder", "form": "network", "lead": 0.5, "pool": 7}},
	"attention":              {nil, {"split": "attention"}},
	"md_attention":           {{"warmup": 1, "code": "both"}, {"split": "attention", "swap_weight": 2}},
	"subtraction":            {nil, {"split": "subtraction", "bias_weight": 0.3, "swap_weight": 2}},
	"md_subtraction":         {{"warmup": 1, "code": "both"}, {"split": "subtraction", "swap_start": 0.3}},
	"disc":                   {nil, {"recipe": "disc"}},
	"nwgm_availability_drop": {{"mode": "nwgm", "attention": 6, "projection": 5, "warmup": 1}, {"split": "availability", "mechanism": "label", "predict": "drop"}},
}

const (
	testRows       = 64
	testWidth      = 5
	testBiased     = 2 // of these columns
	testModalities = 3
)

// testConfig builds a configuration of a variant for six epochs.
func testConfig(tb testing.TB, variant string, task Task) Config {
	tb.Helper()
	v, ok := variants[variant]
	if !ok {
		tb.Fatalf("no variant %q", variant)
	}
	cfg := Config{
		Task: task, Width: testWidth, Modalities: testModalities, Hidden: 7, Epochs: 6, Seed: 11,
		Optimizer: nn.OptimizerConfig{Name: "adamw", LearningRate: 0.01, WeightDecay: 0.01, ClipNorm: 1},
	}
	var err error
	if v[0] != nil {
		if cfg.Missingness, err = ParseMissingness(v[0]); err != nil {
			tb.Fatal(err)
		}
		cfg.Missingness.MinRows = 4
	}
	if v[1] != nil {
		if cfg.DualBranch, err = ParseDualBranch(v[1]); err != nil {
			tb.Fatal(err)
		}
		if cfg.DualBranch.UsesBiased() {
			cfg.Biased = testBiased
		}
	}
	return cfg
}

// testData draws training rows and their representations.
func testData(task Task, seed uint64) (Training, []float32) {
	r := rng.Stream(seed, "test")
	tr := Training{CovariateWidth: 2}
	for range testRows {
		tr.Availability = append(tr.Availability, []uint64{7, 7, 7, 3, 3, 5, 6, 1, 2}[r.IntN(9)])
		tr.Covariates = append(tr.Covariates, float32(r.NormFloat64()), float32(r.NormFloat64()))
		tr.Labels = append(tr.Labels, randomLabels(task, r)...)
	}
	return tr, normals(r, testRows*testWidth)
}

func randomLabels(task Task, r *rand.Rand) []float32 {
	switch task.Kind {
	case Binary:
		return []float32{float32(r.IntN(2))}
	case Multiclass:
		return []float32{float32(r.IntN(task.Classes))}
	}
	out := make([]float32, task.Classes)
	for i := range out {
		if out[i] = float32(r.IntN(3)); out[i] == 2 {
			out[i] = float32(math.NaN())
		}
	}
	return out
}

func normals(r *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(r.NormFloat64())
	}
	return out
}

// batchOf takes training rows by position.
func batchOf(task Task, tr Training, h []float32, positions []int32) (Batch, []float32) {
	b := Batch{Positions: positions}
	var rep []float32
	w := task.LabelWidth()
	for _, p := range positions {
		b.Availability = append(b.Availability, tr.Availability[p])
		b.Labels = append(b.Labels, tr.Labels[int(p)*w:(int(p)+1)*w]...)
		rep = append(rep, h[int(p)*testWidth:(int(p)+1)*testWidth]...)
	}
	return b, rep
}

func newHead(tb testing.TB, cfg Config, tr Training) *Head {
	tb.Helper()
	if tr.Biased == nil {
		tr.Biased = normals(rng.Stream(8, "biased"), len(tr.Availability)*cfg.Biased)
	}
	h, err := New(cfg, tr)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// trainer drives a head as a run does.
type trainer struct {
	tb   testing.TB
	head *Head
	tr   Training
	h    []float32
	dh   []float32 // of the last step
	log  []string
}

// steps of one epoch.
const (
	testBatch = 16
	testSteps = testRows / testBatch
)

// step trains step s, with weights from a key if weighted.
func (d *trainer) step(s int, weighted bool) {
	d.tb.Helper()
	epoch := s / testSteps
	if s%testSteps == 0 && d.head.NeedsRepresentations(epoch) {
		if err := d.head.Refresh(epoch, d.h); err != nil {
			d.tb.Fatal(err)
		}
	}
	order := rng.Stream(5, "order", epoch).Perm(testRows)
	positions := make([]int32, testBatch)
	for i := range positions {
		positions[i] = int32(order[s%testSteps*testBatch+i])
	}
	b, rep := batchOf(d.head.cfg.Task, d.tr, d.h, positions)
	seen := d.head.Availability(b.Availability, uint64(s))
	out, err := d.head.Forward(rep, b, epoch, uint64(s))
	if err != nil {
		d.tb.Fatal(err)
	}
	var weights []float32
	if weighted {
		r := rng.Stream(6, "weights", s)
		for range positions {
			weights = append(weights, float32(max(0, r.Float64()-0.2)))
		}
	}
	dh, terms, err := d.head.Backward(weights, nil)
	if err != nil {
		d.tb.Fatal(err)
	}
	d.dh = dh
	d.log = append(d.log, fmt.Sprint(s, seen, out.Logits, out.RowLoss, dh, terms))
	// The backbone learns too: representations move against their gradient.
	for i, p := range positions {
		for j := range testWidth {
			d.h[int(p)*testWidth+j] -= 0.5 * dh[i*testWidth+j]
		}
	}
}

func newTrainer(tb testing.TB, cfg Config) *trainer {
	tr, h := testData(cfg.Task, 3)
	return &trainer{tb: tb, head: newHead(tb, cfg, tr), tr: tr, h: h}
}

// eachVariant runs a test for every variant and task that go together.
func eachVariant(t *testing.T, test func(t *testing.T, cfg Config)) {
	for variant := range variants {
		for name, task := range tasks {
			t.Run(variant+"/"+name, func(t *testing.T) {
				cfg := testConfig(t, variant, task)
				if Compatible(cfg.Missingness, cfg.DualBranch, task, testModalities) != nil {
					t.Skip("not a combination")
				}
				test(t, cfg)
			})
		}
	}
}
