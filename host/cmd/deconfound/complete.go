package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/report"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/tracker"
)

const (
	// completionTimeout is how long somebody who pressed Tab waits at most.
	completionTimeout = 3 * time.Second
	// completedRuns is how many runs are offered, the newest.
	completedRuns = 200
)

// completions says what the shell offers for arguments and flags.
func (a *app) completions(root *cobra.Command) {
	toml := files("toml")
	for command, complete := range map[string]cobra.CompletionFunc{
		"sweep status": first(a.completeSweeps), "sweep watch": first(a.completeSweeps), "sweep pause": first(a.completeSweeps),
		"sweep resume": first(a.completeSweeps), "sweep cancel": first(a.completeSweeps), "sweep priority": first(a.completeSweeps),
		"sweep retry": first(a.completeSweeps), "sweep delete": first(a.completeSweeps), "compare": first(a.completeSweeps),
		"report": first(a.completeSweeps), "export": first(a.completeSweeps), "runs ls": first(a.completeSweeps),
		"mlflow export": first(a.completeSweeps), "mlflow import": directories,
		"runs show": first(a.completeRuns), "runs logs": first(a.completeRuns), "runs rerun": first(a.completeRuns), "runs diff": a.completeRuns,
		"plugin show": first(a.completePlugins), "plugin check": first(a.completePlugins), "plugin new": nothing,
		"data audit": first(a.completeDatasets), "data share": first(a.completeDatasets), "data add": directories,
		"validate": toml, "plan": toml, "run": toml, "study": toml, "sweep extend": toml, "init": toml,
		"sql": nothing,
	} {
		mustFind(root, command).ValidArgsFunction = complete
	}
	kinds := cobra.FixedCompletions([]cobra.Completion{string(sdk.KindBackbone), string(sdk.KindStrategy), string(sdk.KindSampler)}, cobra.ShellCompDirectiveNoFileComp)
	states := cobra.FixedCompletions([]cobra.Completion{
		string(tracker.Queued), string(tracker.Running), string(tracker.Paused), string(tracker.Done), string(tracker.Pruned),
		string(tracker.Failed), string(tracker.Lost), string(tracker.Cancelled),
	}, cobra.ShellCompDirectiveNoFileComp)
	for _, flag := range []struct {
		command, name string
		complete      cobra.CompletionFunc
	}{
		{"report", "format", cobra.FixedCompletions(report.Formats(), cobra.ShellCompDirectiveNoFileComp)},
		{"export", "format", cobra.FixedCompletions([]cobra.Completion{"csv", "parquet"}, cobra.ShellCompDirectiveNoFileComp)},
		{"export", "dir", directories}, {"plugin new", "dir", directories},
		{"runs ls", "state", states}, {"sweep retry", "state", states},
		{"plugin ls", "kind", kinds}, {"plugin show", "kind", kinds}, {"plugin check", "kind", kinds}, {"plugin new", "kind", kinds},
		{"plugin new", "lang", cobra.FixedCompletions([]cobra.Completion{"go", "python"}, cobra.ShellCompDirectiveNoFileComp)},
		{"sweep extend", "backbone", a.completePlugins}, {"sweep extend", "dataset", a.completeDatasets},
		{"sweep delete", "confirm", a.completeSweeps},
	} {
		if err := mustFind(root, flag.command).RegisterFlagCompletionFunc(flag.name, flag.complete); err != nil {
			panic(err) // there is no such flag
		}
	}
}

// mustFind is a command by its path; that there is none is a mistake in the program.
func mustFind(root *cobra.Command, command string) *cobra.Command {
	cmd, rest, err := root.Find(strings.Fields(command))
	if err != nil || len(rest) > 0 {
		panic(fmt.Sprintf("no command %q", command))
	}
	return cmd
}

// first completes the first argument alone.
func first(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, part string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, part)
	}
}

func files(end string) cobra.CompletionFunc {
	return first(func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return []cobra.Completion{end}, cobra.ShellCompDirectiveFilterFileExt
	})
}

func directories(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

func nothing(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// recorded asks the database for what the shell offers. It neither makes a private
// server nor changes a schema: who presses Tab asked for nothing.
func (a *app) recorded(ctx context.Context, f func(ctx context.Context, store *tracker.Store) ([]cobra.Completion, error)) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	list, err := func() ([]cobra.Completion, error) {
		if os.Getenv(dsnVariable) == "" {
			h, err := findHome()
			if err != nil {
				return nil, err
			}
			if _, err := os.Stat(h.postgres()); errors.Is(err, fs.ErrNotExist) {
				return nil, nil // nothing was recorded
			}
		}
		dsn, err := a.dsn(ctx)
		if err != nil {
			return nil, err
		}
		store, err := tracker.Open(ctx, dsn)
		if err != nil {
			return nil, err
		}
		defer store.Close()
		return f(ctx, store)
	}()
	if err != nil {
		cobra.CompErrorln(err.Error())
		return nil, cobra.ShellCompDirectiveError
	}
	return list, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

func (a *app) completeSweeps(cmd *cobra.Command, _ []string, part string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.recorded(cmd.Context(), func(ctx context.Context, store *tracker.Store) ([]cobra.Completion, error) {
		list, err := store.Sweeps(ctx)
		var out []cobra.Completion
		for _, s := range list {
			if strings.HasPrefix(s.Name, part) {
				out = append(out, cobra.CompletionWithDesc(s.Name, "changed "+s.UpdatedAt.Format(time.DateTime)))
			}
		}
		return out, err
	})
}

func (a *app) completeRuns(cmd *cobra.Command, _ []string, part string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.recorded(cmd.Context(), func(ctx context.Context, store *tracker.Store) ([]cobra.Completion, error) {
		list, err := store.NewestRuns(ctx, part, completedRuns)
		out := make([]cobra.Completion, len(list))
		for i, r := range list {
			out[i] = cobra.CompletionWithDesc(fmt.Sprint(r.ID), fmt.Sprintf("%s %s/%s/%s seed %d, %s", r.Sweep, r.Dataset, r.Backbone, r.Variant, r.Seed, r.State))
		}
		return out, err
	})
}

func (a *app) completePlugins(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var out []cobra.Completion
	for _, e := range a.plugins().List("") {
		if cmd.Name() == "extend" && e.Kind != sdk.KindBackbone {
			continue
		}
		if word := cobra.CompletionWithDesc(e.Name, string(e.Kind)); !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeDatasets(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	h, err := findHome()
	if err != nil {
		cobra.CompErrorln(err.Error())
		return nil, cobra.ShellCompDirectiveError
	}
	return h.datasetNames(), cobra.ShellCompDirectiveNoFileComp
}
