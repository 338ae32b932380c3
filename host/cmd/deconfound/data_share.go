package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/dataset/bundled"
	"github.com/deconfound/deconfound/tracker"
)

// share says whether workers on other machines may fetch a dataset's store.
func (h home) share(name string, shared bool) error {
	entry, err := h.entry(name)
	if err != nil {
		return err
	}
	entry.Shared = shared
	return h.writeEntry(entry)
}

// sharing is whether workers may fetch a dataset.
type sharing struct {
	Dataset   string `json:"dataset"`
	Shared    bool   `json:"shared"`
	Withdrawn int    `json:"withdrawn"` // stores that were taken out of the database
}

func newDataShare(a *app) *cobra.Command {
	var stop bool
	cmd := &cobra.Command{
		Use: "share NAME", Args: cobra.ExactArgs(1),
		Short: "Let workers on other machines fetch a dataset",
		Long: `Permits that sweeps put the feature store of a dataset into the database of
DECONFOUND_DSN, from where workers that lack it fetch it. Nothing is sent now: the
next 'deconfound run' on that server does.

The store is all that training needs: features, labels, and the identifiers of
patients as the tables have them, because splits are drawn by them. Whoever may
log in to the database as a worker or as its administrator can read it, as can
whoever reads its backups or the bucket of DECONFOUND_ARTIFACTS; the analyst's
role cannot. Add a dataset with identifiers that mean nothing elsewhere, or copy
it to each machine yourself, if that is too many.

Without this command a dataset never leaves its machine. Those that ship with the
program and simulated ones are shared from the start.

--stop takes it back: the store is removed from the database, and with the next
collection of garbage from the bucket; workers that have it keep it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			h, err := findHome()
			if err != nil {
				return err
			}
			store, err := h.openDataset(cmd.Context(), name) // adds one that ships
			if err != nil {
				return err
			}
			if err := store.Close(); err != nil {
				return err
			}
			if err := h.share(name, !stop); errors.Is(err, fs.ErrNotExist) {
				return withExit(exitUsage, fmt.Errorf("%s is made by a generator and holds nobody's data", name))
			} else if err != nil {
				return err
			}
			withdrawn := 0
			if stop {
				db, err := a.tracker(cmd.Context())
				if err != nil {
					return err
				}
				if withdrawn, err = db.WithdrawBundles(cmd.Context(), tracker.BundleStore, name); err != nil {
					return err
				}
			}
			return a.print(sharing{name, !stop, withdrawn}, func(w io.Writer) {
				switch {
				case stop:
					fmt.Fprintf(w, "%s stays on this machine; %d stores were withdrawn from the database\n", name, withdrawn)
				case slices.Contains(bundled.Names(), name):
					fmt.Fprintf(w, "%s ships with the program; workers may fetch it\n", name)
				default:
					fmt.Fprintf(w, "workers of the same database may fetch %s, with the identifiers of its patients, once a sweep uses it\n", name)
				}
			})
		},
	}
	cmd.Flags().BoolVar(&stop, "stop", false, "take the permission back, and the store out of the database")
	return cmd
}
