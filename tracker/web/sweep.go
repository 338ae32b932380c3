package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
)

type sweepPage struct {
	sweepRow
	Metrics  []metricChoice
	Metric   metricChoice
	Sort     string
	Down     bool
	Datasets []sweepDataset
	Variants []string // of the columns of the heat map
	Filter   filter

	Board    []boardRow
	Heat     []heatRow
	Settings []importance
	Parallel *parallel
	Budgets  []budget
	Unequal  bool // the search of some cell had more trials
	Failures []failedRun
	Runs     []runRow
	Matching int // runs that the filter selects
	Page     int
	Pages    int
	States   []string

	trials, replicates string // change with the runs of each phase that are done
}

// metricChoice is a final metric of all rows of a test set.
type metricChoice struct {
	Name, Split string
	Minimize    bool
}

// Key names the choice in an address.
func (m metricChoice) Key() string { return m.Name + "/" + m.Split }

// filter is which cells and runs a page shows; "" is all.
type filter struct {
	Backbone, Variant, State, Phase string
	Backbones, Variants             []string // to choose from
}

// boardRow is a cell of the view leaderboard.
type boardRow struct {
	Dataset, Backbone, Variant string
	N                          int
	Mean, Lo, Hi               float64
	Rank                       int
	Bar                        intervalBar
}

type heatRow struct {
	Dataset, Backbone string
	Cells             []heatCell
}

// heatCell is a value with its shade, 0 (worst) to 8 (best); -1: there is none.
type heatCell struct {
	Value float64
	Text  string
	Shade int
}

// budget is what the search and the replicates of a cell had.
type budget struct {
	Dataset, Backbone, Variant       string
	Trials, TrialsDone, TrialsFailed int
	Seeds, SeedsDone, SeedsFailed    int
	Epochs                           int
	Seconds                          float64

	// TrialState and SeedState change with the runs that are done. What a run that is
	// done has stored does not change any more.
	TrialState, SeedState string
}

// Time is what workers spent on the cell's runs.
func (b budget) Time() time.Duration { return time.Duration(b.Seconds * float64(time.Second)) }

type failedRun struct {
	ID                         int64
	Dataset, Backbone, Variant string
	Phase                      string
	Trial                      int
	Seed                       int64
	State, Code, Message, Log  string
}

type runRow struct {
	ID                         int64
	Dataset, Backbone, Variant string
	Phase                      string
	Trial                      int
	Seed                       int64
	State, Code                string
	Planned                    bool
	Epoch, Epochs              int
}

const (
	pageSize    = 50
	maxFailures = 10
	logLines    = 15
)

// number reads the number in an address.
func number(r *http.Request) (int64, error) {
	n, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || n < 1 {
		return 0, notFound("there is no such page")
	}
	return n, nil
}

// sweepPage sends the page as it was made since the last change: many look at it, and
// it is over thousands of runs.
func (s *Server) sweepPage(w http.ResponseWriter, r *http.Request) error {
	id, err := number(r)
	if err != nil {
		return err
	}
	// A sweep can be paused without a change of any run.
	var state string
	const query = `select concat_ws(' ', revision, paused_at, cancelled_at, pause_reason) from sweep where sweep_id = $1`
	if err := s.config.Store.Pool().QueryRow(r.Context(), query, id).Scan(&state); errors.Is(err, pgx.ErrNoRows) {
		return notFound("there is no such sweep")
	} else if err != nil {
		return err
	}
	key := fmt.Sprintf("%s?%s %t %s", r.URL.Path, r.URL.RawQuery, s.loggedIn(r), state)
	body, err := rememberPage(s, key, func() ([]byte, error) { return s.makeSweepPage(r, id) })
	if err != nil {
		return err
	}
	send(w, http.StatusOK, body)
	return nil
}

