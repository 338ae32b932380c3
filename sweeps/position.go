package sweeps

import (
	"strconv"
	"strings"
)

// keyPath addresses a value in a TOML document: table keys as they are, array
// elements as "[i]".
type keyPath []string

func (p keyPath) child(key string) keyPath {
	return append(p[:len(p):len(p)], key)
}

func (p keyPath) index(i int) keyPath { return p.child("[" + strconv.Itoa(i) + "]") }

// String writes the path as a user would: parameters."optimizer.lr".min.
func (p keyPath) String() string {
	var b strings.Builder
	for i, key := range p {
		switch {
		case strings.HasPrefix(key, "["):
			b.WriteString(key)
			continue
		case i > 0:
			b.WriteByte('.')
		}
		if isBareKey(key) {
			b.WriteString(key)
		} else {
			b.WriteString(strconv.Quote(key))
		}
	}
	return b.String()
}

func (p keyPath) id() string { return strings.Join(p, "\x1f") }

func isBareKey(key string) bool {
	for _, r := range key {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' {
			return false
		}
	}
	return key != ""
}

// position is a place in a file; line and column count from 1.
type position struct {
	line, column int
	file         string // where it was included from; empty in the document's own
}

// positions finds where the keys and array elements of a TOML document are. The
// decoder has no public way to ask for them.
type positions struct {
	at map[string]position
	// spans are where values begin and end, as offsets into the text.
	spans map[string][2]int
	// multiline lists inline tables that span lines, which TOML 1.0 forbids.
	multiline []keyPath
}

// of returns the place of a path, or of its nearest parent that has one.
func (ps *positions) of(p keyPath) position {
	for n := len(p); n > 0; n-- {
		if at, ok := ps.at[p[:n].id()]; ok {
			return at
		}
	}
	return position{}
}

func (ps *positions) note(p keyPath, at position) {
	id := p.id()
	if _, ok := ps.at[id]; !ok {
		ps.at[id] = at
	}
}
