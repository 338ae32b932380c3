package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/methods"
	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/sdk"
)

// shownPlugin is the JSON of plugin show.
type shownPlugin struct {
	Info      sdk.Info `json:"info"`
	Directory string   `json:"directory"`
	Mask      string   `json:"mask"`
	Equations string   `json:"equations,omitempty"`
	Page      string   `json:"page"`
}

func newPluginShow(a *app) *cobra.Command {
	var kind string
	cmd := &cobra.Command{
		Use:   "show NAME|DIRECTORY",
		Short: "Print the page of a method: what it computes, after whom, its hyperparameters",
		Long: `Prints in Markdown what a plugin says of itself: the method and its paper, what the
availability mask does in it, whether rows of a batch see each other, its
hyperparameters with bounds and defaults. Where its Go source lies beside the
program, the equations of its comments are part of it. docs/methods has the pages
of the plugins that ship with the program.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := pluginKind(kind, true)
			if err != nil {
				return err
			}
			entry, err := a.resolve(args[0], k)
			if err != nil {
				return err
			}
			info, err := a.processes().Info(cmd.Context(), entry)
			if err != nil {
				return err
			}
			equations, err := methods.Equations(entry.Dir)
			if err != nil {
				return err
			}
			cost, err := methods.Cost(info, entry.Dir)
			if err != nil {
				return err
			}
			shown := shownPlugin{info, entry.Dir, methods.Mask(info), equations, methods.Page(info, equations, cost)}
			return a.print(shown, func(w io.Writer) { fmt.Fprint(w, shown.Page) })
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "", "backbone or strategy, for a name that both have")
	return cmd
}

func newPluginDocs(a *app) *cobra.Command {
	var source string
	cmd := &cobra.Command{
		Use: "docs DIRECTORY", Hidden: true, Args: cobra.ExactArgs(1),
		Short: "Write the pages of the plugins beside the program",
		RunE: func(cmd *cobra.Command, args []string) error {
			executable, err := os.Executable()
			if err != nil {
				return err
			}
			written, err := a.writeDocs(cmd.Context(), plugin.Scan(filepath.Join(filepath.Dir(executable), "plugins")), source, args[0])
			if err != nil {
				return err
			}
			return a.print(written, func(w io.Writer) { fmt.Fprintf(w, "Wrote %d pages to %s.\n", len(written), args[0]) })
		},
	}
	cmd.Flags().StringVar(&source, "source", "plugins", "directory of the source of the plugins, by kind")
	return cmd
}

// writeDocs writes a page for each plugin whose source is there, and a list of them,
// in place of what the directory has.
func (a *app) writeDocs(ctx context.Context, registry *plugin.Registry, source, dir string) ([]string, error) {
	if problems := registry.Problems(); len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	pages := map[string]string{}
	var list strings.Builder
	list.WriteString("# Methods\n\nA page for each plugin that ships with the program, written by `make methods` from what the plugin says of itself and\n" +
		"from the comments of its source. `deconfound plugin show NAME` prints that of any other.\n")
	for _, kind := range []sdk.Kind{sdk.KindBackbone, sdk.KindStrategy} {
		fmt.Fprintf(&list, "\n| %s | after | what the mask does |\n|---|---|---|\n", kind)
		for _, entry := range registry.List(kind) {
			path := filepath.Join(source, string(kind), entry.Name)
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				continue // of somebody else
			}
			info, err := a.processes().Info(ctx, entry)
			if err != nil {
				return nil, err
			}
			equations, err := methods.Equations(path)
			if err != nil {
				return nil, err
			}
			cost, err := methods.Cost(info, path)
			if err != nil {
				return nil, err
			}
			name := filepath.Join(string(kind), entry.Name+".md")
			pages[name] = methods.Page(info, equations, cost)
			fmt.Fprintf(&list, "| [%s](%s) | %s | %s |\n", entry.Name, filepath.ToSlash(name), info.Citation, methods.Mask(info))
		}
	}
	pages["README.md"] = list.String()
	var written []string
	for _, kind := range []sdk.Kind{sdk.KindBackbone, sdk.KindStrategy} {
		if err := os.MkdirAll(filepath.Join(dir, string(kind)), 0o755); err != nil {
			return nil, err
		}
		old, err := filepath.Glob(filepath.Join(dir, string(kind), "*.md"))
		if err != nil {
			return nil, err
		}
		for _, path := range old {
			if err := os.Remove(path); err != nil { // that of a plugin that is gone, too
				return nil, err
			}
		}
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
		written = append(written, name)
	}
	return written, nil
}
