package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/dataset"
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

// pseudonymise lets the name of a dataset stand for a copy of its store without
// identifiers, and answers whether it did not before.
func (h home) pseudonymise(store *dataset.Store) (bool, error) {
	if store.Pseudonymous() {
		return false, nil
	}
	key, err := h.key()
	if err != nil {
		return false, fmt.Errorf("read installation key: %w", err)
	}
	copied, err := dataset.Pseudonymise(store, h.stores(), key)
	if err != nil {
		return false, err
	}
	return true, errors.Join(h.register(copied), copied.Close())
}

// public says whether the content of an entry ships with the program, so that everybody
// has its identifiers.
func (h home) public(entry registered) (bool, error) {
	if entry.Public || !slices.Contains(bundled.Names(), entry.Name) {
		return entry.Public, nil
	}
	// Of a program that did not say, or somebody's own data under the name.
	dir, err := os.MkdirTemp("", "deconfound-data-*")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	dirs, err := bundled.Extract(dir)
	if err != nil {
		return false, fmt.Errorf("extract the datasets of the program: %w", err)
	}
	source, err := dataset.Load(dirs[entry.Name])
	if err != nil || source.Hash() != entry.Hash {
		return false, err
	}
	entry.Public = true
	return true, h.writeEntry(entry)
}

func newDataShare(a *app) *cobra.Command {
	var stop bool
	cmd := &cobra.Command{
		Use: "share NAME", Args: cobra.ExactArgs(1),
		Short: "Let workers on other machines fetch a dataset",
		Long: `Permits that sweeps put the feature store of a dataset into the database of
DECONFOUND_DSN, from where workers that lack it fetch it. Nothing is sent now: the
next 'deconfound run' on that server does.

The store is all that training needs: features, labels and subgroups. Identifiers are
not in it: from now on NAME stands for a copy in which rows and patients are named by
the keyed hashes that the tracker has, in the order of these, and the key stays here.
Splits are drawn by those names, here too, so they are others than those of the
dataset as it was: sweeps that have used it train anew. Share it before the first.
Features and labels of patients are data of patients all the same: whoever may log in
to the database as a worker or as its administrator can read them, as can whoever
reads its backups or the bucket of DECONFOUND_ARTIFACTS; analysts and readers cannot.

Without this command a dataset never leaves its machine. Those that ship with the
program and simulated ones are shared from the start.

--stop takes it back: the store is removed from the database, and with the next
collection of garbage from the bucket; workers that have it keep it. NAME goes on to
stand for the copy, until the dataset is added again.`,
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
			before, fresh := registered{}, false
			ships := false
			if !stop && !isGenerated(name) {
				if before, err = h.entry(name); err == nil {
					ships, err = h.public(before)
				}
				if err == nil && !ships {
					fresh, err = h.pseudonymise(store)
				}
			}
			if err := errors.Join(err, store.Close()); err != nil {
				return err
			}
			if err := h.share(name, !stop); errors.Is(err, fs.ErrNotExist) {
				return withExit(exitUsage, fmt.Errorf("%s is made by a generator and holds nobody's data", name))
			} else if err != nil {
				return err
			}
			withdrawn := 0
			if stop || fresh && before.Shared { // by a program that left identifiers in it
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
				case ships:
					fmt.Fprintf(w, "%s ships with the program; workers may fetch it\n", name)
				default:
					fmt.Fprintf(w, "workers of the same database may fetch %s, with keyed hashes for the identifiers of its patients, once a sweep uses it\n", name)
					if fresh {
						fmt.Fprintln(w, "its splits are drawn anew, by these hashes: a sweep that has used it trains anew when it is run again")
					}
				}
			})
		},
	}
	cmd.Flags().BoolVar(&stop, "stop", false, "take the permission back, and the store out of the database")
	return cmd
}
