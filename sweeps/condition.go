package sweeps

import (
	"errors"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// condition is a compiled `when`. It sees the cell and nothing else, has no
// functions and no side effects.
type condition struct {
	text    string
	program *vm.Program
}

// conditionEnv is what a condition may name.
type conditionEnv struct {
	Dataset     string `expr:"dataset"`
	Backbone    string `expr:"backbone"`
	Variant     string `expr:"variant"`
	Strategy    string `expr:"strategy"` // "" when the variant has none
	Missingness bool   `expr:"missingness"`
	DualBranch  bool   `expr:"dual_branch"`
}

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

// readCondition compiles v; nil if it is absent or wrong.
func readCondition(v value, names map[string][]string) *condition {
	text, ok := v.str()
	if !ok {
		return nil
	}
	check := &conditionCheck{names: names}
	program, err := expr.Compile(text, expr.Env(conditionEnv{}), expr.AsBool(), expr.DisableAllBuiltins(), expr.Patch(check))
	if err != nil {
		message, _, _ := strings.Cut(err.Error(), "\n")
		var where *file.Error
		if errors.As(err, &where) {
			message = where.Message
		}
		v.report(`cannot be read as a condition: %s; write e.g. "variant in ['db', 'md_db']" with %s`,
			message, strings.Join(conditionWords, ", "))
		return nil
	}
	for _, problem := range check.problems {
		v.report("%s", problem)
	}
	if len(check.problems) > 0 {
		return nil
	}
	return &condition{text: text, program: program}
}

// holds reports whether the condition is true for a cell; a nil condition is.
func (c *condition) holds(env conditionEnv) bool {
	if c == nil {
		return true
	}
	out, err := expr.Run(c.program, env)
	ok, _ := out.(bool)
	return err == nil && ok
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
	id, ok := word.(*ast.IdentifierNode)
	known := c.names[""]
	if ok {
		known = c.names[id.Value]
	}
	if !ok || known == nil {
		return
	}
	for _, text := range literals(literal) {
		if !slices.Contains(known, text) {
			c.problems = append(c.problems, id.Value+" is never "+show(text)+" in this sweep"+suggest(text, slices.DeleteFunc(slices.Clone(known), func(s string) bool { return s == "" })))
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
