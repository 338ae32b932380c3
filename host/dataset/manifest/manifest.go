package manifest

import "github.com/deconfound/deconfound/sdk/features"

// Manifest is a parsed dataset.toml.
type Manifest struct {
	// Version of the manifest format: 1.
	Version int `toml:"version"`
	// Name identifies the dataset; it is part of every split's hash, so another
	// name gives other splits.
	Name string `toml:"name"`
	// Title, Text, Licence, Citation and Source describe the data to readers.
	Title    string `toml:"title"`
	Text     string `toml:"text"`
	Licence  string `toml:"licence"`
	Citation string `toml:"citation"`
	Source   string `toml:"source"`

	// Categorical columns are one-hot encoded wherever they are used.
	Categorical []string `toml:"categorical"`
	// Covariates are the always-observed columns W that adjustment may use.
	Covariates []string `toml:"covariates"`

	Tables     []Table    `toml:"table"`
	Columns    []Column   `toml:"column"`
	Rows       Rows       `toml:"rows"`
	Label      Label      `toml:"label"`
	Modalities []Modality `toml:"modality"`
	Groups     []Group    `toml:"group"`

	file      string
	positions positions
}

// Table is one table of the dataset. The first is the main table: one line is
// one row of the dataset. Others are joined to it, or feed sequences.
type Table struct {
	// Name defaults to the file name without its extensions.
	Name string `toml:"name"`
	// File is relative to the manifest. Format is csv, parquet or npy, by default
	// from the extension; a csv may end in .gz.
	File   string `toml:"file"`
	Format string `toml:"format"`
	// Parts are used instead of File when a table is spread over files.
	Parts []Part `toml:"part"`
	// Columns names the columns of a CSV file without a header line, or those of
	// an NPY matrix.
	Columns []string `toml:"columns"`
	// Separator of a CSV file; a comma by default.
	Separator string `toml:"separator"`
	// NA lists the texts that mean a missing cell; an empty cell always does.
	// ColumnNA adds texts for single columns. A number also matches when it is
	// written differently: "0" covers "0.0".
	NA       []string            `toml:"na"`
	ColumnNA map[string][]string `toml:"na_columns"`
	// RowNumber names a column to add that counts the lines of each file from 1.
	RowNumber string `toml:"row_number"`
	// Key is the column that is joined to column On of the main table; by default
	// to the row id.
	Key string `toml:"key"`
	On  string `toml:"on"`
	// Long tables have many lines a key and feed sequences only.
	Long bool `toml:"long"`
}

// Part is one file of a table, with values that all its rows share.
type Part struct {
	File   string            `toml:"file"`
	Values map[string]string `toml:"values"`
}

// Column derives a column from others, or replaces one.
type Column struct {
	Name string `toml:"name"`
	// From is the column that Map and the limits apply to; Name by default.
	From string `toml:"from"`
	// Map replaces texts; one that is not listed is an error, an empty result is
	// a missing cell.
	Map map[string]string `toml:"map"`
	// Min and Max are the smallest and largest believable value; a number beyond
	// them is a typing error and becomes missing.
	Min *float64 `toml:"min"`
	Max *float64 `toml:"max"`
	// Template puts columns together: "{site}-{row}".
	Template string `toml:"template"`
}

// Rows says what a line of the main table is.
type Rows struct {
	// ID names the column that identifies a row, Patient the one that must not
	// cross splits; ID by default.
	ID      string `toml:"id"`
	Patient string `toml:"patient"`
	// Environment is the site, period or cohort, Time orders the rows: a number
	// or a date.
	Environment string `toml:"environment"`
	Time        string `toml:"time"`
	// DropEmpty drops rows in which one of these columns is missing.
	DropEmpty []string `toml:"drop_empty"`
}

// Label is what is predicted.
type Label struct {
	// Task is binary, multiclass or multilabel. A multilabel task has Columns,
	// the others Column.
	Task    string   `toml:"task"`
	Column  string   `toml:"column"`
	Columns []string `toml:"columns"`
	// Positive lists the texts that mean 1; every other text is then 0. Without
	// it labels are 0 and 1.
	Positive []string `toml:"positive"`
	// Classes lists the texts of a multiclass label in the order of their index.
	Classes []string `toml:"classes"`
}

// Modality is a block of features that is present or missing as a whole.
type Modality struct {
	Name string        `toml:"name"`
	Kind features.Kind `toml:"kind"` // tabular by default
	// Columns, Prefix, Array or Codes select the features: columns by name,
	// columns by how their name begins, a whole NPY array, or events by code.
	Columns []string `toml:"columns"`
	Prefix  string   `toml:"prefix"`
	Array   string   `toml:"array"`
	Codes   []string `toml:"codes"`

	// Availability is any (default; present when one cell is) or all.
	Availability string `toml:"availability"`
	// Always marks the block that every row has, whatever its cells say. It is
	// never dropped by an intervention.
	Always bool `toml:"always"`

	// Table is the long table of a sequence; Time orders its lines. Length is the
	// largest number of steps, Keep says which remain of a longer one: last
	// (default) or first.
	Table  string `toml:"table"`
	Time   string `toml:"time"`
	Length int    `toml:"length"`
	Keep   string `toml:"keep"`
	// Until is a column of the main table: later events are not used.
	Until string `toml:"until"`

	// Code and Value are the columns of an event table; code and numeric_value by
	// default (the names of MEDS). Bucket, a duration such as "4h" or, for
	// numeric times, a number, makes one step out of the events of a period,
	// aggregated by mean (default), last, min, max, sum or count; without it every
	// event is a step.
	Code      string `toml:"code"`
	Value     string `toml:"value"`
	Bucket    string `toml:"bucket"`
	Aggregate string `toml:"aggregate"`

	// Index is a column of the main table with the row of Array, from 0; without
	// it array rows are the lines of the main table. Lengths is the NPY file of
	// the lengths of a sequence array.
	Index   string `toml:"index"`
	Lengths string `toml:"lengths"`
}

// Group is a subgroup column for reporting.
type Group struct {
	Name   string `toml:"name"` // Column by default
	Column string `toml:"column"`
	// Cuts turn a number into bands: [40, 60] gives "<40", "40-60" and ">=60".
	Cuts []float64 `toml:"cuts"`
	// Labels replaces the texts of levels.
	Labels map[string]string `toml:"labels"`
}
