package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

// glass is a terminal that understands what screen sends, and nothing else.
type glass struct {
	t             *testing.T
	width, height int

	mu     sync.Mutex
	rows   []string // of the alternate screen
	open   bool
	opened int
	before string // printed on the screen that comes back
	drawn  chan struct{}
}

func newGlass(t *testing.T, width, height int) *glass {
	return &glass{t: t, width: width, height: height, drawn: make(chan struct{}, 1)}
}

func (g *glass) Size() (width, height int, err error) { return g.width, g.height, nil }

func (g *glass) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	text := string(p)
	switch text {
	case openScreen:
		g.open, g.rows = true, nil
		g.opened++
		return len(p), nil
	case closeScreen:
		g.open = false
		return len(p), nil
	}
	if !g.open {
		g.before += text
		return len(p), nil
	}
	picture, ok := strings.CutPrefix(text, homeCursor)
	picture, ends := strings.CutSuffix(picture, clearBelow)
	if !ok || !ends {
		g.t.Errorf("a picture of other sequences: %q", text)
	}
	g.rows = nil
	for _, line := range strings.Split(picture, "\r\n") {
		line, whole := strings.CutSuffix(line, clearLine)
		if n := len([]rune(line)); !whole || strings.ContainsAny(line, "\x1b\r\n\t") || n > g.width {
			g.t.Errorf("a line of %d characters in %d columns: %q", n, g.width, line)
		}
		g.rows = append(g.rows, line)
	}
	if len(g.rows) > g.height {
		g.t.Errorf("%d lines in %d rows", len(g.rows), g.height)
	}
	select {
	case g.drawn <- struct{}{}:
	default:
	}
	return len(p), nil
}

// shows waits until the screen has all the texts.
func (g *glass) shows(texts ...string) {
	g.t.Helper()
	timeout := time.After(time.Minute)
	for {
		g.mu.Lock()
		picture := strings.Join(strings.Fields(strings.Join(g.rows, "\n")), " ")
		g.mu.Unlock()
		missing := ""
		for _, text := range texts {
			if !strings.Contains(picture, text) {
				missing = text
			}
		}
		if missing == "" {
			return
		}
		select {
		case <-g.drawn:
		case <-timeout:
			g.t.Fatalf("the screen does not show %q:\n%s", missing, picture)
		}
	}
}

// oneDataset is a catalogue of a dataset and two backbones.
type oneDataset struct{}

func (oneDataset) Dataset(name string) (sweeps.DatasetInfo, error) {
	return sweeps.DatasetInfo{Name: name, Hash: "d", Modalities: []string{"base", "labs"}, Rows: 100, Task: "binary"}, nil
}

func (oneDataset) Backbone(name string) (sweeps.PluginInfo, error) {
	return sweeps.PluginInfo{Name: name, Version: "1", Hash: "b" + name}, nil
}

func (oneDataset) Strategy(name string) (sweeps.PluginInfo, error) {
	return sweeps.PluginInfo{}, fmt.Errorf("no strategy %s", name)
}

func (oneDataset) Component(string) []sweeps.Parameter { return nil }

const watchedFile = `version = 1
name = "watched"
[axes]
dataset  = ["d"]
backbone = ["concat", "gated"]
variant  = ["erm"]
[variants.erm]
[metric]
name = "val/auroc"
[replicates]
seeds = [0, 1]
[run]
epochs = 4
retry = { max = 0 }
`

// stage trains a sweep run by run, as far as the test lets it.
type stage struct {
	*testing.T
	store *tracker.Store
	plan  *sweeps.Plan
	step  chan struct{} // an epoch more
	short bool          // a slice is one epoch
	fails func(sweeps.RunSpec) error
	ended chan error
	stop  context.CancelFunc
}

func newStage(t *testing.T, text string) *stage {
	t.Helper()
	file, err := sweeps.Parse("watched.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := sweeps.Compile(file, oneDataset{})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{T: t, store: trackertest.New(t), plan: plan, step: make(chan struct{}), ended: make(chan error, 1)}
	if _, err := sweeps.Enqueue(t.Context(), s.store, plan); err != nil {
		t.Fatal(err)
	}
	return s
}

// begin works on the sweep, one run at a time.
func (s *stage) begin() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() {
		_, err := sweeps.Run(ctx, s.store, s.plan, s.train, sweeps.Options{Grace: -1})
		s.ended <- err
	}()
	s.Cleanup(stop)
}

