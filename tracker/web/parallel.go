package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker/shown"
)

const (
	// maxAxes bounds the settings of a plot, those that the metric follows most.
	maxAxes = 8
	// maxLines bounds the trials that are drawn: of more, so many of equal distance in
	// rank, with the best and the worst.
	maxLines = 250
	// maxTrials bounds the table of trials, the best.
	maxTrials = 25
)

// The size of a plot of parallel coordinates in the units of its viewBox.
const (
	parallelWidth  = 960
	parallelHeight = 300
	parallelSide   = 70
	parallelTop    = 40
	parallelBottom = 24
)

// parallel is the trials of a search in parallel coordinates (Inselberg 1985): an
// axis for each setting, the last for the validation metric, which also colours.
type parallel struct {
	Metric string
	Axes   []parallelAxis
	Lines  []parallelLine
	Head   []string // of the settings
	Trials []parallelTrial
	Drawn  int
	Of     int
}

type parallelAxis struct {
	Name  string
	At    string
	Ticks []parallelTick
}

type parallelTick struct{ X, Y, Text string }

// parallelLine is a trial with its shade, 0 (worst) to 8 (best).
type parallelLine struct {
	Path, Text string
	Shade      int
}

type parallelTrial struct {
	Run                        int64
	Dataset, Backbone, Variant string
	Values                     []string
	Value                      float64
}

// trials reads what the search of a sweep found; state changes with it.
func (s *Server) trials(ctx context.Context, sweep int64, metric, state string) ([]trialResult, error) {
	return outlast(s, fmt.Sprintf("trials %d %s", sweep, metric), state, func() ([]trialResult, error) {
		const query = `select r.run_id, d.name, r.backbone, r.variant, coalesce(r.spec->'parameters', '{}')::text::bytea, z.value
			from run r join dataset d using (dataset_id) join result z using (run_id) join metric m using (metric_id)
			where r.sweep_id = $1 and r.phase = 'search' and r.planned and r.state = 'done' and m.name = $2 and m.split = 'val' and m.grp = '' and z.value is not null
			order by 2, 3, 4, r.trial, r.run_id`
		rows, err := s.config.Store.Pool().Query(ctx, query, sweep, metric)
		if err != nil {
			return nil, err
		}
		list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (trialResult, error) {
			var t trialResult
			var text []byte
			if err := row.Scan(&t.Run, &t.Dataset, &t.Backbone, &t.Variant, &text, &t.Value); err != nil {
				return t, err
			}
			_ = json.Unmarshal(text, &t.Settings) // a trial without settings says nothing
			return t, nil
		})
		return slices.DeleteFunc(list, func(t trialResult) bool { return math.IsNaN(t.Value) }), err
	})
}

// newParallel draws the trials that the filter selects; nil if fewer than two have a
// value, or no setting varies. ranked are the settings, the most important first.
func newParallel(trials []trialResult, f filter, metric metricChoice, ranked []importance) *parallel {
	var list []trialResult
	for _, t := range trials {
		if (f.Backbone == "" || t.Backbone == f.Backbone) && (f.Variant == "" || t.Variant == f.Variant) {
			list = append(list, t)
		}
	}
	better := func(a, b trialResult) int {
		order := cmp.Compare(b.Value, a.Value)
		if metric.Minimize {
			order = -order
		}
		return cmp.Or(order, cmp.Compare(a.Run, b.Run))
	}
	slices.SortFunc(list, better)
	names := varying(list, ranked)
	if len(list) < 2 || len(names) == 0 {
		return nil
	}
	p := &parallel{Metric: metric.Name, Head: names, Of: len(list)}
	for _, t := range list[:min(len(list), maxTrials)] {
		row := parallelTrial{Run: t.Run, Dataset: t.Dataset, Backbone: t.Backbone, Variant: t.Variant, Value: t.Value}
		for _, name := range names {
			row.Values = append(row.Values, settingText(t.Settings[name]))
		}
		p.Trials = append(p.Trials, row)
	}
	axes := make([]axis, 0, len(names)+1)
	for _, name := range names {
		var values []any
		for _, t := range list {
			values = append(values, t.Settings[name])
		}
		axes = append(axes, newAxis(name, values))
	}
	var values []any
	for _, t := range list {
		values = append(values, t.Value)
	}
	last := newAxis(metric.Name+" on val", values)
	last.log = false
	axes = append(axes, last)
	x := func(i int) float64 {
		return parallelSide + float64(i)*(parallelWidth-2*parallelSide)/float64(len(axes)-1)
	}
	for i, a := range axes {
		p.Axes = append(p.Axes, a.drawn(x(i)))
	}
	drawn := list
	if len(list) > maxLines {
		drawn = make([]trialResult, maxLines)
		for i := range drawn {
			drawn[i] = list[i*(len(list)-1)/(maxLines-1)]
		}
	}
	p.Drawn = len(drawn)
	for i, t := range slices.Backward(drawn) { // the best is drawn last
		line := parallelLine{
			Shade: int(math.Round(8 * (1 - float64(i)/float64(len(drawn)-1)))),
			Text:  fmt.Sprintf("run %d, %s / %s: %s", t.Run, t.Backbone, t.Variant, shown.Decimal(t.Value)),
		}
		pen := "M"
		var path strings.Builder
		for k, a := range axes {
			var v any = t.Value
			if k < len(names) {
				v = t.Settings[names[k]]
			}
			y, ok := a.at(v)
			if !ok {
				pen = "M" // a setting that the trial does not have
				continue
			}
			path.WriteString(pen + px(x(k)) + " " + px(y))
			pen = "L"
		}
		line.Path = path.String()
		p.Lines = append(p.Lines, line)
	}
	return p
}

