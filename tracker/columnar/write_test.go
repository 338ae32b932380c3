package columnar

import (
	"bytes"
	"context"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/parquet-go/parquet-go"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

// written is the file of a query.
func written(t *testing.T, store *tracker.Store, query string, group int64) (*parquet.File, int64) {
	t.Helper()
	analyst, err := store.ReadOnly(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer analyst.Close(context.Background())
	var out bytes.Buffer
	var n int64
	err = analyst.Query(t.Context(), query, func(rows pgx.Rows) error {
		n, err = write(&out, rows, group)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return f, n
}

// everything is a row of each type that a view may have. The fields are pointers
// where the file has nulls.
type everything struct {
	Boolean *bool      `parquet:"zz_boolean,optional"`
	Small   *int16     `parquet:"small,optional"`
	Integer *int32     `parquet:"integer,optional"`
	Big     *int64     `parquet:"big,optional"`
	Real    *float32   `parquet:"real,optional"`
	Double  *float64   `parquet:"double,optional"`
	Text    *string    `parquet:"text,optional,dict"`
	JSON    *string    `parquet:"json,optional"`
	At      *time.Time `parquet:"at,optional,timestamp(microsecond)"`
	Day     *int32     `parquet:"day,optional,date"`
	Bytes   []byte     `parquet:"bytes,optional"`
	Numeric *string    `parquet:"numeric,optional,dict"`
	Doubles []*float64 `parquet:"doubles,optional,list"`
	Texts   []*string  `parquet:"texts,optional,list"`
}

const everythingQuery = `select true as zz_boolean, -7::int2 as small, -70000::int4 as integer, -9007199254740993::int8 as big,
	0.1::float4 as real, 0.1::float8 as double, 'Müller, "x"' as text, '{"b": 1.50, "a": 9007199254740993}'::jsonb as json,
	'2026-03-01 12:00:00.123456+02'::timestamptz as at, '1969-12-31'::date as day, '\x00ff'::bytea as bytes,
	12345678901234567890.5::numeric as numeric, '{0.5,NULL,NaN}'::float8[] as doubles, '{a,"",NULL}'::text[] as texts
	union all select null, null, null, null, 'NaN', 'infinity', '', '[]', null, null, '', null, '{}', null
	union all select null, null, null, null, null, null, null, null, null, null, null, null, null, null`

func TestWrite(t *testing.T) {
	f, n := written(t, trackertest.New(t), everythingQuery, groupRows)
	if n != 3 || f.NumRows() != 3 {
		t.Fatalf("got %d rows, in the file %d; want 3", n, f.NumRows())
	}
	var names []string
	for _, field := range f.Schema().Fields() {
		names = append(names, field.Name())
	}
	if d := cmp.Diff([]string{"zz_boolean", "small", "integer", "big", "real", "double", "text", "json", "at", "day", "bytes", "numeric", "doubles", "texts"}, names); d != "" {
		t.Errorf("the order of the columns is not the query's (-want +got):\n%s", d)
	}
	types := map[string]string{"small": "INT(16,true)", "big": "INT(64,true)", "text": "STRING", "at": "TIMESTAMP(isAdjustedToUTC=true,unit=MICROS)", "day": "DATE"}
	for _, field := range f.Schema().Fields() {
		if want := types[field.Name()]; want != "" && field.Type().String() != want {
			t.Errorf("column %s has type %s, want %s", field.Name(), field.Type(), want)
		}
	}
	r := parquet.NewGenericReader[everything](f)
	defer r.Close()
	got := make([]everything, 3)
	if n, _ := r.Read(got); n != 3 {
		t.Fatalf("read %d rows", n)
	}
	at := time.Date(2026, 3, 1, 10, 0, 0, 123456000, time.UTC)
	want := []everything{{
		new(true), new(int16(-7)), new(int32(-70000)), new(int64(-9007199254740993)), new(float32(0.1)), new(0.1), new(`Müller, "x"`),
		new(`{"a": 9007199254740993, "b": 1.50}`), &at, new(int32(-1)), []byte{0, 0xff}, new("12345678901234567890.5"),
		[]*float64{new(0.5), nil, new(math.NaN())}, []*string{new("a"), new(""), nil},
	}, {
		Real: new(float32(math.NaN())), Double: new(math.Inf(1)), Text: new(""), JSON: new("[]"), Bytes: []byte{}, Doubles: []*float64{},
	}, {}}
	if d := cmp.Diff(want, got, cmpopts.EquateNaNs()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// TestWrite_Long needs no more memory for ten times the rows.
func TestWrite_Long(t *testing.T) {
	store := trackertest.New(t)
	peak := func(rows string) uint64 {
		t.Helper()
		analyst, err := store.ReadOnly(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer analyst.Close(context.Background())
		var top uint64
		writes := 0
		err = analyst.Query(t.Context(), `select i as unit, repeat(md5(i::text), 8) as name, i / 7.0::float8 as value from generate_series(1, `+rows+`) i`, func(r pgx.Rows) error {
			_, err := write(writer(func(p []byte) (int, error) {
				if writes++; writes%4 != 0 {
					return len(p), nil
				}
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				top = max(top, m.HeapAlloc)
				return len(p), nil
			}), r, 2000)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return top
	}
	small, large := peak("20000"), peak("200000")
	if large > small+20<<20 { // of 51
		t.Errorf("got %d MiB for ten times the rows of %d MiB", large>>20, small>>20)
	}
	f, n := written(t, store, `select i from generate_series(1, 2501) i`, 1000)
	if n != 2501 || len(f.RowGroups()) != 3 {
		t.Errorf("got %d rows in %d groups, want 2501 in 3", n, len(f.RowGroups()))
	}
	row := make([]parquet.Row, 1)
	rows := f.RowGroups()[2].Rows()
	defer rows.Close()
	if err := rows.SeekToRow(500); err != nil {
		t.Fatal(err)
	}
	if n, _ := rows.ReadRows(row); n != 1 || row[0][0].Int32() != 2501 {
		t.Errorf("last row: got %v", row)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