func (s *stage) train(ctx context.Context, spec sweeps.RunSpec, checkpoint []byte, rec sweeps.Recorder, _ time.Duration) (sweeps.Slice, error) {
	values := map[tracker.Metric]float64{}
	for epoch := len(checkpoint) + 1; epoch <= spec.Epochs; epoch++ {
		select {
		case <-ctx.Done():
			return sweeps.Slice{}, ctx.Err()
		case <-s.step:
		}
		values = map[tracker.Metric]float64{{Name: "auroc", Split: "val"}: 0.5 + float64(epoch)/16, {Name: "auroc", Split: "test"}: 0.8 + float64(spec.SplitSeed)/100}
		if err := rec.Points(epoch, values); err != nil {
			return sweeps.Slice{}, err
		}
		rec.Progress(epoch)
		if s.short && epoch < spec.Epochs {
			return sweeps.Slice{Epoch: epoch, Epochs: spec.Epochs, Checkpoint: make([]byte, epoch)}, nil
		}
	}
	if s.fails != nil {
		if err := s.fails(spec); err != nil {
			return sweeps.Slice{}, err
		}
	}
	return sweeps.Slice{Done: true, Epoch: spec.Epochs, Epochs: spec.Epochs, Outcome: &tracker.Outcome{Epoch: spec.Epochs, Reason: "completed", Metrics: values}}, nil
}

// epochs lets n epochs be trained.
func (s *stage) epochs(n int) {
	for range n {
		s.step <- struct{}{}
	}
}

func (s *stage) finish() {
	s.Helper()
	if err := <-s.ended; err != nil {
		s.Fatal(err)
	}
}

// A terminal shows what happens while it happens, and the exit code is the sweep's.
func TestWatch_Terminal(t *testing.T) {
	s := newStage(t, watchedFile)
	s.fails = func(spec sweeps.RunSpec) error {
		if spec.Cell().Backbone == "gated" && spec.SplitSeed == 1 {
			return fmt.Errorf("out of luck")
		}
		return nil
	}
	g := newGlass(t, 100, 30)
	a := &app{out: g}
	watching := make(chan error, 1)
	go func() { watching <- a.watch(t.Context(), s.store, "watched") }()
	g.shows("watched: 0 of 4 runs done, 0 training, 4 queued", "░ 0 %")
	s.begin()
	s.epochs(1)
	g.shows("1 training", "val/auroc", "/4", "/erm")
	s.epochs(3)
	g.shows(" 25 %")
	s.epochs(4)
	g.shows(" 50 %", "test/auroc", "0.8", " left") // two ended, and one of them did not fail
	s.epochs(8)
	s.finish()
	err := <-watching
	if code := (&app{errs: &bytes.Buffer{}}).report(t.Context(), err); code != exitRunsFailed {
		t.Errorf("exit code %d (%v), want %d", code, err, exitRunsFailed)
	}
	if g.open || g.opened != 1 {
		t.Errorf("the terminal is left open: %v, it was opened %d times", g.open, g.opened)
	}
	for _, text := range []string{"3 of 4 runs done, 1 failed", "out of luck", "deconfound sweep retry watched"} {
		if !strings.Contains(g.before, text) {
			t.Errorf("in the end it does not say %q:\n%s", text, g.before)
		}
	}
}

// A run in training has its curve.
func TestWatch_Curve(t *testing.T) {
	s := newStage(t, strings.NewReplacer(`, "gated"`, "", "seeds = [0, 1]", "seeds = [0]").Replace(watchedFile))
	s.short = true
	g := newGlass(t, 100, 30)
	watching := make(chan error, 1)
	go func() { watching <- (&app{out: g}).watch(t.Context(), s.store, "watched") }()
	s.begin()
	s.epochs(1)
	g.shows("d/concat/erm", "▄ 0.562 1/4")
	s.epochs(2)
	g.shows("▁▅█ 0.688 3/4", " 75 %")
	s.epochs(1)
	s.finish()
	if err := <-watching; err != nil {
		t.Error(err)
	}
}

// Ctrl-C ends the watching and leaves the sweep as it is.
func TestWatch_Interrupted(t *testing.T) {
	s := newStage(t, watchedFile)
	g := newGlass(t, 80, 24)
	var errs bytes.Buffer
	a := &app{out: g, errs: &errs}
	ctx, interrupt := context.WithCancel(t.Context())
	watching := make(chan error, 1)
	go func() { watching <- a.watch(ctx, s.store, "watched") }()
	s.begin()
	s.epochs(4)
	g.shows(" 25 %")
	interrupt()
	if code := a.report(ctx, <-watching); code != exitInterrupted || !strings.Contains(errs.String(), "deconfound sweep watch watched") {
		t.Errorf("exit code %d, %s", code, errs.String())
	}
	if g.open {
		t.Error("the terminal is left open")
	}
	s.epochs(12)
	s.finish()
	if status, err := sweeps.StatusOf(t.Context(), s.store, "watched"); err != nil || !status.Finished || status.Done != 4 {
		t.Errorf("got %+v, %v", status, err)
	}
}

