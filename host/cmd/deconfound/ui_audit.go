package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/web"
)

// webAudit reads the stored audit of a dataset and prints it as data audit does.
func webAudit(ctx context.Context, store *tracker.Store, hash string) (web.DatasetAudit, bool, error) {
	stored, err := store.DatasetAudit(ctx, hash)
	if errors.Is(err, tracker.ErrNotFound) {
		return web.DatasetAudit{}, false, nil
	}
	if err != nil {
		return web.DatasetAudit{}, false, err
	}
	var page auditPage
	if err := json.Unmarshal(stored.Audit, &page); err != nil {
		return web.DatasetAudit{}, false, fmt.Errorf("read the audit of dataset %s: %w", stored.Dataset, err)
	}
	out := webAuditOf(page)
	out.Name, out.Hash, out.MadeAt = stored.Dataset, stored.Hash, stored.MadeAt
	return out, true, nil
}

func webAuditOf(page auditPage) web.DatasetAudit {
	m := page.Missingness
	sentences := aboutLabel(m)
	out := web.DatasetAudit{
		Title: page.Card.Title, Task: string(page.Task.Kind), Rows: page.Rows, Patients: page.Patients,
		Label: sentences[0], Information: sentences[1], Random: sentences[2], Limits: auditLimits,
	}
	for _, d := range page.Dropped {
		out.Dropped = append(out.Dropped, fmt.Sprintf("%d (%s)", d.Count, d.Reason))
	}
	for _, p := range page.Patterns {
		out.Patterns = append(out.Patterns, web.AuditPattern{Name: p.Name, Rows: p.Rows, Share: p.Share, Prevalence: p.Prevalence})
	}
	modalities := modalitiesTable(page.Audit)
	modalities.Title = "Modalities"
	modalities.Note = "missing: share of rows without it; label: share of events in rows with and without it; association: Cramér's V of having it and the label"
	out.Tables = append([]web.AuditTable{modalities}, missingnessTables(m)...)
	for _, b := range m.Blocks {
		block := web.AuditBlock{Name: b.Name, Words: b.Words, Positivity: b.Positivity.Reason}
		if b.Histogram != nil {
			block.With, block.Without = b.Histogram.With, b.Histogram.Without
		}
		for _, c := range b.Balance {
			block.Balance = append(block.Balance, web.AuditContrast{Covariate: c.Covariate, Before: float64(c.SMD), After: float64(c.WeightedSMD)})
		}
		out.Blocks = append(out.Blocks, block)
	}
	return out
}
