package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/diagnose"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

// auditResamples is the default of data audit: what is stored has the same digits.
const auditResamples = 1000

// audits stores what data audit says of the datasets that runs train on, once for a
// content, beside the training. It is safe for use by many workers.
type audits struct {
	ctx   context.Context //nolint:containedctx // of the process: a slice ends before its audit
	store *tracker.Store
	errs  io.Writer

	mu    sync.Mutex
	known map[string]bool // by content hash
	wait  sync.WaitGroup
}

func newAudits(ctx context.Context, store *tracker.Store, errs io.Writer) *audits {
	return &audits{ctx: ctx, store: store, errs: errs, known: map[string]bool{}}
}

// of audits a dataset in the background unless that is done. A generated dataset is
// another one with every seed; that of seed 0, which data audit shows too, stands
// for it.
func (a *audits) of(data *dataset.Store, spec sweeps.RunSpec) {
	ref := spec.Dataset
	if spec.Diagnosed() == sweeps.DiagnosticsOff || ref.Generator != "" && spec.SplitSeed != 0 {
		return
	}
	if ref.Generator == "" {
		ref = sweeps.DatasetRef{Name: data.Name(), Hash: data.Hash()}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known[ref.Hash] {
		return
	}
	a.known[ref.Hash] = true
	_, err := a.store.DatasetAudit(a.ctx, ref.Hash)
	if err == nil {
		return
	}
	if !errors.Is(err, tracker.ErrNotFound) {
		a.complain(ref, err)
		return
	}
	cohort, err := cohortOf(data) // reads the store, which may be closed any time
	if err != nil {
		a.complain(ref, err)
		return
	}
	page := auditPage{Audit: data.Audit()}
	a.wait.Go(func() {
		page.Missingness = diagnose.Audit(cohort, diagnose.AuditOptions{Seed: auditSeed, Resamples: auditResamples})
		text, err := json.Marshal(page)
		if err == nil && a.ctx.Err() == nil {
			err = a.store.StoreDatasetAudit(a.ctx, ref.Name, ref.Hash, text)
		}
		if err != nil {
			a.complain(ref, err)
		}
	})
}

// complain says what is missing: runs do not depend on it.
func (a *audits) complain(ref sweeps.DatasetRef, err error) {
	if a.ctx.Err() == nil {
		fmt.Fprintf(a.errs, "the audit of dataset %s is not stored: %v\n", ref.Name, err)
	}
}

// finish waits for the audits that are being made, unless the process was told to
// stop.
func (a *audits) finish() {
	done := make(chan struct{})
	go func() {
		a.wait.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-a.ctx.Done():
	}
}