// Elsewhere there are lines, or objects.
func TestWatch_Lines(t *testing.T) {
	s := newStage(t, watchedFile)
	s.begin()
	var plain, objects bytes.Buffer
	watching := make(chan error, 2)
	go func() { watching <- (&app{out: &plain}).watch(t.Context(), s.store, "watched") }()
	go func() { watching <- (&app{out: &objects, json: true}).watch(t.Context(), s.store, "watched") }()
	s.epochs(16)
	s.finish()
	for range 2 {
		if err := <-watching; err != nil {
			t.Error(err)
		}
	}
	if out := plain.String(); !strings.Contains(out, "watched: 4 of 4 runs ended\n") || strings.Contains(out, "\x1b") || !strings.Contains(out, "watched: 4 of 4 runs done\n") {
		t.Errorf("got %s", out)
	}
	lines := strings.Split(strings.TrimSpace(objects.String()), "\n")
	done := -1
	for i, line := range lines {
		var w watched
		if err := json.Unmarshal([]byte(line), &w); err != nil {
			t.Fatal(err)
		}
		if w.Done < done || w.Finished != (i == len(lines)-1) {
			t.Errorf("line %d of %d: %d done after %d, finished %v", i, len(lines), w.Done, done, w.Finished)
		}
		if done = w.Done; w.Finished && (len(w.Leaderboard) != 2 || w.Leaderboard[0].N != 2 || w.Leaderboard[0].Mean != 0.805) {
			t.Errorf("got %+v", w.Leaderboard)
		}
	}
}

// A picture fits whatever there is to show.
func TestWatched_Fits(t *testing.T) {
	w := watched{Metric: "val/auroc", BoardMetric: "test/auroc", Status: sweeps.Status{Name: "large", Expected: 500, Epochs: 250, EpochsPlanned: 1000, Running: 40, Queued: 60}}
	for i := range 40 {
		run := sweeps.RunStatus{Run: int64(i), Cell: sweeps.Cell{Dataset: "d", Backbone: "concat", Variant: "v" + strconv.Itoa(i)}, Epochs: 9}
		w.Active = append(w.Active, run)
		w.Failures = append(w.Failures, sweeps.RunFailure{RunStatus: run, Code: "error", Message: strings.Repeat("long ", 40)})
		w.Leaderboard = append(w.Leaderboard, watchedCell{Cell: run.Cell, N: 2, Mean: 0.8})
	}
	for height := 1; height < 60; height++ {
		for _, width := range []int{1, 20, 80, 200} {
			list := w.lines(width, height)
			if len(list) > height {
				t.Fatalf("%d lines in %d rows", len(list), height)
			}
			for _, line := range list {
				if n := len([]rune(line)); n > width {
					t.Fatalf("%d characters in %d columns: %q", n, width, line)
				}
			}
		}
	}
	golden(t, "watch.golden", strings.Join(w.lines(90, 24), "\n")+"\n")
}

// The curves of a run are drawn without those of its subgroups.
func TestWriteCurves(t *testing.T) {
	var out bytes.Buffer
	writeCurves(&out, map[tracker.Metric][]tracker.StepValue{
		{Name: "auroc", Split: "val"}:                                  {{Step: 1, Value: 0.5}, {Step: 2, Value: 0.75}, {Step: 3, Value: 0.625}},
		{Name: "auroc", Split: "val", Group: "pattern", Level: "base"}: {{Step: 1, Value: 0.5}},
		{Name: "loss", Split: "train"}:                                 {{Step: 1, Value: 0.9}},
	})
	var rows []string
	for _, line := range strings.Split(out.String(), "\n") {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	if rows[3] != "train/loss ▄ 0.900 0.900 0.900 0.900 1" || rows[4] != "val/auroc ▁█▅ 0.500 0.500 0.750 0.625 3" || len(rows) != 6 {
		t.Errorf("got %q", rows)
	}
	out.Reset()
	if writeCurves(&out, nil); out.Len() > 0 {
		t.Errorf("nothing is %q", out.String())
	}
}
