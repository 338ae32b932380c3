package web

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
)

// bins is the number of bins of the calibration, as in the metric ece.
const bins = 15

// fewestRows is below which the predictions of a pattern draw no diagram of their
// own.
const fewestRows = 50

// predictions draws reliability, ROC and precision of a binary task on one test
// set, of all rows or of one pattern, and the reliability of every pattern.
func (s *Server) predictions(ctx context.Context, page *runPage, wanted, pattern string, results map[tracker.Metric]float64) error {
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
	split := page.TestSet
	if split == "id" {
		split = "test"
	}
	page.Upset = newUpset(results, split, sweepMetric(page.Sweep.Spec))
	names, err := s.patternNames(ctx, page.DatasetHash)
	if err != nil {
		return err
	}
	list, err := s.config.Store.Predictions(ctx, tracker.RunFilter{IDs: []int64{page.ID}}, page.TestSet)
	if err != nil {
		return err
	}
	var all []ratedRow
	of := map[string][]ratedRow{}
	for _, p := range list {
		for i := range p.Score {
			if p.Class[i] != p.Class[0] {
				return nil // several classes: there is no one curve
			}
			if y := float64(p.Label[i]); y == 0 || y == 1 {
				row := ratedRow{float64(p.Score[i]), y, float64(p.Weight[i])}
				all = append(all, row)
				of[names[p.Pattern[i]]] = append(of[names[p.Pattern[i]]], row)
			}
		}
	}
	delete(of, "") // patterns that nobody named
	for name, rated := range of {
		if len(rated) >= fewestRows {
			page.Patterns = append(page.Patterns, name)
		}
	}
	slices.SortFunc(page.Patterns, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(of[b]), len(of[a])), cmp.Compare(a, b))
	})
	metric := func(name, level string) string {
		m := tracker.Metric{Name: name, Split: split}
		if level != "" {
			m.Group, m.Level = "pattern", level
		}
		return stored(results, m)
	}
	rated := all
	if slices.Contains(page.Patterns, pattern) {
		page.Pattern, rated = pattern, of[pattern]
	}
	for _, c := range []*chart{
		reliability("reliability", "Reliability", rated, metric("ece", page.Pattern)),
		roc(rated, metric("auroc", page.Pattern)), precision(rated, metric("auprc", page.Pattern)),
	} {
		if c != nil {
			page.Patient = append(page.Patient, c)
		}
	}
	if len(page.Patterns) > 1 {
		for i, name := range page.Patterns {
			page.Reliability = append(page.Reliability, reliability(fmt.Sprintf("reliability%d", i), name, of[name], metric("ece", name)))
		}
	}
	return nil
}

// patternNames are the texts of a dataset's availability patterns.
func (s *Server) patternNames(ctx context.Context, hash string) (map[uint64]string, error) {
	rows, err := s.config.Store.Pool().Query(ctx, `select pattern, n.name from pattern_name n join dataset using (dataset_id) where hash = $1`, hash)
	if err != nil {
		return nil, err
	}
	out := map[uint64]string{}
	var pattern int64
	var name string
	_, err = pgx.ForEachRow(rows, []any{&pattern, &name}, func() error {
		out[uint64(pattern)] = name
		return nil
	})
	return out, err
}

type ratedRow struct{ score, label, weight float64 }

// reliability draws the share of events against the mean score in bins of equal
// width (DeGroot and Fienberg 1983); nil without rows. ece is the stored metric.
func reliability(id, title string, rows []ratedRow, ece string) *chart {
	var weight, score, event [bins]float64
	var count [bins]int
	for _, r := range rows {
		b := min(int(r.score*bins), bins-1)
		weight[b] += r.weight
		score[b] += r.weight * r.score
		event[b] += r.weight * r.label
		count[b]++
	}
	c := newChart(id, title, unit(), unit())
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
	c.line("share of events", xs, ys, true)
	c.Text = fmt.Sprintf("expected calibration error %s over %d bins, %d patients", ece, bins, len(rows))
	return c
}

// rocCurve are the points 1 − specificity and sensitivity of every threshold, from
// 0, 0 to 1, 1, weighted; rows with the same score are one step. nil if one class
// is absent.
func rocCurve(rows []ratedRow) (xs, ys []float64) {
	events, others := classes(rows)
	if events <= 0 || others <= 0 {
		return nil, nil
	}
	xs, ys = []float64{0}, []float64{0}
	steps(rows, func(hit, alarm float64) { xs, ys = append(xs, alarm/others), append(ys, hit/events) })
	return xs, ys
}

// precisionCurve are the points recall and precision of every threshold, from the
// highest score, weighted. nil if one class is absent.
func precisionCurve(rows []ratedRow) (xs, ys []float64) {
	events, others := classes(rows)
	if events <= 0 || others <= 0 {
		return nil, nil
	}
	steps(rows, func(hit, alarm float64) { xs, ys = append(xs, hit/events), append(ys, hit/(hit+alarm)) })
	return xs, ys
}

// classes are the weights of both classes.
func classes(rows []ratedRow) (events, others float64) {
	for _, r := range rows {
		events += r.weight * r.label
		others += r.weight * (1 - r.label)
	}
	return events, others
}

// steps tells the weights of events and others above every threshold.
func steps(rows []ratedRow, tell func(hit, alarm float64)) {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b ratedRow) int { return cmp.Compare(b.score, a.score) })
	var hit, alarm float64
	for i, r := range rows {
		hit += r.weight * r.label
		alarm += r.weight * (1 - r.label)
		if i+1 < len(rows) && rows[i+1].score == r.score || hit+alarm <= 0 {
			continue
		}
		tell(hit, alarm)
	}
}

// roc draws sensitivity against 1 − specificity; auroc is the stored metric.
func roc(rows []ratedRow, auroc string) *chart {
	xs, ys := thinned(rocCurve(rows))
	if xs == nil {
		return nil
	}
	c := newChart("roc", "ROC", unit(), unit())
	c.X, c.Y = "1 − specificity", "sensitivity"
	c.diagonal()
	c.line("sensitivity", xs, ys, false)
	c.Text = fmt.Sprintf("area under the curve %s, %d patients", auroc, len(rows))
	return c
}

// precision draws precision against recall, with the share of events as what
// chance reaches; auprc is the stored metric.
func precision(rows []ratedRow, auprc string) *chart {
	xs, ys := thinned(precisionCurve(rows))
	if xs == nil {
		return nil
	}
	events, others := classes(rows)
	share := events / (events + others)
	c := newChart("precision", "Precision and recall", unit(), unit())
	c.X, c.Y = "recall", "precision"
	c.Diagonal = "M" + px(c.x.at(0)) + " " + px(c.y.at(share)) + "H" + px(c.x.at(1))
	c.line("precision", xs, ys, false)
	c.Text = fmt.Sprintf("area under the curve %s, %d patients; dashed: the share of events, %s", auprc, len(rows), shown.Decimal(share))
	return c
}

// thinned leaves at most about maxSteps points.
func thinned(xs, ys []float64) (x, y []float64) {
	if every := (len(xs) + maxSteps - 1) / maxSteps; every > 1 {
		return thin(xs, every), thin(ys, every)
	}
	return xs, ys
}

// stored prints a metric of a run, if it has it.
func stored(results map[tracker.Metric]float64, m tracker.Metric) string {
	if v, ok := results[m]; ok {
		return shown.Decimal(v)
	}
	return "not stored"
}
