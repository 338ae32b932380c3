package tracker

import "strings"

// clean makes any bytes storable as text: PostgreSQL takes neither zero bytes
// nor invalid UTF-8, and the log of a crashed plugin may have both.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
