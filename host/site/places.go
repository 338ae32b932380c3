package main

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/yuin/goldmark/ast"
)

// places names the headings of a page as GitHub does, so that a link to one leads
// there in the repository and in the site.
type places map[string]bool

// Generate implements parser.IDs.
func (p places) Generate(heading []byte, _ ast.NodeKind) []byte {
	id := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(string(heading)))
	free := id
	for n := 1; p[free]; n++ {
		free = fmt.Sprintf("%s-%d", id, n)
	}
	p[free] = true
	return []byte(free)
}

// Put implements parser.IDs.
func (p places) Put(id []byte) { p[string(id)] = true }
