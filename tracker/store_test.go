package tracker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

// TestMigrate starts with an empty database of a user who may create nothing but
// what is in it, from several processes' worth of stores at once.
func TestMigrate(t *testing.T) {
	b := setup(t)
	name := strings.TrimSpace(b.rows(`select current_database()`)) + "_empty"
	b.rows(`create role ` + name + ` login`)
	b.rows(`create database ` + name + ` owner ` + name)
	defer func() {
		b.rows(`drop database ` + name + ` with (force)`)
		b.rows(`drop role ` + name)
	}()
	dsn := b.store.DSN() + " user=" + name + " dbname=" + name
	var wg sync.WaitGroup
	for range 3 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s, err := tracker.Open(context.Background(), dsn)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if applied, newest, err := s.SchemaVersion(context.Background()); err != nil || applied > newest {
				t.Errorf("before: got version %d of %d, %v", applied, newest, err)
			}
			if err := s.Migrate(context.Background()); err != nil {
				t.Error(err)
			}
			if applied, newest, err := s.SchemaVersion(context.Background()); err != nil || applied != newest || newest < 4 {
				t.Errorf("after: got version %d of %d, %v", applied, newest, err)
			}
		}()
	}
	wg.Wait()
	s, err := tracker.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := openReadOnly(t, s)
	if _, err := ask(t, r, `select * from runs`); err != nil || r.Isolation != tracker.LoginIsolation {
		t.Errorf("analyst of the new database: isolation %s, %v", r.Isolation, err)
	}
	// River's tables are where its client is told to look.
	if got := b.rows(`select to_regclass($1) is not null`, tracker.Schema+".river_job"); got != "true\n" {
		t.Error("River's tables are not in the schema")
	}
}

func TestOpen_Errors(t *testing.T) {
	for _, dsn := range []string{"postgres://[", "host=/nowhere connect_timeout=1"} {
		if _, err := tracker.Open(t.Context(), dsn); err == nil {
			t.Errorf("%s: got no error", dsn)
		}
	}
}

func TestInTx_Retries(t *testing.T) {
	s := trackertest.New(t)
	deadlock := &pgconn.PgError{Code: "40P01"}
	n := 0
	err := s.InTx(t.Context(), func(pgx.Tx) error {
		if n++; n < 3 {
			return fmt.Errorf("update: %w", deadlock)
		}
		return nil
	})
	if err != nil || n != 3 {
		t.Errorf("got %v after %d times, want success after 3", err, n)
	}
	n = 0
	if err := s.InTx(t.Context(), func(pgx.Tx) error { n++; return deadlock }); !errors.Is(err, deadlock) || n != 3 {
		t.Errorf("got %v after %d times, want to give up after 3", err, n)
	}
	n = 0
	other := errors.New("other")
	if err := s.InTx(t.Context(), func(pgx.Tx) error { n++; return other }); !errors.Is(err, other) || n != 1 {
		t.Errorf("got %v after %d times, want it once", err, n)
	}
}

