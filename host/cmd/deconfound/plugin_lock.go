package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/sdk"
)

// lockedPlugin is one plugin in the JSON of plugin lock.
type lockedPlugin struct {
	Kind      sdk.Kind `json:"kind"`
	Name      string   `json:"name"`
	Directory string   `json:"directory"`
	Hash      string   `json:"hash,omitempty"`
	Problem   string   `json:"problem,omitempty"`
}

func newPluginLock(a *app) *cobra.Command {
	var verify bool
	cmd := &cobra.Command{
		Use:   "lock",
		Short: "Write plugins.lock.toml for the installed plugins, or compare with it",
		Long: `Writes the hashes of all installed plugins to plugins.lock.toml in the working
directory. From then on commands run there start the plugins it names only, and
only if none of their files has changed.`,
		Args: cobra.NoArgs,
		// The root command refuses a lock file that cannot be read, which is what
		// this one is there to replace.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		RunE: func(*cobra.Command, []string) error {
			registry := a.plugins()
			if problems := registry.Problems(); len(problems) > 0 {
				return fmt.Errorf("some plugins cannot be used; repair or remove them first: %w", errors.Join(problems...))
			}
			entries := registry.List("")
			if verify {
				return a.verifyLock(entries)
			}
			if len(entries) == 0 {
				return errors.New("no plugins are installed, so there is nothing to lock")
			}
			if _, err := plugin.WriteLock(plugin.LockName, entries); err != nil {
				return err
			}
			list := make([]lockedPlugin, len(entries))
			for i, e := range entries {
				hash, err := plugin.TreeHash(e.Dir)
				if err != nil {
					return err
				}
				list[i] = lockedPlugin{Kind: e.Kind, Name: e.Name, Directory: e.Dir, Hash: hash}
			}
			return a.print(list, func(w io.Writer) {
				fmt.Fprintf(w, "Locked %d plugins in %s.\n", len(list), plugin.LockName)
			})
		},
	}
	cmd.Flags().BoolVar(&verify, "check", false, "compare the installed plugins with the lock file, and write nothing")
	return cmd
}

// verifyLock reports installed plugins that are not as they were locked.
func (a *app) verifyLock(entries []plugin.Entry) error {
	lock, err := plugin.ReadLock(plugin.LockName)
	if err != nil {
		return err
	}
	if lock == nil {
		return fmt.Errorf("there is no %s here; write one with: deconfound plugin lock", plugin.LockName)
	}
	list := make([]lockedPlugin, len(entries))
	var altered []string
	for i, e := range entries {
		list[i] = lockedPlugin{Kind: e.Kind, Name: e.Name, Directory: e.Dir}
		if err := lock.Verify(e); err != nil {
			list[i].Problem = err.Error()
			altered = append(altered, e.String())
		}
	}
	if err := a.print(list, func(w io.Writer) {
		for _, l := range list {
			if l.Problem == "" {
				fmt.Fprintf(w, "✓ %s %s\n", l.Kind, l.Name)
			} else {
				fmt.Fprintf(w, "✗ %s %s: %s\n", l.Kind, l.Name, l.Problem)
			}
		}
	}); err != nil {
		return err
	}
	if len(altered) > 0 {
		return withExit(exitDrift, fmt.Errorf("not as locked: %s", strings.Join(altered, ", ")))
	}
	return nil
}
