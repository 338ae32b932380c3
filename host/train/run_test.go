package train_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/host/causal"
	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
	"github.com/deconfound/deconfound/sdk/strategy"
)

// patient is a row of the table of a cohort.
type patient struct {
	age, lab float64
	measured bool // the lab
	marker   float64
	examined bool
	label    int
	sex      int
}

// cohort writes a table of n patients, two modalities of which the second is
// missing more often in healthy ones, and opens its store. Without a lab the
// store has NaN in its place.
func cohort(t *testing.T, n int) *dataset.Store {
	t.Helper()
	return cohortOf(t, n, "binary", func(int, *patient) {})
}

// cohortOf is cohort for any task, with patients changed by their number. A
// multiclass label is low, mid or high; a multilabel one is the binary label and
// the sex, which is unknown of every fifth patient.
func cohortOf(t *testing.T, n int, task string, change func(i int, p *patient)) *dataset.Store {
	t.Helper()
	return cohortWith(t, n, task, "", change)
}

// marked is a cohort with a third modality, an exam that a fifth of the patients
// lack: it has a marker that says whether the lab was measured.
func marked(t *testing.T, n int, change func(i int, p *patient)) *dataset.Store {
	t.Helper()
	const exam = `
[[modality]]
name = "exam"
columns = ["marker", "exam_age"]
`
	return cohortWith(t, n, "binary", exam, func(i int, p *patient) {
		r := rng.Stream(7, "marker", i)
		p.marker, p.examined = r.NormFloat64(), r.IntN(5) > 0
		if p.measured {
			p.marker += 1.5
		}
		change(i, p)
	})
}