// TestContextEnded asks everything with a context that has ended: nothing may
// hang, panic, or claim success.
func TestContextEnded(t *testing.T) {
	b := setup(t)
	l := b.lease(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := b.store
	tx, err := s.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	result := func(_ any, err error) error { return err }
	for name, err := range map[string]error{
		"Runs":              result(s.Runs(ctx, tracker.RunFilter{})),
		"Run":               result(s.Run(ctx, 1)),
		"Sweep":             result(s.Sweep(ctx, "", "s")),
		"SweepByID":         result(s.SweepByID(ctx, 1)),
		"Sweeps":            result(s.Sweeps(ctx)),
		"Summary":           result(s.Summary(ctx, 1)),
		"MetricHistory":     result(s.MetricHistory(ctx, loss, 1)),
		"Results":           result(s.Results(ctx, tracker.RunFilter{})),
		"Diagnostics":       result(s.Diagnostics(ctx, 1)),
		"FailedDiagnostics": result(s.FailedDiagnostics(ctx, tracker.RunFilter{}, "")),
		"Verdicts":          result(s.Verdicts(ctx, 1)),
		"StoreComparisons":  s.StoreComparisons(ctx, 1, nil),
		"ComparisonState":   result(s.ComparisonState(ctx, 1)),
		"KeptComparison":    result(s.KeptComparison(ctx, 1, nil)),
		"KeepComparison":    s.KeepComparison(ctx, 1, nil, nil),
		"Events":            result(s.Events(ctx, tracker.RunFilter{}, 0, 0)),
		"Predictions":       result(s.Predictions(ctx, tracker.RunFilter{}, "")),
		"Artifacts":         result(s.Artifacts(ctx, 1)),
		"Artifact":          result(s.Artifact(ctx, 1, "p")),
		"CollectGarbage":    result(s.CollectGarbage(ctx, 0)),
		"LostRuns":          result(s.LostRuns(ctx)),
		"Workers":           result(s.Workers(ctx)),
		"Views":             result(s.Views(ctx)),
		"Roles":             result(s.Roles(ctx)),
		"ReadOnly":          result(s.ReadOnly(ctx)),
		"Dataset":           result(s.Dataset(ctx, "dh")),
		"Claim":             result(s.Claim(ctx, 1, 1, b.worker)),
		"Migrate":           s.Migrate(ctx),
		"DescribeDataset":   s.DescribeDataset(ctx, tracker.DatasetInfo{Hash: "x"}),
		"AppendPoints":      s.AppendPoints(ctx, l, []tracker.Point{point(1, 1)}),
		"SetProgress":       s.SetProgress(ctx, l, 1),
		"LockSweep":         s.LockSweep(ctx, tx, b.sweep.ID),
		"PauseSweep":        s.PauseSweep(ctx, tx, b.sweep.ID),
		"ResumeSweep":       result(s.ResumeSweep(ctx, tx, b.sweep.ID)),
		"CancelSweep":       s.CancelSweep(ctx, tx, b.sweep.ID),
		"DeleteSweep":       result(s.DeleteSweep(ctx, tx, b.sweep.ID)),
		"EmptyPoints":       result(s.EmptyPoints(ctx, tx, b.sweep.ID)),
		"DropBlocks":        result(s.DropBlocks(ctx)),
		"Retain":            result(s.Retain(ctx)),
		"SetRetention":      s.SetRetention(ctx, "points", 0, nil),
		"DropRetention":     s.DropRetention(ctx, "points", 0),
		"Retentions":        result(s.Retentions(ctx)),
		"Removals":          result(s.Removals(ctx)),
		"AddReader":         s.AddReader(ctx, "x"),
		"RemoveReader":      s.RemoveReader(ctx, "x"),
		"SweepReaders":      result(s.SweepReaders(ctx)),
		"Idle":              result(s.Idle(ctx, 0)),
		"Tables":            result(s.Tables(ctx)),
		"SweepSizes":        result(s.SweepSizes(ctx)),
		"Vacuum":            s.Vacuum(ctx),
		"Check":             result(s.Check(ctx)),
		"SweepHead":         result(s.SweepHead(ctx, "", "s")),
		"SweepHeadByID":     result(s.SweepHeadByID(ctx, 1)),
		"Revision":          result(s.Revision(ctx, 1, 1)),
		"Progress":          result(s.Progress(ctx, 1)),
		"KeepProgress":      s.KeepProgress(ctx, tx, 1, tracker.Progress{}),
		"Tallies":           result(s.Tallies(ctx, 1)),
		"PlanRuns":          result(s.PlanRuns(ctx, tx, b.sweep.ID, nil, true)),
		"UpsertSweep":       result(s.UpsertSweep(ctx, tx, tracker.SweepSpec{Name: "s"})),
		"Reap":              result(s.Reap(ctx, tx)),
		"CommitSlice":       result(s.CommitSlice(ctx, tx, l, tracker.Slice{})),
		"Finish":            s.Finish(ctx, tx, l, tracker.Outcome{}),
		"Fail":              result(s.Fail(ctx, tx, l, tracker.Failure{})),
		"PutArtifact":       s.PutArtifact(ctx, tx, l, "p", "k", tracker.Content{}),
		"PutContent":        s.PutContent(ctx, tracker.Content{}, strings.NewReader("")),
		"Content":           result(s.Content(ctx, tracker.Content{})),
		"PutBundle":         s.PutBundle(ctx, tracker.Bundle{Kind: tracker.BundleStore}),
		"Bundle":            result(s.Bundle(ctx, tracker.BundleStore, "h")),
		"WithdrawBundles":   result(s.WithdrawBundles(ctx, tracker.BundleStore, "n")),
		"UnitKey":           result(s.Aside().UnitKey(ctx, "dh")),
		"HoldUnitKey":       s.HoldUnitKey(ctx, "d", "dh", "k"),
	} {
		if err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	if _, _, err := s.SchemaVersion(ctx); err == nil {
		t.Error("SchemaVersion: got no error")
	}
	tx.Rollback(context.Background())
	b.wantState(l.Run.ID, tracker.Running)
}
