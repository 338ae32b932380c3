package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/sdk"
)

// finding is one line of doctor.
type finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

func newDoctor(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Check this installation", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings := a.examine(cmd.Context())
			bad := 0
			for _, f := range findings {
				if !f.OK {
					bad++
				}
			}
			err := a.print(findings, func(w io.Writer) {
				for _, f := range findings {
					mark := "ok  "
					if !f.OK {
						mark = "FAIL"
					}
					fmt.Fprintf(w, "%s  %-16s %s\n", mark, f.Check, f.Detail)
				}
			})
			if err == nil && bad > 0 {
				err = fmt.Errorf("%d checks failed", bad)
			}
			return err
		},
	}
}

// examine runs every check; one that fails does not keep the next from running.
func (a *app) examine(ctx context.Context) []finding {
	var list []finding
	add := func(check string, err error, format string, args ...any) {
		f := finding{Check: check, OK: err == nil, Detail: fmt.Sprintf(format, args...)}
		if err != nil {
			f.Detail = err.Error()
		}
		list = append(list, f)
	}
	add("program", nil, "%s, %s on %s/%s, %d cores", provenance(ctx).HostVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())

	h, err := findHome()
	add("home", err, "%s", h)
	if err == nil {
		_, err := h.key()
		add("installation key", err, "identifiers are hashed with a key of this installation")
		for _, name := range h.datasetNames() {
			store, err := h.openDataset(ctx, name)
			if err != nil {
				add("dataset", err, "")
				continue
			}
			add("dataset", nil, "%s: %d rows, %d modalities, content %.12s", name, store.Rows(), len(store.Modalities()), store.Hash())
			store.Close()
		}
	}

	server := "private cluster"
	if os.Getenv(dsnVariable) != "" {
		server = "server of " + dsnVariable
	}
	store, err := a.tracker(ctx)
	add("database", err, "%s answers", server)
	if err == nil {
		applied, newest, err := store.SchemaVersion(ctx)
		if err == nil && applied != newest {
			err = fmt.Errorf("the schema is at version %d, this program knows %d; run 'deconfound db migrate'", applied, newest)
		}
		add("schema", err, "version %d", applied)
		roles, err := store.Roles(ctx)
		switch {
		case err != nil:
		case !roles.Analyst && !roles.CanCreate:
			err = fmt.Errorf("the role deconfound_analyst does not exist and this database user may not create it; ask the server's administrator for it")
		}
		add("roles", err, "the read-only role of 'deconfound sql' is there")
	}

	for _, problem := range a.plugins().Problems() {
		add("plugin", problem, "")
	}
	entries := a.plugins().List("")
	for _, e := range entries {
		p, err := findPlugin(ctx, a.plugins(), a.processes(), e.Kind, e.Name)
		add("plugin", err, "%s %s %s starts", e.Kind, e.Name, p.info.Version)
	}
	if len(entries) == 0 {
		add("plugin", sdk.Errorf(sdk.CodePluginUnknown, "no plugin is installed; 'make plugins' builds those that ship"), "")
	}
	return list
}
