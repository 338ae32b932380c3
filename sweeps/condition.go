package sweeps

import (
	"errors"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"

	"github.com/deconfound/deconfound/sweeps/search"
)

var conditionWords = []string{"dataset", "backbone", "variant", "strategy", "missingness", "dual_branch"}

// conditionNames lists the values that each word of a condition can have in
// this sweep, so that a misspelt one is an error and not a condition that is
// never true.
func conditionNames(f *File) map[string][]string {
	strategies := []string{""}
	for _, v := range f.Variants {
		if v.Strategy != "" && !slices.Contains(strategies, v.Strategy) {
			strategies = append(strategies, v.Strategy)
		}
	}
	return map[string][]string{
		"dataset": f.Axes.Dataset, "backbone": f.Axes.Backbone, "variant": f.Axes.Variant,
		"strategy": strategies,
	}
}

// readCondition compiles v; nil if it is absent or wrong. names are the values
// that its words can have; a parameter of the file has an entry, if only nil.
func readCondition(v value, names map[string][]string) *search.Expression {
	return readExpression(v, names, `condition`, `"variant in ['db', 'md_db']" or "optimizer.name == 'sgd'"`)
}

// readExpression compiles a condition or a constraint.
func readExpression(v value, names map[string][]string, what, example string) *search.Expression {
	text, ok := v.str()
	if !ok {
		return nil
	}
	check := &conditionCheck{names: names}
	e, err := search.Compile(text, check)
	if err != nil {
		message, _, _ := strings.Cut(err.Error(), "\n")
		var where *file.Error
		if errors.As(err, &where) {
			message = where.Message
		}
		v.report(`cannot be read as a %s: %s; write e.g. %s with %s and parameters of the file`,
			what, message, example, strings.Join(conditionWords, ", "))
		return nil
	}
	for _, name := range e.Parameters {
		if _, ok := names[name]; !ok {
			var known []string
			for n := range names {
				if strings.Contains(n, ".") {
					known = append(known, n)
				}
			}
			check.problems = append(check.problems, "looks at "+name+", which is not in [parameters]"+suggest(name, known))
		}
	}
	for _, problem := range check.problems {
		v.report("%s", problem)
	}
	if len(check.problems) > 0 {
		return nil
	}
	return e
}

// conditionCheck looks for names that cannot occur.
type conditionCheck struct {
	names    map[string][]string
	problems []string
}

func (c *conditionCheck) Visit(node *ast.Node) {
	binary, ok := (*node).(*ast.BinaryNode)
	if !ok {
		return
	}
	switch binary.Operator {
	case "==", "!=", "in":
		c.compare(binary.Left, binary.Right)
		c.compare(binary.Right, binary.Left)
	}
}

func (c *conditionCheck) compare(word, literal ast.Node) {
	name := ""
	switch w := word.(type) {
	case *ast.IdentifierNode:
		name = w.Value
	case *ast.MemberNode: // section.name
		section, isWord := w.Node.(*ast.IdentifierNode)
		key, isText := w.Property.(*ast.StringNode)
		if isWord && isText {
			name = section.Value + "." + key.Value
		}
	}
	known := c.names[name]
	if known == nil {
		return
	}
	for _, text := range literals(literal) {
		if !slices.Contains(known, text) {
			c.problems = append(c.problems, name+" is never "+show(text)+" in this sweep"+suggest(text, slices.DeleteFunc(slices.Clone(known), func(s string) bool { return s == "" })))
		}
	}
}

func literals(node ast.Node) []string {
	switch n := node.(type) {
	case *ast.StringNode:
		return []string{n.Value}
	case *ast.ArrayNode:
		var out []string
		for _, item := range n.Nodes {
			out = append(out, literals(item)...)
		}
		return out
	case *ast.ConstantNode: // an array of constants, folded
		switch list := n.Value.(type) {
		case []any:
			var out []string
			for _, item := range list {
				if s, ok := item.(string); ok {
					out = append(out, s)
				}
			}
			return out
		case []string:
			return list
		}
	}
	return nil
}
