package table

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Table is a table in memory.
type Table struct {
	Name    string
	Columns []*Column
	Rows    int
	// Available names all columns of the first file, also those not read.
	Available []string
}

// Column returns a column by name, or nil.
func (t *Table) Column(name string) *Column {
	i := slices.IndexFunc(t.Columns, func(c *Column) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return t.Columns[i]
}

// Names lists the columns.
func (t *Table) Names() []string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return names
}

// File is one file of a table.
type File struct {
	Path string
	// Values adds constant columns.
	Values map[string]string
}

// Options say how to read a table.
type Options struct {
	Name   string
	Format string // csv, parquet or npy
	// Columns names the columns of files that do not do so themselves.
	Columns []string
	// Separator of a CSV file, a comma if 0.
	Separator byte
	// NA and ColumnNA are texts that mean a missing cell, everywhere or in one
	// column; a numeric one matches by value.
	NA       []string
	ColumnNA map[string][]string
	// RowNumber names a column to add that counts the rows of each file from 1.
	RowNumber string
	// Want selects columns; nil reads all. Others are not kept in memory.
	Want func(name string) bool
}

// part is the content of one file: columns with the same names in every part.
type part struct {
	columns []*Column
	names   []string // of all columns of the file
	rows    int
	line    func(row int) int // nil if the file has no lines
}

// Read reads files, which must have the same columns, one below the other.
func Read(files []File, opts Options) (*Table, error) {
	if opts.Want == nil {
		opts.Want = func(string) bool { return true }
	}
	var parts []part
	for _, file := range files {
		var p part
		var err error
		switch opts.Format {
		case "csv":
			p, err = readCSV(file.Path, opts)
		case "parquet":
			p, err = readParquet(file.Path, opts)
		case "npy":
			p, err = readNPY(file.Path, opts)
		default:
			err = fmt.Errorf("unknown format %q", opts.Format)
		}
		if err != nil {
			return nil, fmt.Errorf("read table %s: %s: %w", opts.Name, filepath.Base(file.Path), err)
		}
		if err := p.extend(file, opts); err != nil {
			return nil, fmt.Errorf("read table %s: %s: %w", opts.Name, filepath.Base(file.Path), err)
		}
		parts = append(parts, p)
	}
	return stack(files, parts, opts)
}

// extend adds the constant columns and the row number.
func (p *part) extend(file File, opts Options) error {
	names := make([]string, 0, len(file.Values))
	for name := range file.Values {
		names = append(names, name)
	}
	sort.Strings(names)
	if opts.RowNumber != "" {
		names = append(names, opts.RowNumber)
	}
	for i, name := range names {
		if slices.ContainsFunc(p.columns, func(c *Column) bool { return c.Name == name }) {
			return fmt.Errorf("column %q is in the file already", name)
		}
		values := make([]string, p.rows)
		for row := range values {
			values[row] = file.Values[name]
			if i == len(names)-1 && opts.RowNumber != "" {
				values[row] = strconv.Itoa(row + 1)
			}
		}
		p.columns = append(p.columns, NewText(name, values, nil))
		p.names = append(p.names, name)
	}
	return nil
}

// stack puts parts below each other and blanks the cells that mean missing.
func stack(files []File, parts []part, opts Options) (*Table, error) {
	t := &Table{Name: opts.Name}
	ends := make([]int, len(parts))
	for i, p := range parts {
		t.Rows += p.rows
		ends[i] = t.Rows
		if len(p.columns) != len(parts[0].columns) {
			return nil, fmt.Errorf("read table %s: %s has other columns than %s", opts.Name, filepath.Base(files[i].Path), filepath.Base(files[0].Path))
		}
	}
	where := func(row int) string {
		i := sort.SearchInts(ends, row+1)
		local := row - (ends[i] - parts[i].rows)
		if parts[i].line == nil {
			return fmt.Sprintf("%s: row %d", filepath.Base(files[i].Path), local+1)
		}
		return fmt.Sprintf("%s:%d", filepath.Base(files[i].Path), parts[i].line(local))
	}
	if len(parts) == 0 {
		return t, nil
	}
	t.Available = parts[0].names
	for k, first := range parts[0].columns {
		column := &Column{Name: first.Name, where: where}
		numeric := !slices.ContainsFunc(parts, func(p part) bool { return !p.columns[k].Numeric() })
		for i, p := range parts {
			c := p.columns[k]
			if c.Name != first.Name {
				return nil, fmt.Errorf("read table %s: %s has column %q where %s has %q", opts.Name, filepath.Base(files[i].Path), c.Name, filepath.Base(files[0].Path), first.Name)
			}
			switch {
			case numeric:
				column.numbers = append(column.numbers, c.numbers...)
			case c.Numeric():
				for row := range c.Len() {
					column.texts = append(column.texts, c.Text(row))
				}
			default:
				column.texts = append(column.texts, c.texts...)
			}
		}
		if !numeric && column.texts == nil {
			column.texts = []string{}
		}
		column.blank(newMissing(opts.NA, opts.ColumnNA[column.Name]))
		t.Columns = append(t.Columns, column)
	}
	return t, nil
}

// missing is a set of cells that mean missing, by text and by value.
type missing struct {
	texts   map[string]bool
	numbers map[float64]bool
}

func newMissing(lists ...[]string) missing {
	m := missing{map[string]bool{}, map[float64]bool{}}
	for _, text := range slices.Concat(lists...) {
		m.texts[text] = true
		if v, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(v) {
			m.numbers[v] = true
		}
	}
	return m
}

func (c *Column) blank(m missing) {
	if len(m.texts) == 0 {
		return
	}
	for row, v := range c.numbers {
		if m.numbers[v] {
			c.numbers[row] = math.NaN()
		}
	}
	for row, text := range c.texts {
		if m.texts[text] || m.matches(text) {
			c.texts[row] = ""
		}
	}
}

func (m missing) matches(text string) bool {
	if len(m.numbers) == 0 || text == "" || !strings.ContainsRune("+-.0123456789", rune(text[0])) {
		return false
	}
	v, err := strconv.ParseFloat(text, 64)
	return err == nil && m.numbers[v]
}
