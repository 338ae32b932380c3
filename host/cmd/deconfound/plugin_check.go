package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/plugintest"
)

// shownLog is the number of log lines shown with a failed check.
const shownLog = 15

// checked is the JSON of plugin check.
type checked struct {
	Kind      sdk.Kind            `json:"kind"`
	Name      string              `json:"name"`
	Version   string              `json:"version"`
	Directory string              `json:"directory"`
	Passed    bool                `json:"passed"`
	Checks    []plugintest.Result `json:"checks"`
	// Ended says why the process ended during the checks, if it did.
	Ended string `json:"ended,omitempty"`
}

func newPluginCheck(a *app) *cobra.Command {
	var kind string
	var only, set []string
	var timeout time.Duration
	var verbose bool
	cmd := &cobra.Command{
		Use:   "check DIRECTORY|NAME",
		Short: "Run the conformance suite on a plugin, through its real process",
		Long: `Starts a plugin as a run would and checks it through the contract alone, whatever
it is written in: gradients by finite differences, determinism, values behind a
missing modality, snapshots, sessions side by side and from one process to
another, bad requests, malformed messages and calls that are given up, memory, files
and threads over many steps, and what is left when the host is killed. Needs no data
and no database.`,
		Example: "  go build . && deconfound plugin check .",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := pluginKind(kind, true)
			if err != nil {
				return err
			}
			entry, err := a.resolve(args[0], k)
			if err != nil {
				return err
			}
			if entry.Script != nil {
				return fmt.Errorf("%s is a script: it speaks no contract that could be checked; its manifest can be used, and a run says what is wrong with its predictions", entry)
			}
			values, err := settings(set)
			if err != nil {
				return withExit(exitUsage, err)
			}
			options := plugintest.Options{Only: only, Timeout: timeout, Hyperparameters: values}
			if !a.json {
				fmt.Fprintf(a.out, "%s, %s\n", entry, entry.Dir)
				if file := entry.Stale(); file != "" {
					fmt.Fprintf(a.out, "! %s was changed after the program was built, which is what is checked; build it again\n", file)
				}
				options.Report = func(r plugintest.Result) {
					printCheck(a.out, r, verbose)
					printMend(a.out, r)
				}
			}
			result, err := check(cmd.Context(), entry, options)
			if err != nil {
				return err
			}
			if a.json {
				if err := a.print(result, nil); err != nil {
					return err
				}
			}
			if result.Ended != "" {
				return fmt.Errorf("the process of %s did not survive the checks: %s", entry, result.Ended)
			}
			if !result.Passed {
				return fmt.Errorf("%s fails %s", entry, strings.Join(failures(result.Checks), ", "))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "", "backbone, strategy or sampler, for a name that several have")
	cmd.Flags().StringSliceVar(&only, "only", nil, "run these checks only")
	cmd.Flags().StringArrayVar(&set, "set", nil, "hyperparameter to use instead of its default, as name=value")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "longest time of one call of the plugin")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "say what was measured")
	return cmd
}

// settings reads hyperparameters written as name=value.
func settings(set []string) (map[string]any, error) {
	values := map[string]any{}
	for _, s := range set {
		name, text, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--set is %q, write for example --set hidden=16", s)
		}
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			v = text // a word is no JSON
		}
		values[name] = v
	}
	return values, nil
}

// check starts a plugin and runs the suite on it.
func check(ctx context.Context, entry plugin.Entry, options plugintest.Options) (checked, error) {
	process, err := plugin.Start(ctx, entry, plugin.Config{})
	if err != nil {
		return checked{}, err
	}
	// Killed, not closed: a call that did not return would keep it.
	defer process.Kill()
	options.Process = checkedProcess{entry, process}
	result := checked{Kind: entry.Kind, Name: entry.Name, Version: process.Info().Version, Directory: entry.Dir}
	switch entry.Kind {
	case sdk.KindBackbone:
		result.Checks = plugintest.CheckBackbone(ctx, process.UncheckedBackbone(), options)
	case sdk.KindStrategy:
		result.Checks = plugintest.CheckStrategy(ctx, process.UncheckedStrategy(), options)
	case sdk.KindSampler:
		result.Checks = plugintest.CheckSampler(ctx, process.UncheckedSampler(), options)
	}
	if err := ctx.Err(); err != nil {
		return checked{}, err
	}
	result.Passed = !plugintest.Failed(result.Checks)
	if !result.Passed {
		// The connection ends before the process is known to have ended.
		select {
		case <-process.Done():
		case <-time.After(100 * time.Millisecond):
		}
		if err := process.Err(); err != nil {
			result.Ended = err.Error()
		} else if lines := process.Lines(); len(lines) > 0 && options.Report != nil {
			options.Report(plugintest.Result{
				Name: "log", Status: plugintest.Skip, Message: "the last lines of the plugin",
				Detail: strings.Join(lines[max(0, len(lines)-shownLog):], "\n"),
			})
		}
	}
	return result, nil
}

// printCheck prints one result. What was measured is shown on demand, further
// problems always.
func printCheck(w io.Writer, r plugintest.Result, verbose bool) {
	mark := map[plugintest.Status]string{plugintest.Pass: "✓", plugintest.Fail: "✗", plugintest.Skip: "-"}[r.Status]
	line := mark + " " + r.Name
	if r.Message != "" {
		line += ": " + r.Message
	}
	fmt.Fprintln(w, line)
	if r.Detail == "" || (r.Status == plugintest.Pass && !verbose) {
		return
	}
	for l := range strings.SplitSeq(r.Detail, "\n") {
		fmt.Fprintf(w, "    %s\n", l)
	}
}

// printMend prints where to look after a check that failed.
func printMend(w io.Writer, r plugintest.Result) {
	if r.Mend != "" {
		fmt.Fprintf(w, "    to mend it: %s\n", r.Mend)
	}
}

func failures(results []plugintest.Result) []string {
	var names []string
	for _, r := range results {
		if r.Status == plugintest.Fail {
			names = append(names, r.Name)
		}
	}
	return names
}
