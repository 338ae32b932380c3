package sweeps

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// scanPositions indexes a document that the TOML decoder has accepted. On any
// other text it still ends and never panics, but what it finds is meaningless.
func scanPositions(text string) *positions {
	s := &scanner{text: text, line: 1, column: 1, found: &positions{at: map[string]position{}, spans: map[string][2]int{}}}
	s.document()
	return s.found
}

type scanner struct {
	text         string
	pos          int
	line, column int
	found        *positions
}

func (s *scanner) here() position { return position{line: s.line, column: s.column} }

func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

func (s *scanner) done() bool { return s.pos >= len(s.text) }

func (s *scanner) has(prefix string) bool { return strings.HasPrefix(s.text[s.pos:], prefix) }

// advance moves over one character.
func (s *scanner) advance() {
	if s.done() {
		return
	}
	_, size := utf8.DecodeRuneInString(s.text[s.pos:])
	if s.text[s.pos] == '\n' {
		s.line, s.column = s.line+1, 1
	} else {
		s.column++
	}
	s.pos += size
}

// space skips blanks and comments, and line ends too if lines is set.
func (s *scanner) space(lines bool) {
	for !s.done() {
		switch c := s.peek(); {
		case c == ' ' || c == '\t' || c == '\r':
			s.advance()
		case c == '\n' && lines:
			s.advance()
		case c == '#':
			for !s.done() && s.peek() != '\n' {
				s.advance()
			}
		default:
			return
		}
	}
}

func (s *scanner) document() {
	arrays := map[string]int{} // elements of each array of tables so far
	var table keyPath
	for {
		s.space(true)
		if s.done() {
			return
		}
		before := s.pos
		if s.peek() == '[' {
			table = s.header(arrays)
		} else {
			s.pair(table)
		}
		if s.pos == before {
			s.advance() // not TOML: go on
		}
	}
}

// header reads [a.b] or [[a.b]] and returns the path that its pairs belong to.
func (s *scanner) header(arrays map[string]int) keyPath {
	at := s.here()
	s.advance()
	isArray := s.peek() == '['
	if isArray {
		s.advance()
	}
	var path keyPath
	keys := s.keys()
	for i, key := range keys {
		path = path.child(key.text)
		last := i == len(keys)-1
		s.found.note(path, at)
		n := arrays[path.id()]
		switch {
		case last && isArray:
			arrays[path.id()] = n + 1
			path = path.index(n)
			s.found.note(path, at)
		case n > 0:
			path = path.index(n - 1)
		}
	}
	for !s.done() && s.peek() != '\n' {
		if s.peek() == ']' {
			s.advance()
			continue
		}
		break
	}
	return path
}

type scannedKey struct {
	text string
	at   position
}

// keys reads a possibly dotted key.
func (s *scanner) keys() []scannedKey {
	var keys []scannedKey
	for {
		s.space(false)
		at := s.here()
		var text string
		if c := s.peek(); c == '"' || c == '\'' {
			text = s.str()
		} else {
			from := s.pos
			for !s.done() && isBareKey(string(s.peek())) {
				s.advance()
			}
			if s.pos == from {
				return keys
			}
			text = s.text[from:s.pos]
		}
		keys = append(keys, scannedKey{text, at})
		s.space(false)
		if s.peek() != '.' {
			return keys
		}
		s.advance()
	}
}

func (s *scanner) pair(table keyPath) {
	path := table
	for _, key := range s.keys() {
		path = path.child(key.text)
		s.found.note(path, key.at)
	}
	s.space(false)
	if s.peek() == '=' {
		s.advance()
		s.value(path)
	}
}

func (s *scanner) value(path keyPath) {
	s.space(false)
	from := s.pos
	defer func() {
		end := from + len(strings.TrimRight(s.text[from:s.pos], " \t\r"))
		s.found.spans[path.id()] = [2]int{from, end}
	}()
	switch s.peek() {
	case '[':
		s.advance()
		for i := 0; ; i++ {
			s.space(true)
			if s.done() || s.peek() == ']' {
				break
			}
			s.found.note(path.index(i), s.here())
			before := s.pos
			s.value(path.index(i))
			s.space(true)
			if s.peek() == ',' {
				s.advance()
			} else if s.peek() != ']' || s.pos == before {
				break
			}
		}
		if s.peek() == ']' {
			s.advance()
		}
	case '{':
		s.advance()
		lines := false
		space := func() {
			line := s.line
			s.space(true)
			lines = lines || s.line != line
		}
		for {
			space()
			if s.done() || s.peek() == '}' {
				break
			}
			before := s.pos
			s.pair(path)
			space()
			if s.peek() == ',' {
				s.advance()
			} else if s.peek() != '}' || s.pos == before {
				break
			}
		}
		if lines {
			s.found.multiline = append(s.found.multiline, path)
		}
		if s.peek() == '}' {
			s.advance()
		}
	case '"', '\'':
		s.str()
	default:
		for !s.done() && !strings.ContainsRune(",]}\n#", rune(s.peek())) {
			s.advance()
		}
	}
}

// str reads any of the four kinds of string and returns its text; of the escapes
// it knows those that make sense in a key.
func (s *scanner) str() string {
	quote := s.text[s.pos : s.pos+1]
	basic := quote == `"`
	if triple := strings.Repeat(quote, 3); s.has(triple) {
		quote = triple
	}
	s.skip(len(quote))
	from := s.pos
	for !s.done() && !s.has(quote) {
		if basic && s.peek() == '\\' {
			s.advance()
		} else if len(quote) == 1 && s.peek() == '\n' {
			break
		}
		s.advance()
	}
	text := s.text[from:min(s.pos, len(s.text))]
	s.skip(len(quote))
	if len(quote) == 3 { // up to two quotes may stand before the closing ones
		for i := 0; i < 2 && s.peek() == quote[0]; i++ {
			s.advance()
		}
	}
	if basic {
		if unquoted, err := strconv.Unquote(`"` + text + `"`); err == nil {
			return unquoted
		}
	}
	return text
}

func (s *scanner) skip(n int) {
	for range n {
		s.advance()
	}
}