func (s *Server) makeSweepPage(r *http.Request, id int64) ([]byte, error) {
	ctx := r.Context()
	var err error
	page := sweepPage{States: []string{"queued", "running", "paused", "done", "failed", "cancelled", "lost", "pruned"}}
	if page.Sweep, err = s.config.Store.SweepByID(ctx, id); err != nil {
		return nil, err
	}
	counts, err := s.progressOf(ctx, id)
	if err != nil {
		return nil, err
	}
	if p := counts[id]; p != nil {
		page.progress = *p
	}
	s.expected(ctx, &page.sweepRow)
	q := r.URL.Query()
	page.Filter = filter{Backbone: q.Get("backbone"), Variant: q.Get("variant"), State: q.Get("state"), Phase: q.Get("phase")}
	if page.Metrics, err = s.metricChoices(ctx, page.Sweep); err != nil {
		return nil, err
	}
	page.choose(q.Get("metric"), sweepMetric(page.Spec))
	for _, f := range []func(context.Context, *sweepPage) error{s.budgets, s.board, s.failures} {
		if err := f(ctx, &page); err != nil {
			return nil, err
		}
	}
	if s.config.Audit != nil {
		if page.Datasets, err = s.datasets(ctx, id); err != nil {
			return nil, err
		}
	}
	page.sort(q.Get("sort"))
	page.Page, _ = strconv.Atoi(q.Get("page")) // what is no number is the first page
	if err := s.runList(ctx, &page); err != nil {
		return nil, err
	}
	return s.execute(r, "sweep", page.Name, &page)
}

// sweepMetric is the name of the metric that the sweep's file declares, without
// split and level.
func sweepMetric(spec json.RawMessage) string {
	var plan struct {
		Metric struct {
			Name string `json:"name"`
		} `json:"metric"`
	}
	if json.Unmarshal(spec, &plan) != nil {
		return "" // a sweep without a metric of its own
	}
	_, name, found := strings.Cut(plan.Metric.Name, "/")
	if !found {
		name = plan.Metric.Name
	}
	name, _, _ = strings.Cut(name, "@worst")
	return name
}

// metricChoices are the metrics of the newest replicate that is done: all of them
// have the same, and to ask all would read every result.
//
// The program's own metrics without a split are about the run, not about rows; those
// of imported runs may be anything.
func (s *Server) metricChoices(ctx context.Context, sweep tracker.Sweep) ([]metricChoice, error) {
	const query = `select m.name, m.split, coalesce(m.goal = 'minimize', false) from result z join metric m using (metric_id)
		where z.run_id = (select max(run_id) from run where sweep_id = $1 and state = 'done' and phase = 'replicate' and planned)
		  and m.grp = '' and (m.split <> '' or $2) and m.name not in ('n', 'patients', 'events') order by m.split <> 'test', m.split, m.name`
	rows, err := s.config.Store.Pool().Query(ctx, query, sweep.ID, sweep.Imported() != "")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[metricChoice])
}

// choose takes the metric that was asked for, or the sweep's own on the test rows.
func (p *sweepPage) choose(key, own string) {
	for _, m := range p.Metrics {
		if m.Key() == key {
			p.Metric = m
			return
		}
	}
	for _, m := range p.Metrics {
		if p.Metric.Name == "" || m.Name == own && m.Split == "test" {
			p.Metric = m
		}
	}
}

// board reads the leaderboard as the view has it.
func (s *Server) board(ctx context.Context, page *sweepPage) error {
	if page.Metric.Name == "" {
		return nil
	}
	key := fmt.Sprintf("board %d %s", page.ID, page.Metric.Key())
	board, err := outlast(s, key, page.replicates, func() ([]boardRow, error) { return s.readBoard(ctx, page.Sweep, page.Metric) })
	if err != nil {
		return err
	}
	page.heat(board)
	trials, err := s.trials(ctx, page.ID, page.Metric.Name, page.trials)
	if err != nil {
		return err
	}
	settings := fmt.Sprintf("settings %d %s", page.ID, page.Metric.Name)
	if page.Settings, err = outlast(s, settings, page.trials, func() ([]importance, error) { return rankSettings(trials), nil }); err != nil {
		return err
	}
	drawn := fmt.Sprintf("parallel %d %s %q %q", page.ID, page.Metric.Name, page.Filter.Backbone, page.Filter.Variant)
	if page.Parallel, err = outlast(s, drawn, page.trials, func() (*parallel, error) {
		return newParallel(trials, page.Filter, page.Metric, page.Settings), nil
	}); err != nil {
		return err
	}
	for _, b := range board {
		if (page.Filter.Backbone == "" || b.Backbone == page.Filter.Backbone) && (page.Filter.Variant == "" || b.Variant == page.Filter.Variant) {
			page.Board = append(page.Board, b)
		}
	}
	var all []float64
	for _, b := range page.Board {
		all = append(all, b.Mean, b.Lo, b.Hi)
	}
	scale := newScale(all...)
	for i, b := range page.Board {
		page.Board[i].Bar = newIntervalBar(scale, b.Mean, b.Lo, b.Hi)
	}
	return nil
}

