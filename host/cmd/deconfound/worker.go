package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

func newWorker(a *app) *cobra.Command {
	var workers int
	var memory memoryLimit
	var name string
	var lease time.Duration
	var labels map[string]string
	var cores int
	var noFetch bool
	cache := memoryLimit(cacheSize)
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Train runs of every sweep in the database until stopped",
		Long: `Joins the sweeps of the database that DECONFOUND_DSN names (or of the private
one) and trains their runs until Ctrl-C. Any number of workers, on any number of
machines, may share a database.

Plugins and datasets are the same ones everywhere, by the hash of their content. A
worker that lacks some fetches them out of the database, where 'deconfound run' put
them, checks the hash and keeps them in DECONFOUND_HOME. What is not offered, or
only for another platform, is named, and its runs are left to other workers.

A fetched plugin is a program: whoever may write to the database decides what runs
here, as the user that the worker runs as. With --no-fetch nothing comes from the
database but the sweeps, and with a plugins.lock.toml in the working directory only
the plugins in it run, wherever they are from.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			r, err := a.runner(cmd.Context())
			if err != nil {
				return err
			}
			defer r.close()
			r.fetch = nil
			if !noFetch {
				r.fetch = newFetcher(r.home, store, int64(cache), true)
			}
			options := a.workerOptions(cmd.Context(), workers)
			options.Room = r.room(memory)
			options.Name, options.Lease, options.Labels = name, lease, labels
			options.Memory, options.Cores = int64(memory), cores
			options.Lacks, options.Propose = r.lacks, r.propose
			options.Logger = slog.New(slog.NewTextHandler(a.errs, nil))
			defer a.announceStop(cmd.Context())()
			fmt.Fprintf(a.errs, "worker with %d slots is waiting for runs; Ctrl-C stops it\n", workers)
			return sweeps.Work(cmd.Context(), store, r.runSlice, options)
		},
	}
	cmd.Flags().IntVar(&workers, "workers", defaultWorkers(), "runs trained at the same time")
	addMemory(cmd, &memory)
	cmd.Flags().BoolVar(&noFetch, "no-fetch", false, "run no plugin and read no dataset that comes from the database")
	cmd.Flags().Var(&cache, "cache", "how much of what was fetched to keep, e.g. 50GiB")
	cmd.Flags().StringVar(&name, "name", "", "name of the worker (default: host and process id)")
	addLease(cmd, &lease)
	cmd.Flags().StringToStringVar(&labels, "label", nil, "what sweeps may require of a worker by [requires] labels, e.g. --label gpu=no --label site=basel")
	cmd.Flags().IntVar(&cores, "cores", runtime.NumCPU(), "cores that sweeps may require by [requires] cores")
	return cmd
}

// addLease adds the flag --lease.
func addLease(cmd *cobra.Command, lease *time.Duration) {
	cmd.Flags().DurationVar(lease, "lease", tracker.LeaseDefault, "silence after which this worker counts as dead and its runs are given to others; a process that ends is noticed at once")
}

// announceStop says what happens when ctx ends, until the returned function is
// called.
func (a *app) announceStop(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, func() {
		fmt.Fprintf(a.errs, "\nstopping: runs go on to their next checkpoint, at most %v; Ctrl-C again goes back to the last one\n", sweeps.GraceDefault)
	})
}

// workerOptions are the options of a worker of this process.
func (a *app) workerOptions(ctx context.Context, workers int) sweeps.Options {
	options := sweeps.Options{Workers: workers, Provenance: provenance(ctx)}
	options.Hurry, _ = ctx.Value(hurryKey{}).(context.Context)
	if a.cluster != nil {
		options.Reconnect = a.cluster.Ensure
	}
	return options
}

// revision is the git description of the build; the build sets it.
var revision string

// provenance says with what program and where runs are trained.
func provenance(ctx context.Context) tracker.Provenance {
	p := tracker.Provenance{HostVersion: version}
	if revision != "" {
		p.HostVersion += "+" + revision
	}
	if commit, err := exec.CommandContext(ctx, "git", "rev-parse", "HEAD").Output(); err == nil {
		p.GitCommit = strings.TrimSpace(string(commit))
		status, err := exec.CommandContext(ctx, "git", "status", "--porcelain").Output()
		p.GitDirty = err != nil || len(status) > 0
	}
	environment, err := json.Marshal(map[string]any{
		"go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "cpus": runtime.NumCPU(),
	})
	if err == nil {
		p.Environment = environment
	}
	return p
}

// runner opens the registry, the plugin processes and the store of results.
func (a *app) runner(ctx context.Context) (*runner, error) {
	store, err := a.tracker(ctx)
	if err != nil {
		return nil, err
	}
	h, err := findHome()
	if err != nil {
		return nil, err
	}
	r := newRunner(h, a.plugins(), a.processes(), store)
	r.audits = newAudits(ctx, store, a.errs)
	if a.cluster == nil {
		// Data whose units are hashed as others', but no programs.
		r.fetch = newFetcher(h, store, cacheSize, false)
	}
	if a.cluster != nil {
		r.reconnect = a.cluster.Ensure
	}
	return r, nil
}
