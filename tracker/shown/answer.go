package shown

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/deconfound/deconfound/tracker"
)

// Answer is the result of a query.
type Answer struct {
	Columns []string `json:"columns"`
	Rows    [][]any  `json:"rows"`
	// Cut says that there were more rows than the limit.
	Cut bool `json:"cut,omitempty"`
}

// Limit bounds an answer; a zero field bounds nothing.
type Limit struct {
	Rows  int
	Bytes int // of all values as the server sends them
}

// errCut ends the reading of an answer that is long enough.
var errCut = errors.New("there are more rows")

// Ask runs one statement as the analyst and reads at most limit of its answer.
// The connection is closed by an answer that was cut, which ends the statement at
// the server.
func Ask(ctx context.Context, analyst *tracker.ReadOnly, query string, limit Limit) (Answer, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	answer, size := Answer{Rows: [][]any{}}, 0
	err := analyst.Query(ctx, query, func(rows pgx.Rows) error {
		for _, f := range rows.FieldDescriptions() {
			answer.Columns = append(answer.Columns, f.Name)
		}
		for rows.Next() {
			for _, raw := range rows.RawValues() {
				size += len(raw)
			}
			if limit.Rows > 0 && len(answer.Rows) == limit.Rows || limit.Bytes > 0 && size > limit.Bytes {
				stop() // else all further rows are read to find the end
				return errCut
			}
			values, err := rows.Values()
			if err != nil {
				return err
			}
			for i, v := range values {
				values[i] = Plain(v)
			}
			answer.Rows = append(answer.Rows, values)
		}
		return rows.Err()
	})
	if errors.Is(err, errCut) {
		answer.Cut, err = true, nil
	}
	return answer, err
}

// Plain turns what JSON cannot hold into what it can.
func Plain(v any) any {
	switch v := v.(type) {
	case float64:
		return Number(v)
	case float32:
		// The shortest decimal that reads back as the same real, not the digits of a
		// float64 near it.
		short, err := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
		if err != nil {
			return nil
		}
		return Number(short)
	case pgtype.Numeric:
		f, err := v.Float64Value()
		if err != nil || !f.Valid {
			return nil
		}
		return Number(f.Float64)
	}
	return v
}

// CSV writes the answer with a header and all digits.
func (a Answer) CSV(out io.Writer) error {
	w := csv.NewWriter(out)
	if err := w.Write(a.Columns); err != nil {
		return err
	}
	for _, row := range a.Rows {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = Exact(v)
		}
		if err := w.Write(cells); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// Exact is Cell with all digits: what is read back is the value in the database.
func Exact(v any) string {
	if v, ok := v.(Number); ok {
		return strconv.FormatFloat(float64(v), 'g', -1, 64)
	}
	return Cell(v)
}

// Cell prints one value of an answer for people, numbers with six digits.
func Cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case Number:
		return strconv.FormatFloat(float64(v), 'g', 6, 64)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case []byte:
		return fmt.Sprintf(`\x%x`, v)
	case map[string]any, []any:
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		return string(text)
	default:
		return fmt.Sprint(v)
	}
}
