package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/scaffold"
	"github.com/deconfound/deconfound/sdk"
)

// scaffolded is a plugin that was just written.
type scaffolded struct {
	Kind      sdk.Kind `json:"kind"`
	Name      string   `json:"name"`
	Directory string   `json:"directory"`
	Files     []string `json:"files"` // in it
}

func newPluginNew(a *app) *cobra.Command {
	var kind, dir, checkout, lang, python string
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Write the source of a new plugin",
		Long: `Writes a Go module of its own with a small working plugin: its source, its test
on the conformance suite, its plugin.toml and a README. Edit model.go.

The module takes the SDK from the checkout this program was built in, or from the
one that --sdk names.

With --lang python it is a script, model.py, for the package deconfound in
sdk/python: a backbone is a torch.nn.Module, a strategy works on numpy arrays.`,
		Example: "  deconfound plugin new mymodel --lang python --python venv/bin/python",
		Args:    cobra.ExactArgs(1),
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
			next := "go build . && deconfound plugin check ."
			var files []string
			switch {
			case lang == "python":
				if python, err = interpreter(python); err != nil {
					return err
				}
				next = "deconfound plugin check ."
				files, err = scaffold.Python(dir, k, name, scaffold.PythonOptions{SDKPath: checkout, Interpreter: python})
			case lang != "go":
				return withExit(exitUsage, fmt.Errorf("--lang is %q, want go or python", lang))
			case python != "":
				return withExit(exitUsage, errors.New("--python is for --lang python"))
			case k == sdk.KindStrategy:
				files, err = scaffold.Strategy(dir, name, options)
			case k == sdk.KindSampler:
				files, err = scaffold.Sampler(dir, name, options)
			default:
				files, err = scaffold.Backbone(dir, name, options)
			}
			if err != nil {
				return err
			}
			return a.print(scaffolded{k, name, dir, files}, func(w io.Writer) {
				fmt.Fprintf(w, "Wrote the %s %s:\n", k, name)
				for _, f := range files {
					fmt.Fprintf(w, "  %s\n", filepath.Join(dir, f))
				}
				fmt.Fprintf(w, "\nNext:\n  cd %s && %s\n", dir, next)
			})
		},
	}
	cmd.Flags().StringVar(&kind, "kind", string(sdk.KindBackbone), "backbone, strategy or sampler")
	cmd.Flags().StringVar(&dir, "dir", "", "directory to make (default: NAME)")
	cmd.Flags().StringVar(&lang, "lang", "go", "go or python")
	cmd.Flags().StringVar(&python, "python", "", "interpreter of a Python plugin (default: python3 in PATH)")
	cmd.Flags().StringVar(&checkout, "sdk", "", "checkout of this repository to take the SDK from")
	return cmd
}

// interpreter is absolute if it is a path: the plugin is started in a directory of
// its own. The link that a virtual environment has for it is kept.
func interpreter(python string) (string, error) {
	if !strings.ContainsRune(python, filepath.Separator) {
		return python, nil
	}
	path, err := filepath.Abs(python)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("there is no interpreter: %w", err)
	}
	return path, nil
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
