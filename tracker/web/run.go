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

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
)

type runPage struct {
	tracker.Run
	Sweep       tracker.Sweep
	Partner     int64 // the baseline's run of the same backbone and seed; 0: there is none
	Curves      []*chart
	Diagnostics []diagnosticRow
	TestSets    []string
	TestSet     string
	Patterns    []string // of the test set's rows, to choose from
	Pattern     string   // "": all rows
	Patient     []*chart // of predictions: reliability, ROC, precision
	Reliability []*chart // of every pattern
	Upset       *upset
	Figures     []figureGroup // of the diagnostics
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
	id, err := number(r)
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
	if page.Partner, err = s.partner(ctx, page.Run, page.Sweep.Baseline); err != nil {
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
	page.Figures = figuresOf(list)
	q := r.URL.Query()
	if err := s.predictions(ctx, &page, q.Get("test"), q.Get("pattern"), results[id]); err != nil {
		return err
	}
	page.Settings, page.Environment = settings(page.Spec), settings(page.Run.Environment)
	page.Log = lastLines(page.ErrorLog, 200)
	if page.Events, err = store.Events(ctx, tracker.RunFilter{IDs: []int64{id}}, 0, 50); err != nil {
		return err
	}
	return s.render(w, r, "run", fmt.Sprintf("Run %d", id), page)
}

// partner is the replicate of the baseline that a replicate is paired with.
func (s *Server) partner(ctx context.Context, run tracker.Run, baseline string) (int64, error) {
	if run.Phase != tracker.Replicate || run.Variant == baseline {
		return 0, nil
	}
	var id int64
	const query = `select coalesce(max(p.run_id), 0) from run r join run p using (sweep_id, dataset_id, backbone, split_seed)
		where r.run_id = $1 and p.variant = $2 and p.phase = 'replicate' and p.planned`
	err := s.config.Store.Pool().QueryRow(ctx, query, run.ID, baseline).Scan(&id)
	return id, err
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
