package script

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/sdk/features/npy"
)

// write makes the file of a sample in a directory and answers its path: name.csv,
// name.parquet, or for npy a directory.
func (s sample) write(store *dataset.Store, format, dir, name string) (path string, err error) {
	switch format {
	case "npy":
		path = filepath.Join(dir, name)
		return path, s.writeArrays(store, path)
	case "parquet":
		path = filepath.Join(dir, name+".parquet")
		return path, create(path, func(w io.Writer) error { return s.writeParquet(store, w) })
	}
	path = filepath.Join(dir, name+".csv")
	return path, create(path, func(w io.Writer) error { return s.writeCSV(store, w) })
}

// create writes a file that only its owner can read.
func create(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<16)
	return errors.Join(write(w), w.Flush(), f.Close())
}

// header names the columns of a table in order.
func (s sample) header(store *dataset.Store) []string {
	out := []string{"row"}
	if s.labelled {
		out = append(out, labelColumns(store)...)
	}
	return append(out, columns(store)...)
}

// record has labels, if there are any to be seen, and values of row i.
func (s sample) record(store *dataset.Store, i int) ([]float32, error) {
	values, err := s.values(store, i)
	if err != nil || !s.labelled {
		return values, err
	}
	return append(append([]float32{}, s.labels(store, i)...), values...), nil
}

func (s sample) writeCSV(store *dataset.Store, out io.Writer) error {
	w := csv.NewWriter(out)
	header := s.header(store)
	if err := w.Write(header); err != nil {
		return err
	}
	line := make([]string, len(header))
	for i, key := range s.keys {
		values, err := s.record(store, i)
		if err != nil {
			return err
		}
		line[0] = strconv.FormatInt(key, 10)
		for j, v := range values {
			line[j+1] = ""
			if !math.IsNaN(float64(v)) {
				line[j+1] = strconv.FormatFloat(float64(v), 'g', -1, 32)
			}
		}
		if err := w.Write(line); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// writeParquet writes optional floats, null where a value is missing. Their order in
// the file is that of their names.
func (s sample) writeParquet(store *dataset.Store, out io.Writer) error {
	header := s.header(store)
	group := parquet.Group{header[0]: parquet.Leaf(parquet.Int64Type)}
	for _, name := range header[1:] {
		group[name] = parquet.Optional(parquet.Leaf(parquet.FloatType))
	}
	schema := parquet.NewSchema("rows", group)
	at := map[string]int{}
	for i, path := range schema.Columns() {
		at[path[0]] = i
	}
	w := parquet.NewWriter(out, schema)
	line := make(parquet.Row, len(header))
	for i, key := range s.keys {
		values, err := s.record(store, i)
		if err != nil {
			return err
		}
		line[at[header[0]]] = parquet.Int64Value(key).Level(0, 0, at[header[0]])
		for j, v := range values {
			column := at[header[j+1]]
			line[column] = parquet.NullValue().Level(0, 0, column)
			if !math.IsNaN(float64(v)) {
				line[column] = parquet.FloatValue(v).Level(0, 1, column)
			}
		}
		if _, err := w.WriteRows([]parquet.Row{line}); err != nil {
			return err
		}
	}
	return w.Close()
}

// writeArrays makes a directory of rows.npy [n], labels.npy [n, labels] (not of test
// rows), features.npy [n, columns] and columns.txt, the name of a column a line.
func (s sample) writeArrays(store *dataset.Store, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	names := columns(store)
	x := make([]float32, 0, len(s.keys)*len(names))
	var y []float32
	for i := range s.keys {
		values, err := s.values(store, i)
		if err != nil {
			return err
		}
		x, y = append(x, values...), append(y, s.labels(store, i)...)
	}
	write := func(name string, array func(io.Writer) error) error {
		if err := create(filepath.Join(dir, name), array); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		return nil
	}
	err := errors.Join(
		write("rows.npy", func(w io.Writer) error { return npy.Write(w, s.keys, len(s.keys)) }),
		write("features.npy", func(w io.Writer) error { return npy.Write(w, x, len(s.keys), len(names)) }),
		write("columns.txt", func(w io.Writer) error { _, err := io.WriteString(w, strings.Join(names, "\n")+"\n"); return err }),
	)
	if s.labelled {
		err = errors.Join(err, write("labels.npy", func(w io.Writer) error { return npy.Write(w, y, len(s.keys), len(labelColumns(store))) }))
	}
	return err
}
