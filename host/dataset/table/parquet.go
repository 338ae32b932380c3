package table

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// readParquet reads the flat columns of a file; a wanted column that is nested
// or repeated is an error.
func readParquet(path string, opts Options) (_ part, err error) {
	file, err := os.Open(path)
	if err != nil {
		return part{}, unwrapPath(err)
	}
	defer file.Close()
	// The decoder panics on some malformed files.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("file is damaged: %v", r)
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return part{}, err
	}
	source, err := parquet.OpenFile(file, info.Size())
	if err != nil {
		return part{}, err
	}
	p := part{rows: int(source.NumRows())}
	for _, column := range source.Root().Columns() {
		p.names = append(p.names, column.Name())
		if !opts.Want(column.Name()) {
			continue
		}
		if !column.Leaf() || column.MaxRepetitionLevel() > 0 {
			return part{}, fmt.Errorf("column %q is nested; flatten the file first", column.Name())
		}
		c, err := readLeaf(source, column)
		if err != nil {
			return part{}, fmt.Errorf("column %q: %w", column.Name(), err)
		}
		if c.Len() != p.rows {
			return part{}, fmt.Errorf("column %q has %d values for %d rows", column.Name(), c.Len(), p.rows)
		}
		p.columns = append(p.columns, c)
	}
	return p, nil
}

// readLeaf reads all values of a column: numbers, unless it holds texts or
// whole numbers too large for a float64, such as some identifiers.
func readLeaf(source *parquet.File, column *parquet.Column) (*Column, error) {
	convert, err := conversion(column.Type())
	if err != nil {
		return nil, err
	}
	out := &Column{Name: column.Name()}
	text := column.Type().Kind() == parquet.ByteArray || column.Type().Kind() == parquet.FixedLenByteArray
	known := map[string]string{}
	buffer := make([]parquet.Value, 1024)
	var exact []int64 // by row, kept while every number is whole
	whole := column.Type().Kind() == parquet.Int64 && convert == nil
	large := false
	if text {
		out.texts = []string{}
	}
	for _, group := range source.RowGroups() {
		pages := group.ColumnChunks()[column.Index()].Pages()
		err := eachValue(pages, buffer, func(v parquet.Value) error {
			if text {
				out.texts = append(out.texts, intern(known, v))
				return nil
			}
			number, err := toNumber(v)
			if err != nil {
				return err
			}
			if convert != nil {
				number = convert(number)
			}
			out.numbers = append(out.numbers, number)
			if whole {
				exact = append(exact, v.Int64())
				large = large || (!v.IsNull() && math.Abs(number) >= 1<<53)
			}
			return nil
		})
		if err := errors.Join(err, pages.Close()); err != nil {
			return nil, err
		}
	}
	if large {
		out.texts = make([]string, len(exact))
		for row, n := range exact {
			if !math.IsNaN(out.numbers[row]) {
				out.texts[row] = strconv.FormatInt(n, 10)
			}
		}
		out.numbers = nil
	}
	return out, nil
}

func eachValue(pages parquet.Pages, buffer []parquet.Value, visit func(parquet.Value) error) error {
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		values := page.Values()
		for {
			n, err := values.ReadValues(buffer)
			for _, v := range buffer[:n] {
				if err := visit(v); err != nil {
					return err
				}
			}
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return err
			}
		}
		parquet.Release(page)
	}
}

func intern(known map[string]string, v parquet.Value) string {
	if v.IsNull() {
		return ""
	}
	if text, ok := known[string(v.ByteArray())]; ok { // no allocation
		return text
	}
	text := strings.Clone(string(v.ByteArray()))
	if len(known) < maxInterned {
		known[text] = text
	}
	return text
}

func toNumber(v parquet.Value) (float64, error) {
	if v.IsNull() {
		return math.NaN(), nil
	}
	switch v.Kind() {
	case parquet.Boolean:
		if v.Boolean() {
			return 1, nil
		}
		return 0, nil
	case parquet.Int32:
		return float64(v.Int32()), nil
	case parquet.Int64:
		return float64(v.Int64()), nil
	case parquet.Float:
		return float64(v.Float()), nil
	case parquet.Double:
		return v.Double(), nil
	}
	return 0, fmt.Errorf("values of type %s are not supported", v.Kind())
}

// conversion turns stored numbers into numbers: seconds for dates and times, the
// value of decimals. It is nil where they are the same.
func conversion(t parquet.Type) (func(float64) float64, error) {
	logical := t.LogicalType()
	if logical == nil {
		return nil, nil
	}
	perSecond := func(unit format.TimeUnit) (func(float64) float64, error) {
		if unit.Value == nil {
			return nil, errors.New("unknown unit of time")
		}
		n := float64(time.Second / unit.Value.Duration())
		return func(v float64) float64 { return v / n }, nil
	}
	switch kind := logical.Value.(type) {
	case *format.TimestampType:
		return perSecond(kind.Unit)
	case *format.TimeType:
		return perSecond(kind.Unit)
	case *format.DateType:
		return func(v float64) float64 { return v * 24 * 3600 }, nil
	case *format.DecimalType:
		if t.Kind() == parquet.Int32 || t.Kind() == parquet.Int64 {
			power := math.Pow10(int(kind.Scale))
			return func(v float64) float64 { return v / power }, nil
		}
		return nil, fmt.Errorf("values of type %s are not supported", t)
	case *format.UUIDType, *format.Float16Type, *format.VariantType, *format.BsonType, *format.GeometryType, *format.GeographyType:
		return nil, fmt.Errorf("values of type %s are not supported", t)
	}
	return nil, nil
}