func (s *Server) readBoard(ctx context.Context, sweep tracker.Sweep, metric metricChoice) ([]boardRow, error) {
	ranks, err := s.config.Store.Leaderboard(ctx, sweep, metric.Name, metric.Split)
	if err != nil {
		return nil, err
	}
	board := make([]boardRow, len(ranks))
	for i, r := range ranks {
		board[i] = boardRow{Dataset: r.Dataset, Backbone: r.Backbone, Variant: r.Variant, N: r.N, Mean: r.Mean, Lo: r.Low, Hi: r.High, Rank: r.Rank}
	}
	return board, nil
}

// heat lays the means out, a row for each dataset and backbone, a column a variant.
func (p *sweepPage) heat(board []boardRow) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, b := range board {
		low, high = min(low, b.Mean), max(high, b.Mean)
	}
	for _, b := range board {
		i := slices.IndexFunc(p.Heat, func(h heatRow) bool { return h.Dataset == b.Dataset && h.Backbone == b.Backbone })
		if i < 0 {
			i = len(p.Heat)
			p.Heat = append(p.Heat, heatRow{b.Dataset, b.Backbone, make([]heatCell, len(p.Variants))})
			for k := range p.Heat[i].Cells {
				p.Heat[i].Cells[k].Shade = -1
			}
		}
		k := slices.Index(p.Variants, b.Variant)
		if k < 0 {
			continue // of a cell that has no planned run
		}
		at := 0.5
		if high > low {
			at = (b.Mean - low) / (high - low)
		}
		if p.Metric.Minimize {
			at = 1 - at
		}
		p.Heat[i].Cells[k] = heatCell{Value: b.Mean, Shade: int(math.Round(8 * at))}
	}
	slices.SortFunc(p.Heat, func(a, b heatRow) int {
		return strings.Compare(a.Dataset+"\x00"+a.Backbone, b.Dataset+"\x00"+b.Backbone)
	})
}

// sort orders the leaderboard by a column; a leading - is downwards.
func (p *sweepPage) sort(by string) {
	by, p.Down = strings.CutPrefix(by, "-")
	var compare func(a, b boardRow) int
	switch by {
	case "backbone":
		compare = func(a, b boardRow) int { return strings.Compare(a.Backbone, b.Backbone) }
	case "variant":
		compare = func(a, b boardRow) int { return strings.Compare(a.Variant, b.Variant) }
	case "mean":
		compare = func(a, b boardRow) int { return compareFloats(a.Mean, b.Mean) }
	case "n":
		compare = func(a, b boardRow) int { return a.N - b.N }
	default:
		p.Sort, p.Down = "rank", false
		return // as it was read
	}
	p.Sort = by
	slices.SortStableFunc(p.Board, func(a, b boardRow) int {
		if p.Down {
			a, b = b, a
		}
		return compare(a, b)
	})
}

func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Link is the address of the page with another value of one of its parameters.
func (p *sweepPage) Link(name, value string) string {
	q := url.Values{}
	set := func(k, v string) {
		if v != "" {
			q.Set(k, v)
		}
	}
	set("metric", p.Metric.Key())
	set("backbone", p.Filter.Backbone)
	set("variant", p.Filter.Variant)
	set("state", p.Filter.State)
	set("phase", p.Filter.Phase)
	sort := p.Sort
	if p.Down {
		sort = "-" + sort
	}
	set("sort", sort)
	q.Del(name)
	set(name, value)
	return fmt.Sprintf("/sweep/%d?%s", p.ID, q.Encode())
}

// SortLink orders by a column, the other way round if it is the one already.
func (p *sweepPage) SortLink(column string) string {
	if p.Sort == column && !p.Down {
		column = "-" + column
	}
	return p.Link("sort", column) + "#leaderboard"
}

// Order is the state of a column for screen readers.
func (p *sweepPage) Order(column string) string {
	switch {
	case p.Sort != column:
		return "none"
	case p.Down:
		return "descending"
	}
	return "ascending"
}

