package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
)

type runPage struct {
	tracker.Run
	Sweep       tracker.Sweep
	Worker      string
	Curves      []*chart
	Diagnostics []diagnosticRow
	TestSets    []string
	TestSet     string
	Patient     []*chart // of predictions: reliability and ROC
	Groups      []resultGroup
	Settings    []setting
	Environment []setting
	Log         string
	Events      []tracker.Event
}

// Took is the time from the first slice to the end.
func (p runPage) Took() time.Duration {
	if p.StartedAt == nil || p.EndedAt == nil {
		return 0
	}
	return p.EndedAt.Sub(*p.StartedAt)
}

type diagnosticRow struct {
	tracker.Diagnostic
	Reason string
}

// resultGroup is the results of a test set: a row for all rows and for each level,
// a column a metric.
type resultGroup struct {
	Split   string
	Metrics []string
	Rows    []resultRow
	Count   int
	Left    int // levels without a metric beyond counts
}

type resultRow struct {
	Name   string // as runs show prints it after the @; "" for all rows
	Values []string
}

type setting struct{ Name, Value string }

func (s *Server) runPage(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	id, err := number(r, "id")
	if err != nil {
		return err
	}
	store := s.config.Store
	var page runPage
	if page.Run, err = store.Run(ctx, id); err != nil {
		return err
	}
	if page.Sweep, err = store.SweepByID(ctx, page.SweepID); err != nil {
		return err
	}
	results, err := store.Results(ctx, tracker.RunFilter{IDs: []int64{id}})
	if err != nil {
		return err
	}
	page.Groups = groupResults(results[id])
	list, err := store.Diagnostics(ctx, id)
	if err != nil {
		return err
	}
	for _, d := range list {
		var detail struct{ Reason string }
		_ = json.Unmarshal(d.Detail, &detail) // without a reason the row still stands
		page.Diagnostics = append(page.Diagnostics, diagnosticRow{d, detail.Reason})
	}
	grave := map[string]int{"fail": 0, "warn": 1, "ok": 2}
	slices.SortStableFunc(page.Diagnostics, func(a, b diagnosticRow) int {
		rank := func(d diagnosticRow) int {
			if n, ok := grave[d.Verdict]; ok {
				return n
			}
			return 3
		}
		return rank(a) - rank(b)
	})
	if page.Curves, err = s.curves(ctx, id); err != nil {
		return err
	}
	if err := s.predictions(ctx, &page, r.URL.Query().Get("test"), results[id]); err != nil {
		return err
	}
	page.Settings, page.Environment = settings(page.Spec), settings(page.Run.Environment)
	page.Log = lastLines(page.ErrorLog, 200)
	if page.Events, err = store.Events(ctx, tracker.RunFilter{IDs: []int64{id}}, 0, 50); err != nil {
		return err
	}
	return s.render(w, r, "run", fmt.Sprintf("Run %d", id), page)
}

// groupResults sorts results by test set, those of all rows before those of levels.
func groupResults(values map[tracker.Metric]float64) []resultGroup {
	metrics := slices.SortedFunc(maps.Keys(values), func(a, b tracker.Metric) int {
		return cmp.Or(cmp.Compare(a.Split, b.Split), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Level, b.Level), cmp.Compare(a.Name, b.Name))
	})
	var out []resultGroup
	for _, m := range metrics {
		if len(out) == 0 || out[len(out)-1].Split != m.Split {
			out = append(out, resultGroup{Split: m.Split})
		}
		last := &out[len(out)-1]
		last.Count++
		if !slices.Contains(last.Metrics, m.Name) {
			last.Metrics = append(last.Metrics, m.Name)
		}
	}
	for i := range out {
		g := &out[i]
		slices.Sort(g.Metrics)
		seen := map[tracker.Metric]bool{}
		for _, m := range metrics {
			level := tracker.Metric{Group: m.Group, Level: m.Level}
			if m.Split != g.Split || seen[level] {
				continue
			}
			seen[level] = true
			_, name, _ := strings.Cut(tracker.Metric{Group: m.Group, Level: m.Level, Name: "x"}.String(), "@")
			row, known := resultRow{Name: name}, m.Group == ""
			for _, metric := range g.Metrics {
				v, ok := values[tracker.Metric{Name: metric, Split: g.Split, Group: m.Group, Level: m.Level}]
				text := ""
				if ok {
					text = shown.Decimal(v)
					known = known || text != shown.Undefined && metric != "n" && metric != "events" && metric != "patients"
				}
				row.Values = append(row.Values, text)
			}
			if !known {
				g.Left++
				continue
			}
			g.Rows = append(g.Rows, row)
		}
	}
	return out
}

