package report

import (
	"encoding/csv"
	"io"
)

// writeCSV writes Data alone.
func writeCSV(w io.Writer, d Document) error {
	out := csv.NewWriter(w)
	line := make([]string, len(d.Data.Columns))
	for i, c := range d.Data.Columns {
		line[i] = c.Name
	}
	if err := out.Write(line); err != nil {
		return err
	}
	for _, row := range d.Data.Rows {
		for i, c := range row {
			line[i] = c.Text
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