func (s *Server) readBudgets(ctx context.Context, sweep int64) ([]budget, error) {
	const query = `select d.name, backbone, variant,
			count(*) filter (where phase = 'search'), count(*) filter (where phase = 'search' and state = 'done'),
			count(*) filter (where phase = 'search' and state in ('failed', 'lost')),
			count(*) filter (where phase = 'replicate'), count(*) filter (where phase = 'replicate' and state = 'done'),
			count(*) filter (where phase = 'replicate' and state in ('failed', 'lost')),
			sum(epoch), coalesce(sum(extract(epoch from busy)), 0)::float8,
			concat_ws(' ', count(*) filter (where phase = 'search' and state = 'done'), sum(run_id) filter (where phase = 'search' and state = 'done'), max(ended_at) filter (where phase = 'search' and state = 'done')),
			concat_ws(' ', count(*) filter (where phase = 'replicate' and state = 'done'), sum(run_id) filter (where phase = 'replicate' and state = 'done'), max(ended_at) filter (where phase = 'replicate' and state = 'done'))
		from run join dataset d using (dataset_id) where sweep_id = $1 and planned group by 1, 2, 3 order by 1, 2, min(run_id)`
	rows, err := s.config.Store.Pool().Query(ctx, query, sweep)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[budget])
}

func (s *Server) budgets(ctx context.Context, page *sweepPage) error {
	var err error
	page.Budgets, err = remember(s, fmt.Sprintf("budgets %d", page.ID), func() ([]budget, error) { return s.readBudgets(ctx, page.ID) })
	if err != nil {
		return err
	}
	for _, b := range page.Budgets {
		page.trials += b.TrialState + ","
		page.replicates += b.SeedState + ","
		page.Unequal = page.Unequal || b.Trials != page.Budgets[0].Trials
		if !slices.Contains(page.Variants, b.Variant) {
			page.Variants = append(page.Variants, b.Variant)
		}
		if !slices.Contains(page.Filter.Backbones, b.Backbone) {
			page.Filter.Backbones = append(page.Filter.Backbones, b.Backbone)
		}
	}
	page.Filter.Variants = page.Variants
	return nil
}

// failures reads the newest failures with the last lines of their logs.
func (s *Server) failures(ctx context.Context, page *sweepPage) error {
	if page.Failed == 0 {
		return nil
	}
	const query = `select run_id, d.name, backbone, variant, phase::text, trial, split_seed, state::text, error_code, error_message, right(error_log, 8000)
		from run join dataset d using (dataset_id) where sweep_id = $1 and planned and state in ('failed', 'lost')
		order by ended_at desc nulls last, run_id desc limit $2`
	rows, err := s.config.Store.Pool().Query(ctx, query, page.ID, maxFailures)
	if err != nil {
		return err
	}
	page.Failures, err = pgx.CollectRows(rows, pgx.RowToStructByPos[failedRun])
	for i := range page.Failures {
		page.Failures[i].Log = lastLines(page.Failures[i].Log, logLines)
	}
	return err
}

// lastLines keeps the last n lines.
func lastLines(text string, n int) string {
	text = strings.TrimRight(text, "\n")
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// runList reads one page of the runs that the filter selects.
func (s *Server) runList(ctx context.Context, page *sweepPage) error {
	const where = ` where sweep_id = $1 and ($2 = '' or backbone = $2) and ($3 = '' or variant = $3)
		and ($4 = '' or state::text = $4) and ($5 = '' or phase::text = $5)`
	args := []any{page.ID, page.Filter.Backbone, page.Filter.Variant, page.Filter.State, page.Filter.Phase}
	var err error
	page.Matching, err = remember(s, fmt.Sprintf("matching %d %+v", page.ID, page.Filter), func() (int, error) {
		var n int
		err := s.config.Store.Pool().QueryRow(ctx, `select count(*) from run`+where, args...).Scan(&n)
		return n, err
	})
	if err != nil {
		return err
	}
	page.Pages = max(1, (page.Matching+pageSize-1)/pageSize)
	page.Page = min(max(page.Page, 1), page.Pages)
	const columns = `select run_id, d.name, backbone, variant, phase::text, trial, split_seed, state::text, error_code, planned, epoch, epochs
		from run join dataset d using (dataset_id)`
	rows, err := s.config.Store.Pool().Query(ctx, columns+where+` order by run_id limit $6 offset $7`, append(args, pageSize, (page.Page-1)*pageSize)...)
	if err != nil {
		return err
	}
	page.Runs, err = pgx.CollectRows(rows, pgx.RowToStructByPos[runRow])
	return err
}

// Stored says where the results of a run come from: a run without a plan keeps them.
func (r runRow) Stored() string {
	if r.Planned {
		return r.State
	}
	return r.State + " (no longer planned)"
}
