package columnar

import (
	"bytes"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/parquet-go/parquet-go"

	"github.com/deconfound/deconfound/tracker/shown"
)

// column turns the values of one column into Parquet's.
type column struct {
	node  parquet.Node // without Optional
	list  bool         // of values, which may be null too
	json  bool         // the text as the database has it
	value func(any) (parquet.Value, error)
}

// arrays are the element types of arrays.
var arrays = map[uint32]uint32{
	pgtype.Int2ArrayOID: pgtype.Int2OID, pgtype.Int4ArrayOID: pgtype.Int4OID, pgtype.Int8ArrayOID: pgtype.Int8OID,
	pgtype.Float4ArrayOID: pgtype.Float4OID, pgtype.Float8ArrayOID: pgtype.Float8OID, pgtype.BoolArrayOID: pgtype.BoolOID,
	pgtype.TextArrayOID: pgtype.TextOID, pgtype.VarcharArrayOID: pgtype.TextOID, pgtype.TimestamptzArrayOID: pgtype.TimestamptzOID,
}

// columnOf knows the types of the documented views and what is near them. Any other
// type, such as numeric, is written as text with all digits.
func columnOf(f pgconn.FieldDescription) column {
	if of, ok := arrays[f.DataTypeOID]; ok {
		c := scalar(of)
		return column{node: parquet.List(parquet.Optional(c.node)), list: true, value: c.value}
	}
	return scalar(f.DataTypeOID)
}

func scalar(oid uint32) column {
	switch oid {
	case pgtype.BoolOID:
		return column{node: parquet.Leaf(parquet.BooleanType), value: as(parquet.BooleanValue)}
	case pgtype.Int2OID:
		return column{node: parquet.Int(16), value: as(func(v int16) parquet.Value { return parquet.Int32Value(int32(v)) })}
	case pgtype.Int4OID:
		return column{node: parquet.Int(32), value: as(parquet.Int32Value)}
	case pgtype.Int8OID:
		return column{node: parquet.Int(64), value: as(parquet.Int64Value)}
	case pgtype.Float4OID:
		return column{node: parquet.Leaf(parquet.FloatType), value: as(parquet.FloatValue)}
	case pgtype.Float8OID:
		return column{node: parquet.Leaf(parquet.DoubleType), value: as(parquet.DoubleValue)}
	case pgtype.DateOID:
		return column{node: parquet.Date(), value: as(func(v time.Time) parquet.Value { return parquet.Int32Value(int32(v.Unix() / 86400)) })}
	case pgtype.TimestamptzOID, pgtype.TimestampOID:
		return column{
			node:  parquet.TimestampAdjusted(parquet.Microsecond, oid == pgtype.TimestamptzOID),
			value: as(func(v time.Time) parquet.Value { return parquet.Int64Value(v.UnixMicro()) }),
		}
	case pgtype.ByteaOID:
		return column{node: parquet.Leaf(parquet.ByteArrayType), value: as(parquet.ByteArrayValue)}
	case pgtype.JSONOID, pgtype.JSONBOID:
		return column{node: parquet.String(), json: true}
	}
	return column{
		// A few names, many times.
		node: parquet.Encoded(parquet.String(), &parquet.RLEDictionary),
		value: func(v any) (parquet.Value, error) {
			if n, ok := v.(pgtype.Numeric); ok {
				text, err := n.MarshalJSON()
				return parquet.ByteArrayValue(bytes.Trim(text, `"`)), err
			}
			return parquet.ByteArrayValue([]byte(shown.Exact(v))), nil
		},
	}
}

// as converts values of one Go type; an infinite date is of another and has no
// counterpart.
func as[T any](convert func(T) parquet.Value) func(any) (parquet.Value, error) {
	return func(v any) (parquet.Value, error) {
		t, ok := v.(T)
		if !ok {
			return parquet.Value{}, fmt.Errorf("%v of type %T cannot be written", v, v)
		}
		return convert(t), nil
	}
}

// append adds a value with its levels: how many of the optional and repeated parts
// of the column are there, and at which of them it repeats.
func (c column) append(row parquet.Row, v any, raw []byte, format int16, at int) (parquet.Row, error) {
	if v == nil {
		return append(row, parquet.NullValue().Level(0, 0, at)), nil
	}
	if c.json {
		if format == pgx.BinaryFormatCode && len(raw) > 0 && raw[0] == 1 { // version of jsonb
			raw = raw[1:]
		}
		return append(row, parquet.ByteArrayValue(append([]byte(nil), raw...)).Level(0, 1, at)), nil
	}
	if !c.list {
		p, err := c.value(v)
		return append(row, p.Level(0, 1, at)), err
	}
	elements, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("%T is no list", v)
	}
	if len(elements) == 0 {
		return append(row, parquet.NullValue().Level(0, 1, at)), nil
	}
	for i, e := range elements {
		p, level := parquet.NullValue(), 2
		if e != nil {
			var err error
			if p, err = c.value(e); err != nil {
				return nil, err
			}
			level = 3
		}
		row = append(row, p.Level(min(i, 1), level, at))
	}
	return row, nil
}
