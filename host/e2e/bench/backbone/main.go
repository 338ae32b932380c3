// Program backbone trains a shipped backbone as a run does, in a process of its own
// behind the border, with a linear head, and prints its steps per second. With
// -export it also writes what another program needs to repeat the first steps:
// features, availability, labels, initial weights and the losses. It is one side of
// host/e2e/bench/backbones.py.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/gob"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/features"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// The problem: four tables, rows that lack some of them, a binary label. Dropout is
// 0, as no two programs draw the same.
const (
	rows      = 4096
	batchSize = 256
	width     = 128
	hidden    = 128
	rate      = 1e-3
	seed      = 1
	compared  = 20 // losses: later ones multiply rounding
)

var modalities = []int{64, 128, 256, 512}

func main() {
	dir := flag.String("plugin", "", "directory of the backbone")
	missing := flag.Int("missing", 0, "per cent of the modalities that rows lack")
	seconds := flag.Float64("seconds", 2, "how long to measure")
	export := flag.String("export", "", "directory to write the case to")
	draws := flag.Int("draws", 0, "random numbers of a step that the case needs: standard normal ones, or, if negative, uniform ones")
	values := settings{}
	flag.Var(values, "set", "hyperparameter, as name=value; may be repeated")
	flag.Parse()
	if err := run(*dir, *missing, values, time.Duration(*seconds*float64(time.Second)), *export, *draws); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// settings are hyperparameters in JSON, by name.
type settings sdk.Values

func (s settings) String() string { return fmt.Sprint(sdk.Values(s)) }

// Set implements flag.Value.
func (s settings) Set(text string) error {
	name, value, found := strings.Cut(text, "=")
	if !found {
		return fmt.Errorf("%q is not name=value", text)
	}
	s[name] = value
	return nil
}

// hyperparameters are those given and, where the backbone has them, the width and no
// dropout; each in the type that it declares.
func (s settings) hyperparameters(declared []sdk.Hyperparameter) (sdk.Values, error) {
	out := sdk.Values{}
	for _, h := range declared {
		text, given := s[h.Name].(string)
		if !given {
			text, given = map[string]string{"hidden": strconv.Itoa(hidden), "dropout": "0", "embed_dropout": "0"}[h.Name]
		}
		if !given {
			continue
		}
		var err error
		switch h.Type {
		case sdk.Int:
			out[h.Name], err = strconv.ParseInt(text, 10, 64)
		case sdk.Float:
			out[h.Name], err = strconv.ParseFloat(text, 64)
		default:
			err = fmt.Errorf("type %v", h.Type)
		}
		if err != nil {
			return nil, fmt.Errorf("hyperparameter %s: %w", h.Name, err)
		}
	}
	for name := range s {
		if _, known := out[name]; !known {
			return nil, fmt.Errorf("no hyperparameter %s", name)
		}
	}
	return out, nil
}

func run(dir string, missing int, values settings, lasting time.Duration, export string, draws int) (err error) {
	scratch, err := os.MkdirTemp("", "backbone")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	t, err := newTraining(dir, scratch, missing, values)
	if err != nil {
		return err
	}
	defer t.process.Close()
	if export != "" {
		if err := t.export(export, draws); err != nil {
			return err
		}
	}
	steps, start := 0, time.Now()
	for ; time.Since(start) < lasting; steps++ {
		if _, err := t.step(); err != nil {
			return err
		}
	}
	if err := t.settle(); err != nil {
		return err
	}
	rate := float64(steps) / time.Since(start).Seconds()
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"steps_per_second": rate})
}

// training is a backbone and a head in training.
type training struct {
	process *plugin.Process
	session *plugin.BackboneSession
	wait    func() error // for the Backward that the plugin is at

	values       []features.Values
	availability []uint64
	labels       []float32
	needsLabels  bool

	head       nn.Params
	classifier *nn.Linear
	optimizer  nn.Optimizer
	tape       *nn.Tape
	forward    sdk.ForwardResponse
	backward   sdk.BackwardResponse
	at         int
}

