package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
)

// watched is a sweep as 'sweep watch' shows it.
type watched struct {
	sweeps.Status
	// LeftSeconds is what the open runs take; absent where nothing is known yet.
	LeftSeconds float64 `json:"left_seconds,omitempty"`
	Metric      string  `json:"metric"`      // of the curves, on validation rows
	BoardMetric string  `json:"test_metric"` // of the leaderboard
	// Leaderboard holds the cells of which seeds are done.
	Leaderboard []watchedCell  `json:"leaderboard"`
	Curves      []watchedCurve `json:"curves"` // of the runs in training
}

type watchedCell struct {
	Cell sweeps.Cell `json:"cell"`
	N    int         `json:"n"`
	Mean number      `json:"mean"`
	Low  number      `json:"low"`
	High number      `json:"high"`
	Rank int         `json:"rank"`
}

type watchedCurve struct {
	Run    int64    `json:"run_id"`
	Epochs []int    `json:"epochs"`
	Values []number `json:"values"`
}

func newSweepWatch(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "watch NAME",
		Short: "Watch a sweep until it ends",
		Long: `Shows a sweep while it is trained, here or on other machines: progress and the time
that is left, the runs in training with the curves of the sweep's metric, failures, and
the leaderboard. Where the output is no terminal it prints a line whenever a run
ends, with --json an object a line.

It ends when the sweep does, with the exit code that 'deconfound run' would have: 0, 5
when the budget is used up, 6 when runs failed. Ctrl-C ends the watching alone.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			return a.watch(cmd.Context(), store, args[0])
		},
	}
}

// watch shows a sweep until there is nothing to wait for.
func (a *app) watch(ctx context.Context, store *tracker.Store, name string) error {
	w, err := newWatcher(ctx, store, name)
	if err != nil {
		return err
	}
	if a.cluster != nil {
		w.reconnect = a.cluster.Ensure
	}
	show, done, err := a.viewer()
	if err != nil {
		return err
	}
	status, err := w.follow(ctx, show)
	if err := errors.Join(err, done()); err != nil {
		if ctx.Err() != nil {
			return withExit(exitInterrupted, fmt.Errorf("watching has stopped with %d of %d runs done; the sweep goes on, and 'deconfound sweep watch %s' shows it again", status.Done, status.Expected, name))
		}
		return err
	}
	if a.json {
		return ending(status)
	}
	return a.ended(status)
}

// viewer answers what shows a sweep and what must be called in the end.
func (a *app) viewer() (show func(watched) error, done func() error, err error) {
	nothing := func() error { return nil }
	if a.json {
		lines := json.NewEncoder(a.out)
		return func(w watched) error { return lines.Encode(w) }, nothing, nil
	}
	if s := screenOf(a.out); s != nil {
		return func(w watched) error {
			width, height, err := s.size()
			if err != nil {
				return fmt.Errorf("size of the terminal: %w", err)
			}
			return s.draw(w.lines(width, height))
		}, s.close, s.open()
	}
	plain := &progress{w: a.out, ended: -1}
	return func(w watched) error {
		plain.update(w.Status)
		return nil
	}, nothing, nil
}

// watcher reads a sweep anew whenever something has changed.
type watcher struct {
	store *tracker.Store
	sweep tracker.Sweep
	curve tracker.Metric
	board tracker.Metric
	// reconnect brings a private server back; nil for others.
	reconnect func(context.Context) error
}

func newWatcher(ctx context.Context, store *tracker.Store, name string) (*watcher, error) {
	sweep, err := store.Sweep(ctx, "", name)
	if err != nil {
		return nil, err
	}
	plan, err := sweeps.StoredPlan(sweep)
	if err != nil {
		return nil, err
	}
	rule, err := sweeps.ParseSelection(plan.Metric.Select)
	if err != nil {
		return nil, err
	}
	sweep.Spec, sweep.TOML = nil, "" // megabytes
	about := tracker.Metric{Name: rule.Name, Split: "test"}
	if _, name, ok := strings.Cut(plan.Metric.Name, "/"); ok {
		about.Name, _, _ = strings.Cut(name, "@")
	}
	return &watcher{store: store, sweep: sweep, curve: rule.Metric(), board: about}, nil
}

// follow shows the sweep at first and whenever it has changed, until there is
// nothing to wait for or ctx ends. It answers the last status.
func (w *watcher) follow(ctx context.Context, show func(watched) error) (sweeps.Status, error) {
	ctx, stop := context.WithCancel(ctx)
	changed, listener := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(listener)
		// A server that is away comes back, or not: the reader below finds out.
		_ = sweeps.Survive(ctx, w.reconnect, func(ctx context.Context) error {
			return w.store.Follow(ctx, func() {
				select {
				case changed <- struct{}{}:
				default: // the last news have not been read
				}
			})
		})
	}()
	defer func() {
		stop()
		<-listener
	}()
	// That all has ended is told by who plans the sweep, and notifies nobody.
	ticker := time.NewTicker(sweeps.RefreshDefault)
	defer ticker.Stop()
	var last sweeps.Status
	var before []byte
	for {
		begin := time.Now()
		var now watched
		err := sweeps.Survive(ctx, w.reconnect, func(ctx context.Context) (err error) {
			now, err = w.look(ctx)
			return err
		})
		if err != nil {
			return last, err
		}
		last = now.Status
		text, err := json.Marshal(now)
		if err != nil {
			return last, err
		}
		if !bytes.Equal(text, before) {
			before = text
			if err := show(now); err != nil {
				return last, err
			}
		}
		if now.Finished || !now.Open() && (now.Paused || now.Cancelled) {
			return last, nil
		}
		// Looking at a large sweep is work for the server: a sixth of the time.
		rest := time.NewTimer(5 * time.Since(begin))
		select {
		case <-ctx.Done():
			rest.Stop()
			return last, ctx.Err()
		case <-rest.C:
		}
		select {
		case <-ctx.Done():
			return last, ctx.Err()
		case <-changed:
		case <-ticker.C:
		}
	}
}

// look reads all that is shown.
func (w *watcher) look(ctx context.Context) (watched, error) {
	status, err := sweeps.StatusOf(ctx, w.store, w.sweep.Name)
	if err != nil {
		return watched{}, err
	}
	pace, err := w.store.Pace(ctx, w.sweep.ID)
	if err != nil {
		return watched{}, err
	}
	ranks, err := w.store.Leaderboard(ctx, w.sweep, w.board.Name, w.board.Split)
	if err != nil {
		return watched{}, err
	}
	out := watched{
		Status: status, LeftSeconds: pace.Left(status.Expected - status.Ended()).Seconds(), Metric: w.curve.String(), BoardMetric: w.board.String(),
		Leaderboard: make([]watchedCell, len(ranks)), Curves: []watchedCurve{},
	}
	for i, r := range ranks {
		cell := sweeps.Cell{Dataset: r.Dataset, Backbone: r.Backbone, Variant: r.Variant}
		out.Leaderboard[i] = watchedCell{cell, r.N, number(r.Mean), number(r.Low), number(r.High), r.Rank}
	}
	if len(status.Active) == 0 {
		return out, nil
	}
	ids := make([]int64, len(status.Active))
	for i, run := range status.Active {
		ids[i] = run.Run
	}
	curves, err := w.store.MetricHistory(ctx, w.curve, ids...)
	if err != nil {
		return watched{}, err
	}
	for _, id := range ids {
		c := watchedCurve{Run: id, Epochs: []int{}, Values: []number{}}
		for _, v := range curves[id] {
			c.Epochs, c.Values = append(c.Epochs, v.Step), append(c.Values, number(v.Value))
		}
		out.Curves = append(out.Curves, c)
	}
	return out, nil
}

// curvesOf reads the curves of the runs of a sweep that are in training.
func curvesOf(ctx context.Context, store *tracker.Store, name string) (watched, error) {
	w, err := newWatcher(ctx, store, name)
	if err != nil {
		return watched{}, err
	}
	return w.look(ctx)
}

// Limits of what a screen of any height shows.
const (
	sparkWidth    = 24
	barWidth      = 40
	watchFailures = 4
	watchLeast    = 3 // lines that a list gets at least
)

// lines is a picture of the sweep in so many columns and rows.
func (w watched) lines(width, height int) []string {
	out := w.head()
	lists := [][]string{w.training(), w.failures(), w.board()}
	last := []string{"", "Ctrl-C ends the watching; the sweep goes on."}
	room := height - len(out) - len(last)
	for i, list := range lists {
		if len(list) == 0 {
			continue
		}
		allowed := room
		if i < len(lists)-1 { // what comes after it gets its share
			allowed = max(watchLeast, room/2)
		}
		list = cut(list, min(allowed-1, room-1))
		if len(list) == 0 {
			continue
		}
		out = append(append(out, ""), list...)
		room -= 1 + len(list)
	}
	out = append(out, last...)
	out = out[:min(len(out), max(height, 1))]
	for i, line := range out {
		out[i] = text.Snip(line, width, "…")
	}
	return out
}

// cut leaves n lines of a list and says how many are missing.
func cut(list []string, n int) []string {
	if len(list) <= n {
		return list
	}
	if n < 3 { // a title, a line and what is missing
		return nil
	}
	return append(list[:n-1:n-1], fmt.Sprintf("  … and %d more", len(list)-n+1))
}

func (w watched) head() []string {
	line := fmt.Sprintf("%s: %d of %d runs done, %d training, %d queued", w.Name, w.Done, w.Expected, w.Running, w.Queued)
	for _, also := range []struct {
		n    int
		what string
	}{{w.Held, "paused"}, {w.Failed, "failed"}, {w.Pruned, "pruned"}, {w.Stopped, "cancelled"}} {
		if also.n > 0 {
			line += fmt.Sprintf(", %d %s", also.n, also.what)
		}
	}
	// Runs that do not exist yet have as many epochs as the others.
	share := 0.0
	if exist := w.Ended() + w.Queued + w.Running + w.Held; exist > 0 && w.EpochsPlanned > 0 {
		share = float64(w.Epochs) / float64(w.EpochsPlanned) * float64(exist) / float64(max(exist, w.Expected))
	}
	full := int(barWidth * share)
	bar := fmt.Sprintf("%s%s %3.0f %%", strings.Repeat("█", full), strings.Repeat("░", barWidth-full), 100*share)
	if w.LeftSeconds > 0 {
		bar += ", about " + left(w.LeftSeconds) + " left"
	}
	out := []string{line, bar}
	for _, text := range w.Waiting {
		out = append(out, "waiting: "+text)
	}
	return out
}

// left prints a time to wait, by the minute if it is long.
func left(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d >= time.Hour {
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return d.Round(time.Second).String()
}

// curve draws the curve of a run in training and prints its last value; "" where
// there is none yet.
func (w watched) curve(run int64) (line, last string) {
	for _, c := range w.Curves {
		if c.Run != run || len(c.Values) == 0 {
			continue
		}
		values := make([]float64, len(c.Values))
		for i, v := range c.Values {
			values[i] = float64(v)
		}
		return shown.Spark(values, sparkWidth), decimal(values[len(values)-1])
	}
	return "", ""
}

func (w watched) training() []string {
	var b strings.Builder
	t := newTable(&b, 5, "training", "cell", "phase", "seed", w.Metric, "", "epoch")
	for _, r := range w.Active {
		curve, last := w.curve(r.Run)
		t.AppendRow([]any{fmt.Sprintf("run %d", r.Run), r.Cell, r.Phase, r.Seed, curve, last, fmt.Sprintf("%d/%d", r.Epoch, r.Epochs)})
	}
	if len(w.Active) == 0 {
		return nil
	}
	t.Render()
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

func (w watched) failures() []string {
	var out []string
	for _, f := range w.Failures {
		out = append(out, fmt.Sprintf("run %d %s, seed %d failed: %s: %s", f.Run, f.Cell, f.Seed, f.Code, f.Message))
	}
	return cut(out, watchFailures)
}

func (w watched) board() []string {
	if len(w.Leaderboard) == 0 {
		return nil
	}
	var b strings.Builder
	t := newTable(&b, 3, "dataset", "backbone", "variant", "rank", "seeds", w.BoardMetric, "95 % CI")
	for _, c := range w.Leaderboard {
		t.AppendRow([]any{c.Cell.Dataset, c.Cell.Backbone, c.Cell.Variant, c.Rank, c.N, decimal(float64(c.Mean)), shown.Bounds(float64(c.Low), float64(c.High))})
	}
	t.Render()
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}
