package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

// completed is what the shell is told for a command line whose last word was begun.
func completed(t *testing.T, args ...string) []string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := execute(t.Context(), append([]string{"__complete"}, args...), strings.NewReader(""), &out, &errs); code != exitOK {
		t.Fatalf("%v: exit code %d: %s", args, code, errs.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	return lines[:len(lines)-1] // the last one is for the shell
}

// What was recorded is offered: sweeps and runs, the newest first.
func TestComplete_Recorded(t *testing.T) {
	store := trackertest.New(t)
	t.Setenv(dsnVariable, store.DSN())
	t.Setenv("DECONFOUND_HOME", t.TempDir())
	err := store.InTx(t.Context(), func(tx pgx.Tx) error {
		for i, name := range []string{"alpha", "beta"} {
			sweep, err := store.UpsertSweep(t.Context(), tx, tracker.SweepSpec{Name: name, TOML: name})
			if err != nil {
				return err
			}
			seed := 0
			run := tracker.PlannedRun{
				Hash: bytes.Repeat([]byte{byte(i + 1)}, 32), Dataset: "d", DatasetHash: "dh", Backbone: "concat", BackboneHash: "bh",
				Variant: "erm", Phase: tracker.Replicate, Replicate: &seed, Epochs: 1,
			}
			if _, err := store.PlanRuns(t.Context(), tx, sweep.ID, []tracker.PlannedRun{run}, true); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		line string
		want string
	}{
		{"sweep status ", "beta,alpha"}, {"sweep watch a", "alpha"}, {"compare x", ""}, {"compare alpha ", ""},
		{"runs show ", "1001,1"}, {"runs diff 1 10", "1001"}, {"runs ls b", "beta"}, {"sweep delete alpha --confirm ", "beta,alpha"},
		{"report alpha --format ", "html,pdf,latex,md,csv"}, {"export beta --format ", "csv,parquet"}, {"data audit naf", "nafld"}, {"plugin new --lang ", "go,python"},
		{"run ", "toml"},
	} {
		var got []string
		for _, line := range completed(t, strings.Split(c.line, " ")...) {
			word, _, _ := strings.Cut(line, "\t")
			got = append(got, word)
		}
		if got := strings.Join(got, ","); got != c.want {
			t.Errorf("%q: got %s, want %s", c.line, got, c.want)
		}
	}
	if got := completed(t, "runs", "show", "100"); len(got) != 1 || !strings.Contains(got[0], "beta d/concat/erm seed 0, queued") {
		t.Errorf("got %q", got)
	}
}

// Tab makes no server and writes nothing.
func TestComplete_Nothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "home")
	t.Setenv(dsnVariable, "")
	t.Setenv("DECONFOUND_HOME", dir)
	if got := completed(t, "sweep", "status", ""); len(got) > 0 {
		t.Errorf("got %q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "postgres")); !os.IsNotExist(err) {
		t.Errorf("a server was made: %v", err)
	}
}

// Every command that takes an argument says what the shell may offer for it.
func TestComplete_EveryCommand(t *testing.T) {
	commands(func(name string, cmd *cobra.Command) {
		if _, takes, _ := strings.Cut(cmd.Use, " "); takes != "" && takes != "[command]" && cmd.ValidArgsFunction == nil && !strings.HasPrefix(name, "completion ") {
			t.Errorf("%s: nothing is offered for %s", name, takes)
		}
	})
}

// The scripts of the shells are there, and the pages of the manual.
func TestMan(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	var out, errs bytes.Buffer
	if code := execute(context.Background(), []string{"man", dir}, nil, &out, &errs); code != exitOK {
		t.Fatal(errs.String())
	}
	commands(func(name string, cmd *cobra.Command) {
		page, err := os.ReadFile(filepath.Join(dir, "deconfound-"+strings.ReplaceAll(name, " ", "-")+".1"))
		if err != nil || !bytes.Contains(page, []byte("Nov 2023")) || !bytes.Contains(page, []byte("SYNOPSIS")) {
			t.Errorf("%s: %v\n%s", name, err, page)
		}
	})
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		var script bytes.Buffer
		if code := execute(context.Background(), []string{"completion", shell}, nil, &script, &errs); code != exitOK || !strings.Contains(script.String(), "__complete") {
			t.Errorf("%s: %d %s", shell, code, errs.String())
		}
	}
}