// varying are the settings with several values, the important ones first.
func varying(trials []trialResult, ranked []importance) []string {
	first, several := map[string]any{}, map[string]bool{}
	for _, t := range trials {
		for name, v := range t.Settings {
			if before, ok := first[name]; !ok {
				first[name] = v
			} else if !several[name] && settingText(before) != settingText(v) {
				several[name] = true
			}
		}
	}
	place := map[string]int{}
	for i, r := range ranked {
		place[r.Parameter] = i + 1
	}
	var names []string
	for name := range several {
		names = append(names, name)
	}
	rank := func(name string) int {
		if n := place[name]; n > 0 {
			return n
		}
		return len(ranked) + 1 // settings that are no numbers
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) })
	return names[:min(len(names), maxAxes)]
}

// settingText prints a value of a setting; "" for one that a trial does not have.
func settingText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		return shown.Cell(shown.Number(v))
	case string:
		return v
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// axis places the values of a setting: numbers on a scale, which is logarithmic where
// they are positive and span two orders of magnitude, others side by side.
type axis struct {
	name   string
	levels []string // of one that is no number
	low    float64
	high   float64
	log    bool
}

func newAxis(name string, values []any) axis {
	a := axis{name: name, low: math.Inf(1), high: math.Inf(-1)}
	numeric := true
	for _, v := range values {
		if n, ok := v.(float64); ok {
			a.low, a.high = min(a.low, n), max(a.high, n)
		} else if v != nil {
			numeric = false
		}
	}
	if numeric {
		a.log = a.low > 0 && a.high/a.low >= 100
		return a
	}
	seen := map[string]bool{}
	for _, v := range values {
		if text := settingText(v); v != nil && !seen[text] {
			seen[text] = true
			a.levels = append(a.levels, text)
		}
	}
	slices.Sort(a.levels)
	return a
}

// at is the place of a value, and false if the axis has none for it.
func (a axis) at(v any) (float64, bool) {
	share := 0.5
	n, number := v.(float64)
	switch {
	case v == nil:
		return 0, false
	case a.levels != nil:
		i, found := slices.BinarySearch(a.levels, settingText(v))
		if !found {
			return 0, false
		}
		if len(a.levels) > 1 {
			share = float64(i) / float64(len(a.levels)-1)
		}
	case !number:
		return 0, false
	case a.high > a.low && a.log:
		share = math.Log(n/a.low) / math.Log(a.high/a.low)
	case a.high > a.low:
		share = (n - a.low) / (a.high - a.low)
	}
	return parallelHeight - parallelBottom - share*(parallelHeight-parallelTop-parallelBottom), true
}

// drawn is the axis at x with its ends, or with its levels if they are few.
func (a axis) drawn(x float64) parallelAxis {
	out := parallelAxis{Name: a.name, At: px(x)}
	values := []any{a.low, a.high}
	if a.levels != nil {
		values = nil
		for i, level := range a.levels {
			if len(a.levels) <= 8 || i == 0 || i == len(a.levels)-1 {
				values = append(values, level)
			}
		}
	}
	for _, v := range values {
		if y, ok := a.at(v); ok {
			out.Ticks = append(out.Ticks, parallelTick{px(x + 5), px(y), tickOf(v)})
		}
	}
	return out
}

// tickOf prints the end of an axis with three digits.
func tickOf(v any) string {
	if n, ok := v.(float64); ok {
		return fmt.Sprintf("%.3g", n)
	}
	return settingText(v)
}