func newTraining(dir, scratch string, missing int, values settings) (*training, error) {
	t := &training{tape: nn.NewTape()}
	index := features.Index{Rows: rows}
	request := sdk.OpenRequest{
		FeatureStore: scratch, Width: width, Task: sdk.Task{Kind: sdk.Binary}, MaxBatch: batchSize, Seed: seed,
		Optimizer: sdk.OptimizerSettings{Name: "adam", LearningRate: rate},
	}
	for m, columns := range modalities {
		name := fmt.Sprintf("m%d", m)
		index.Modalities = append(index.Modalities, features.Modality{Name: name, Kind: features.Tabular, Width: columns})
		r := rng.Stream(2, "features", m)
		x := make([]float32, rows*columns)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		t.values = append(t.values, features.Values{Data: x})
		scaling := sdk.Scaling{Mean: make([]float32, columns), Scale: make([]float32, columns)}
		for i := range scaling.Scale {
			scaling.Scale[i] = 1
		}
		request.Modalities = append(request.Modalities, sdk.Modality{Name: name, Kind: sdk.Tabular, Width: columns, Scaling: scaling})
	}
	if err := features.Write(scratch, index, t.values); err != nil {
		return nil, err
	}
	r := rng.Stream(3, "labels", missing)
	for range rows {
		t.labels = append(t.labels, float32(r.IntN(2)))
		mask := uint64(0)
		for mask == 0 {
			for m := range modalities {
				if r.IntN(100) >= missing {
					mask |= 1 << m
				}
			}
		}
		t.availability = append(t.availability, mask)
	}
	t.classifier = nn.NewLinear(&t.head, "classifier", width, 1, rng.Stream(4, "classifier"))
	var err error
	if t.optimizer, err = nn.NewOptimizer(t.head.All(), nn.OptimizerConfig{Name: "adam", LearningRate: rate}); err != nil {
		return nil, err
	}

	entry, err := plugin.ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if t.process, err = plugin.Start(ctx, entry, plugin.Config{}); err != nil {
		return nil, err
	}
	t.needsLabels = t.process.Info().Capabilities.NeedsLabels
	if request.Hyperparameters, err = values.hyperparameters(t.process.Info().Hyperparameters); err != nil {
		t.process.Close()
		return nil, err
	}
	t.session, err = plugin.OpenBackbone(ctx, t.process, request)
	if err != nil {
		t.process.Close()
	}
	return t, err
}

// step trains on the next batch and returns the loss of the head, as host/train
// does: the forward goes out behind the backward of the last step, and the head is
// updated while the plugin works.
func (t *training) step() (float64, error) {
	ctx := context.Background()
	from := t.at * batchSize % rows
	t.at++
	request := sdk.ForwardRequest{Mode: sdk.Train, Step: uint64(t.at), Availability: t.availability[from : from+batchSize]}
	labels := t.labels[from : from+batchSize]
	for i := range batchSize {
		request.Rows = append(request.Rows, int32(from+i))
	}
	if t.needsLabels {
		request.Labels = labels
	}
	if err := t.session.Forward(ctx, request, &t.forward); err != nil {
		return 0, err
	}
	if err := t.settle(); err != nil {
		return 0, err
	}
	t.tape.Reset()
	h := t.tape.Leaf(batchSize, width, t.forward.H.Data)
	loss := t.tape.MeanRows(t.tape.BCE(t.classifier.Apply(t.tape, h), labels))
	value := float64(loss.Value[0])
	t.head.ZeroGrad()
	t.tape.BackwardFrom(loss)
	t.wait = t.session.StartBackward(ctx, sdk.BackwardRequest{DH: sdk.Tensor{Shape: []int{batchSize, width}, Data: h.Grad}}, &t.backward)
	t.optimizer.Step()
	return value, nil
}

func (t *training) settle() error {
	if t.wait == nil {
		return nil
	}
	wait := t.wait
	t.wait = nil
	return wait()
}

// draw is the beginning of the streams of the first steps, from which a session draws.
func draw(n int) []float32 {
	var out []float32
	for step := range uint64(compared) {
		r := rng.Stream(seed, "dropout", step+1)
		for range max(n, -n) {
			if n > 0 {
				out = append(out, float32(r.NormFloat64()))
			} else {
				out = append(out, float32(r.Float64()))
			}
		}
	}
	return out
}

// export writes the case and trains the first steps.
func (t *training) export(dir string, draws int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var errs []error
	write := func(name string, values any) {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			errs = append(errs, err)
			return
		}
		errs = append(errs, binary.Write(f, binary.LittleEndian, values), f.Close())
	}
	for m, x := range t.values {
		write(fmt.Sprintf("x%d.f32", m), x.Data)
	}
	write("availability.u64", t.availability)
	write("labels.f32", t.labels)
	var snapshot sdk.SnapshotResponse
	if err := t.session.Snapshot(context.Background(), sdk.SnapshotRequest{}, &snapshot); err != nil {
		return err
	}
	shapes := map[string][]int{}
	for _, p := range snapshot.Parameters {
		write(p.Name+".f32", p.Tensor.Data)
		shapes[p.Name] = p.Tensor.Shape
	}
	var state struct{ Model []byte } // as sdk/backbone encodes it, with more
	if err := gob.NewDecoder(bytes.NewReader(snapshot.State)).Decode(&state); err != nil {
		return fmt.Errorf("decode the state: %w", err)
	}
	if len(state.Model) > 0 {
		write("state.bin", state.Model)
	}
	if draws != 0 {
		write("draws.f32", draw(draws))
	}
	for _, p := range t.head.All() {
		write(p.Name+".f32", p.Value)
		shapes[p.Name] = []int{p.Rows, p.Cols}
	}
	var losses []float64
	for range compared {
		loss, err := t.step()
		if err != nil {
			return err
		}
		losses = append(losses, loss)
	}
	text, err := json.Marshal(map[string]any{"shapes": shapes, "losses": losses})
	return errors.Join(errors.Join(errs...), err, os.WriteFile(filepath.Join(dir, "case.json"), text, 0o600))
}
