package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/diagnose"
	"github.com/deconfound/deconfound/tracker/web"
)

func newData(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "data", Short: "Add and look at datasets"}
	cmd.AddCommand(newDataAdd(a), newDataLs(a), newDataAudit(a), newDataShare(a))
	return cmd
}

func newDataAdd(a *app) *cobra.Command {
	var tables string
	cmd := &cobra.Command{
		Use:   "add DIRECTORY|MANIFEST",
		Short: "Check a dataset and make its feature store",
		Long: `Reads dataset.toml in a directory, or the manifest given, checks the tables it
names and makes the feature store that runs train on. The tables are looked for
beside the manifest, or with --tables in another directory: a manifest can so
describe data that may not be copied.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := findHome()
			if err != nil {
				return err
			}
			path := args[0]
			if info, err := os.Stat(path); err == nil && info.IsDir() {
				path = filepath.Join(path, "dataset.toml")
			}
			store, err := h.addDataset(path, tables)
			if err != nil {
				return withExit(exitInvalid, err)
			}
			defer store.Close()
			return a.printAudit(store)
		},
	}
	cmd.Flags().StringVar(&tables, "tables", "", "directory of the tables (default the manifest's own)")
	return cmd
}

func newDataAudit(a *app) *cobra.Command {
	var options diagnose.AuditOptions
	cmd := &cobra.Command{
		Use: "audit NAME", Aliases: []string{"show"}, Args: cobra.ExactArgs(1),
		Short: "Show what is missing from a dataset and how the label goes with it",
		Long: `A page about what is missing and why. The label is class 1, the last of several
classes, or the first of several labels.

First rows, modalities and availability patterns: the share of rows that miss a
modality, the share of positive labels in rows with and without it, and the
association of the two (Cramér's V; 0 is none). Then, for every modality that
some rows miss, whether the always-observed covariates (those of the manifest and
the environment) tell who has it, whether there is somebody to compare with in
every group (positivity, effective size under weights), how the odds of the label
go with missing it, without and given the covariates, and how strong a cause that
nobody recorded would have to be to explain that away (E-value). The sentences at
the end say what can and what cannot be adjusted. Intervals are 95 %, by
resampling patients or, for odds ratios, Wald's.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := openNamed(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer store.Close()
			return a.printAuditPage(store, options)
		},
	}
	cmd.Flags().BoolVar(&options.Refute, "refute", false, "test the odds ratios given the covariates with placebos, noise and parts of the patients (half a minute for 10,000 rows)")
	cmd.Flags().IntVar(&options.Resamples, "resamples", auditResamples, "bootstrap replicates of an interval, and permutations of a test")
	return cmd
}

func openNamed(ctx context.Context, name string) (*dataset.Store, error) {
	h, err := findHome()
	if err != nil {
		return nil, err
	}
	return h.openDataset(ctx, name)
}

// listedDataset is a dataset in data ls.
type listedDataset struct {
	Name       string `json:"name"`
	Hash       string `json:"hash"`
	Rows       int    `json:"rows"`
	Patients   int    `json:"patients"`
	Modalities int    `json:"modalities"`
	Task       string `json:"task"`
	Title      string `json:"title"`
}

func newDataLs(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "List the datasets", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := findHome()
			if err != nil {
				return err
			}
			var list []listedDataset
			var failed []error
			for _, name := range h.datasetNames() {
				store, err := h.openDataset(cmd.Context(), name)
				if err != nil {
					failed = append(failed, err)
					continue
				}
				list = append(list, listedDataset{
					Name: store.Name(), Hash: store.Hash(), Rows: store.Rows(), Patients: store.Patients(),
					Modalities: len(store.Modalities()), Task: string(store.Task().Kind), Title: store.Card().Title,
				})
				store.Close()
			}
			err = a.print(list, func(w io.Writer) {
				t := newTable(w, 6, "dataset", "task", "rows", "patients", "modalities", "title")
				for _, d := range list {
					t.AppendRow([]any{d.Name, d.Task, d.Rows, d.Patients, d.Modalities, d.Title})
				}
				t.Render()
			})
			return errors.Join(append(failed, err)...)
		},
	}
}

func (a *app) printAudit(store *dataset.Store) error {
	audit := store.Audit()
	return a.print(audit, func(w io.Writer) { writeAudit(w, audit) })
}

// maxPatterns is the number of patterns that a page lists.
const maxPatterns = 20

func writeAudit(w io.Writer, audit dataset.Audit) {
	fmt.Fprintf(w, "%s: %d rows, %d patients, %s task, content %.12s\n", audit.Card.Name, audit.Rows, audit.Patients, audit.Task.Kind, audit.Hash)
	if audit.Card.Title != "" {
		fmt.Fprintln(w, audit.Card.Title)
	}
	for _, d := range audit.Dropped {
		fmt.Fprintf(w, "left out: %d (%s)\n", d.Count, d.Reason)
	}
	writeAuditTable(w, modalitiesTable(audit))
	fmt.Fprintln(w)
	t := newTable(w, 1, "availability pattern", "rows", "share", "label")
	rest := 0
	for i, p := range audit.Patterns {
		if i < maxPatterns {
			t.AppendRow([]any{p.Name, p.Rows, decimal(p.Share), decimal(p.Prevalence)})
		} else {
			rest += p.Rows
		}
	}
	t.Render()
	if rest > 0 {
		fmt.Fprintf(w, "and %d rarer patterns with %d rows; --json has them all\n", len(audit.Patterns)-maxPatterns, rest)
	}
}

// modalitiesTable is what is missing of each modality, and how the label goes with it.
func modalitiesTable(audit dataset.Audit) web.AuditTable {
	t := web.AuditTable{Words: 2, Head: []string{"modality", "kind", "columns", "missing", "label with it", "label without", "association"}}
	for _, m := range audit.Modalities {
		without := "-"
		if m.Missing > 0 {
			without = decimal(m.Absent)
		}
		t.Rows = append(t.Rows, []string{m.Name, m.Kind, strconv.Itoa(m.Width), decimal(m.Missing), decimal(m.Observed), without, decimal(m.Association)})
	}
	return t
}
