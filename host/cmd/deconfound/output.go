package main

import (
	"encoding/json"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"github.com/deconfound/deconfound/tracker/shown"
)

// print writes v as JSON when --json was given, else calls human.
func (a *app) print(v any, human func(io.Writer)) error {
	if !a.json {
		human(a.out)
		return nil
	}
	encoder := json.NewEncoder(a.out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// newTable starts a plain table whose columns from the given one on are
// right-aligned numbers.
func newTable(w io.Writer, firstNumber int, header ...any) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Options.SeparateHeader = true
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	t.AppendHeader(table.Row(header))
	var columns []table.ColumnConfig
	for i := firstNumber; i < len(header); i++ {
		columns = append(columns, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
	return t
}

// decimal prints three decimals, and an undefined number as "n/a".
func decimal(v float64) string { return shown.Decimal(v) }

func fourDecimals(v float64) string { return shown.Decimals(v, 4) }

// signed is decimal with a sign, for differences.
func signed(v float64) string { return shown.Signed(v) }

// number marshals as null when undefined: JSON has no NaN.
type number = shown.Number

// terminal reports whether w, a reader or writer, is an interactive terminal.
func terminal(w any) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}
