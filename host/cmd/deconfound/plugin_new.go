package main

import (
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/scaffold"
	"github.com/deconfound/deconfound/sdk"
)

func newPluginNew(a *app) *cobra.Command {
	var kind, dir, checkout string
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Write the source of a new plugin",
		Long: `Writes a Go module of its own with a small working plugin: its source, its test
on the conformance suite, its plugin.toml and a README. Edit model.go.

The module takes the SDK from the checkout this program was built in, or from the
one that --sdk names.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			k, err := pluginKind(kind, false)
			if err != nil {
				return err
			}
			name := args[0]
			if there, err := a.plugins().Find(k, name); err == nil {
				return fmt.Errorf("there is a %s already, in %s; a sweep could not tell the two apart, so choose another name", there, there.Dir)
			}
			if dir == "" {
				dir = name
			}
			if checkout == "" {
				checkout = scaffold.Checkout()
			}
			options := scaffold.Options{SDKPath: checkout, Version: released()}
			write := scaffold.Backbone
			if k == sdk.KindStrategy {
				write = scaffold.Strategy
			}
			files, err := write(dir, name, options)
			if err != nil {
				return err
			}
			return a.print(map[string]any{"kind": k, "name": name, "directory": dir, "files": files}, func(w io.Writer) {
				fmt.Fprintf(w, "Wrote the %s %s:\n", k, name)
				for _, f := range files {
					fmt.Fprintf(w, "  %s\n", filepath.Join(dir, f))
				}
				fmt.Fprintf(w, "\nNext:\n  cd %s && go build . && deconfound plugin check .\n", dir)
			})
		},
	}
	cmd.Flags().StringVar(&kind, "kind", string(sdk.KindBackbone), "backbone or strategy")
	cmd.Flags().StringVar(&dir, "dir", "", "directory to make (default: NAME)")
	cmd.Flags().StringVar(&checkout, "sdk", "", "checkout of this repository to take the SDK from")
	return cmd
}

var release = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+$`)

// released is the version of this program if it was installed from a published
// one, which then has the SDK too, and "" if it was built from source.
func released() string {
	if info, ok := debug.ReadBuildInfo(); ok && release.MatchString(info.Main.Version) {
		return info.Main.Version
	}
	return ""
}
