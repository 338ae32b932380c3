package migrations

import "embed"

// FS holds the migration files at its root, named NNNNN_noun.sql.
//
//go:embed *.sql
var FS embed.FS