// settings are the keys of a JSON object.
func settings(object json.RawMessage) []setting {
	var all map[string]json.RawMessage
	if json.Unmarshal(object, &all) != nil {
		return nil // nothing was recorded
	}
	var out []setting
	for _, key := range slices.Sorted(maps.Keys(all)) {
		var text bytes.Buffer
		if json.Compact(&text, all[key]) != nil {
			text.Write(all[key])
		}
		out = append(out, setting{key, text.String()})
	}
	return out
}

// maxSteps is how many points of a curve are drawn; of a longer one every so-manyth
// and the last.
const maxSteps = 400

// curves draws what was recorded of all rows during training: a chart for each
// metric, a line for each split.
func (s *Server) curves(ctx context.Context, id int64) ([]*chart, error) {
	const query = `select m.name, m.split, p.step, p.v[k.idx] from point p join keyset_member k using (keyset_id) join metric m using (metric_id)
		where p.run_id = $1 and m.grp = '' and m.name not in ('n', 'events', 'patients') order by m.name, m.split, p.step`
	rows, err := s.config.Store.Pool().Query(ctx, query, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	type curve struct {
		split         string
		steps, values []float64
	}
	var names []string
	byName := map[string][]curve{}
	for rows.Next() {
		var name, split string
		var step int
		var value float64
		if err := rows.Scan(&name, &split, &step, &value); err != nil {
			return nil, err
		}
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
		list := byName[name]
		if len(list) == 0 || list[len(list)-1].split != split {
			list = append(list, curve{split: split})
		}
		c := &list[len(list)-1]
		c.steps, c.values = append(c.steps, float64(step)), append(c.values, value)
		byName[name] = list
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	var charts []*chart
	for i, name := range names {
		var xs, ys []float64
		for _, c := range byName[name] {
			xs, ys = append(xs, c.steps...), append(ys, c.values...)
		}
		x := newScale(xs...)
		x.low, x.high = slices.Min(xs), max(slices.Max(xs), slices.Min(xs)+1)
		c := newChart(fmt.Sprintf("curve%d", i), name, x, newScale(ys...))
		c.X, c.Y = "step", name
		var texts []string
		for _, one := range byName[name] {
			last := len(one.steps) - 1
			texts = append(texts, fmt.Sprintf("%s ends at %.6g in step %.0f", cmp.Or(one.split, name), one.values[last], one.steps[last]))
			if every := (len(one.steps) + maxSteps - 1) / maxSteps; every > 1 {
				one.steps, one.values = thin(one.steps, every), thin(one.values, every)
			}
			c.line(cmp.Or(one.split, name), one.steps, one.values, len(one.steps) == 1)
		}
		c.Text = strings.Join(texts, "; ")
		charts = append(charts, c)
	}
	return charts, nil
}

func thin(values []float64, every int) []float64 {
	var out []float64
	for i, v := range values {
		if i%every == 0 || i == len(values)-1 {
			out = append(out, v)
		}
	}
	return out
}

// bins is the number of bins of the calibration, as in the metric ece.
const bins = 15

// predictions draws reliability and ROC of a binary task on one test set.
func (s *Server) predictions(ctx context.Context, page *runPage, wanted string, results map[tracker.Metric]float64) error {
	const sets = `select t.name from test_set t where exists (select from prediction p where p.run_id = $1 and p.test_set_id = t.test_set_id)
		order by t.name <> 'id', t.name`
	rows, err := s.config.Store.Pool().Query(ctx, sets, page.ID)
	if err != nil {
		return err
	}
	if page.TestSets, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || len(page.TestSets) == 0 {
		return err
	}
	page.TestSet = page.TestSets[0]
	if slices.Contains(page.TestSets, wanted) {
		page.TestSet = wanted
	}
	list, err := s.config.Store.Predictions(ctx, tracker.RunFilter{IDs: []int64{page.ID}}, page.TestSet)
	if err != nil {
		return err
	}
	var rated []ratedRow
	for _, p := range list {
		for i := range p.Score {
			if p.Class[i] != p.Class[0] {
				return nil // several classes: there is no one curve
			}
			if y := float64(p.Label[i]); y == 0 || y == 1 {
				rated = append(rated, ratedRow{float64(p.Score[i]), y, float64(p.Weight[i])})
			}
		}
	}
	split := page.TestSet
	if split == "id" {
		split = "test"
	}
	if c := reliability(rated, stored(results, tracker.Metric{Name: "ece", Split: split})); c != nil {
		page.Patient = append(page.Patient, c)
	}
	if c := roc(rated, stored(results, tracker.Metric{Name: "auroc", Split: split})); c != nil {
		page.Patient = append(page.Patient, c)
	}
	return nil
}

type ratedRow struct{ score, label, weight float64 }

// reliability draws the share of events against the mean score in bins of equal
// width (DeGroot and Fienberg 1983); nil without rows. ece is the stored metric.
func reliability(rows []ratedRow, ece string) *chart {
	var weight, score, event [bins]float64
	var count [bins]int
	for _, r := range rows {
		b := min(int(r.score*bins), bins-1)
		weight[b] += r.weight
		score[b] += r.weight * r.score
		event[b] += r.weight * r.label
		count[b]++
	}
	c := newChart("reliability", "Reliability", unit(), unit())
	c.X, c.Y = "predicted risk", "share of events"
	c.diagonal()
	var xs, ys []float64
	largest := slices.Max(count[:])
	for b := range bins {
		if weight[b] <= 0 {
			continue
		}
		xs, ys = append(xs, score[b]/weight[b]), append(ys, event[b]/weight[b])
		height := 24 * float64(count[b]) / float64(largest)
		c.Bars = append(c.Bars, bar{
			px(c.x.at(float64(b)/bins) + 1), px(c.y.at(0) - height), px((c.x.to-c.x.from)/bins - 2), px(height),
			fmt.Sprintf("%d patients with a risk from %.2f to %.2f", count[b], float64(b)/bins, float64(b+1)/bins),
		})
	}
	if len(xs) == 0 {
		return nil
	}
	c.line("bins", xs, ys, true)
	c.Text = fmt.Sprintf("expected calibration error %s over %d bins, %d patients", ece, bins, len(rows))
	return c
}

// roc draws sensitivity against 1 - specificity, weighted; nil if one class is
// absent. auroc is the stored metric.
func roc(rows []ratedRow, auroc string) *chart {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b ratedRow) int { return cmp.Compare(b.score, a.score) })
	var events, others float64
	for _, r := range rows {
		events += r.weight * r.label
		others += r.weight * (1 - r.label)
	}
	if events <= 0 || others <= 0 {
		return nil
	}
	xs, ys := []float64{0}, []float64{0}
	var hit, alarm float64
	for i, r := range rows {
		hit += r.weight * r.label
		alarm += r.weight * (1 - r.label)
		if i+1 < len(rows) && rows[i+1].score == r.score {
			continue // ties are one step
		}
		xs, ys = append(xs, alarm/others), append(ys, hit/events)
	}
	if every := (len(xs) + maxSteps - 1) / maxSteps; every > 1 {
		xs, ys = thin(xs, every), thin(ys, every)
	}
	c := newChart("roc", "ROC", unit(), unit())
	c.X, c.Y = "1 − specificity", "sensitivity"
	c.diagonal()
	c.line("ROC", xs, ys, false)
	c.Text = fmt.Sprintf("area under the curve %s, %d patients", auroc, len(rows))
	return c
}

// stored prints a metric of a run, if it has it.
func stored(results map[tracker.Metric]float64, m tracker.Metric) string {
	if v, ok := results[m]; ok {
		return shown.Decimal(v)
	}
	return "not stored"
}