// cohortWith is cohortOf with more in the manifest.
func cohortWith(t *testing.T, n int, task, more string, change func(i int, p *patient)) *dataset.Store {
	t.Helper()
	dir := t.TempDir()
	r := rng.Stream(1, "cohort", n)
	var table strings.Builder
	table.WriteString("id,age,lab,label,sex,known_sex,marker,exam_age\n")
	for i := range n {
		p := patient{age: r.NormFloat64(), lab: r.NormFloat64()}
		if r.Float64() < 1/(1+math.Exp(-(1.5*p.age+p.lab))) {
			p.label = 1
		}
		p.measured = r.Float64() >= 0.5-0.3*float64(p.label)
		p.sex = r.IntN(2)
		change(i, &p)
		lab, label, known, exam := "", fmt.Sprint(p.label), fmt.Sprint(p.sex), ","
		if p.examined {
			exam = fmt.Sprint(p.marker, ",", p.age)
		}
		if p.measured {
			lab = fmt.Sprint(p.lab)
		}
		if i%5 == 0 {
			known = ""
		}
		if task == "multiclass" {
			label = "low"
			if p.label == 1 {
				label = []string{"mid", "high"}[p.sex]
			}
		}
		fmt.Fprintf(&table, "p%d,%v,%s,%s,%d,%s,%s\n", i, p.age, lab, label, p.sex, known, exam)
	}
	write(t, filepath.Join(dir, "table.csv"), table.String())
	label := map[string]string{
		"binary":     `column = "label"`,
		"multiclass": "column = \"label\"\nclasses = [\"low\", \"mid\", \"high\"]",
		"multilabel": `columns = ["label", "known_sex"]`,
	}[task]
	write(t, filepath.Join(dir, "dataset.toml"), `
version = 1
name = "cohort"
covariates = ["age"]
[[table]]
file = "table.csv"
[rows]
id = "id"
[label]
task = "`+task+`"
`+label+`
[[modality]]
name = "base"
always = true
columns = ["age"]
[[modality]]
name = "lab"
columns = ["lab"]
[[group]]
name = "sex"
column = "sex"
`+more)
	source, err := dataset.Load(filepath.Join(dir, "dataset.toml"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := dataset.Build(source, t.TempDir(), make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func data(t *testing.T, store *dataset.Store) train.Data {
	t.Helper()
	split, err := store.Split(dataset.SplitSpec{Scheme: dataset.Holdout}, 0)
	if err != nil {
		t.Fatal(err)
	}
	shifts := []string{dataset.ShiftDo, dataset.ShiftFlip}
	if store.Task().Kind == "multilabel" {
		shifts = shifts[:1] // there is no label to flip the link of a block to
	}
	tests, err := store.Tests(shifts, split, 0)
	if err != nil {
		t.Fatal(err)
	}
	return train.Data{Store: store, Split: split, Tests: tests, Scaling: store.Scaling(split.Train)}
}

// fusion is a small backbone: the sum of the modality embeddings.
type fusion struct {
	params   *nn.Params
	encoders *encoder.Set
	dropout  float64
}

func (f *fusion) Params() *nn.Params { return f.params }

func (f *fusion) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	embeddings := f.encoders.Encode(t, b)
	return t.Dropout(t.ReLU(t.Sum(embeddings...)), f.dropout, b.Rand), nil
}

var fusionInfo = sdk.Info{Name: "fusion", Version: "1", Capabilities: sdk.Capabilities{NeedsLabels: true}}

func newFusion(c backbone.Config) (backbone.Model, error) {
	f := &fusion{params: &nn.Params{}, dropout: 0.1}
	f.encoders = encoder.New(f.params, encoder.Config{
		Modalities: c.Modalities, Width: c.Width, Hidden: 8, Dropout: 0.1, Rand: c.Rand,
	})
	return backbone.FromTape(f), nil
}

// opener opens sessions in this process and watches what they are asked.
type opener struct {
	strategy sdk.Strategy
	info     sdk.Info // of the strategy; its name is tilt if it has none
	watch    func(sdk.ForwardRequest)
	answer   func(sdk.ForwardRequest, *sdk.ForwardResponse)
	backward func(sdk.BackwardRequest)
	wrap     func(sdk.BackboneSession) sdk.BackboneSession
}

func (o *opener) OpenBackbone(ctx context.Context, req sdk.OpenRequest) (sdk.BackboneSession, error) {
	var resp sdk.OpenResponse
	if err := backbone.New(fusionInfo, newFusion).Open(ctx, req, &resp); err != nil {
		return nil, err
	}
	if o.wrap != nil {
		return o.wrap(&watched{resp.Session, o}), nil
	}
	return &watched{resp.Session, o}, nil
}

func (o *opener) OpenStrategy(ctx context.Context, req sdk.StrategyOpenRequest) (sdk.StrategySession, error) {
	var resp sdk.StrategyOpenResponse
	err := o.strategy.Open(ctx, req, &resp)
	return resp.Session, err
}

type watched struct {
	sdk.BackboneSession
	opener *opener
}

func (w *watched) Forward(ctx context.Context, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
	if w.opener.watch != nil {
		w.opener.watch(req)
	}
	err := w.BackboneSession.Forward(ctx, req, resp)
	if err == nil && w.opener.answer != nil {
		w.opener.answer(req, resp)
	}
	return err
}

func (w *watched) Backward(ctx context.Context, req sdk.BackwardRequest, resp *sdk.BackwardResponse) error {
	if w.opener.backward != nil {
		w.opener.backward(req)
	}
	return w.BackboneSession.Backward(ctx, req, resp)
}

// tilt is a strategy with state: it doubles the weight of the positives in every
// other batch.
type tilt struct{ calls byte }

func (s *tilt) Weights(b strategy.Batch) ([]float32, []sdk.Term, error) {
	s.calls++
	weights := make([]float32, len(b.Rows))
	for i, label := range b.Labels {
		weights[i] = 1 + label*float32(s.calls%2)
	}
	return weights, nil, nil
}

func (s *tilt) State() ([]byte, error)  { return []byte{s.calls}, nil }
func (s *tilt) SetState(b []byte) error { s.calls = b[0]; return nil }

func config(seed uint64) train.Config {
	return train.Config{
		Width: 8, HeadHidden: 8, HeadDropout: 0.1,
		Optimizer: nn.OptimizerConfig{Name: "adam", LearningRate: 5e-3},
		Epochs:    6, BatchSize: 64,
		Select:   train.Selection{Name: "auroc", Maximize: true},
		Groups:   []string{"sex"},
		InitSeed: seed,
	}
}

type points map[int]train.Values

func (p points) Points(epoch int, values train.Values) error {
	p[epoch] = values
	return nil
}

// finish trains to the end in slices of the given number of epochs, every slice
// in a fresh run restored from the last checkpoint, and tests.
func finish(t *testing.T, cfg train.Config, d train.Data, o *opener, epochs int) (train.Outcome, points) {
	t.Helper()
	ctx := context.Background()
	plugins := train.Plugins{Opener: o, Backbone: fusionInfo}
	if o.strategy != nil {
		info := o.info
		info.Name = cmp.Or(info.Name, "tilt")
		plugins.Strategy = &info
	}
	recorded := points{}
	var checkpoint []byte
	for {
		run, err := train.Open(ctx, cfg, d, plugins)
		if err != nil {
			t.Fatal(err)
		}
		if checkpoint != nil {
			if err := run.Restore(ctx, checkpoint); err != nil {
				t.Fatal(err)
			}
		}
		stop := run.Epoch() + epochs
		done, err := run.Slice(ctx, recorded, func() bool { return run.Epoch() >= stop })
		if err != nil {
			t.Fatal(err)
		}
		if checkpoint, err = run.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
		if done {
			// The last slice may die between training and testing.
			again, err := train.Open(ctx, cfg, d, plugins)
			if err != nil {
				t.Fatal(err)
			}
			if err := again.Restore(ctx, checkpoint); err != nil {
				t.Fatal(err)
			}
			outcome, err := run.Test(ctx)
			if err != nil {
				t.Fatal(err)
			}
			repeated, err := again.Test(ctx)
			if err != nil {
				t.Fatal(err)
			}
			sameOutcome(t, repeated, outcome)
			if err := errors.Join(run.Close(ctx), again.Close(ctx)); err != nil {
				t.Fatal(err)
			}
			return outcome, recorded
		}
		if err := run.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func sameOutcome(t *testing.T, got, want train.Outcome) {
	t.Helper()
	if got.BestEpoch != want.BestEpoch {
		t.Errorf("best epoch: got %d, want %d", got.BestEpoch, want.BestEpoch)
	}
	if !slices.Equal(got.Predictions, want.Predictions) {
		t.Error("the predictions differ")
	}
	if !reflect.DeepEqual(got.Diagnostics, want.Diagnostics) {
		t.Errorf("diagnostics: got %v, want %v", got.Diagnostics, want.Diagnostics)
	}
	sameValues(t, got.Values, want.Values)
}

func sameValues(t *testing.T, got, want train.Values) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("got %d values, want %d", len(got), len(want))
	}
	for metric, value := range want {
		if g, ok := got[metric]; !ok || math.Float64bits(g) != math.Float64bits(value) && !(g != g && value != value) {
			t.Errorf("%+v: got %v, want %v", metric, g, value)
		}
	}
}

func TestRun_SameBitsWhateverTheSlices(t *testing.T) {
	d := data(t, marked(t, 400, func(int, *patient) {}))
	missingness, err := causal.ParseMissingness(map[string]any{"mode": "enumerate", "warmup": int64(1)})
	if err != nil {
		t.Fatal(err)
	}
	branch, err := causal.ParseDualBranch(map[string]any{"predict": "marginal"})
	if err != nil {
		t.Fatal(err)
	}
	availability, err := causal.ParseDualBranch(map[string]any{"split": "availability", "mechanism": "label", "pool": int64(50)})
	if err != nil {
		t.Fatal(err)
	}
	for _, variant := range []struct {
		name        string
		missingness *causal.Missingness
		branch      *causal.DualBranch
		strategy    sdk.Strategy
	}{
		{name: "availability", missingness: missingness, branch: availability},
		{name: "erm"},
		{name: "md", missingness: missingness},
		{name: "db", branch: branch},
		{name: "md_db", missingness: missingness, branch: branch},
		{name: "strategy", strategy: strategy.New(sdk.Info{Name: "tilt"}, func(strategy.Config) (strategy.Rule, error) { return &tilt{}, nil })},
	} {
		t.Run(variant.name, func(t *testing.T) {
			cfg := config(3)
			cfg.Missingness, cfg.DualBranch = variant.missingness, variant.branch
			o := &opener{strategy: variant.strategy}
			want, recorded := finish(t, cfg, d, o, 100)
			got, again := finish(t, cfg, d, o, 1)
			sameOutcome(t, got, want)
			for epoch, values := range recorded {
				sameValues(t, again[epoch], values)
			}
			// The marginal gives up what the label's signal shares with z_b.
			least := 0.7
			if variant.branch != nil {
				least = 0.6
			}
			if auroc := want.Values[train.Metric{Name: "auroc", Split: "test"}]; !(auroc > least) {
				t.Errorf("test auroc: got %v, the label is easier than that", auroc)
			}
		})
	}
}

func TestRun_BackboneSeesTrainingLabelsOnly(t *testing.T) {
	store := cohort(t, 400)
	d := data(t, store)
	training := map[int32]bool{}
	for _, row := range d.Split.Train {
		training[row] = true
	}
	withLabels := 0
	o := &opener{watch: func(req sdk.ForwardRequest) {
		if req.Mode != sdk.Train {
			if req.Labels != nil {
				t.Error("labels were sent with rows to score")
			}
			return
		}
		withLabels++
		for i, row := range req.Rows {
			if !training[row] {
				t.Fatalf("row %d was trained on and is not in the training split", row)
			}
			if req.Labels[i] != store.Labels()[row] {
				t.Fatalf("row %d has another label", row)
			}
		}
	}}
	finish(t, config(1), d, o, 100)
	if withLabels == 0 {
		t.Error("a backbone that needs labels got none")
	}
}

func TestRun_PatienceStopsAndKeepsTheBestEpoch(t *testing.T) {
	d := data(t, cohort(t, 400))
	cfg := config(5)
	cfg.Epochs, cfg.Patience = 60, 3
	cfg.Optimizer.LearningRate = 0.05
	outcome, recorded := finish(t, cfg, d, &opener{}, 100)
	sliced, again := finish(t, cfg, d, &opener{}, 1) // patience is counted across slices
	sameOutcome(t, sliced, outcome)
	if len(again) != len(recorded) {
		t.Errorf("trained %d epochs in slices, %d at once", len(again), len(recorded))
	}
	best, at := math.Inf(-1), -1
	for epoch := range len(recorded) {
		if v := recorded[epoch+1][cfg.Select.Metric()]; v > best {
			best, at = v, epoch
		}
	}
	if outcome.BestEpoch != at {
		t.Errorf("best epoch: got %d, want %d", outcome.BestEpoch, at)
	}
	if want := at + 1 + cfg.Patience; len(recorded) != want {
		t.Errorf("trained %d epochs, want %d", len(recorded), want)
	}
	if got := outcome.Values[cfg.Select.Metric()]; got != best {
		t.Errorf("validation value of the tested state: got %v, want %v", got, best)
	}
}

// A rule may look at the predictions before the adjustment: its value is theirs, and
// it differs from that of the adjusted ones.
func TestRun_SelectsByObservedPredictions(t *testing.T) {
	d := data(t, cohort(t, 600))
	cfg := config(5)
	cfg.Select = train.Selection{Name: "log_loss", Observed: true}
	var err error
	if cfg.Missingness, err = causal.ParseMissingness(map[string]any{"mode": "enumerate"}); err != nil {
		t.Fatal(err)
	}
	outcome, recorded := finish(t, cfg, d, &opener{}, 100)
	best, at, differs := math.Inf(1), -1, false
	for epoch := range len(recorded) {
		v, ok := recorded[epoch+1][cfg.Select.Metric()]
		if !ok {
			t.Fatalf("epoch %d has no value of observed predictions", epoch)
		}
		differs = differs || v != recorded[epoch+1][train.Metric{Name: "log_loss", Split: "val"}]
		if v < best {
			best, at = v, epoch
		}
	}
	if outcome.BestEpoch != at || outcome.Values[cfg.Select.Metric()] != best || !differs {
		t.Errorf("epoch %d of value %v was tested, want %d of %v (adjusted values differ: %v)", outcome.BestEpoch, outcome.Values[cfg.Select.Metric()], at, best, differs)
	}
	cfg.Missingness = nil // without adjustment the two are one
	outcome, _ = finish(t, cfg, d, &opener{}, 100)
	if a, b := outcome.Values[cfg.Select.Metric()], outcome.Values[train.Metric{Name: "log_loss", Split: "val"}]; a != b {
		t.Errorf("without a component the log loss is %v observed and %v otherwise", a, b)
	}
}

// An epoch of an earlier stage is never the best one, however well it scores.
func TestRun_BestEpochHasAllStages(t *testing.T) {
	d := data(t, cohort(t, 400))
	branch, err := causal.ParseDualBranch(map[string]any{"joint_start": 0.75})
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(4) {
		cfg := config(seed)
		cfg.DualBranch, cfg.Epochs = branch, 8
		if outcome, _ := finish(t, cfg, d, &opener{}, 100); outcome.BestEpoch < 6 {
			t.Errorf("seed %d: epoch %d was tested, the joint head is trained from epoch 6 on", seed, outcome.BestEpoch)
		}
	}
}

func TestRun_DivergenceIsAnErrorWithItsCode(t *testing.T) {
	d := data(t, cohort(t, 400))
	o := &opener{answer: func(_ sdk.ForwardRequest, resp *sdk.ForwardResponse) { resp.H.Data[0] = float32(math.NaN()) }}
	run, err := train.Open(context.Background(), config(1), d, train.Plugins{Opener: o, Backbone: fusionInfo})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = run.Slice(context.Background(), points{}, func() bool { return false }); sdk.CodeOf(err) != sdk.CodeNotFinite {
		t.Errorf("got %v, want code %s", err, sdk.CodeNotFinite)
	}
}

func TestRun_GroupsAndPatternsHaveCounts(t *testing.T) {
	d := data(t, cohort(t, 800))
	outcome, _ := finish(t, config(1), d, &opener{}, 100)
	var total float64
	for _, level := range []string{"base", "base+lab"} {
		n, ok := outcome.Values[train.Metric{Name: "n", Split: "test", Group: "pattern", Level: level}]
		if !ok || n == 0 {
			t.Errorf("pattern %s has no rows", level)
		}
		total += n
	}
	if want := float64(len(d.Split.Test)); total != want {
		t.Errorf("the patterns have %v rows, want %v", total, want)
	}
	if _, ok := outcome.Values[train.Metric{Name: "auroc", Split: "test", Group: "sex", Level: "1"}]; !ok {
		t.Error("the subgroup sex = 1 has no auroc")
	}
	if _, ok := outcome.Values[train.Metric{Name: "auroc", Split: "do"}]; !ok {
		t.Error("the shifted test set has no auroc")
	}
}

// spy is a strategy that keeps what it is told.
type spy struct {
	open       sdk.StrategyOpenRequest
	augments   []sdk.AugmentRequest
	objectives []sdk.ObjectiveRequest
}

func (*spy) Info(context.Context, sdk.InfoRequest, *sdk.InfoResponse) error { return nil }

func (s *spy) Open(_ context.Context, req sdk.StrategyOpenRequest, resp *sdk.StrategyOpenResponse) error {
	s.open, resp.Session = req, &spied{spy: s}
	return nil
}

type spied struct {
	sdk.Stateless
	spy *spy
}

func (s *spied) Augment(_ context.Context, req sdk.AugmentRequest, resp *sdk.AugmentResponse) error {
	s.spy.augments = append(s.spy.augments, req)
	resp.Availability = req.Availability
	return nil
}

func (s *spied) Objective(_ context.Context, req sdk.ObjectiveRequest, _ *sdk.ObjectiveResponse) error {
	s.spy.objectives = append(s.spy.objectives, req)
	return nil
}

// Whatever a strategy is told is about the training rows, by their positions.
func TestRun_StrategySeesTrainingRowsOnly(t *testing.T) {
	store := cohort(t, 400)
	d := data(t, store)
	s := &spy{}
	finish(t, config(1), d, &opener{strategy: s}, 100)

	n := len(d.Split.Train)
	if len(s.open.Availability) != n || len(s.open.Labels) != n || len(s.open.Groups) != n || s.open.Covariates.Shape[0] != n {
		t.Fatalf("opened with %d masks, %d labels, %d groups and covariates %v, want %d of each",
			len(s.open.Availability), len(s.open.Labels), len(s.open.Groups), s.open.Covariates.Shape, n)
	}
	for i, row := range d.Split.Train {
		if s.open.Labels[i] != store.Labels()[row] || s.open.Availability[i] != store.Availability()[row] {
			t.Fatalf("position %d is not training row %d", i, row)
		}
	}
	steps := 6 * ((n + 63) / 64)
	if len(s.augments) != steps || len(s.objectives) != steps {
		t.Fatalf("%d augments and %d objectives in %d steps; rows that are only scored must not be shown", len(s.augments), len(s.objectives), steps)
	}
	for _, req := range s.objectives {
		for i, position := range req.Rows {
			if req.Labels[i] != s.open.Labels[position] || req.Availability[i] != s.open.Availability[position] || req.Groups[i] != s.open.Groups[position] {
				t.Fatalf("position %d has label %v, pattern %b and group %d in a batch", position, req.Labels[i], req.Availability[i], req.Groups[i])
			}
		}
	}
}

// Groups that the dataset does not have are an error, not other groups.
func TestOpen_GroupsThatDoNotExist(t *testing.T) {
	d := data(t, cohort(t, 200))
	cfg := config(1)
	plugins := train.Plugins{Opener: &opener{strategy: &spy{}}, Backbone: fusionInfo, Strategy: &sdk.Info{Name: "spy"}}
	for kind, ok := range map[string]bool{"pattern": true, "pattern_label": true, "environment": false} {
		cfg.Strategy = sdk.Values{"groups": kind}
		run, err := train.Open(context.Background(), cfg, d, plugins)
		if err == nil {
			run.Close(context.Background())
		}
		if (err == nil) != ok || (!ok && sdk.CodeOf(err) != sdk.CodeBadRequest) {
			t.Errorf("groups %s: %v", kind, err)
		}
	}
}
