// Package shown prints values for people, and runs their queries: the command
// line and the pages share it, so that a number reads the same wherever it is
// shown. It needs the tracker alone. Start at Decimal and Ask.
package shown
