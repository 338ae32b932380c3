package main

import (
	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/plugin"
)

// version is the program's version; the build overrides it with a tag.
var version = "0.1.0"

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "deconfound",
		Short: "Compare debiasing variants of multimodal models on data with missing modalities",
		Long: `Deconfound trains fusion backbones with and without debiasing, in sweeps, and
compares the variants with paired tests, per availability pattern and under
shifted missingness. Everything is recorded in PostgreSQL: a private one, or the
server that DECONFOUND_DSN names.

Exit codes: 0 ok, 1 failure, 2 usage, 3 invalid sweep or dataset file, 4 data or
plugin drift, 5 budget used up, 6 some runs failed, 130 interrupted.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		lock, err := plugin.ReadLock(plugin.LockName)
		a.lock = lock
		return err
	}
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON instead of text")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return withExit(exitUsage, err)
	})
	root.AddCommand(
		newInit(a), newDoctor(a), newDemo(a), newStudy(a),
		newPlugin(a), newData(a),
		newValidate(a), newPlan(a), newRun(a), newSweep(a), newWorker(a),
		newRuns(a), newCompare(a), newReport(a), newSQL(a), newExport(a), newMLflow(a), newUI(a), newDB(a), newMan(a),
	)
	a.completions(root)
	usage(root)
	return root
}

// usage makes wrong arguments and unknown subcommands exit with the usage code.
func usage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			return withExit(exitUsage, check(cmd, args))
		}
	} else if !cmd.Runnable() {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			return withExit(exitUsage, cobra.NoArgs(cmd, args))
		}
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	for _, child := range cmd.Commands() {
		usage(child)
	}
}
