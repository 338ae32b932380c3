package main

import (
	"bytes"
	"errors"
	"testing"

	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

// A dataset is audited once, where diagnostics are on, and the page reads back what
// data audit prints.
func TestAudits(t *testing.T) {
	data := splitCohort(t).Store
	store := trackertest.New(t)
	var errs bytes.Buffer
	a := newAudits(t.Context(), store, &errs)
	a.of(data, sweeps.RunSpec{Diagnostics: sweeps.DiagnosticsOff})
	generated := sweeps.RunSpec{SplitSeed: 1}
	generated.Dataset.Generator = "mm_conf"
	a.of(data, generated)
	a.finish()
	if _, err := store.DatasetAudit(t.Context(), data.Hash()); !errors.Is(err, tracker.ErrNotFound) {
		t.Fatalf("audited what was not asked for: %v", err)
	}
	a.of(data, sweeps.RunSpec{})
	a.of(data, sweeps.RunSpec{})
	a.finish()
	page, ok, err := webAudit(t.Context(), store, data.Hash())
	if err != nil || !ok || page.Rows != data.Rows() || len(page.Blocks) == 0 || len(page.Tables) != 4 || errs.Len() > 0 {
		t.Fatalf("got %v, %v, %d rows, %d blocks, %d tables, and %s", ok, err, page.Rows, len(page.Blocks), len(page.Tables), errs.String())
	}
	if b := page.Blocks[0]; len(b.With) == 0 || len(b.Balance) == 0 || len(b.Words) == 0 {
		t.Errorf("got %+v", b)
	}
	var again bytes.Buffer
	b := newAudits(t.Context(), store, &again)
	b.of(data, sweeps.RunSpec{})
	b.finish()
	if later, _, err := webAudit(t.Context(), store, data.Hash()); err != nil || later.MadeAt != page.MadeAt {
		t.Errorf("audited again: %v, %v", later.MadeAt, err)
	}
}
