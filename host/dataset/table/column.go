package table

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Column is one column of a table: texts, or numbers. A missing cell is the
// empty text or NaN.
type Column struct {
	Name    string
	texts   []string  // nil for a numeric column
	numbers []float64 // nil for a text column
	// where describes the place of a row in the files, for errors.
	where func(row int) string
}

// NewText and NewNumbers make columns; where may be nil.
func NewText(name string, values []string, where func(int) string) *Column {
	return &Column{Name: name, texts: values, where: where}
}

// NewNumbers makes a numeric column, NaN where a cell is missing.
func NewNumbers(name string, values []float64, where func(int) string) *Column {
	return &Column{Name: name, numbers: values, where: where}
}

// Len is the number of rows.
func (c *Column) Len() int { return len(c.texts) + len(c.numbers) }

// Numeric reports whether the file stores the column as numbers.
func (c *Column) Numeric() bool { return c.texts == nil }

// Missing reports whether a cell is missing.
func (c *Column) Missing(row int) bool {
	if c.texts != nil {
		return c.texts[row] == ""
	}
	return math.IsNaN(c.numbers[row])
}

// Text is a cell as text, "" if missing. A whole number has no decimal point.
func (c *Column) Text(row int) string {
	if c.texts != nil {
		return c.texts[row]
	}
	if v := c.numbers[row]; !math.IsNaN(v) {
		return FormatNumber(v)
	}
	return ""
}

// FormatNumber writes a number in the shortest form that reads back the same,
// without an exponent for whole numbers of everyday size.
func FormatNumber(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// Number is a cell as a number, NaN if missing. A text that is no number, or an
// infinite one, is an error that names the place.
func (c *Column) Number(row int) (float64, error) {
	v := math.NaN()
	if c.texts == nil {
		v = c.numbers[row]
	} else if text := strings.TrimSpace(c.texts[row]); text != "" {
		var err error
		if v, err = strconv.ParseFloat(text, 64); err != nil {
			return 0, c.Errorf(row, "%q is not a number; list it under na if it means missing, or the column under categorical", text)
		}
	}
	if math.IsInf(v, 0) {
		return 0, c.Errorf(row, "the number is infinite; list it under na if it means missing")
	}
	return v, nil
}

// layouts are the dates and times that Time reads, besides numbers.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02 15:04", "2006-01-02",
}

// Time is a cell as a point on a line: a number as it is, a date in seconds
// since 1970 (UTC unless it says otherwise). NaN if missing.
func (c *Column) Time(row int) (float64, error) {
	if c.texts == nil || c.texts[row] == "" {
		return c.Number(row)
	}
	text := strings.TrimSpace(c.texts[row])
	if v, err := strconv.ParseFloat(text, 64); err == nil && !math.IsInf(v, 0) {
		return v, nil
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			return float64(t.Unix()) + float64(t.Nanosecond())/1e9, nil
		}
	}
	return 0, c.Errorf(row, "%q is neither a number nor a date such as 2006-01-02 15:04:05", text)
}

// Where names the place of a cell, such as "labs.csv:14".
func (c *Column) Where(row int) string {
	if c.where == nil {
		return fmt.Sprintf("row %d", row+1)
	}
	return c.where(row)
}

// Errorf makes an error about a cell.
func (c *Column) Errorf(row int, format string, args ...any) error {
	return fmt.Errorf("%s: column %q: %w", c.Where(row), c.Name, fmt.Errorf(format, args...))
}
