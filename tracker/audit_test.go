package tracker_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
)

// The first audit of a content stays, and the analyst reads it.
func TestDatasetAudit(t *testing.T) {
	b := setup(t)
	b.plan(false, planned(1))
	store := b.store
	if _, err := store.DatasetAudit(t.Context(), "dh"); !errors.Is(err, tracker.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	for _, audit := range []string{`{"rows": 7, "patients": 5}`, `{"rows": 8}`} {
		if err := store.StoreDatasetAudit(t.Context(), "d", "dh", []byte(audit)); err != nil {
			t.Fatal(err)
		}
	}
	a, err := store.DatasetAudit(t.Context(), "dh")
	if err != nil || a.Dataset != "d" || string(a.Audit) != `{"rows": 7, "patients": 5}` || a.MadeAt.IsZero() {
		t.Errorf("got %+v, %v", a, err)
	}
	if err := store.StoreDatasetAudit(t.Context(), "d", "dh2", []byte(`no JSON`)); err == nil {
		t.Error("stored what is no JSON")
	}
	analyst, err := store.ReadOnly(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer analyst.Close(t.Context())
	err = analyst.Query(t.Context(), `select rows, patients from dataset_audits where dataset = 'd'`, func(rows pgx.Rows) error {
		got, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[struct{ Rows, Patients int64 }])
		if got.Rows != 7 || got.Patients != 5 {
			t.Errorf("got %+v", got)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
