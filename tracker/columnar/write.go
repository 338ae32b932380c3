package columnar

import (
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// Limits of what is in memory: rows of a row group, which are compressed before
// they are written, and rows on the way there.
const (
	groupRows = 100_000
	batchRows = 512
)

// Write reads all rows and writes them as one Parquet file, in their order. Memory
// is bounded, whatever their number. It answers how many there were. The caller
// closes rows.
func Write(w io.Writer, rows pgx.Rows) (n int64, err error) { return write(w, rows, groupRows) }

func write(w io.Writer, rows pgx.Rows, groupRows int64) (n int64, err error) {
	fields := rows.FieldDescriptions()
	columns := make([]column, len(fields))
	for i, f := range fields {
		columns[i] = columnOf(f)
	}
	out := parquet.NewGenericWriter[any](w, schema(fields, columns), parquet.MaxRowsPerRowGroup(groupRows),
		parquet.Compression(&zstd.Codec{}), parquet.CreatedBy("deconfound", "", ""))
	batch := make([]parquet.Row, 0, batchRows)
	flush := func() error {
		if _, err := out.WriteRows(batch); err != nil {
			return err
		}
		batch = batch[:0]
		return nil
	}
	for ; rows.Next(); n++ {
		values, err := rows.Values()
		if err != nil {
			return n, err
		}
		// Beyond the length of the batch are rows whose memory is used again.
		batch = batch[:len(batch)+1]
		row := batch[len(batch)-1][:0]
		for i, c := range columns {
			if row, err = c.append(row, values[i], rows.RawValues()[i], fields[i].Format, i); err != nil {
				return n, fmt.Errorf("column %s: %w", fields[i].Name, err)
			}
		}
		batch[len(batch)-1] = row
		if len(batch) == cap(batch) {
			if err := flush(); err != nil {
				return n, err
			}
		}
	}
	return n, errors.Join(rows.Err(), flush(), out.Close())
}

// schema has the columns in the order of the query; parquet.Group sorts them.
func schema(fields []pgconn.FieldDescription, columns []column) *parquet.Schema {
	g := group{Group: parquet.Group{}}
	for i, f := range fields {
		node := parquet.Optional(columns[i].node)
		g.Group[f.Name] = node
		g.fields = append(g.fields, field{node, f.Name})
	}
	return parquet.NewSchema("rows", g)
}

type group struct {
	parquet.Group
	fields []parquet.Field
}

func (g group) Fields() []parquet.Field { return g.fields }

type field struct {
	parquet.Node
	name string
}

func (f field) Name() string { return f.name }

// Value is for rows that are Go values, which these are not.
func (f field) Value(base reflect.Value) reflect.Value { return base.MapIndex(reflect.ValueOf(f.name)) }
