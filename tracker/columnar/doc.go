// Package columnar writes answers of the database as Parquet files, which pandas,
// R and DuckDB read with the types and the nulls that the columns have. It needs
// pgx alone. Start at [Write].
package columnar
