package web

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
)

// diffPage is in what two runs differ, as runs diff prints it.
type diffPage struct {
	A, B       string // as they were asked for
	Problem    string
	Runs       []tracker.Run
	Settings   []shown.SpecDifference
	Provenance []shown.SpecDifference // program and environment
	Results    []shown.ResultChange   // on all rows
	Subgroups  []shown.ResultChange
}

func (s *Server) diffPage(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	q := r.URL.Query()
	page := diffPage{A: q.Get("a"), B: q.Get("b")}
	var ids []int64
	for _, text := range []string{page.A, page.B} {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id < 1 {
			if page.A != "" || page.B != "" {
				page.Problem = "name two runs by their numbers"
			}
			return s.render(w, r, "diff", "Compare two runs", page)
		}
		ids = append(ids, id)
	}
	for _, id := range ids {
		run, err := s.config.Store.Run(ctx, id)
		if err != nil {
			return err
		}
		page.Runs = append(page.Runs, run)
	}
	results, err := s.config.Store.Results(ctx, tracker.RunFilter{IDs: ids})
	if err != nil {
		return err
	}
	diff, err := shown.DiffRuns(page.Runs[0], page.Runs[1], results)
	if err != nil {
		return err
	}
	for _, d := range diff.Spec {
		if strings.HasPrefix(d.Key, "environment.") || strings.HasPrefix(d.Key, "program.") {
			page.Provenance = append(page.Provenance, d)
		} else {
			page.Settings = append(page.Settings, d)
		}
	}
	for _, c := range diff.Results {
		if strings.Contains(c.Metric, "@") {
			page.Subgroups = append(page.Subgroups, c)
		} else {
			page.Results = append(page.Results, c)
		}
	}
	return s.render(w, r, "diff", "Run "+page.A+" and run "+page.B, page)
}
