package web

import (
	"strconv"
	"strings"
	"testing"
)

// The end of a trial's line lies where its value does, the best is drawn last, and
// settings that do not vary have no axis.
func TestNewParallel(t *testing.T) {
	var trials []trialResult
	for i := range 1000 {
		trials = append(trials, trialResult{
			Run: int64(i + 1), Dataset: "d", Backbone: "b", Variant: []string{"md", "erm"}[i%2], Value: float64((i*619)%1000) / 1000,
			Settings: map[string]any{"lr": 1e-4 * float64(1+i), "optimizer": []string{"adam", "sgd"}[i%2], "same": 3., "width": float64(16 * (1 + i%2))},
		})
	}
	delete(trials[0].Settings, "width")
	ranked := []importance{{Parameter: "width"}, {Parameter: "lr"}}
	p := newParallel(trials, filter{}, metricChoice{Name: "auroc"}, ranked)
	if p.Of != 1000 || p.Drawn != maxLines || len(p.Lines) != maxLines || len(p.Trials) != maxTrials || strings.Join(p.Head, " ") != "width lr optimizer" || len(p.Axes) != 4 {
		t.Fatalf("got %d of %d trials, %d rows, settings %v, %d axes", p.Drawn, p.Of, len(p.Trials), p.Head, len(p.Axes))
	}
	if best := p.Trials[0]; best.Value != .999 || best.Values[2] == "" {
		t.Errorf("the best is %+v", best)
	}
	top, bottom := px(parallelTop), px(parallelHeight-parallelBottom)
	first, last := p.Lines[0], p.Lines[len(p.Lines)-1]
	if first.Shade != 0 || last.Shade != 8 || !strings.HasSuffix(first.Path, " "+bottom) || !strings.HasSuffix(last.Path, " "+top) || !strings.Contains(last.Text, "0.999") {
		t.Errorf("the first line is %+v, the last %+v", first, last)
	}
	// The worst trial is the first, which has no width: its line begins at the axis of lr.
	if at := p.Axes[1].At; !strings.HasPrefix(first.Path, "M"+at+" "+bottom) {
		t.Errorf("a setting that is not there: %s, want a line from %s", first.Path, at)
	}
	p = newParallel(trials, filter{Variant: "erm"}, metricChoice{Name: "loss", Minimize: true}, ranked)
	if p.Of != 500 || p.Trials[0].Value > .01 || strings.Contains(strings.Join(p.Head, " "), "optimizer") {
		t.Errorf("got %d trials, the best of %v, settings %v", p.Of, p.Trials[0].Value, p.Head)
	}
	if newParallel(trials[:1], filter{}, metricChoice{}, nil) != nil || newParallel(nil, filter{}, metricChoice{}, nil) != nil {
		t.Error("a plot of nothing")
	}
	logarithmic := newAxis("lr", []any{1e-4, 1e-2})
	middle, _ := logarithmic.at(1e-3)
	if want := float64(parallelTop+parallelHeight-parallelBottom) / 2; strconv.FormatFloat(middle, 'f', 3, 64) != strconv.FormatFloat(want, 'f', 3, 64) {
		t.Errorf("the middle of a logarithmic axis is at %v, want %v", middle, want)
	}
}
