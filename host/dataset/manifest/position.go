package manifest

import (
	"fmt"
	"strings"
)

// positions maps the path of a key, such as "modality[1].columns", to its line.
type positions map[string]int

// locate finds the lines of keys. The parser of TOML does not tell, and an
// error without a line is of little use in a file with forty modalities. It
// follows headers, keys and inline tables, and skips what is within strings and
// arrays; on text that is not TOML it gives up quietly.
func locate(text string) positions {
	p := positions{}
	counts := map[string]int{}
	prefix := ""
	s := scanner{text: text, line: 1}
	for s.skipBlank(true) {
		line := s.line
		if s.peek() == '[' {
			array := strings.HasPrefix(s.text[s.at:], "[[")
			s.at++
			if array {
				s.at++
			}
			key, ok := s.key()
			if !ok {
				return p
			}
			prefix = header(key, array, counts)
			p[prefix] = line
			s.skipLine()
			continue
		}
		if !s.pair(prefix, p) {
			return p
		}
		s.skipLine()
	}
	return p
}

// header resolves a table header to a path with the indices of array tables.
func header(key []string, array bool, counts map[string]int) string {
	path := ""
	for i, part := range key {
		path = join(path, part)
		if i == len(key)-1 && array {
			counts[path]++
			return fmt.Sprintf("%s[%d]", path, counts[path]-1)
		}
		if n := counts[path]; n > 0 {
			path = fmt.Sprintf("%s[%d]", path, n-1)
		}
	}
	return path
}

func join(prefix, key string) string {
	if prefix == "" {
		return key
	}
	return prefix + "." + key
}

type scanner struct {
	text     string
	at, line int
}

func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

// skipBlank skips spaces and, if lines is set, line ends and comments. It
// answers whether there is more.
func (s *scanner) skipBlank(lines bool) bool {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == ' ' || c == '\t' || c == '\r':
			s.at++
		case lines && c == '\n':
			s.at++
			s.line++
		case lines && c == '#':
			s.skipComment()
		default:
			return true
		}
	}
	return false
}

func (s *scanner) skipComment() {
	for s.at < len(s.text) && s.text[s.at] != '\n' {
		s.at++
	}
}

func (s *scanner) skipLine() { s.skipComment() }

// key reads a dotted key.
func (s *scanner) key() ([]string, bool) {
	var parts []string
	for {
		s.skipBlank(false)
		start := s.at
		switch s.peek() {
		case '"', '\'':
			if !s.str() {
				return nil, false
			}
			parts = append(parts, s.text[start+1:s.at-1])
		default:
			for bare(s.peek()) {
				s.at++
			}
			if s.at == start {
				return nil, false
			}
			parts = append(parts, s.text[start:s.at])
		}
		s.skipBlank(false)
		if s.peek() != '.' {
			return parts, true
		}
		s.at++
	}
}

func bare(c byte) bool {
	return c == '_' || c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
}

// pair reads "key = value" and records the key and those of inline tables.
func (s *scanner) pair(prefix string, p positions) bool {
	line := s.line
	key, ok := s.key()
	if !ok || s.peek() != '=' {
		return false
	}
	s.at++
	path := prefix
	for _, part := range key {
		path = join(path, part)
	}
	if _, seen := p[path]; !seen {
		p[path] = line
	}
	return s.value(path, p)
}

func (s *scanner) value(path string, p positions) bool {
	s.skipBlank(false)
	switch c := s.peek(); c {
	case 0:
		return false
	case '"', '\'':
		return s.str()
	case '[', '{':
		end := byte(']')
		if c == '{' {
			end = '}'
		}
		s.at++
		for i := 0; ; {
			if !s.skipBlank(true) {
				return false
			}
			if s.peek() == end {
				s.at++
				return true
			}
			if s.peek() == ',' {
				s.at++
				i++
				continue
			}
			before := s.at
			if c == '[' {
				ok := s.value(fmt.Sprintf("%s[%d]", path, i), p)
				if !ok || s.at == before {
					return false
				}
			} else if !s.pair(path, p) {
				return false
			}
		}
	}
	for s.at < len(s.text) && !strings.ContainsRune(",]}\n#", rune(s.text[s.at])) {
		s.at++
	}
	return true
}

// str skips a string of any of the four kinds.
func (s *scanner) str() bool {
	quote := s.text[s.at : s.at+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(s.text[s.at:], triple) {
		quote = triple
	}
	s.at += len(quote)
	for s.at < len(s.text) {
		switch {
		case strings.HasPrefix(s.text[s.at:], quote):
			s.at += len(quote)
			return true
		case quote[0] == '"' && s.text[s.at] == '\\':
			s.at += 2
		default:
			if s.text[s.at] == '\n' {
				if len(quote) == 1 {
					return false
				}
				s.line++
			}
			s.at++
		}
	}
	return false
}
