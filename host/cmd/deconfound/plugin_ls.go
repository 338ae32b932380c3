package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/sdk"
)

// listedPlugin is one line of plugin ls. Without a description there is a problem.
type listedPlugin struct {
	Kind            sdk.Kind        `json:"kind"`
	Name            string          `json:"name"`
	Directory       string          `json:"directory"`
	Locked          string          `json:"locked"`
	Version         string          `json:"version,omitempty"`
	Licence         string          `json:"licence,omitempty"`
	Citation        string          `json:"citation,omitempty"`
	Text            string          `json:"text,omitempty"`
	Hyperparameters []listedSetting `json:"hyperparameters,omitempty"`
	Problem         string          `json:"problem,omitempty"`
}

type listedSetting struct {
	Name    string   `json:"name"`
	Type    sdk.Type `json:"type"`
	Default any      `json:"default"`
	Min     *number  `json:"min,omitempty"`
	Max     *number  `json:"max,omitempty"`
	Values  []string `json:"values,omitempty"`
	Log     bool     `json:"log,omitempty"`
	Text    string   `json:"text,omitempty"`
}

func newPluginLs(a *app) *cobra.Command {
	var kind string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List installed plugins",
		Long: `Lists installed plugins. Each is started to describe itself, unless its files
differ from those that plugins.lock.toml locks.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k, err := pluginKind(kind, true)
			if err != nil {
				return err
			}
			registry := a.plugins()
			list := []listedPlugin{}
			for _, e := range registry.List(k) {
				list = append(list, a.describe(cmd.Context(), e))
			}
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			for _, problem := range registry.Problems() {
				fmt.Fprintf(a.errs, "Warning: %v\n", problem)
			}
			return a.print(list, func(w io.Writer) { printPlugins(w, list, verbose) })
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "", "list this kind only: backbone or strategy")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "with texts, citations and hyperparameters")
	return cmd
}

// describe asks a plugin about itself.
func (a *app) describe(ctx context.Context, e plugin.Entry) listedPlugin {
	l := listedPlugin{Kind: e.Kind, Name: e.Name, Directory: e.Dir, Locked: "no lock file"}
	if a.lock != nil {
		if err := a.lock.Verify(e); err != nil {
			l.Locked, l.Problem = "no", err.Error()
			return l
		}
		l.Locked = "yes"
	}
	info, err := a.processes().Info(ctx, e)
	if err != nil {
		l.Problem = err.Error()
		return l
	}
	l.Version, l.Licence, l.Citation, l.Text = info.Version, info.Licence, info.Citation, info.Text
	for _, h := range info.Hyperparameters {
		s := listedSetting{Name: h.Name, Type: h.Type, Default: h.Default, Values: h.Values, Log: h.Log, Text: h.Text}
		if h.Min != 0 || h.Max != 0 {
			low, high := number(h.Min), number(h.Max)
			s.Min, s.Max = &low, &high
		}
		l.Hyperparameters = append(l.Hyperparameters, s)
	}
	return l
}

func printPlugins(w io.Writer, list []listedPlugin, verbose bool) {
	if len(list) == 0 {
		fmt.Fprintln(w, "No plugins are installed. make build puts the shipped ones beside the program.")
		return
	}
	if verbose {
		for _, l := range list {
			printPlugin(w, l)
		}
		return
	}
	t := newTable(w, 5, "kind", "name", "version", "licence", "locked", "hyperparameters")
	for _, l := range list {
		t.AppendRow([]any{l.Kind, l.Name, l.Version, l.Licence, l.Locked, len(l.Hyperparameters)})
	}
	t.Render()
	for _, l := range list {
		if l.Problem != "" {
			fmt.Fprintf(w, "\n%s %s: %s\n", l.Kind, l.Name, l.Problem)
		}
	}
}

func printPlugin(w io.Writer, l listedPlugin) {
	fmt.Fprintf(w, "%s %s %s\n  %s\n", l.Kind, l.Name, l.Version, l.Directory)
	for _, line := range []struct{ name, text string }{
		{"locked", l.Locked}, {"licence", l.Licence}, {"citation", l.Citation}, {"", l.Text}, {"problem", l.Problem},
	} {
		switch {
		case line.text == "":
		case line.name == "":
			fmt.Fprintf(w, "  %s\n", line.text)
		default:
			fmt.Fprintf(w, "  %s: %s\n", line.name, line.text)
		}
	}
	if len(l.Hyperparameters) > 0 {
		t := newTable(w, 4, "  hyperparameter", "default", "range", "meaning")
		for _, h := range l.Hyperparameters {
			t.AppendRow([]any{"  " + h.Name, h.Default, h.limits(), h.Text})
		}
		t.Render()
	}
	fmt.Fprintln(w)
}

// limits describes the values a hyperparameter takes.
func (s listedSetting) limits() string {
	switch {
	case len(s.Values) > 0:
		return strings.Join(s.Values, ", ")
	case s.Type == sdk.Bool:
		return "true, false"
	case s.Min == nil:
		return string(s.Type)
	}
	limits := fmt.Sprintf("%s to %s", bound(*s.Min), bound(*s.Max))
	if s.Log {
		limits += ", log"
	}
	return limits
}

func bound(v number) string {
	if math.IsInf(float64(v), 0) {
		return "any"
	}
	return fmt.Sprint(float64(v))
}
